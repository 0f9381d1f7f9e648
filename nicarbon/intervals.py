# SPDX-License-Identifier: Apache-2.0
"""Stretches of time, as pairs of whole nanoseconds, joined and cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Interval = tuple[int, int]
"""From, to: nanoseconds of one clock."""


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Join intervals that overlap or meet.

    Examples
    --------
    >>> union([(5, 7), (0, 2), (2, 3), (6, 9)])
    [(0, 3), (5, 9)]
    """
    joined: list[Interval] = []
    for first, last in sorted(intervals):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        elif last >= first:
            joined.append((first, last))
    return joined


def without(intervals: Sequence[Interval], holes: Sequence[Interval]) -> list[Interval]:
    """Return what of `intervals` lies in none of `holes`; both as `union` returns them.

    Examples
    --------
    >>> without([(0, 10), (20, 30)], [(2, 3), (8, 25)])
    [(0, 2), (3, 8), (25, 30)]
    """
    left = []
    passed = 0
    for first, last in intervals:
        at = first
        while passed < len(holes) and holes[passed][1] <= at:
            passed += 1
        here = passed
        while here < len(holes) and holes[here][0] < last:
            if holes[here][0] > at:
                left.append((at, holes[here][0]))
            at = max(at, holes[here][1])
            here += 1
        if at < last:
            left.append((at, last))
    return left


def length_s(intervals: Sequence[Interval]) -> float:
    """Return the seconds in intervals that do not overlap.

    Examples
    --------
    >>> length_s([(0, 1_500_000_000), (2_000_000_000, 2_500_000_000)])
    2.0
    """
    return sum(last - first for first, last in intervals) / 1_000_000_000
