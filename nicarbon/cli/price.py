# SPDX-License-Identifier: Apache-2.0
"""``nicarbon price``: how many grams of CO2 equivalent runs emitted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import msgspec

from nicarbon.carbon.choice import find_intensity
from nicarbon.carbon.electricity_maps import ElectricityMaps
from nicarbon.carbon.embodied import Declared, Made, Making, Unit
from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price, Terms
from nicarbon.carbon.series_file import SeriesFile
from nicarbon.carbon.source import Fixed, Source
from nicarbon.carbon.uk import NATIONAL, UK
from nicarbon.cli.arguments import add_format, add_rows, add_runs, repeat, terminal, with_range
from nicarbon.cli.folders import complain, each
from nicarbon.errors import PriceError
from nicarbon.grouping import check
from nicarbon.run import Run
from nicarbon.stages import StageRules
from nicarbon.summary import Summary

_EXAMPLES = """\
examples:
  nicarbon price RUN --intensity 30                        you know the grams a kWh
  nicarbon price RUN --intensity 30:25:40 --pue 1.2:1.1:1.4
                                                           ... and how sure that is
  nicarbon price RUN --country FRA                         yearly average of a country
  nicarbon price RUN --country CAN --region quebec         of a province, state or bidding zone
  nicarbon price RUN --series grid.csv                     your own: time, g/kWh (CSV or JSON)
  nicarbon price RUN --electricity-maps DE                 hour by hour, from Electricity Maps
  nicarbon price RUN --uk OX1                              half-hourly, of a region (or: national)
  nicarbon price 'nicarbon-runs/*' --country DEU --pue 1.2 many runs, with the site's overhead
  nicarbon price RUN --intensity 30 --by node              grams of each node
  nicarbon price RUN --country FRA --embodied boavizta --per scan=3
                                           with the making of the hosts, as a score per scan

--embodied and --per give the score of the Software Carbon Intensity specification: O + M for each
functional unit; without --embodied it says that M is not declared. boavizta computes a rack server
of the processors, memory and GPUs that were recorded, without disks; --embodied 1300 is your own
figure for each host, --embodied node7=2100 for one of them. The run has the share for which it
reserved the host: its time of the lifetime, and its CPUs if they were not all. In the table it is
shared, at each instant, by what was at work then.

The price is kept in the run folder (price.json), with the intensities that were used, so that it
can be shown again offline; 'nicarbon summary' shows grams from then on. The last one wins, and
nothing that was recorded changes. No country is ever assumed. Countries come from the tables of
CodeCarbon: pip install 'nicarbon[codecarbon]'.
A series is integrated exactly over the time in which each node used its energy.
Only --electricity-maps and --uk ask the network (pip install 'nicarbon[carbon]'), for the time of
the run alone; answers are kept under $XDG_CACHE_HOME/nicarbon. Electricity Maps wants a token in
the environment variable ELECTRICITYMAPS_TOKEN, which is written nowhere.
Exit code 2 if any run could not be priced; the others are.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_runs(parser)
    sources = parser.add_mutually_exclusive_group(required=True)
    sources.add_argument(
        "--country", metavar="CODE", help="where it ran: ISO 3166 code of three letters, or name"
    )
    sources.add_argument(
        "--intensity",
        metavar="G",
        type=with_range,
        help="grams of CO2 equivalent a kWh (0 to 3000), or with their range: 30:25:40",
    )
    sources.add_argument(
        "--series", metavar="FILE", help="intensities with their times: CSV or JSON"
    )
    sources.add_argument(
        "--electricity-maps", metavar="ZONE", help="ask Electricity Maps: DE, FR, US-CAL-CISO ..."
    )
    sources.add_argument(
        "--uk",
        metavar="REGION",
        help="ask Great Britain's Carbon Intensity API: national, 1 to 17, or a postcode's first "
        "half (OX1)",
    )
    parser.add_argument(
        "--region", metavar="NAME", help="province (CAN, CHN), state (USA) or zone (SWE, NOR, FIN)"
    )
    parser.add_argument(
        "--timezone",
        metavar="ZONE",
        help="of times in --series that do not say theirs, such as Europe/Berlin",
    )
    parser.add_argument(
        "--column", metavar="NAME", help="the column of --series with the intensities"
    )
    parser.add_argument(
        "--signal",
        choices=("average", "marginal"),
        help="what your intensity or series is: of all power plants, or of those that follow load",
    )
    parser.add_argument(
        "--emissions",
        choices=("lifecycle", "direct"),
        help="what your intensity or series counts, or Electricity Maps should: with making fuel "
        "and plants, or at the plants",
    )
    parser.add_argument(
        "--pue",
        type=with_range,
        default=(1.0, None, None),
        help="what the site draws for each joule of its computers (1 to 5, default: 1), or with "
        "its range: 1.2:1.1:1.4",
    )
    parser.add_argument(
        "--embodied",
        metavar="KG",
        action="append",
        type=_embodied,
        help="emissions of making a host: boavizta, kg of CO2 equivalent (also 1300:900:2000), or "
        "HOST=KG; may be repeated",
    )
    parser.add_argument(
        "--lifetime",
        metavar="YEARS",
        type=with_range,
        help="in which a host is written off (default: 4), or with its range: 4:3:6",
    )
    parser.add_argument(
        "--reserved-cpus",
        metavar="N",
        type=int,
        help="of a host's CPUs those that were reserved for the run (default: all)",
    )
    parser.add_argument(
        "--per",
        metavar="UNIT",
        type=_unit,
        help="functional unit of the score: subject or session (counted), or any other with its "
        "number: scan=3",
    )
    add_rows(parser)
    add_format(parser)


def _embodied(text: str) -> tuple[str | None, tuple[float, float | None, float | None] | None]:
    """Read the name of a host, if any, and its figures; None where they are to be computed."""
    hostname, equals, figure = text.rpartition("=")
    computed = figure.casefold() == "boavizta"
    return hostname if equals else None, None if computed else with_range(figure)


def _unit(text: str) -> tuple[str, int | None]:
    """Read a functional unit and its number, if it is given."""
    name, equals, n = text.rpartition("=")
    if not equals:
        return text, None
    if not name or not n.isascii() or not n.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: write subject, or scan=3")
    return name, int(n)


def run(args: argparse.Namespace) -> int:
    """Price the runs and show their grams.

    Returns
    -------
    int
        0, or 2 if any run could not be priced.
    """
    # What is wrong with price or rules is wrong for every run: it is found before any is touched.
    source, terms, making = _source(args), Terms(*args.pue), _making(args)
    per = None
    if args.per is not None:
        name, n = args.per
        per = name if n is None else Unit(name, n)
    StageRules.load(args.stages)
    check(args.by)
    priced, failed = each(args.runs, lambda path: _price(path, source, terms, making, per, args))
    if priced:
        sys.stdout.write(_render(list(priced.values()), args))
        sys.stdout.flush()
    return complain(failed)


def _source(args: argparse.Namespace) -> Source:
    """Return where the intensities come from, as the arguments say."""
    for value, option, of in (
        (args.region, "--region", "--country"),
        (args.timezone, "--timezone", "--series"),
        (args.column, "--column", "--series"),
    ):
        if value is not None and getattr(args, of[2:]) is None:
            raise PriceError(f"{option}: goes with {of} only")
    kind = ", ".join(word for word in (args.signal, _COUNTED.get(args.emissions)) if word)
    if args.series is not None:
        return SeriesFile.read(args.series, timezone=args.timezone, column=args.column, kind=kind)
    if args.electricity_maps is not None:
        if args.signal == "marginal":
            raise PriceError("--signal marginal: Electricity Maps gives averages here")
        return ElectricityMaps(args.electricity_maps.upper(), args.emissions or "lifecycle")
    if args.uk is not None and not kind:
        return UK(args.uk if args.uk == NATIONAL else args.uk.upper())
    if args.intensity is not None:
        g_per_kwh, low, high = args.intensity
        return Fixed(given(g_per_kwh, low, high, kind))
    if kind:
        raise PriceError("--signal and --emissions: this source says itself what it counts")
    return Fixed(find_intensity(args.country, args.region))


_COUNTED = {"lifecycle": "life cycle", "direct": "at the power plants"}


def _making(args: argparse.Namespace) -> Making | None:
    """Return what is declared of the making of the hosts."""
    if args.embodied is None:
        if args.lifetime is not None or args.reserved_cpus is not None:
            raise PriceError("--lifetime and --reserved-cpus: go with --embodied only")
        return None
    declared = []
    for hostname, figures in args.embodied:
        made = None
        if figures is not None:
            kg, low, high = figures
            made = Made(kg, kg if low is None else low, kg if high is None else high)
        declared.append(Declared(made, hostname))
    years, low_years, high_years = args.lifetime or (None, None, None)
    making = Making(tuple(declared), years, low_years, high_years, args.reserved_cpus)
    making.of((), {})  # what is wrong with its numbers is wrong for every run
    return making


def _price(
    path: str,
    source: Source,
    terms: Terms,
    making: Making | None,
    per: Unit | str | None,
    args: argparse.Namespace,
) -> tuple[Summary, Price]:
    opened = Run.open(path)
    opened.choose(source, terms, making, per)
    # Before it is kept: an attribute may be unknown to this run alone.
    summary = opened.summary(args.by, args.stages)
    price = opened.keep_price()
    return msgspec.structs.replace(summary, price=price), price


def _render(priced: Sequence[tuple[Summary, Price]], args: argparse.Namespace) -> str:
    from nicarbon.reports import pricing

    if args.format == "table":
        width, color = terminal(sys.stdout)
        return pricing.render(priced, width=width, color=color, command=repeat(args.stages))
    for summary, price in priced:
        complain(
            f"{summary.run_id}: {line}"
            for line in (f"at {price}", price.range_note, *summary.notes)
        )
    return pricing.to_json(priced) if args.format == "json" else pricing.to_tsv(priced)
