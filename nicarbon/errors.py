# SPDX-License-Identifier: Apache-2.0
"""The errors that a user can cause, each one line that says what is wrong, where, what to do."""

from __future__ import annotations


class NicarbonError(Exception):
    """A mistake that one line can explain; the command line prints it and exits with 2."""


class RunFolderError(NicarbonError):
    """A folder that is not a run, or that cannot be read or written."""


class SchemaError(NicarbonError):
    """A run folder written by a newer nicarbon than this one."""


class StageRuleError(NicarbonError):
    """A stage rule file that cannot be understood."""


class GraphError(NicarbonError):
    """A file that is no graph, or that cannot be read."""


class LogError(NicarbonError):
    """A log that cannot be read, or that no reader knows."""


class CpuError(NicarbonError):
    """A processor that no table knows, or figures that no processor has."""


class PriceError(NicarbonError):
    """A price that no electricity or site has, or a place that no table knows."""


class OutputError(NicarbonError):
    """A file that cannot be written."""


class MissingExtraError(NicarbonError):
    """An optional package that is not installed.

    Parameters
    ----------
    package : str
        What is missing.
    extra : str
        The extra of nicarbon that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'nicarbon[{extra}]'")
