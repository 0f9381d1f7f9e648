# SPDX-License-Identifier: Apache-2.0
"""``nicarbon whatif``: what a run would have taken under other conditions."""

from __future__ import annotations

import argparse
import sys
from math import inf, isfinite
from typing import Any

from nicarbon.cli import grid
from nicarbon.cli.arguments import add_format, add_run, add_stages, terminal
from nicarbon.cli.folders import complain
from nicarbon.costs import costs
from nicarbon.errors import NicarbonError
from nicarbon.run import Run
from nicarbon.whatif import Change, WhatIf, taken_from, what_if

_EXAMPLES = """\
examples:
  nicarbon whatif RUN --n-procs 16
  nicarbon whatif RUN --stage "surface reconstruction" --drop
  nicarbon whatif RUN --stage segmentation --speedup 4 --power 1.3
  nicarbon whatif RUN --stage segmentation --from FASTSURFER_RUN
                                            the time and energy that it has in another run
  nicarbon whatif RUN --grid CAN:quebec     at another place; or --grid 30 (g/kWh)
  nicarbon whatif RUN --grid hours.csv --start 2026-11-22T03:00Z
                                            at another hour
  nicarbon whatif RUN                       only how well the run can be replayed

Changes may be combined; --drop, --speedup, --power and --from change the --stage before them. The
run is first put in time again as it was, on as many processors as its nodes were seen to hold: how
far that is off is part of the answer. Times and energies of nodes are the measured ones but for
what is changed; what is above the hosts' idle power goes with the nodes, the rest with the time.
"""


class _Stage(argparse.Action):
    """Begins a change."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None
    ) -> None:
        namespace.changes = [*namespace.changes, {"stage": values}]


class _Of(argparse.Action):
    """Belongs to the stage before it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None
    ) -> None:
        if not namespace.changes:
            parser.error(f"{option}: of which stage? give --stage before it")
        *before, last = namespace.changes
        if self.dest in last:
            parser.error(f"{option}: given twice for one --stage")
        namespace.changes = [*before, last | {self.dest: True if self.nargs == 0 else values}]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    parser.set_defaults(changes=[])
    add_run(parser)
    parser.add_argument(
        "--stage", action=_Stage, dest="changes", metavar="NAME", help="the stage that is changed"
    )
    parser.add_argument("--drop", action=_Of, nargs=0, help="... is left out")
    parser.add_argument(
        "--speedup", action=_Of, metavar="X", type=float, help="... is so many times as fast"
    )
    parser.add_argument(
        "--power",
        action=_Of,
        metavar="X",
        type=float,
        help="... takes so many times the power above idle while it runs",
    )
    parser.add_argument(
        "--from", action=_Of, dest="source", metavar="RUN", help="... costs what it does there"
    )
    parser.add_argument("--n-procs", metavar="N", type=int, help="processors for the nodes")
    parser.add_argument(
        "--grid",
        metavar="PLACE",
        help=f"other electricity: {grid.HELP}",
    )
    parser.add_argument(
        "--start",
        metavar="TIME",
        help="begun then, where --grid is a file of hours: 2026-11-22T03:00Z",
    )
    add_format(parser, ["json"])
    add_stages(parser)


def run(args: argparse.Namespace) -> int:
    """Show the answer.

    Returns
    -------
    int
        0.
    """
    if args.n_procs is not None and args.n_procs < 1:
        raise NicarbonError(f"--n-procs {args.n_procs}: give 1 or more")
    if args.start is not None and args.grid is None:
        raise NicarbonError("--start: goes with --grid FILE, a file of time and g/kWh")
    opened = Run.open(args.run)
    changes = [_change(given, opened, args.stages) for given in args.changes]
    found = what_if(
        opened,
        changes,
        n_procs=args.n_procs,
        price=None
        if args.grid is None
        else lambda seconds: grid.price_of(args.grid, opened, args.start, seconds),
        stages_file=args.stages,
    )
    sys.stdout.write(_render(found, args))
    return 0


def _change(given: dict[str, Any], opened: Run, stages_file: str | None) -> Change:
    stage = given["stage"]
    if len(given) == 1:
        raise NicarbonError(f"--stage {stage!r}: what of it? --drop, --speedup, --power or --from")
    if len(given) > 2 and ("drop" in given or "source" in given):
        raise NicarbonError(f"--stage {stage!r}: --drop and --from say all of it: leave the rest")
    if "source" in given:
        other = costs(Run.open(given["source"]), stages_file)
        return taken_from(stage, costs(opened, stages_file), other, given["source"])
    for name in ("speedup", "power"):
        if name in given and not (isfinite(given[name]) and given[name] > 0):
            raise NicarbonError(f"--{name} {given[name]:g}: give a number above 0")
    speedup = inf if "drop" in given else given.get("speedup", 1.0)
    return Change(stage, speedup, given.get("power", 1.0))


def _render(found: WhatIf, args: argparse.Namespace) -> str:
    from nicarbon.reports import whatif

    if args.format == "json":
        complain(found.notes)
        return whatif.to_json(found)
    width, color = terminal(sys.stdout)
    return whatif.render(found, width=width, color=color)
