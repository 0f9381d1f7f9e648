# SPDX-License-Identifier: Apache-2.0
"""Show what runs emitted: a table to read, JSON and TSV for programs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from math import fsum

import msgspec
from rich.console import Console
from rich.text import Text

from nicarbon.carbon.price import Price
from nicarbon.printable import clean
from nicarbon.reports.cells import UNMEASURED, format_range
from nicarbon.reports.run_lines import score_line
from nicarbon.reports.tables import cell
from nicarbon.reports.terminal import new_console, new_table, text_of
from nicarbon.rows import Row
from nicarbon.summary import Summary
from nicarbon.units import MARK, format_duration, format_energy, format_mass, format_mass_range

_COLUMNS = (
    "name",
    "energy_j",
    "energy_low_j",
    "energy_high_j",
    "carbon_g",
    "carbon_low_g",
    "carbon_high_g",
    "carbon_range_from",
    "n_nodes",
    "method",
)
_Priced = tuple[Summary, Price]


def render(
    runs: Sequence[_Priced],
    *,
    width: int | None = None,
    color: bool = False,
    command: str = "",
) -> str:
    """Show grams per row, run after run.

    Parameters
    ----------
    runs : sequence of (Summary, Price)
        At least one.
    width, color, command : optional
        As of `nicarbon.reports.terminal.render`.
    """
    console = new_console(width, color)
    for summary, price in runs:
        _show(console, summary, price)
    path = shlex.quote(runs[0][0].path)
    console.print(Text(clean(f"next: nicarbon summary {path} --by node{command}")), soft_wrap=True)
    return text_of(console)


def _show(console: Console, summary: Summary, price: Price) -> None:
    console.print(Text(clean(f"run {summary.run_id}"), style="bold"))
    console.print(Text(clean(f"at {price}")))
    console.print()
    table = new_table()
    table.add_column(summary.by, overflow="fold", min_width=8)
    titles = ["CO2e", "range", "energy", "range", *(["making (M)"] if summary.embodied else [])]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    of_row = summary.embodied_g
    for row in summary.rows:
        table.add_row(*_cells(row), *_grams(summary, of_row.get(row.name, 0.0)))
    table.add_section()
    table.add_row(*_cells(summary.total), *_grams(summary, fsum(of_row.values())), style="bold")
    console.print(table)
    console.print()
    most, (low, high) = summary.total.carbon_range_from, price.pue_range
    is_joined = price.intensity.has_range or low < high
    mostly = f"; of the total it is mostly the {most}'s" if most and is_joined else ""
    console.print(Text(price.range_note + mostly))
    if any(row.method not in (None, "measured") for row in summary.rows):
        console.print(Text(UNMEASURED))
    for line in _made(summary):
        console.print(Text(clean(line)))
    for note in summary.notes:
        console.print(Text(clean(f"! {note}"), style="yellow"))
    console.print()


def _grams(summary: Summary, embodied_g: float) -> list[Text]:
    return [Text(format_mass(embodied_g))] if summary.embodied else []


def _made(summary: Summary) -> Iterator[str]:
    """Say what the making of the hosts adds, and the score of a functional unit."""
    for share in summary.embodied:
        made = share.made
        of = "" if share.part == 1 else f", {100 * share.part:.3g} % of it"
        yield (
            f"embodied: {format_mass(share.carbon_g)} "
            f"({format_mass_range(share.carbon_low_g, share.carbon_high_g)}) of host "
            f"{share.hostname}, {made.kg:.4g} kg ({made.low_kg:.4g}-{made.high_kg:.4g}) by "
            f"{made.source}, had for {format_duration(share.reserved_s)}{of}"
        )
    left_g = fsum(s.carbon_g for s in summary.embodied) - fsum(summary.embodied_g.values())
    if summary.embodied:
        yield (
            f"making (M): each instant of a host is shared by what was at work there; "
            f"{format_mass(max(left_g, 0.0))} went by while nothing was"
        )
    if summary.score is not None:
        yield score_line(summary.score)


def _cells(row: Row) -> list[Text]:
    mark = MARK if row.method not in (None, "measured") else ""
    cells = (
        row.name,
        mark + format_mass(row.carbon_g),
        format_mass_range(row.carbon_low_g, row.carbon_high_g),
        mark + format_energy(row.energy_j),
        format_range(row.energy_low_j, row.energy_high_j, of_j=row.energy_j),
    )
    return [Text(clean(text)) for text in cells]


def to_json(runs: Sequence[_Priced]) -> str:
    """Write the grams of one run as an object, of several as an array of such objects."""
    documents = [
        {
            "schema_version": summary.schema_version,
            "run_id": summary.run_id,
            "price": msgspec.to_builtins(price),
            "by": summary.by,
            "rows": [_record(row) | _embodied(summary, row) for row in summary.rows],
            "total": _record(summary.total),
            "embodied": msgspec.to_builtins(summary.embodied),
            "score": msgspec.to_builtins(summary.score),
        }
        for summary, price in runs
    ]
    content = documents[0] if len(documents) == 1 else documents
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _record(row: Row) -> dict[str, object]:
    return {column: getattr(row, column) for column in _COLUMNS}


def _embodied(summary: Summary, row: Row) -> dict[str, float | None]:
    made_g = summary.embodied_g.get(row.name, 0.0) if summary.embodied else None
    return {"embodied_g": made_g}


def to_tsv(runs: Sequence[_Priced]) -> str:
    """Write the grams of runs as one table, with the price in every row; no totals."""
    lines = ["\t".join(("run_id", *_COLUMNS, "embodied_g", "g_per_kwh", "pue"))]
    for summary, price in runs:
        for row in summary.rows:
            figures = (getattr(row, column) for column in _COLUMNS)
            made = _embodied(summary, row).values()
            cells = (summary.run_id, *figures, *made, price.intensity.g_per_kwh, price.pue)
            lines.append("\t".join(cell(value) for value in cells))
    return "\n".join(lines) + "\n"
