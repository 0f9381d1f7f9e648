# SPDX-License-Identifier: Apache-2.0
"""``nicarbon import``: run folders of logs, of runs that were never metered."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nicarbon.errors import CpuError, LogError, RunFolderError
from nicarbon.imports import cpus
from nicarbon.imports.discovery import Found, find
from nicarbon.imports.one import Outcome, import_one
from nicarbon.notes import count
from nicarbon.printable import clean
from nicarbon.units import format_duration

_EXAMPLES = """\
examples:
  nicarbon import subjects/bert/scripts/recon-all.log --cpu "Xeon Gold 6148"
  nicarbon import subjects/bert                      FreeSurfer's or FastSurfer's of a subject
  nicarbon import SUBJECTS_DIR -o runs               of all: a run folder each in runs/
  nicarbon import WORKING_DIR                        what nipype left of fMRIPrep or others
  nicarbon import jobs.psv                           sacct --parsable2 of Slurm
  nicarbon import pipeline.log --rule mine.toml      any other log, by a rule file

It reads recon-all.log, recon-all-status.log, recon-surf.log, deep-seg.log, nipype's run_stats.log,
resource_monitor.json and reports, sacct's table and the output of antsCorticalThickness.sh, plain
or gzipped. Times and CPU time are what the log says; the energy is modelled, for the
processor that --cpu names or this machine's, with a wide range: how busy the rest of that machine
was, no log says. A step without a time has no energy, and is counted as such.
Exit code 2 if any log could not be read; the others are imported.
"""
# A line of progress is written so often where there is no terminal.
_EVERY_S = 10.0
# More processes than this only wait for the disk.
_MOST_PROCESSES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "logs", metavar="LOG", nargs="+", help="a log, or a folder that is searched for logs"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="RUN_DIR",
        help="the run folder; of several subjects, the folder that theirs are made in (default: "
        "nicarbon-runs/NAME)",
    )
    parser.add_argument(
        "--cpu", metavar="NAME", help="the processor of the machine that ran it (default: this)"
    )
    parser.add_argument(
        "--tdp", metavar="W", type=float, help="of a processor that is not known: its design power"
    )
    parser.add_argument("--cores", metavar="N", type=int, help="... and its number of cores")
    parser.add_argument(
        "--alone",
        action="store_true",
        help="nothing else ran on that machine: all of its idle power is the run's",
    )
    parser.add_argument(
        "--rule",
        metavar="FILE",
        action="append",
        default=[],
        help="a rule file that tells the steps of another log (see the documentation)",
    )


def run(args: argparse.Namespace) -> int:
    """Import the logs.

    Returns
    -------
    int
        0; 2 if any log could not be read.
    """
    cpu = _cpu(args)
    found = find(args.logs)
    folders = _folders(found, args.output)
    outcomes = list(_imported(found, folders, cpu, args))
    done = [outcome for outcome in outcomes if outcome.folder]
    errors = [error for outcome in outcomes for error in outcome.errors]
    if not done and len(errors) == 1:
        raise LogError(errors[0])
    for message in errors:
        print(clean(f"nicarbon: skipped {message}"), file=sys.stderr)
    if len(done) == 1:
        _say_one(done[0])
    elif done:
        _say_many(done, len(outcomes) - len(done))
    if done:
        what = done[0].folder if len(done) == 1 else str(Path(done[0].folder).parent / "*")
        print(clean(f"next: nicarbon summary {shlex.quote(what) if len(done) == 1 else what}"))
    return 2 if errors else 0


def _cpu(args: argparse.Namespace) -> cpus.Cpu:
    if args.cpu is not None:
        if args.tdp is not None or args.cores is not None:
            raise CpuError("give --cpu, or --tdp and --cores, not both")
        return cpus.named(args.cpu)
    if (args.tdp is None) != (args.cores is None):
        raise CpuError("--tdp and --cores go together: --tdp 150 --cores 20")
    if args.tdp is not None:
        return cpus.given(args.tdp, args.cores)
    return cpus.this_host()


def _folders(found: Sequence[Found], output: str | None) -> list[Path]:
    """Name the run folders: by subject, each once."""
    base = Path(output or "nicarbon-runs")
    if output is not None and len(found) == 1:
        return [base]
    folders: dict[Path, None] = {}
    for one in found:
        name = clean(one.name).strip(". ").replace("/", "_") or "log"
        folder, n = base / name, 1
        while folder in folders:
            n += 1
            folder = base / f"{name}-{n}"
        folders[folder] = None
    taken = [folder for folder in folders if folder.exists() and any(folder.iterdir())]
    if taken:
        raise RunFolderError(f"{taken[0]}: is there already; give another folder with -o")
    return list(folders)


def _imported(
    found: Sequence[Found], folders: Sequence[Path], cpu: cpus.Cpu, args: argparse.Namespace
) -> Iterator[Outcome]:
    """Yield what became of each, in the order given."""
    jobs = list(zip(found, folders, strict=True))
    if len(jobs) == 1:
        yield import_one(*jobs[0], cpu, alone=args.alone, rules=args.rule)
        return
    n_processes = min(len(os.sched_getaffinity(0)), len(jobs), _MOST_PROCESSES)
    outcomes: dict[int, Outcome] = {}
    # Not forked: threads of libraries that were loaded here would be lost in a copy.
    context = multiprocessing.get_context("forkserver")
    with (
        _Shown(len(jobs)) as shown,
        ProcessPoolExecutor(n_processes, mp_context=context) as pool,
    ):
        waiting = {
            pool.submit(import_one, one, folder, cpu, alone=args.alone, rules=args.rule): i
            for i, (one, folder) in enumerate(jobs)
        }
        for future in as_completed(waiting):
            i = waiting[future]
            try:
                outcomes[i] = future.result()
            except BrokenProcessPool:
                name = jobs[i][0].paths[0]
                outcomes[i] = Outcome(
                    str(name), errors=(f"{name}: its process was killed (out of memory?)",)
                )
            shown.step(bool(outcomes[i].errors))
    yield from (outcomes[i] for i in sorted(outcomes))


class _Shown:
    """Shows progress on standard error: a bar on a terminal, else a line from time to time."""

    def __init__(self, total: int) -> None:
        self._total, self._n, self._n_skipped = total, 0, 0
        self._next_s = monotonic() + _EVERY_S
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("importing"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[skipped]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=total, skipped="")
        self._lines = not console.is_terminal

    def __enter__(self) -> _Shown:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def step(self, skipped: bool) -> None:
        """Count one more."""
        self._n += 1
        self._n_skipped += skipped
        said = f"{self._n_skipped} skipped" if self._n_skipped else ""
        self._bar.update(self._task, advance=1, skipped=said)
        if self._lines and monotonic() >= self._next_s:
            self._next_s = monotonic() + _EVERY_S
            more = f", {said}" if said else ""
            print(f"nicarbon: {self._n} of {self._total} imported{more}", file=sys.stderr)


def _say_one(outcome: Outcome) -> None:
    for problem in outcome.problems:
        print(clean(f"nicarbon: {problem}"), file=sys.stderr)
    print(clean(f"{outcome.folder}: {count(outcome.n_steps, 'step')}, {_times(outcome)}"))
    print(f"  {_cpu_time(outcome.counted_s, outcome.assumed_s)}")


def _times(outcome: Outcome) -> str:
    stated = f" of the {format_duration(outcome.stated_s)} that the log states"
    text = f"{format_duration(outcome.wall_s)}{stated if outcome.stated_s is not None else ''}"
    untimed = f"; {outcome.n_untimed} without a time, so without energy"
    return text + (untimed if outcome.n_untimed else "")


def _cpu_time(counted_s: float, assumed_s: float) -> str:
    """Say how much of the CPU time is in the logs."""
    parts = []
    if counted_s:
        parts.append(f"{format_duration(counted_s)} counted by the log")
    if assumed_s:
        parts.append(f"{format_duration(assumed_s)} assumed from wall time")
    return f"CPU time: {' + '.join(parts) or 'none'}"


def _say_many(done: Sequence[Outcome], n_skipped: int) -> None:
    n_problems = sum(bool(outcome.problems) for outcome in done)
    skipped = f", {n_skipped} skipped" if n_skipped else ""
    untimed = sum(outcome.n_untimed for outcome in done)
    print(clean(f"{Path(done[0].folder).parent}: {count(len(done), 'run folder')}{skipped}"))
    counted_s = sum(outcome.counted_s for outcome in done)
    print(f"  {_cpu_time(counted_s, sum(outcome.assumed_s for outcome in done))}")
    if untimed:
        print(f"  {count(untimed, 'step')} without a time, so without energy")
    for outcome in [outcome for outcome in done if outcome.problems][:5]:
        print(clean(f"nicarbon: {'; '.join(outcome.problems)}"), file=sys.stderr)
    if n_problems > 5:
        print(f"nicarbon: {n_problems - 5} more logs have such problems", file=sys.stderr)
