# SPDX-License-Identifier: Apache-2.0
"""How much energy a host used in given stretches of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum

import msgspec
import numpy as np

from nicarbon.accounts import Account, uncovered
from nicarbon.intervals import Interval, length_s
from nicarbon.timeline import Timeline


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
        Seconds of the stretches that no account covers wholly.
    """

    energy_j: float
    low_j: float
    high_j: float
    uncovered_s: float


def spent_in(
    accounts: Sequence[Account],
    stretches: Sequence[Interval],
    devices: Iterable[Sequence[Account]] = (),
) -> Spent | None:
    """Return the energy of a host in stretches of time; None without any reading.

    Parameters
    ----------
    accounts : sequence of Account
        Those of the host.
    stretches : sequence of (int, int)
        Nanoseconds of the host's monotonic clock, as `nicarbon.intervals.union` returns them.
    devices : iterable of sequence of Account
        Those of each of its devices, which are added.
    """
    known = [*accounts, *(one for found in devices for one in found)]
    parts = [_of_line(line, stretches) for one in known for line in one.lines]
    if not accounts or not parts:
        return None
    return Spent(
        energy_j=fsum(energy_j for energy_j, _, _ in parts),
        low_j=fsum(low_j for _, low_j, _ in parts),
        high_j=fsum(high_j for _, _, high_j in parts),
        uncovered_s=length_s(uncovered(accounts, stretches)),
    )


def _of_line(line: Timeline, stretches: Sequence[Interval]) -> tuple[float, float, float]:
    """Return energy, low and high in joules."""
    edges = np.array(stretches, dtype=np.int64).reshape(-1)
    lengths = np.array([last - first for first, last in stretches], dtype=np.int64)
    # Seconds of stretches before an instant: nothing grows between stretches.
    grown = np.stack([np.cumsum(lengths) - lengths, np.cumsum(lengths)], axis=1).reshape(-1)
    if not edges.size:
        return 0.0, 0.0, 0.0
    inside = np.diff(np.interp(line.t_ns - edges[0], edges - edges[0], grown))
    width = np.diff(line.t_ns)
    inside = np.where(line.covered, inside, 0.0)
    whole, touched = inside > width * (1 - 1e-9), inside > 0
    return (
        float((line.energy_j * inside / np.maximum(width, 1)).sum()),
        float(line.low_j[whole].sum()),
        float(line.high_j[touched].sum()),
    )
