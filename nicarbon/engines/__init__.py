# SPDX-License-Identifier: Apache-2.0
"""Thin adapters: which node ran, where, how it ended. They know nothing of energy."""
