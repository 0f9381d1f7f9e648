# SPDX-License-Identifier: Apache-2.0
"""Trials of trackers: the same load under each, every tracker in processes of its own."""
