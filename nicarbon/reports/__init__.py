# SPDX-License-Identifier: Apache-2.0
"""Reports: one file an artefact; each takes what a run computed and returns text."""
