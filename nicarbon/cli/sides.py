# SPDX-License-Identifier: Apache-2.0
"""The sides of a comparison, as a command line names them: ``[NAME=]RUN``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence

from nicarbon import references
from nicarbon.cli.folders import each, expand
from nicarbon.cohort import OneRun, Side, one_run, pipelines, published, side
from nicarbon.errors import RunFolderError


def gather(
    given: Sequence[str], stages_file: str | None = None, *, by_pipeline: bool = False
) -> tuple[list[Side], list[str]]:
    """Read the runs of each side, one after the other.

    Parameters
    ----------
    given : sequence of str
        Run folders, patterns, folders of run folders or published figures, each after ``NAME=``
        if the side is to have that name; several of one name are one side.
    stages_file : str, optional
        The user's stage rules.
    by_pipeline : bool, optional
        Whether runs without a name are gathered by pipeline, else by what was given.

    Returns
    -------
    tuple
        The sides, and a line for each run that could not be read.

    Raises
    ------
    RunFolderError
        If nothing is left of a side.
    NicarbonError
        If there are no such published figures.
    StageRuleError
        If the rules cannot be understood.
    """
    sides: list[Side] = []
    failed: list[str] = []
    for name, patterns in _named(given, by_pipeline).items():
        if patterns[0].startswith(references.PREFIX):
            sides += [published(one) for one in references.named(patterns[0]).values()]
            continue
        runs, errors = _read(patterns, stages_file)
        failed += errors
        if not runs:
            raise RunFolderError(errors[0] if errors else f"{patterns[0]}: holds no run folder")
        groups = {name: runs} if name else pipelines(runs)
        sides += [side(of_name, of_side) for of_name, of_side in groups.items()]
    return sides, failed


def _named(given: Sequence[str], by_pipeline: bool) -> dict[str, list[str]]:
    """Return what was given by the name of its side; the empty name is none."""
    parted = [_parted(text) for text in given]
    short = Counter(_base(pattern) for name, pattern in parted if not name)
    sides: dict[str, list[str]] = {}
    for name, pattern in parted:
        if pattern.startswith(references.PREFIX):
            name = pattern
        elif not name and not by_pipeline:
            name = _base(pattern) if short[_base(pattern)] == 1 else pattern
        sides.setdefault(name, []).append(pattern)
    return sides


def _parted(text: str) -> tuple[str, str]:
    """Part a name from what it names: ``=`` may be in a path, too."""
    name, equals, pattern = text.partition("=")
    if not equals or not name or os.sep in name or os.path.lexists(text):
        return "", text
    return name, pattern


def _base(pattern: str) -> str:
    return os.path.basename(os.path.normpath(pattern)) or pattern


def _read(patterns: Iterable[str], stages_file: str | None) -> tuple[list[OneRun], list[str]]:
    found, unmatched = expand(patterns)
    paths = [path for one in found for path in _runs_in(one)]
    runs, failed = each(paths, lambda path: one_run(path, stages_file))
    return list(runs.values()), [f"{p}: no folder matches" for p in unmatched] + failed


def _runs_in(path: str) -> list[str]:
    """Return the run folders in a folder that is none itself; else the folder."""
    if os.path.isfile(os.path.join(path, "run.json")) or not os.path.isdir(path):
        return [path]
    inside = sorted(entry.path for entry in os.scandir(path) if entry.is_dir())
    runs = [p for p in inside if os.path.isfile(os.path.join(p, "run.json"))]
    return runs or [path]
