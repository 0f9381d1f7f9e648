# SPDX-License-Identifier: Apache-2.0
"""The tables of the report page that say what limited a run: its critical path, stages, phases.

Texts are those of the terminal's tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from nicarbon.bottleneck import Bottlenecks, StageGroup
from nicarbon.critical import CriticalPath
from nicarbon.phases import Phase
from nicarbon.reports.bottleneck import (
    longest_steps,
    phase_cells,
    rest_cells,
    stage_cells,
    step_cells,
    time_parts,
)
from nicarbon.reports.cells import percent
from nicarbon.reports.page_table import Cell, Column, Table, columns
from nicarbon.units import format_duration


def path_table(path: CriticalPath, colours: Mapping[str, str]) -> Table:
    """Return the nodes of the critical path in their order, the longest if there are many."""
    shown, rest = longest_steps(path)
    rows = []
    for step in shown:
        cells = [Cell(text) for text in step_cells(step, path)]
        cells[1] = Cell(step.stage, colour=colours[step.stage])
        rows.append(tuple(cells))
    if rest:
        rows.append(tuple(Cell(text) for text in rest_cells(rest, path)))
    titles = ("at", "duration", "share", "waited before")
    return Table(
        "Critical path",
        (Column("node", "name"), Column("stage", "text"), *(Column(title) for title in titles)),
        tuple(rows),
    )


def time_table(path: CriticalPath) -> Table:
    """Return the parts of the run's time, which add up to it."""

    def cells(name: str, seconds: float) -> tuple[Cell, ...]:
        share = seconds / path.total_s if path.total_s else None
        return Cell(name), Cell(format_duration(seconds)), Cell(percent(share))

    return Table(
        "Where the run's time went",
        columns(("part", "duration", "share")),
        tuple(cells(name, seconds) for name, seconds in time_parts(path)),
        cells("total", path.total_s),
    )


def group_table(found: Bottlenecks, colours: Mapping[str, str]) -> Table:
    """Return the stages in groups: which limit time, which energy, which could go slower."""
    titles = ("on the path", "share of path", "slack", "energy", "range", "share of energy")
    return Table(
        "Bottlenecks by stage",
        (
            Column("stage", "name"),
            Column("bottleneck of", "text"),
            *(Column(title) for title in titles),
        ),
        tuple(_group(row, colours[row.stage]) for row in found.stages),
    )


def _group(row: StageGroup, colour: str) -> tuple[Cell, ...]:
    texts = stage_cells(row)
    return (Cell(texts[0], colour=colour), *(Cell(text) for text in texts[1:]))


def phase_table(found: Bottlenecks) -> Table:
    """Return what the hosts used while nodes of the path ran, others too, or none."""

    def cells(phase: Phase) -> tuple[Cell, ...]:
        return tuple(Cell(text) for text in phase_cells(phase, found))

    return Table(
        "Energy of the hosts meanwhile",
        columns(("while there ran", "duration", "hosts' energy", "range")),
        tuple(cells(phase) for phase in found.phases),
    )
