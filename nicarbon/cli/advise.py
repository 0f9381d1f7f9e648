# SPDX-License-Identifier: Apache-2.0
"""``nicarbon advise``: what to change first."""

from __future__ import annotations

import argparse
import sys

from nicarbon.advice import Advised, advise
from nicarbon.cli import grid
from nicarbon.cli.arguments import add_format, add_run, add_stages, terminal
from nicarbon.cli.folders import complain
from nicarbon.run import Run

_EXAMPLES = """\
examples:
  nicarbon advise RUN
  nicarbon advise RUN --grid CAN:quebec --grid 120    and what other electricity would save
  nicarbon advise RUN --grid hours.csv                the cleanest hour of the day from then on
  nicarbon advise RUN --format json

What saves most comes first: grams, or joules where the run has no price. Each line has what this
run shows, what it would save with its range, and what that does to the run's time; figures of
publications are named as such. What would save less than a thousandth is not said. Every line is
for itself: what two of them save is not their sum.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_run(parser)
    parser.add_argument(
        "--grid",
        metavar="PLACE",
        action="append",
        default=[],
        help=f"other electricity to think of: {grid.HELP}",
    )
    add_format(parser, ["json"])
    add_stages(parser)


def run(args: argparse.Namespace) -> int:
    """Show the advice.

    Returns
    -------
    int
        0.
    """
    opened = Run.open(args.run)
    seconds = max((host.duration_s for host in opened.attribution.hosts), default=0.0)
    places = {
        name: price
        for place in args.grid
        for name, price in grid.cleaner(place, opened, seconds).items()
    }
    sys.stdout.write(_render(advise(opened, places, args.stages), args))
    return 0


def _render(found: Advised, args: argparse.Namespace) -> str:
    from nicarbon.reports import advice

    if args.format == "json":
        complain(found.notes)
        return advice.to_json(found)
    width, color = terminal(sys.stdout)
    return advice.render(found, width=width, color=color)
