# SPDX-License-Identifier: Apache-2.0
"""The strips at the top of the report page: energy by stage, and time along the critical path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from nicarbon.critical import CriticalPath, Step
from nicarbon.reports.cells import format_share
from nicarbon.reports.colours import ink_on
from nicarbon.reports.page_answers import Share, leaf
from nicarbon.reports.turns import Turn
from nicarbon.summary import Summary
from nicarbon.units import format_duration

# Narrower segments of a strip have no room for a word; their names are in the table below it.
LABEL_PERCENT = 9.0


class Segment(msgspec.Struct, frozen=True):
    """A stretch of a strip, in per cent of its width."""

    name: str
    left: float
    width: float
    colour: str
    ink: str
    title: str
    label: str = ""


def energy_strip(
    summary: Summary, shares: Mapping[str, Share], colours: Mapping[str, str]
) -> tuple[Segment, ...]:
    """Return the stages beside each other, as wide as their energy is great.

    Parameters
    ----------
    summary : Summary
        Of the run by stage.
    shares : mapping
        Share of the nodes' energy by stage; a stage without one is left out.
    colours : mapping
        ``#rrggbb`` by stage.
    """
    segments = []
    left = 0.0
    for row in summary.rows:
        if row.name not in shares:
            continue
        width = 100 * shares[row.name].share
        text = format_share(row.energy_j, summary.total.energy_j)
        segments.append(_segment(row.name, left, width, colours[row.name], f"{row.name}: {text}"))
        left += width
    return tuple(segments)


def time_strip(
    path: CriticalPath, turns: Mapping[str, Sequence[Turn]], colours: Mapping[str, str]
) -> tuple[Segment, ...]:
    """Return the nodes of the critical path when they ran, a monolith as its stages.

    Parameters
    ----------
    path : CriticalPath
        Of the run.
    turns : mapping
        From `nicarbon.reports.turns.turns_of`, by node.
    colours : mapping
        ``#rrggbb`` by stage.
    """
    segments: list[Segment] = []
    for step in path.steps if path.total_s else ():
        if turns.get(step.node):
            segments += _cut(step, turns[step.node], path.total_s, colours)
            continue
        left, width = (100 * s / path.total_s for s in (step.start_s, step.duration_s))
        title = f"{step.node}: {format_duration(step.duration_s)}"
        label = leaf(step.node)
        segments.append(_segment(step.stage, left, width, colours[step.stage], title, label))
    return tuple(segments)


def _cut(
    step: Step, turns: Sequence[Turn], total_s: float, colours: Mapping[str, str]
) -> list[Segment]:
    return [
        _segment(
            turn.stage,
            100 * (step.start_s + turn.start_s) / total_s,
            100 * (turn.end_s - turn.start_s) / total_s,
            colours[turn.stage],
            f"{turn.stage} in {step.node}: {format_duration(turn.end_s - turn.start_s)}",
        )
        for turn in turns
    ]


def _segment(
    name: str, left: float, width: float, colour: str, title: str, label: str = ""
) -> Segment:
    shown = (label or name) if width >= LABEL_PERCENT else ""
    return Segment(name, round(left, 3), round(width, 3), colour, ink_on(colour), title, shown)
