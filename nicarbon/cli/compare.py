# SPDX-License-Identifier: Apache-2.0
"""``nicarbon compare``: runs side by side, and the table of pipelines."""

from __future__ import annotations

import argparse
import sys

from nicarbon.cli.arguments import add_stages, terminal
from nicarbon.cli.folders import complain
from nicarbon.cli.sides import gather
from nicarbon.cohort import METRICS
from nicarbon.comparison import Comparison, compare, exceeded
from nicarbon.errors import NicarbonError

_EXAMPLES = """\
examples:
  nicarbon compare RUN OTHER_RUN                       per stage, and the difference to the first
  nicarbon compare ants='runs/ants-*' dipy='runs/dipy-*'
                                                       several runs of each: mean, SD and noise
  nicarbon compare before='main/*' after='mine/*' --fail-over 5%
                                                       a gate: exit code 1 if 'after' uses more
  nicarbon compare --table 'runs/*' 'published:*'      a row a pipeline, beside published figures
  nicarbon compare --table 'published:*' --format markdown

A side is a run folder, a quoted pattern, a folder of run folders, or several of them under one
NAME=. With --table, runs without a NAME= are gathered by pipeline. Runs that did not end well are
left out where others did. 'published:*' are figures of publications, with their source.

Noise: of several runs on both sides, Welch's interval of 95 % for the difference of the means.
Exit code 1 if --fail-over is exceeded, 2 if any run could not be read.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "sides",
        metavar="[NAME=]RUN",
        nargs="+",
        help="a run folder, a pattern, a folder of run folders, or published:NAME",
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="a row a pipeline: run time, energy and emissions on CPU and GPU, as mean (SD)",
    )
    parser.add_argument(
        "--fail-over",
        metavar="PERCENT",
        help="exit with 1 if a side is above the first by more than that, such as 5%%",
    )
    parser.add_argument(
        "--of",
        choices=tuple(METRICS),
        default="energy",
        help="what --fail-over looks at (default: energy)",
    )
    parser.add_argument(
        "--format",
        choices=("table", "tsv", "markdown", "json"),
        default="table",
        help="table to read, markdown to paste, tsv or json for programs (default: table)",
    )
    add_stages(parser)


def run(args: argparse.Namespace) -> int:
    """Show the comparison.

    Returns
    -------
    int
        0; 1 if a side exceeds the limit, 2 if any run could not be read.
    """
    limit = None if args.fail_over is None else _part(args.fail_over)
    if limit is not None and args.table:
        raise NicarbonError("--fail-over compares sides with the first: leave out --table")
    sides, failed = gather(args.sides, args.stages, by_pipeline=args.table)
    if len(sides) < 2 and not args.table:
        raise NicarbonError("one side only: give two or more runs, or NAME=RUN for each side")
    found = compare(sides)
    sys.stdout.write(_render(found, args))
    sys.stdout.flush()
    too_much = [] if limit is None else exceeded(found, args.of, limit)
    code = complain(failed)
    complain(too_much)
    return code or int(bool(too_much))


def _part(text: str) -> float:
    """Return a percentage, written with or without its sign, as a part of the whole."""
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = float("nan")
    if not 0 <= percent < float("inf"):
        raise NicarbonError(f"--fail-over {text}: give a percentage from 0 on, such as 5%")
    return percent / 100


def _render(found: Comparison, args: argparse.Namespace) -> str:
    from nicarbon.reports import comparison, pipelines

    width, color = terminal(sys.stdout)
    if args.table:
        if args.format == "table":
            return pipelines.render(found.sides, width=width, color=color)
        return pipelines.FORMATS[args.format](found.sides)
    if args.format == "table":
        return comparison.render(found, width=width, color=color)
    return comparison.FORMATS[args.format](found)
