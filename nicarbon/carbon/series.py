# SPDX-License-Identifier: Apache-2.0
"""Intensities that change with time: points become steps, and steps are integrated exactly.

Nothing here knows where points come from, and no clock is read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nicarbon.carbon.intensity import MAX_G_PER_KWH
from nicarbon.errors import PriceError
from nicarbon.units import format_duration

# Intensities swing with the day: what lies in a gap is taken to be within what the day before and
# the day after it had. A gap of more than a day is not bridged.
DAY_S = 86400.0


class Point(msgspec.Struct, frozen=True):
    """An intensity from an instant on.

    Attributes
    ----------
    t_unix_s : float
        When it begins to hold.
    g_per_kwh : float or None
        Grams of CO2 equivalent a kilowatt-hour; None where the source has a gap.
    until_unix_s : float or None
        When it ceases to hold, where the source says so.
    """

    t_unix_s: float
    g_per_kwh: float | None
    until_unix_s: float | None = None


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of one intensity; it ends where the next begins.

    Attributes
    ----------
    t_unix_s : float
        When it begins.
    g_per_kwh, low_g_per_kwh, high_g_per_kwh : float
        The intensity and its range.
    is_bridged : bool
        Whether the source has nothing here.
    """

    t_unix_s: float
    g_per_kwh: float
    low_g_per_kwh: float
    high_g_per_kwh: float
    is_bridged: bool = False


class Series(msgspec.Struct, frozen=True):
    """Intensities without a gap.

    Attributes
    ----------
    steps : tuple of Step
        In order of time.
    end_unix_s : float
        When the last one ends, in seconds since 1970.
    """

    steps: tuple[Step, ...]
    end_unix_s: float

    def __post_init__(self) -> None:
        """Refuse what is no series: a file may have been edited."""
        edges = [*(step.t_unix_s for step in self.steps), self.end_unix_s]
        if not self.steps or not all(a < b for a, b in pairwise(edges)):
            raise PriceError("a series whose times do not rise")
        for step in self.steps:
            check(step.low_g_per_kwh, "a series has")
            check(step.high_g_per_kwh, "a series has")
            if not step.low_g_per_kwh <= step.g_per_kwh <= step.high_g_per_kwh:
                raise PriceError("a series with an intensity outside its own range")

    @property
    def bridged_s(self) -> float:
        """Seconds of it that its source has nothing for."""
        ends = [*(step.t_unix_s for step in self.steps[1:]), self.end_unix_s]
        return sum(
            end - step.t_unix_s
            for step, end in zip(self.steps, ends, strict=True)
            if step.is_bridged
        )

    def means(self, first_unix_s: ArrayLike, last_unix_s: ArrayLike) -> NDArray[np.float64]:
        """Return central, lowest and highest mean intensity from instants to later ones.

        The integral of a step function is linear between its edges, so that nothing is lost.

        Parameters
        ----------
        first_unix_s, last_unix_s : array_like
            n instants each; a mean over no time is the value then.

        Returns
        -------
        ndarray of (3, n)
            Grams of CO2 equivalent a kilowatt-hour.
        """
        origin = self.steps[0].t_unix_s
        starts = np.array([step.t_unix_s for step in self.steps]) - origin
        edges = np.append(starts, self.end_unix_s - origin)
        first = np.asarray(first_unix_s, dtype=np.float64) - origin
        last = np.asarray(last_unix_s, dtype=np.float64) - origin
        seconds = last - first
        values = np.array([(s.g_per_kwh, s.low_g_per_kwh, s.high_g_per_kwh) for s in self.steps]).T
        at = values[:, np.clip(np.searchsorted(starts, first, "right") - 1, 0, None)]
        sums = np.concatenate([np.zeros((3, 1)), np.cumsum(values * np.diff(edges), axis=1)], 1)
        integrals = np.array(
            [np.interp(last, edges, row) - np.interp(first, edges, row) for row in sums]
        )
        # A node within one step has its value, not what rounding leaves of a difference of sums.
        inside = np.searchsorted(starts, last, "left") == np.searchsorted(starts, first, "right")
        even = inside | (seconds <= 0)
        return np.where(even, at, integrals / np.where(even, 1.0, seconds))


def over(points: Sequence[Point], start_unix_s: float, end_unix_s: float) -> Series:
    """Turn points into steps from one instant to a later one.

    A point holds until the next, but no longer than the source says, or than the series' own
    step: the spacing that more than half of its points have. Where none has, points are uneven by
    nature and each holds until the next. What is then left is a gap: it is given the mean of the
    intensities on both sides, and the lowest and the highest of the day before and the day after.

    Parameters
    ----------
    points : sequence of Point
        In order of time.
    start_unix_s, end_unix_s : float
        What has to be covered.

    Raises
    ------
    PriceError
        If times do not rise, an intensity is one that no electricity has, or a part of the time
        is not covered.
    """
    known = _held(points)
    if start_unix_s < known[0].t_unix_s or end_unix_s > known[-1].until_unix_s:
        raise PriceError(
            f"covers {utc(known[0].t_unix_s)} to {utc(known[-1].until_unix_s)}, and is needed "
            f"from {utc(start_unix_s)} to {utc(end_unix_s)}"
        )
    steps = []
    for i, here in enumerate(known):
        if here.t_unix_s >= end_unix_s:
            break
        if here.until_unix_s > start_unix_s:
            value = here.g_per_kwh
            steps.append(Step(max(here.t_unix_s, start_unix_s), value, value, value))
        is_gap = i + 1 < len(known) and here.until_unix_s < known[i + 1].t_unix_s
        if is_gap and here.until_unix_s < end_unix_s and known[i + 1].t_unix_s > start_unix_s:
            steps.append(_bridge(known, i, max(here.until_unix_s, start_unix_s)))
    return Series(tuple(steps), end_unix_s)


class _Held(msgspec.Struct, frozen=True):
    """A known point, and until when it holds."""

    t_unix_s: float
    until_unix_s: float
    g_per_kwh: float


def _held(points: Sequence[Point]) -> list[_Held]:
    """Return until when each known point holds."""
    for before, point in pairwise(points):
        if not point.t_unix_s > before.t_unix_s:
            raise PriceError(
                f"times do not rise: {utc(point.t_unix_s)} comes after {utc(before.t_unix_s)}"
            )
        if before.until_unix_s is not None and before.until_unix_s > point.t_unix_s:
            raise PriceError(
                f"times overlap: what begins at {utc(before.t_unix_s)} holds until "
                f"{utc(before.until_unix_s)}, and the next begins at {utc(point.t_unix_s)}"
            )
    step_s = step(point.t_unix_s for point in points)
    known = []
    for i, point in enumerate(points):
        if point.g_per_kwh is None:
            continue
        check(point.g_per_kwh, f"at {utc(point.t_unix_s)} it has")
        if point.until_unix_s is not None:
            until = point.until_unix_s
        elif i + 1 < len(points):
            until = min(points[i + 1].t_unix_s, point.t_unix_s + (step_s or float("inf")))
        elif i > 0:
            until = point.t_unix_s + (step_s or point.t_unix_s - points[i - 1].t_unix_s)
        else:
            raise PriceError("one point is no series: give it with --intensity")
        if not until > point.t_unix_s:
            raise PriceError(f"what begins at {utc(point.t_unix_s)} holds for no time")
        known.append(_Held(point.t_unix_s, until, point.g_per_kwh))
    if not known:
        raise PriceError("has no intensity")
    return known


def step(t_unix_s: Iterable[float]) -> float | None:
    """Return the spacing in seconds that more than half of the points have; None where none has.

    Examples
    --------
    >>> step([0, 3600, 7200, 14400]), step([0, 600, 3600])
    (3600.0, None)
    """
    spacings = Counter(round(b - a, 3) for a, b in pairwise(t_unix_s))
    if not spacings:
        return None
    spacing, n = spacings.most_common(1)[0]
    return float(spacing) if 2 * n > spacings.total() else None


def _bridge(known: Sequence[_Held], i: int, start_unix_s: float) -> Step:
    """Return what stands for the gap after a point."""
    from_s, to_s = known[i].until_unix_s, known[i + 1].t_unix_s
    if to_s - from_s > DAY_S:
        raise PriceError(
            f"has nothing from {utc(from_s)} to {utc(to_s)}: a gap of "
            f"{format_duration(to_s - from_s)} is too long to be bridged"
        )
    first = bisect_left(known, from_s - DAY_S, key=lambda held: held.until_unix_s)
    last = bisect_left(known, to_s + DAY_S, key=lambda held: held.t_unix_s)
    near = [held.g_per_kwh for held in known[first:last]]
    mean = (known[i].g_per_kwh + known[i + 1].g_per_kwh) / 2
    return Step(start_unix_s, mean, min(near), max(near), True)


def check(g_per_kwh: float, where: str) -> None:
    """Refuse what no electricity has; NaN fails the comparison too."""
    if not 0 <= g_per_kwh <= MAX_G_PER_KWH:
        raise PriceError(
            f"{where} {g_per_kwh:g} g/kWh: no electricity does; from 0 to {MAX_G_PER_KWH:g} are "
            "taken"
        )


def utc(t_unix_s: float) -> str:
    """Write an instant for people, to the minute."""
    if not isfinite(t_unix_s):
        return str(t_unix_s)
    try:
        time = datetime.fromtimestamp(t_unix_s, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{t_unix_s:g} s since 1970"
    return time.strftime("%Y-%m-%d %H:%M UTC")
