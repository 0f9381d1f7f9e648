# SPDX-License-Identifier: Apache-2.0
"""How much energy a host used in given stretches of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum

import msgspec
import numpy as np

from nicarbon.intervals import Interval, length_s
from nicarbon.timeline import Timeline
from nicarbon.units import NS_PER_S


class Spent(msgspec.Struct, frozen=True):
    """A host's energy in some stretches of time.

    Attributes
    ----------
    energy_j : float
        Joules; between two readings, power is taken as constant.
    low_j, high_j : float
        What is sure: the least that the sensors allow of the readings' intervals that lie wholly
        inside, and the most that they allow of all that are touched.
    uncovered_s : float
        Seconds of the stretches that no reading covers, the worst of the timelines.
    """

    energy_j: float
    low_j: float
    high_j: float
    uncovered_s: float


def spent_in(lines: Iterable[Timeline], stretches: Sequence[Interval]) -> Spent | None:
    """Return the energy of a host in stretches of time; None without any reading.

    Parameters
    ----------
    lines : iterable of Timeline
        The account of the host.
    stretches : sequence of (int, int)
        Nanoseconds of the host's monotonic clock, as `nicarbon.intervals.union` returns them.
    """
    parts = [_of_line(line, stretches) for line in lines]
    if not parts:
        return None
    return Spent(
        energy_j=fsum(part.energy_j for part in parts),
        low_j=fsum(part.low_j for part in parts),
        high_j=fsum(part.high_j for part in parts),
        uncovered_s=max(part.uncovered_s for part in parts),
    )


def _of_line(line: Timeline, stretches: Sequence[Interval]) -> Spent:
    edges = np.array(stretches, dtype=np.int64).reshape(-1)
    lengths = np.array([last - first for first, last in stretches], dtype=np.int64)
    # Seconds of stretches before an instant: nothing grows between stretches.
    grown = np.stack([np.cumsum(lengths) - lengths, np.cumsum(lengths)], axis=1).reshape(-1)
    if not edges.size:
        return Spent(0.0, 0.0, 0.0, 0.0)
    inside = np.diff(np.interp(line.t_ns - edges[0], edges - edges[0], grown))
    width = np.diff(line.t_ns)
    inside = np.where(line.covered, inside, 0.0)
    whole, touched = inside > width * (1 - 1e-9), inside > 0
    return Spent(
        energy_j=float((line.energy_j * inside / np.maximum(width, 1)).sum()),
        low_j=float(line.low_j[whole].sum()),
        high_j=float(line.high_j[touched].sum()),
        uncovered_s=max(length_s(stretches) - float(inside.sum()) / NS_PER_S, 0.0),
    )
