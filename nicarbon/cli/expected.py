# SPDX-License-Identifier: Apache-2.0
"""Which of many runs are not there, or not whole: what the user of an array job asks first."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from nicarbon.errors import NicarbonError
from nicarbon.meter.living import living
from nicarbon.summary import Summary

# What sbatch --array takes, see sbatch(1): 1-500, 1,3,5-7, 0-20:4, each with %N at its end.
_ARRAY = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
_MOST = 1_000_000


def expected(text: str) -> list[str]:
    """Return the names of runs that should be there.

    Parameters
    ----------
    text : str
        A file with a name on each line (a subject list; of a path the last part counts), or task
        numbers as ``sbatch --array`` takes them: ``1-500%20``.

    Raises
    ------
    NicarbonError
        If it is neither.
    """
    if os.path.isfile(text):
        try:
            with open(text, encoding="utf-8") as file:
                lines = [line.strip() for line in file]
        except (OSError, UnicodeDecodeError) as error:
            raise NicarbonError(f"--expect: {text} cannot be read ({error})") from None
        return list(dict.fromkeys(name_of(line) for line in lines if line))
    numbers: dict[str, None] = {}
    for item in text.partition("%")[0].split(","):
        match = _ARRAY.fullmatch(item)
        if match is None:
            raise NicarbonError(
                f"--expect: there is no file {text}, and it is no list of tasks such as 1-500 or "
                "1,3,5-9"
            )
        first, last, step = (int(group) if group else None for group in match.groups())
        assert first is not None
        last = first if last is None else last
        if step == 0 or last < first or last - first > _MOST:
            raise NicarbonError(f"--expect: {item} is no range of tasks")
        numbers.update(dict.fromkeys(map(str, range(first, last + 1, step or 1))))
    return list(numbers)


def name_of(path: str) -> str:
    """Return the name of a run: the last part of its path."""
    return os.path.basename(os.path.normpath(path))


def absent(names: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Return the names of which no path is a run."""
    there = {name_of(path) for path in paths}
    return [name for name in names if name not in there]


def state(summary: Summary) -> str:
    """Say in a word or two how a run stands.

    Returns
    -------
    str
        ``ok``, ``failed``, ``interrupted``, ``going on``, ``dead`` (it has no end, and nobody
        writes to it any more) or ``no record``.
    """
    if summary.outcome != "no end":
        return summary.outcome
    try:
        names = os.listdir(summary.path)
    except OSError:
        return "dead"
    return "going on" if living(summary.path, names) else "dead"
