# SPDX-License-Identifier: Apache-2.0
"""Show many runs, one a row, then what they come to together: a study, an array job."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nicarbon.notes import count, listed
from nicarbon.printable import clean
from nicarbon.reports.cells import UNMEASURED, figure_titles, row_cells
from nicarbon.reports.run_lines import pricing_command
from nicarbon.reports.terminal import NARROW, new_console, new_table, text_of
from nicarbon.rows import TOTAL, Row, add_up
from nicarbon.summary import Summary


class Shown(NamedTuple):
    """A run in the table.

    Attributes
    ----------
    name : str
        What tells it from the others.
    state : str
        How it stands: ``ok``, ``failed``, ``interrupted``, ``going on``, ``dead``, ``no record``.
    summary : Summary
        Its figures.
    """

    name: str
    state: str
    summary: Summary


# In this order the states that want attention are named, of one run and of several.
_ATTENTION = {
    "dead": (
        "has no end and nobody writes to it any more: it was killed",
        "have no end and nobody writes to them any more: they were killed",
    ),
    "no record": ("began and recorded nothing", "began and recorded nothing"),
    "failed": ("failed", "failed"),
    "interrupted": ("was interrupted", "were interrupted"),
    "going on": ("is still going on", "are still going on"),
}


def render_many(
    runs: Sequence[Shown],
    *,
    width: int | None = None,
    color: bool = False,
    command: str = "",
) -> str:
    """Show many runs.

    Parameters
    ----------
    runs : sequence of Shown
        At least one.
    width, color, command
        As `nicarbon.reports.terminal.render`.

    Returns
    -------
    str
        Lines of text; the last names the next useful command.
    """
    console = new_console(width, color)
    narrow = width is not None and width < NARROW
    runs = sorted(runs, key=lambda run: _natural(run.name))
    total = add_up(TOTAL, (run.summary.total for run in runs))
    is_priced = any(run.summary.price is not None for run in runs)
    console.print(_run_table(runs, total, is_priced, narrow))
    console.print()
    console.print(_pooled_table(runs, total, is_priced, narrow))
    console.print()
    if total.method not in (None, "measured"):
        console.print(Text(UNMEASURED))
    for line in _attention(runs):
        console.print(Text(clean(f"! {line}"), style="yellow"), soft_wrap=True)
    _show_next(console, runs, command)
    return text_of(console)


def _run_table(runs: Sequence[Shown], total: Row, is_priced: bool, narrow: bool) -> Table:
    table = _headed("run", total, is_priced, narrow, "state")
    for run in runs:
        row = run.summary.total
        table.add_row(
            *_cells(row, total, is_priced, narrow, run.name, run.state),
            style=None if run.state == "ok" else "yellow",
        )
    table.add_section()
    name = count(len(runs), "run")
    table.add_row(*_cells(total, total, is_priced, narrow, name, ""), style="bold")
    return table


def _pooled_table(runs: Sequence[Shown], total: Row, is_priced: bool, narrow: bool) -> Table:
    """Lay out what the runs used together, by stage or what else a row is."""
    rows: dict[str, list[Row]] = {}
    for run in runs:
        for row in run.summary.rows:
            rows.setdefault(row.name, []).append(row)
    pooled = [add_up(name, of_name) for name, of_name in rows.items()]
    pooled.sort(key=lambda row: (row.energy_j is None, -(row.energy_j or 0.0), row.name))
    table = _headed(f"{runs[0].summary.by}, all runs", total, is_priced, narrow)
    for row in pooled:
        table.add_row(*_cells(row, total, is_priced, narrow, row.name))
    table.add_section()
    table.add_row(*_cells(total, total, is_priced, narrow, total.name), style="bold")
    return table


def _headed(title: str, total: Row, is_priced: bool, narrow: bool, *more: str) -> Table:
    table = new_table()
    table.add_column(title, overflow="fold", min_width=8)
    for name in more:
        table.add_column(name, no_wrap=True)
    for name in figure_titles(total, is_priced):
        table.add_column(name, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("method", no_wrap=True)
    return table


def _cells(
    row: Row, total: Row, is_priced: bool, narrow: bool, name: str, *more: str
) -> list[Text]:
    _, *figures = row_cells(row, total, is_priced)
    cells = [name, *more, *(figures[:-1] if narrow else figures)]
    return [Text(clean(cell)) for cell in cells]


def _attention(runs: Sequence[Shown]) -> list[str]:
    """Name the runs that are not as they should be, and count those whose notes say more."""
    lines = []
    for state, (of_one, of_many) in _ATTENTION.items():
        names = [run.name for run in runs if run.state == state]
        if names:
            what = of_one if len(names) == 1 else of_many
            lines.append(f"{count(len(names), 'run')} {what}: {listed(names)}")
    broken = [run.name for run in runs if any(n.startswith("BROKEN") for n in run.summary.notes)]
    if broken:
        lines.append(f"BROKEN: the parts do not add up in {listed(broken)}; please report them")
    return lines


def _show_next(console: Console, runs: Sequence[Shown], command: str) -> None:
    unpriced = [run for run in runs if run.summary.price is None and run.summary.total.energy_j]
    if unpriced:
        console.print(
            Text(clean(f"grams: {pricing_command(unpriced[0].summary.path)}")), soft_wrap=True
        )
    worst = next((run for state in _ATTENTION for run in runs if run.state == state), runs[0])
    path = shlex.quote(worst.summary.path)
    console.print(Text(clean(f"next: nicarbon summary {path}{command}")), soft_wrap=True)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers in names as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
