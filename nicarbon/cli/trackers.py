# SPDX-License-Identifier: Apache-2.0
"""``nicarbon trackers``: the same load under nicarbon and under other trackers."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from nicarbon.cli.arguments import add_format, terminal
from nicarbon.errors import NicarbonError
from nicarbon.meter.processes import ProcFS
from nicarbon.reports import trackers as report
from nicarbon.trials.compare import LOADS, Bench
from nicarbon.trials.environments import TRACKERS, Tracker, folder, install
from nicarbon.trials.results import COUNTERS, NICARBON, Row, Trial, Trials

_EPILOG = """\
examples:
  nicarbon trackers --install             the other trackers too, each in an environment of its own
  nicarbon trackers --load children       many short processes, as shell scripts start them
  nicarbon trackers --tracker nicarbon --tracker codecarbon-process -- ./my_pipeline.sh
  nicarbon trackers --format json         all that was found, for a program

Each tracker runs in processes of its own, as it is by default: the load, then one process as long,
a sleep, four at once, and a load whose parent is killed; of a COMMAND, the other four are
nicarbon's own loads. What their code asks of the network is refused and shown; only --install
uses it. Their environments are kept under $XDG_CACHE_HOME/nicarbon/trackers.
A tracker that does not run says why in its row, and the exit code is 0.
"""
_MOST_S = 3600.0
_INTERRUPTED = 130  # As a shell says it.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.usage = "nicarbon trackers [options] [-- COMMAND ...]"
    parser.epilog = _EPILOG
    parser.add_argument("--load", choices=LOADS, help="what runs (default: cpu)")
    parser.add_argument(
        "--seconds",
        metavar="S",
        type=float,
        default=10.0,
        help="CPU seconds of each load, and how long the sleep is (default: 10)",
    )
    parser.add_argument(
        "--limit",
        metavar="S",
        type=float,
        help="end a trial after so long, beside a minute for the tracker "
        "(default: 10 times --seconds, an hour for a COMMAND)",
    )
    parser.add_argument(
        "--tracker",
        metavar="NAME",
        action="append",
        choices=(NICARBON, COUNTERS, *(tracker.name for tracker in TRACKERS)),
        help="only this one; may be repeated: nicarbon, 'raw counters', "
        + ", ".join(tracker.name for tracker in TRACKERS),
    )
    parser.add_argument(
        "--install",
        action="store_true",
        help="first make the environments that are missing, with pip, from the network",
    )
    add_format(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run the verb.

    Raises
    ------
    NicarbonError
        If options contradict each other, or there is no such command.
    """
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    _check(args, command)
    load = ["--", *command] if command else [args.load or LOADS[0]]
    limit_s = args.limit or (_MOST_S if command else 10 * args.seconds)
    chosen = args.tracker or [COUNTERS, NICARBON, *(tracker.name for tracker in TRACKERS)]
    busy = os.getloadavg()[0]
    began = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    try:
        problems = _install(chosen) if args.install else {}
        with TemporaryDirectory(prefix="nicarbon-trackers-") as scratch:
            bench = Bench(Path(scratch), load, args.seconds, limit_s, _say)
            rows = tuple(_rows(bench, chosen, problems))
    except KeyboardInterrupt:
        _say("interrupted: nothing of the trials is left")
        return _INTERRUPTED
    name = os.path.basename(command[0]) if command else f"{load[0]}, {args.seconds:g} CPU s"
    trials = Trials(name, args.seconds, _machine(), began, busy, rows)
    _print(trials, args.format)
    return 0


def _rows(bench: Bench, chosen: Sequence[str], problems: Mapping[str, str]) -> Iterator[Row]:
    """Try those that are chosen; one that could not be installed says so in its row."""
    if COUNTERS in chosen:
        yield bench.counters()
    if NICARBON in chosen:
        yield bench.row(None)
    for tracker in TRACKERS:
        if tracker.name in chosen:
            problem = problems.get(tracker.environment)
            yield Row(tracker.name, Trial(problem)) if problem else bench.row(tracker)


def _check(args: argparse.Namespace, command: list[str]) -> None:
    for name, seconds in (("--seconds", args.seconds), ("--limit", args.limit)):
        if seconds is not None and not (isfinite(seconds) and 0 < seconds <= 100 * _MOST_S):
            raise NicarbonError(f"{name} {seconds:g}: give seconds above 0")
    if command and args.load is not None:
        raise NicarbonError("--load and a COMMAND: give one of them")
    if command and shutil.which(command[0]) is None:
        raise NicarbonError(f"there is no command {command[0]}, or it is not executable")


def _install(chosen: list[str]) -> dict[str, str]:
    """Make environments; return what went wrong, by environment."""
    wanted: dict[str, Tracker] = {t.environment: t for t in TRACKERS if t.name in chosen}
    problems = {}
    for name, tracker in wanted.items():
        _say(f"{name}: an environment in {folder() / name}")
        problem = install(tracker)
        if problem:
            problems[name] = f"could not be installed: {problem}"
    return problems


def _machine() -> str:
    cpu = ProcFS("/").cpu_info()["name"] or "CPU of unknown name"
    return (
        f"{os.cpu_count()} CPUs, {cpu}, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _print(trials: Trials, format_: str) -> None:
    if format_ == "json":
        print(msgspec.json.format(msgspec.json.encode(trials)).decode())
    elif format_ == "tsv":
        _say(report.conditions(trials))
        print(report.tsv(trials), end="")
    else:
        width, color = terminal(sys.stdout)
        print(report.render(trials, width=width, color=color), end="")


def _say(text: str) -> None:
    print(f"nicarbon: {text}", file=sys.stderr, flush=True)
