# SPDX-License-Identifier: Apache-2.0
"""``nicarbon project``: what many scans will cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import isfinite

from nicarbon.cli.arguments import add_format, terminal
from nicarbon.cli.folders import complain
from nicarbon.cli.sides import gather
from nicarbon.datasets import dataset, datasets
from nicarbon.errors import NicarbonError
from nicarbon.projection import Projection, project

_EXAMPLES = """\
examples:
  nicarbon project 'runs/*' --scans 10000               CPU-days, kWh, and kg where priced
  nicarbon project 'runs/*' --dataset ukbiobank --dataset abcd
  nicarbon project 'runs/*' --scans 500 --machines 4 --researchers 12
                                                        how long, and per head and day
  nicarbon project 'runs/*' --scans 500 --kwh-price 0.31 --currency EUR
  nicarbon project 'published:*' --scans 10000          from published figures
  nicarbon project --datasets                           the datasets, their sizes and sources

Runs are gathered by pipeline, or by NAME= as in 'nicarbon compare'; each counts for as many scans
as its nodes name subjects and sessions. The more runs of unlike scans there are, the surer it is:
the range of 95 % holds that the mean rests on few runs and that each further scan differs, and the
metering's own range. CPU-days and GPU-days are days of one machine, core-days are CPU time. The
cost is that of the energy shown, without the site's PUE.
Exit code 2 if any run could not be read.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "runs",
        metavar="[NAME=]RUN",
        nargs="*",
        help="a run folder, a pattern, a folder of run folders, or published:NAME",
    )
    parser.add_argument(
        "--scans", metavar="N", type=float, action="append", default=[], help="so many scans"
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        action="append",
        default=[],
        help=f"as many as a known dataset has: {', '.join(datasets())}",
    )
    parser.add_argument("--datasets", action="store_true", help="show these, and nothing else")
    parser.add_argument(
        "--machines", metavar="N", type=int, default=1, help="machines that work at once"
    )
    parser.add_argument(
        "--researchers", metavar="N", type=int, default=1, help="people that they work for"
    )
    parser.add_argument(
        "--kwh-price", metavar="PRICE", type=float, help="what a kilowatt-hour costs"
    )
    parser.add_argument("--currency", metavar="NAME", default="", help="of that price")
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Show the projections.

    Returns
    -------
    int
        0, or 2 if any run could not be read.
    """
    if args.datasets:
        from nicarbon.reports.projection import render_datasets

        width, color = terminal(sys.stdout)
        sys.stdout.write(render_datasets(datasets(), width=width, color=color))
        return 0
    scans = [*args.scans, *(float(dataset(name).scans) for name in args.dataset)]
    _check(args, scans)
    sides, failed = gather(args.runs, by_pipeline=True)
    found = [
        project(
            one,
            n_scans,
            machines=args.machines,
            researchers=args.researchers,
            price_per_kwh=args.kwh_price,
        )
        for n_scans in scans
        for one in sides
    ]
    sys.stdout.write(_render(found, args))
    sys.stdout.flush()
    return complain(failed)


def _check(args: argparse.Namespace, scans: Sequence[float]) -> None:
    if not args.runs:
        raise NicarbonError("no run: give run folders, patterns or published:NAME")
    if not scans:
        raise NicarbonError("how many scans? give --scans N or --dataset NAME")
    for n_scans in scans:
        if not (isfinite(n_scans) and n_scans > 0):
            raise NicarbonError(f"--scans {n_scans:g}: give a number above 0")
    for name in ("machines", "researchers"):
        if getattr(args, name) < 1:
            raise NicarbonError(f"--{name} {getattr(args, name)}: give 1 or more")
    price = args.kwh_price
    if price is not None and not (isfinite(price) and price >= 0):
        raise NicarbonError(f"--kwh-price {price:g}: give a price from 0 on")


def _render(found: Sequence[Projection], args: argparse.Namespace) -> str:
    from nicarbon.reports import projection

    if args.format == "json":
        return projection.to_json(found)
    if args.format == "tsv":
        return projection.to_tsv(found)
    width, color = terminal(sys.stdout)
    return projection.render(
        found,
        machines=args.machines,
        researchers=args.researchers,
        currency=args.currency,
        width=width,
        color=color,
    )
