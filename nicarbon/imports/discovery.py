# SPDX-License-Identifier: Apache-2.0
"""Find the logs of each subject below folders, one set for each run of a pipeline on it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from nicarbon.errors import LogError

# In a folder of logs the first of these sets that is there tells the run; recon-surf.sh copies
# recon-all's lines into its own log, and the status log only repeats what the log has.
_SETS = (
    (re.compile(r"deep-seg\.log(?:\.gz)?$"), re.compile(r"recon-surf\.log(?:\.gz)?$")),
    (re.compile(r"recon-all(?:-lh|-rh)?\.log(?:\.gz)?$"),),
    (re.compile(r"recon-all-status(?:-lh|-rh)?\.log(?:\.gz)?$"),),
)
# Of a nipype run; the reports in its working folders are one run together.
_MONITORS = ("run_stats.log", "resource_monitor.json")


class Found(msgspec.Struct, frozen=True):
    """The logs of one run.

    Attributes
    ----------
    name : str
        The subject's folder, or the file's own name.
    paths : tuple of Path
        In the order of their runs.
    instead : tuple of Path
        What tells nearly the same where those cannot be read.
    """

    name: str
    paths: tuple[Path, ...]
    instead: tuple[Path, ...] = ()


def find(places: Iterable[str]) -> list[Found]:
    """Return the logs that are given, and those below folders that are.

    Raises
    ------
    LogError
        If a place is not there, or a folder has no log.
    """
    found: list[Found] = []
    for place in places:
        path = Path(place)
        if path.is_dir():
            below = list(_below(path))
            if not below:
                raise LogError(
                    f"{path}: no log is below this folder (recon-all.log, recon-all-status.log, "
                    "recon-surf.log, deep-seg.log, run_stats.log, resource_monitor.json, nipype's "
                    "reports); give a log itself, or --rule FILE"
                )
            found += below
        elif path.exists():
            found.append(Found(_name_of(path), (path,)))
        else:
            raise LogError(f"{path}: there is no such file or folder")
    return found


def _below(root: Path) -> Iterator[Found]:
    reports: list[Path] = []
    for folder, below, files in os.walk(root):
        below.sort()
        here = Path(folder)
        sets = [
            [here / name for pattern in patterns for name in sorted(files) if pattern.match(name)]
            for patterns in _SETS
        ]
        there = [tuple(paths) for paths in sets if paths]
        if here.name == "_report" and "report.rst" in files:
            reports.append(here / "report.rst")
        monitors = [here / name for name in _MONITORS if name in files]
        yield from (Found(_name_of(path), (path,)) for path in monitors[:1])
        if there:
            instead = there[1] if len(there) > 1 else ()
            yield Found(_name_of(there[0][0]), there[0], instead)
    if reports:
        yield Found(root.resolve().name, tuple(reports))


def _name_of(path: Path) -> str:
    """Return what a log is of: the subject's folder where it lies in ``scripts``."""
    parent = path.resolve().parent
    if parent.name in ("scripts", "log", "logs") and parent.parent.name:
        return parent.parent.name
    if path.name.startswith(("recon-", "deep-seg")) and parent.name:
        return parent.name
    return path.name.partition(".")[0] or path.name
