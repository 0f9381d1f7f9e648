# SPDX-License-Identifier: Apache-2.0
"""A host's power over time: what readings say of each interval, joined where they are many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from nicarbon.accounts import Account
from nicarbon.timeline import Timeline
from nicarbon.units import NS_PER_S


class Power(msgspec.Struct, frozen=True):
    """Power between instants.

    Attributes
    ----------
    t_ns : ndarray of int64
        The n + 1 instants, nanoseconds of the host's monotonic clock.
    power_w, low_w, high_w : ndarray
        Mean watts of each of the n intervals and what the sensors' errors allow; NaN where a
        domain of the host has no reading.
    joined_s : float or None
        Intervals are joined to at least so many seconds; None where none had to be.
    """

    t_ns: NDArray[np.int64]
    power_w: NDArray[np.float64]
    low_w: NDArray[np.float64]
    high_w: NDArray[np.float64]
    joined_s: float | None = None


def power_over_time(
    accounts: Sequence[Account],
    n_most: int = 1000,
    devices: Iterable[Sequence[Account]] = (),
) -> Power | None:
    """Return a host's power; None without any reading.

    Parameters
    ----------
    accounts : sequence of Account
        Those of the host; between two readings, power is taken as constant.
    n_most : int
        From twice as many intervals on, neighbours are joined until each lasts at least the
        n-th part of the time. Energy is kept: a joined interval has its mean power. What is
        covered is never joined with what is not.
    devices : iterable of sequence of Account
        Those of each of its devices, which are added.
    """
    parts = [part for part in (accounts, *devices) if part]
    lines = [line for part in parts for one in part for line in one.lines]
    if not accounts or not lines:
        return None
    t_ns = np.unique(np.concatenate([line.t_ns for line in lines]))
    powers = np.sum([_of_part(part, t_ns) for part in parts], axis=0)
    if len(t_ns) - 1 <= 2 * n_most:
        return Power(t_ns, powers[0], powers[1], powers[2])
    return _joined(t_ns, powers, max(int(t_ns[-1] - t_ns[0]) // n_most, 1))


def _of_part(accounts: Sequence[Account], t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the watts of the processors or of a device, each moment by the best account."""
    powers = np.full((3, len(t_ns) - 1), np.nan)
    for one in accounts:
        of_one = np.sum([_powers(line, t_ns) for line in one.lines], axis=0)
        powers = np.where(np.isnan(powers), of_one, powers)
    return powers


def _powers(line: Timeline, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a timeline's watts, low and high, between given instants; NaN outside it."""
    seconds = np.diff(line.t_ns) / NS_PER_S
    joules = np.array([line.energy_j, line.low_j, line.high_j])
    watts = np.where(line.covered & (seconds > 0), joules / np.maximum(seconds, 1e-9), np.nan)
    where = np.searchsorted(line.t_ns, t_ns[:-1], side="right") - 1
    inside = (where >= 0) & (where < len(seconds))
    return np.where(inside, watts[:, np.clip(where, 0, len(seconds) - 1)], np.nan)


def _joined(t_ns: NDArray[np.int64], powers: NDArray[np.float64], least_ns: int) -> Power:
    seconds = np.diff(t_ns) / NS_PER_S
    covered = ~np.isnan(powers[0])
    slot = (t_ns[:-1] - t_ns[0]) // least_ns
    begins = np.ones(len(seconds), dtype=bool)
    begins[1:] = (np.diff(slot) > 0) | (covered[1:] != covered[:-1])
    first = np.flatnonzero(begins)
    joules = np.add.reduceat(powers * seconds, first, axis=1)
    watts = joules / np.add.reduceat(seconds, first)
    instants = np.append(t_ns[:-1][first], t_ns[-1])
    return Power(instants, watts[0], watts[1], watts[2], least_ns / NS_PER_S)
