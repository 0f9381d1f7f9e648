# SPDX-License-Identifier: Apache-2.0
"""Which stage of a monolith was at work when: what strips and bars of time are coloured by.

Where several were at once, as hemispheres are, the one that used most CPU time there is shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from nicarbon.energies import SpanEnergy

# Narrower stretches of an execution nobody sees in a bar.
N_CELLS = 240


class Turn(msgspec.Struct, frozen=True):
    """A stretch of an execution, in seconds since it began, and the stage that it is shown as."""

    stage: str
    start_s: float
    end_s: float


def turns_of(
    parts: Iterable[SpanEnergy], stage_of: Mapping[str, str]
) -> dict[str, tuple[Turn, ...]]:
    """Return the turns of the executions that several stages ran in.

    Parameters
    ----------
    parts : iterable of SpanEnergy
        Executions cut by stage: `nicarbon.run.Run.parts`.
    stage_of : mapping
        Stage by node: of what is no part of a stage.

    Returns
    -------
    dict
        By span, in the order of time, from its start to its end; none of the others.
    """
    of_span: dict[str, list[SpanEnergy]] = defaultdict(list)
    for part in parts:
        if part.part:
            of_span[part.span].append(part)
    found = {span: _turns(cut, stage_of[cut[0].node]) for span, cut in of_span.items()}
    return {span: turns for span, turns in found.items() if len(turns) > 1}


def _turns(parts: Sequence[SpanEnergy], own: str) -> tuple[Turn, ...]:
    """Join neighbouring cells of one stage; in cells without any, the stage before goes on."""
    start_s, end_s = parts[0].start_s, parts[0].end_s
    if end_s <= start_s:
        return ()
    cell_s = (end_s - start_s) / N_CELLS
    cpu_s: list[dict[str, float]] = [defaultdict(float) for _ in range(N_CELLS)]
    for part in parts:
        pieces = part.pieces or ((start_s, end_s),)
        at_work_s = sum(last - first for first, last in pieces)
        for first, last in pieces if at_work_s > 0 else ():
            _spread(cpu_s, part, (first - start_s) / cell_s, (last - start_s) / cell_s, at_work_s)
    turns: list[Turn] = []
    for i, cell in enumerate(cpu_s):
        stage = max(cell, key=lambda name: (cell[name], name), default="")
        stage = stage or (turns[-1].stage if turns else own)
        first_s = turns.pop().start_s if turns and turns[-1].stage == stage else i * cell_s
        turns.append(Turn(stage, first_s, (i + 1) * cell_s))
    return tuple(turns)


def _spread(
    cpu_s: list[dict[str, float]], part: SpanEnergy, first: float, last: float, at_work_s: float
) -> None:
    """Add a piece's CPU time to the cells that it lies in: evenly, in units of cells."""
    for i in range(max(int(first), 0), min(int(last) + 1, N_CELLS)):
        inside = min(last, i + 1) - max(first, i)
        if inside > 0:
            cpu_s[i][part.part] += part.cpu_s * inside / at_work_s
