# SPDX-License-Identifier: Apache-2.0
"""``nicarbon price``: how many grams of CO2 equivalent runs emitted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nicarbon.carbon.intensity import Intensity
from nicarbon.carbon.price import Price
from nicarbon.cli.arguments import add_format, add_rows, add_runs, repeat, terminal
from nicarbon.cli.folders import complain, each
from nicarbon.grouping import check
from nicarbon.run import Run, Summary, find_intensity
from nicarbon.stages import StageRules

_EXAMPLES = """\
examples:
  nicarbon price RUN --intensity 30                        you know the grams a kWh
  nicarbon price RUN --country FRA                         yearly average of a country
  nicarbon price RUN --country CAN --region quebec         of a province, state or bidding zone
  nicarbon price 'nicarbon-runs/*' --country DEU --pue 1.2 many runs, with the site's overhead
  nicarbon price RUN --intensity 30 --by node              grams of each node

The price is kept in the run folder (price.json), and 'nicarbon summary' shows grams from then on;
the last one wins, and nothing that was recorded changes. No country is ever assumed. Countries
come from the tables of CodeCarbon: pip install 'nicarbon[codecarbon]'.
Exit code 2 if any run could not be priced; the others are.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_runs(parser)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument(
        "--country", metavar="CODE", help="where it ran: ISO 3166 code of three letters, or name"
    )
    place.add_argument(
        "--intensity", metavar="G", type=float, help="grams of CO2 equivalent a kWh (0 to 3000)"
    )
    parser.add_argument(
        "--region", metavar="NAME", help="province (CAN, CHN), state (USA) or zone (SWE, NOR, FIN)"
    )
    parser.add_argument(
        "--pue",
        type=float,
        default=1.0,
        help="what the site draws for each joule of its computers (1 to 5, default: 1)",
    )
    add_rows(parser)
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Price the runs and show their grams.

    Returns
    -------
    int
        0, or 2 if any run could not be priced.
    """
    # What is wrong with price or rules is wrong for every run: it is found before any is touched.
    intensity = find_intensity(args.country, args.region, args.intensity)
    Price(intensity, args.pue)
    StageRules.load(args.stages)
    check(args.by)
    priced, failed = each(args.runs, lambda path: _price(path, intensity, args))
    if priced:
        sys.stdout.write(_render(list(priced.values()), args))
        sys.stdout.flush()
    return complain(failed)


def _price(path: str, intensity: Intensity, args: argparse.Namespace) -> tuple[Summary, Price]:
    opened = Run.open(path)
    price = opened.price_at(intensity, args.pue)
    return opened.summary(args.by, args.stages), price


def _render(priced: Sequence[tuple[Summary, Price]], args: argparse.Namespace) -> str:
    from nicarbon.reports import pricing

    if args.format == "table":
        width, color = terminal(sys.stdout)
        return pricing.render(priced, width=width, color=color, command=repeat(args.stages))
    for summary, price in priced:
        for line in (f"at {price}", price.range_note, *summary.notes):
            print(f"nicarbon: {summary.run_id}: {line}", file=sys.stderr)
    return pricing.to_json(priced) if args.format == "json" else pricing.to_tsv(priced)
