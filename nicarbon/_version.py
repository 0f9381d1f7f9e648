# SPDX-License-Identifier: Apache-2.0
"""The version, in a module that imports nothing: the meter records it."""

__version__ = "0.1.0"
