# SPDX-License-Identifier: Apache-2.0
"""Set runs side by side: per stage, and how much each is above the first, beside their noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from nicarbon.cohort import METRICS, Side
from nicarbon.spread import Difference, Spread, difference

WHOLE = "whole run"


class Entry(msgspec.Struct, frozen=True):
    """A stage on one side.

    Attributes
    ----------
    side : str
        Its name.
    figures : dict
        `Spread` by metric; empty where this side has no such stage.
    differences : dict
        How much it is above the first side, by metric; None where either is not known.
    """

    side: str
    figures: dict[str, Spread | None]
    differences: dict[str, Difference | None]


class Line(msgspec.Struct, frozen=True):
    """A stage, or the whole run, on every side."""

    stage: str
    entries: tuple[Entry, ...]


class Comparison(msgspec.Struct, frozen=True):
    """Runs side by side.

    Attributes
    ----------
    sides : tuple of Side
        The first is what the others are compared with.
    whole : Line
        Of whole runs.
    lines : tuple of Line
        By stage, those that use most energy first.
    notes : tuple of str
        What makes the sides unlike, beside what they do.
    """

    sides: tuple[Side, ...]
    whole: Line
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


def compare(sides: Sequence[Side]) -> Comparison:
    """Compare sides with the first one."""
    most: dict[str, float] = {}
    for one in sides:
        for stage, figures in one.stages.items():
            energy = figures["energy"]
            most[stage] = max(most.get(stage, 0.0), energy.mean if energy else 0.0)
    stages = sorted(most, key=lambda stage: (-most[stage], stage))
    return Comparison(
        sides=tuple(sides),
        whole=_line(WHOLE, sides, [one.total for one in sides]),
        lines=tuple(
            _line(stage, sides, [one.stages.get(stage, {}) for one in sides]) for stage in stages
        ),
        notes=tuple(_notes(sides)),
    )


def _line(
    stage: str, sides: Sequence[Side], figures: Sequence[Mapping[str, Spread | None]]
) -> Line:
    entries = [
        Entry(
            side=one.name,
            figures=dict(of_side),
            differences={
                metric: difference(figures[0].get(metric), of_side.get(metric))
                for metric in METRICS
            }
            if n
            else {},
        )
        for n, (one, of_side) in enumerate(zip(sides, figures, strict=True))
    ]
    return Line(stage, tuple(entries))


def _notes(sides: Sequence[Side]) -> Iterable[str]:
    measured = [one for one in sides if one.reference is None]
    if len({one.method for one in measured}) > 1:
        methods = ", ".join(f"{one.name} {one.method or 'unknown'}" for one in measured)
        yield f"energies of unlike kinds are compared: {methods}"
    if len({one.processors for one in measured}) > 1:
        ran = "; ".join(f"{one.name}: {_listed(one.processors)}" for one in measured)
        yield f"on unlike processors, so that machines are compared, too: {ran}"
    if len({one.prices for one in measured}) > 1:
        priced = "; ".join(f"{one.name}: {_listed(one.prices)}" for one in measured)
        yield f"grams at unlike prices: {priced}"
    if any((one.n or 0) == 1 for one in measured):
        single = [one.name for one in measured if one.n == 1]
        yield (
            f"a single run of {', '.join(single)}: how much a run differs from the next is not "
            "known of it; give several (NAME='pattern')"
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) or "none"


def exceeded(found: Comparison, metric: str, limit: float) -> list[str]:
    """Return a line for each side that is above the first by more than a limit, and its noise.

    A difference that single runs of a side make by themselves fails nothing; where nobody knows
    how much that is, the difference counts as it is.

    Parameters
    ----------
    found : Comparison
        Of at least two sides.
    metric : str
        One of `nicarbon.cohort.METRICS`.
    limit : float
        As a part of the first side's figure.
    """
    lines = []
    for entry in found.whole.entries[1:]:
        one = entry.differences.get(metric)
        if one is None or one.relative is None:
            lines.append(f"{entry.side}: its {metric} cannot be compared: it is not known")
        elif one.relative > limit and one.beyond_noise is not False:
            noise = "" if one.beyond_noise else " (noise not known)"
            lines.append(
                f"{entry.side}: {metric} is {100 * one.relative:.1f} % above "
                f"{found.sides[0].name}, more than {100 * limit:g} %{noise}"
            )
    return lines
