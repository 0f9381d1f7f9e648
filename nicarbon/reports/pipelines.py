# SPDX-License-Identifier: Apache-2.0
"""The table of pipelines: run time, energy and emissions of a run on CPU and GPU, mean (SD).

The layout is that of the neuroimaging sustainability group (https://neuropipelines.github.io).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.text import Text

from nicarbon.cohort import CPU, GPU, Side
from nicarbon.printable import clean
from nicarbon.references import Reference
from nicarbon.reports.cells import UNMEASURED
from nicarbon.reports.comparison import markdown, side_note, what
from nicarbon.reports.tables import cell
from nicarbon.reports.terminal import new_console, new_table, text_of
from nicarbon.spread import Spread
from nicarbon.units import J_PER_WH, MARK

# Metric, its title, and how many of its own unit make one of the table's.
_COLUMNS = (
    ("runtime", "run time (h)", "runtime_h", 3600.0),
    ("energy", "energy (Wh)", "energy_wh", J_PER_WH),
    ("carbon", "CO2e (g)", "carbon_g", 1.0),
)
_DEVICES = (CPU, GPU)


def _rows(sides: Sequence[Side]) -> list[tuple[str, dict[str, Side]]]:
    """Return the sides of each pipeline by device; one more row where one has several."""
    rows: list[tuple[str, dict[str, Side]]] = []
    for one in sides:
        name = one.pipeline if one.name.startswith(one.pipeline) or one.reference else one.name
        for known, of_device in rows:
            if known == name and one.device not in of_device:
                of_device[one.device] = one
                break
        else:
            rows.append((name, {one.device: one}))
    return rows


def written(figure: Spread | None, unit: float, mark: str = "") -> str:
    """Write mean (SD): the SD with two digits, and the mean to the same decimal.

    More digits than that say nothing (JCGM 100:2008, 7.2.6). A mean without an SD, or with one
    of 0, has three.

    Examples
    --------
    >>> written(Spread(8.3 * 3600, 1.03 * 3600, 4), 3600.0), written(None, 1.0)
    ('8.3 (1.0)', 'n/a')
    >>> written(Spread(126.4, 16.1, 4), 1.0), written(Spread(0.8, 0.2, 4), 1.0)
    ('126 (16)', '0.80 (0.20)')
    >>> written(Spread(12.3456, None, 1), 1.0), written(Spread(0.8, 0.0, 3), 1.0)
    ('12.3', '0.800 (0)')
    """
    if figure is None:
        return "n/a"
    mean = figure.mean / unit
    sd = None if figure.sd is None else figure.sd / unit
    if not sd:
        return mark + _to(mean, _decimals(mean, 3)) + ("" if sd is None else " (0)")
    decimals = _decimals(sd, 2)
    return f"{mark}{_to(mean, decimals)} ({_to(sd, decimals)})"


def _decimals(value: float, digits: int) -> int:
    """Return how many decimals a value has if so many of its digits are written."""
    if not value:
        return 0
    # The format rounds: 0.0996 has its first digit one place higher than it seems.
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return max(digits - 1 - exponent, 0)


def _to(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


def _published(reference: Reference, name: str) -> str:
    """Write a published figure to the digits that its source gives."""
    mean, sd = getattr(reference, name)
    return f"{mean} ({sd})"


def _cells(of_device: dict[str, Side]) -> list[str]:
    cells = []
    for metric, _, name, unit in _COLUMNS:
        for device in _DEVICES:
            one = of_device.get(device)
            if one is None:
                cells.append("-")
            elif one.reference is not None:
                cells.append(_published(one.reference, name))
            else:
                mark = MARK if metric != "runtime" and _is_marked(one) else ""
                cells.append(written(one.total.get(metric), unit, mark))
    return cells


def _is_marked(one: Side) -> bool:
    return one.method not in (None, "measured")


def _head() -> list[str]:
    return ["pipeline", *(f"{t}, {device}" for _, t, _, _ in _COLUMNS for device in _DEVICES)]


def _said(sides: Sequence[Side]) -> list[str]:
    lines = [f"{one.name}: {what(one)}" for one in sides if one.reference is None]
    if any(one.reference is not None for one in sides):
        lines.append("published: mean (SD) as printed by their source; nothing of it was run here")
    lines += [
        f"{one.name}: its grams are its energy at {one.reference.g_per_kwh:.2f} g/kWh"
        for one in sides
        if one.reference is not None
    ]
    if any(_is_marked(one) for one in sides):
        lines.append(UNMEASURED)
    notes = [side_note(one, note) for one in sides for note in one.notes]
    return [*lines, *(f"! {note}" for note in dict.fromkeys(notes))]


def render(sides: Sequence[Side], *, width: int | None = None, color: bool = False) -> str:
    """Show the table.

    Parameters
    ----------
    sides : sequence of Side
        At least one.
    width, color : optional
        As of `nicarbon.reports.terminal.render`.
    """
    console = new_console(width, color)
    table = new_table()
    table.add_column("pipeline", overflow="fold", min_width=8)
    for title in _head()[1:]:
        table.add_column(title, justify="right")
    for name, of_device in _rows(sides):
        table.add_row(*(Text(clean(text)) for text in (name, *_cells(of_device))))
    console.print(table)
    console.print()
    for line in _said(sides):
        console.print(Text(clean(line), style="yellow" if line[0] == "!" else ""), soft_wrap=True)
    return text_of(console)


def to_markdown(sides: Sequence[Side]) -> str:
    """Write the table as Markdown, to be pasted."""
    rows = [_head(), *([name, *_cells(of_device)] for name, of_device in _rows(sides))]
    return (
        markdown(rows)
        + "\n"
        + "".join(f"* {clean(line.removeprefix('! '))}\n" for line in _said(sides))
    )


def _plain(sides: Sequence[Side]) -> list[dict[str, object]]:
    return [
        {"pipeline": one.pipeline, "side": one.name, "device": one.device, "n": one.n}
        | {"published": one.reference is not None, "method": one.method}
        | {
            key: value
            for metric, _, name, unit in _COLUMNS
            for key, value in _mean_and_sd(name, one.total.get(metric), unit).items()
        }
        for one in sides
    ]


def _mean_and_sd(name: str, figure: Spread | None, unit: float) -> dict[str, float | None]:
    if figure is None:
        return {name: None, f"{name}_sd": None}
    sd = None if figure.sd is None else figure.sd / unit
    return {name: figure.mean / unit, f"{name}_sd": sd}


def to_tsv(sides: Sequence[Side]) -> str:
    """Write one row a pipeline and device; numbers in full."""
    rows = _plain(sides)
    lines = ["\t".join(rows[0])]
    lines += ["\t".join(cell(value) for value in row.values()) for row in rows]
    return "\n".join(lines) + "\n"


def to_json(sides: Sequence[Side]) -> str:
    """Write one object a pipeline and device; numbers in full."""
    return json.dumps(_plain(sides), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS = {"json": to_json, "tsv": to_tsv, "markdown": to_markdown}
