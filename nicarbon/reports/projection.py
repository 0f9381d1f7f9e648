# SPDX-License-Identifier: Apache-2.0
"""Show what many scans will cost: tables to read, JSON and TSV for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec
from rich.text import Text

from nicarbon.datasets import Dataset
from nicarbon.notes import count
from nicarbon.printable import clean
from nicarbon.projection import Estimate, Projection, days_name
from nicarbon.reports.cells import UNMEASURED
from nicarbon.reports.tables import cell
from nicarbon.reports.terminal import new_console, new_table, text_of
from nicarbon.units import MARK

_FIGURES = ("machine_days", "core_days", "energy_kwh", "carbon_kg", "money")
_CAPITA = (
    "machine_day_kwh",
    "machine_day_kg",
    "elapsed_days",
    "researcher_day_kwh",
    "researcher_day_kg",
)


def number(value: float) -> str:
    """Write a number with three digits, thousands parted.

    Examples
    --------
    >>> number(3458.33), number(0.31372), number(32.6), number(0.0), number(4.5e-5)
    ('3,458', '0.314', '32.6', '0', '4.5e-05')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def estimate(one: Estimate | None, unit: str = "", method: str | None = None) -> str:
    """Write a figure with its range, marked where it rests on energy that no counter measured.

    Examples
    --------
    >>> estimate(Estimate(1085.0, 900.0, 1300.0), "kWh"), estimate(Estimate(8.0)), estimate(None)
    ('1,085 kWh (900-1,300)', '8', 'n/a')
    >>> estimate(Estimate(12.0), "kWh", "modelled")
    '~12 kWh'
    """
    if one is None:
        return "n/a"
    text = f"{_mark(method)}{number(one.value)} {unit}".rstrip()
    if one.low is None or one.high is None:
        return text
    return f"{text} ({number(one.low)}-{number(one.high)})"


def render(
    found: Sequence[Projection],
    *,
    machines: int = 1,
    researchers: int = 1,
    currency: str = "",
    width: int | None = None,
    color: bool = False,
) -> str:
    """Show projections, one a row.

    Parameters
    ----------
    found : sequence of Projection
        At least one.
    machines, researchers : int
        As they were projected for.
    currency : str
        Of the money.
    width, color : optional
        As of `nicarbon.reports.terminal.render`.
    """
    console = new_console(width, color)
    money = any(one.money is not None for one in found)
    table = new_table()
    table.add_column("per experiment", overflow="fold", min_width=8)
    for title in ("scans", "machine time", "CPU time", "energy", "CO2e"):
        table.add_column(title, justify="right")
    if money:
        table.add_column("cost", justify="right")
    for one in found:
        cells = [
            one.side,
            f"{one.scans:,.0f}",
            estimate(one.machine_days, days_name(one.device)),
            estimate(one.core_days, "core-days"),
            estimate(one.energy_kwh, "kWh", one.method),
            estimate(one.carbon_kg, "kg", one.method),
            *([estimate(one.money, currency, one.method)] if money else []),
        ]
        table.add_row(*(Text(clean(text)) for text in cells))
    console.print(table)
    console.print()
    table = new_table()
    table.add_column("per capita", overflow="fold", min_width=8)
    each = count(machines, "machine")
    for title in ("a machine, a day", f"{each}: days", f"{each}, of {researchers}: each, a day"):
        table.add_column(title, justify="right")
    # The same pipeline has the same power, however many scans there are.
    for one in found:
        cells = [
            f"{one.side}, {one.scans:,.0f} scans",
            _pair(one.machine_day_kwh, one.machine_day_kg, one.method),
            "n/a" if one.elapsed_days is None else number(one.elapsed_days),
            _pair(one.researcher_day_kwh, one.researcher_day_kg, one.method),
        ]
        table.add_row(*(Text(clean(text)) for text in cells))
    console.print(table)
    console.print()
    for line in _said(found):
        console.print(Text(clean(line), style="yellow" if line[0] == "!" else ""), soft_wrap=True)
    return text_of(console)


def _mark(method: str | None) -> str:
    return MARK if method not in (None, "measured") else ""


def _pair(kwh: float | None, kg: float | None, method: str | None) -> str:
    mark = _mark(method)
    energy = "n/a" if kwh is None else f"{mark}{number(kwh)} kWh"
    return energy if kg is None else f"{energy}, {mark}{number(1000 * kg)} g"


def _said(found: Sequence[Projection]) -> list[str]:
    lines = [
        f"{one.side}: published for {one.scans:,.0f} scans: "
        + ", ".join(
            f"{number(printed)} {_UNITS.get(figure) or days_name(one.device)} "
            f"(here {100 * above:+.1f} %)"
            for figure, (printed, above) in one.printed.items()
        )
        for one in found
        if one.printed
    ]
    if any(one.machine_days and one.machine_days.low is not None for one in found):
        lines.append(
            "ranges: 95 %, of few runs and unlike scans; of energy the metering's too, of grams "
            "the price's"
        )
    if any(one.energy_kwh and _mark(one.method) for one in found):
        lines.append(UNMEASURED)
    if all(one.carbon_kg is None for one in found):
        lines.append("grams: price the runs with 'nicarbon price RUN --country CODE'")
    notes = dict.fromkeys(
        note if note.startswith("published") else f"{one.side}: {note}"
        for one in found
        for note in one.notes
    )
    return [*lines, *(f"! {note}" for note in notes)]


_UNITS = {"carbon_kg": "kg"}


def to_json(found: Sequence[Projection]) -> str:
    """Write an array of projections, numbers in full."""
    plain = msgspec.to_builtins(list(found))
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_tsv(found: Sequence[Projection]) -> str:
    """Write one row a projection, numbers in full."""
    ranged = [f"{name}{end}" for name in _FIGURES for end in ("", "_low", "_high")]
    lines = ["\t".join(("side", "device", "scans", "n", *ranged, *_CAPITA))]
    for one in found:
        values: list[object] = [one.side, one.device, one.scans, one.n]
        for name in _FIGURES:
            figure: Estimate | None = getattr(one, name)
            values += [figure.value, figure.low, figure.high] if figure else [None] * 3
        values += [getattr(one, name) for name in _CAPITA]
        lines.append("\t".join(cell(value) for value in values))
    return "\n".join(lines) + "\n"


def render_datasets(
    known: Mapping[str, Dataset], *, width: int | None = None, color: bool = False
) -> str:
    """Show the collections that there are, with their sources."""
    console = new_console(width, color)
    table = new_table()
    table.add_column("dataset", no_wrap=True)
    table.add_column("scans", justify="right", no_wrap=True)
    for title in ("what", "source"):
        table.add_column(title, overflow="fold")
    for name, one in known.items():
        table.add_row(name, f"{one.scans:,}", Text(f"{one.title}: {one.what}"), Text(one.source))
    console.print(table)
    return text_of(console)
