# SPDX-License-Identifier: Apache-2.0
"""Make run folders of logs: of runs that were never metered.

What the logs count (CPU time, times) is kept as they say it; the power of the machine is modelled.
"""
