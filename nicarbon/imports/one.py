# SPDX-License-Identifier: Apache-2.0
"""Import the logs of one run; what many processes do for many runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from nicarbon.errors import LogError, NicarbonError
from nicarbon.imports.cpus import Cpu
from nicarbon.imports.discovery import Found
from nicarbon.imports.facts import imported
from nicarbon.imports.folders import write_folder
from nicarbon.logs.formats import read_log
from nicarbon.logs.rulefile import read_rule
from nicarbon.logs.steps import Log, Reader


class Outcome(msgspec.Struct, frozen=True):
    """What became of one run's logs.

    Attributes
    ----------
    name : str
        As in `Found`.
    folder : str
        The run folder; empty where none was written.
    errors : tuple of str
        The files that could not be read, a line each.
    problems : tuple of str
        What is wrong with those that could.
    n_steps, n_untimed : int
        Steps, and those without a time.
    wall_s, counted_s, assumed_s : float
        Seconds in which any step ran, CPU seconds that the logs count, and those assumed.
    stated_s : float or None
        The run time that the logs state.
    """

    name: str
    folder: str = ""
    errors: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    n_steps: int = 0
    n_untimed: int = 0
    wall_s: float = 0.0
    stated_s: float | None = None
    counted_s: float = 0.0
    assumed_s: float = 0.0


def import_one(
    found: Found, folder: Path, cpu: Cpu, *, alone: bool = False, rules: Sequence[str] = ()
) -> Outcome:
    """Write the run folder of one run's logs.

    Parameters
    ----------
    found : Found
        Its logs.
    folder : Path
        The run folder.
    cpu : Cpu
        The processor of its machine.
    alone : bool
        Whether nothing else ran on that machine.
    rules : sequence of str
        Rule files of the user.
    """
    try:
        readers = [read_rule(Path(path)) for path in rules]
        logs, errors = _read(found.paths, readers)
        if not logs and found.instead:
            logs, more = _read(found.instead, readers)
            names = ", ".join(path.name for path in found.instead)
            errors = [f"{error}; {names} is read instead" for error in errors] if logs else errors
            errors += more
        if not logs:
            return Outcome(found.name, errors=tuple(errors))
        done = imported(logs, cpu, alone=alone)
        if not done.facts.node_files:
            errors.append(f"{found.paths[0]}: no step has a time, so none has energy")
            return Outcome(found.name, errors=tuple(errors))
        write_folder(folder, done.facts)
    except NicarbonError as error:
        return Outcome(found.name, errors=(str(error),))
    said = [f"{found.name}: {problem}" for log in logs for problem in log.problems]
    problems = tuple(dict.fromkeys(said))
    return Outcome(
        name=found.name,
        folder=str(folder),
        errors=tuple(errors),
        problems=problems,
        n_steps=done.n_steps,
        n_untimed=done.n_untimed,
        wall_s=done.wall_s,
        stated_s=done.stated_s,
        counted_s=done.counted_s,
        assumed_s=done.assumed_s,
    )


def _read(paths: Sequence[Path], readers: Sequence[Reader]) -> tuple[list[Log], list[str]]:
    logs, errors = [], []
    for path in paths:
        try:
            logs.append(read_log(path, readers))
        except LogError as error:
            errors.append(str(error))
    return logs, errors
