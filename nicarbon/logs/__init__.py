# SPDX-License-Identifier: Apache-2.0
"""Read the logs that pipelines leave: which step ran when, and what CPU time it used.

Pure readers: no clock, no energy, no third-party parser. What a log does not say stays None.
"""
