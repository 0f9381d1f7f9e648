# SPDX-License-Identifier: Apache-2.0
"""Show runs side by side: a table to read, Markdown to paste, JSON and TSV for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec
from rich.text import Text

from nicarbon.cohort import METRICS, Side
from nicarbon.comparison import WHOLE, Comparison, Entry
from nicarbon.notes import count
from nicarbon.printable import clean
from nicarbon.reports.cells import UNMEASURED
from nicarbon.reports.tables import cell
from nicarbon.reports.terminal import NARROW, new_console, new_table, text_of
from nicarbon.spread import Difference, Spread
from nicarbon.units import format_duration, format_energy_of, format_mass_of

BEYOND, UNKNOWN = "*", "?"
_TITLES = {"runtime": "run time", "cpu": "CPU time", "energy": "energy", "carbon": "CO2e"}
_LEGEND = (
    f"difference to the first: {BEYOND} more than runs differ by themselves (95 %), "
    f"{UNKNOWN} nobody knows how much they do"
)


def render(found: Comparison, *, width: int | None = None, color: bool = False) -> str:
    """Show the comparison as a table.

    Parameters
    ----------
    found : Comparison
        Of at least two sides.
    width, color : optional
        As of `nicarbon.reports.terminal.render`.
    """
    console = new_console(width, color)
    narrow = width is not None and width < NARROW
    shown = _shown(found)
    if narrow and len(shown) == len(METRICS):
        shown.remove("cpu")  # the one that others follow from
    table = new_table()
    table.add_column("stage, side", overflow="fold", no_wrap=not narrow, min_width=8)
    for metric in shown:
        table.add_column(_TITLES[metric], justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    for line in (*found.lines, found.whole):
        style = "bold" if line is found.whole else None
        if line is found.whole:
            table.add_section()
        table.add_row(Text(clean(line.stage)), style=style)
        for one, entry in zip(found.sides, line.entries, strict=True):
            cells = [f"  {one.name}", *_cells(one, entry, shown, narrow)]
            table.add_row(*(Text(clean(text)) for text in cells), style=style)
    console.print(table)
    console.print()
    for one in found.sides:
        console.print(Text(clean(f"{one.name}: {what(one)}")), soft_wrap=True)
    console.print(Text(_LEGEND), soft_wrap=True)
    if any(one.method not in (None, "measured") for one in found.sides):
        console.print(Text(UNMEASURED))
    for note in notes(found):
        console.print(Text(clean(f"! {note}"), style="yellow"), soft_wrap=True)
    return text_of(console)


def what(one: Side) -> str:
    """Say what a side's figures are of."""
    if one.reference is not None:
        return "mean (SD) as published"
    if one.n == 1:
        return "1 run"
    return f"mean (SD) of {count(one.n or 0, 'run')}"


def notes(found: Comparison) -> Iterable[str]:
    """Give what to keep in mind, of each side and of their being compared."""
    lines = [side_note(one, note) for one in found.sides for note in one.notes]
    yield from dict.fromkeys([*lines, *found.notes])


def side_note(one: Side, note: str) -> str:
    """Say of which side a note is; what is published says so itself."""
    return note if one.reference is not None else f"{one.name}: {note}"


def _shown(found: Comparison) -> list[str]:
    """Return the metrics that are known of any side."""
    return [m for m in METRICS if any(one.total.get(m) is not None for one in found.sides)]


def _cells(one: Side, entry: Entry, shown: Iterable[str], brief: bool = False) -> list[str]:
    cells = []
    for metric in shown:
        figure = entry.figures.get(metric)
        absent = "n/a" if entry.figures else "-"
        text = absent if figure is None else _mean(metric, figure, one.method)
        cells.append(text + ("" if brief or figure is None else _sd(figure)))
        cells.append(_difference(entry.differences.get(metric)))
    return cells


def _mean(metric: str, figure: Spread, method: str | None) -> str:
    if metric == "energy":
        return format_energy_of(figure.mean, method)
    if metric == "carbon":
        return format_mass_of(figure.mean, method)
    return format_duration(figure.mean)


def _sd(figure: Spread) -> str:
    """Write a standard deviation as a part of its mean."""
    if figure.sd is None or not figure.mean:
        return ""
    return f" (SD {100 * figure.sd / figure.mean:.0f} %)"


def _difference(one: Difference | None) -> str:
    if one is None or one.relative is None:
        return ""
    mark = UNKNOWN if one.beyond_noise is None else BEYOND if one.beyond_noise else ""
    percent = 100 * one.relative
    return f"{percent:+.{0 if abs(percent) >= 10 else 1}f} %{mark}"


def to_json(found: Comparison) -> str:
    """Write the comparison as an object; figures in full, in seconds, joules and grams."""
    document = {
        "sides": [msgspec.to_builtins(one) for one in found.sides],
        "stages": [msgspec.to_builtins(line) for line in found.lines],
        "whole": msgspec.to_builtins(found.whole),
        "notes": list(notes(found)),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_tsv(found: Comparison) -> str:
    """Write one row a stage and side."""
    columns = ["stage", "side", "device", "n"]
    for metric, attribute in METRICS.items():
        columns += [attribute, f"{attribute}_sd", f"{metric}_difference", f"{metric}_beyond_noise"]
    lines = ["\t".join(columns)]
    for line in (*found.lines, found.whole):
        for one, entry in zip(found.sides, line.entries, strict=True):
            values: list[object] = [line.stage, one.name, one.device, one.n]
            for metric in METRICS:
                figure, differs = entry.figures.get(metric), entry.differences.get(metric)
                values += [figure and figure.mean, figure and figure.sd]
                values += [differs and differs.relative, differs and differs.beyond_noise]
            lines.append("\t".join(cell(value) for value in values))
    return "\n".join(lines) + "\n"


def to_markdown(found: Comparison) -> str:
    """Write the table as Markdown, to be pasted."""
    shown = _shown(found)
    rows = [["stage", "side", *(text for m in shown for text in (_TITLES[m], "difference"))]]
    for line in (*found.lines, found.whole):
        for n, (one, entry) in enumerate(zip(found.sides, line.entries, strict=True)):
            name = line.stage if n == 0 else ""
            name = f"**{name}**" if name == WHOLE else name
            rows.append([name, one.name, *_cells(one, entry, shown)])
    said = [_LEGEND, *notes(found)]
    return markdown(rows) + "\n" + "".join(f"* {clean(text)}\n" for text in said)


def markdown(rows: list[list[str]]) -> str:
    """Write rows as a table of Markdown, the first as its head."""
    head, *body = [[clean(text).replace("|", "\\|") for text in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


FORMATS = {"json": to_json, "tsv": to_tsv, "markdown": to_markdown}
