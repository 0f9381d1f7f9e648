# SPDX-License-Identifier: Apache-2.0
"""What trials found: facts, and what follows of them."""

from __future__ import annotations

from math import fsum

import msgspec

NICARBON = "nicarbon"
COUNTERS = "raw counters"
# A tracker that polls its processes misses much of a shorter one: no yardstick for others.
LONG_S = 5.0


class Trial(msgspec.Struct, frozen=True):
    """One load under one tracker.

    Attributes
    ----------
    problem : str
        Why there is no figure, in the tracker's own words where it has any; else empty.
    version : str or None
        The tracker's.
    energy_j : dict
        What it reported, by part, in joules; without a PUE.
    method : str or None
        ``measured``, ``modelled`` or ``assumed``, where the tracker says it.
    seen_cpu_s : float or None
        The CPU seconds of the load that it saw, where it says them.
    asked : tuple of str
        The hosts that its code asked for; it was refused them all.
    true_cpu_s, true_duration_s : float or None
        CPU seconds and seconds of the load, by rusage.
    cpu_s, duration_s : float or None
        Those of the load and the tracker together.
    n_left : int
        Processes that it left behind.
    """

    problem: str = ""
    version: str | None = None
    energy_j: dict[str, float] = {}
    method: str | None = None
    seen_cpu_s: float | None = None
    asked: tuple[str, ...] = ()
    true_cpu_s: float | None = None
    true_duration_s: float | None = None
    cpu_s: float | None = None
    duration_s: float | None = None
    n_left: int = 0

    @property
    def total_j(self) -> float | None:
        """Return all that it reported, in joules; None where it reported nothing."""
        return fsum(self.energy_j.values()) if self.energy_j else None


class Kill(msgspec.Struct, frozen=True):
    """What was left when what started the load was killed in the middle of it.

    Attributes
    ----------
    kept : str
        What was found recorded; empty where nothing was.
    n_left : int
        Processes of the tracker that went on.
    problem : str
        Why it could not be tried.
    """

    kept: str = ""
    n_left: int = 0
    problem: str = ""


class Row(msgspec.Struct, frozen=True):
    """A tracker.

    Attributes
    ----------
    name : str
        Its name.
    load : Trial
        The load that was asked for.
    one : Trial or None
        One process that uses as much CPU time: what the others are held against.
    idle : Trial or None
        A process that sleeps.
    inner_j : float or None
        Joules of four loads at once, each under a tracker of its own, together.
    outer_j : float or None
        Joules that one tracker around all four reported.
    kill : Kill or None
        What a kill leaves.
    by_process : bool
        Whether it says that it measures the process and not the machine.
    """

    name: str
    load: Trial
    one: Trial | None = None
    idle: Trial | None = None
    inner_j: float | None = None
    outer_j: float | None = None
    kill: Kill | None = None
    by_process: bool = False

    @property
    def over_count(self) -> float | None:
        """Return the joules of four at once, over those of one tracker around them."""
        if self.inner_j is None or not self.outer_j:
            return None
        return self.inner_j / self.outer_j

    @property
    def seen(self) -> float | None:
        """Return the part of the load's CPU time that it saw.

        By its own CPU seconds; else, of trackers of a process, by the joules of CPU that it gives
        a CPU second of the load, over those that it gives a CPU second of one process of at least
        `LONG_S` seconds.
        """
        load, one = self.load, self.one
        if load.seen_cpu_s is not None and load.true_cpu_s:
            return load.seen_cpu_s / load.true_cpu_s
        if not self.by_process or one is None or not load.true_cpu_s or not one.true_cpu_s:
            return None
        if (one.true_duration_s or 0.0) < LONG_S:
            return None
        if "cpu" not in load.energy_j or not one.energy_j.get("cpu"):
            return None
        per_s = load.energy_j["cpu"] / load.true_cpu_s
        return per_s / (one.energy_j["cpu"] / one.true_cpu_s)

    @property
    def idle_w(self) -> float | None:
        """Return the watts that it gave a process that slept."""
        trial = self.idle
        if trial is None or trial.total_j is None or not trial.true_duration_s:
            return None
        return trial.total_j / trial.true_duration_s

    @property
    def own_cpu_s(self) -> float | None:
        """Return its CPU seconds beside the load's."""
        return _beyond(self.load.cpu_s, self.load.true_cpu_s)

    @property
    def own_duration_s(self) -> float | None:
        """Return the seconds by which it made the load longer, at its start and its end."""
        return _beyond(self.load.duration_s, self.load.true_duration_s)


def _beyond(together: float | None, load: float | None) -> float | None:
    return None if together is None or load is None else together - load


class Trials(msgspec.Struct, frozen=True):
    """All trials of one command.

    Attributes
    ----------
    load : str
        Its name.
    seconds : float
        CPU seconds of each of nicarbon's own loads.
    machine : str
        What they ran on.
    date : str
        When, UTC.
    busy : float
        Other processes' load average at the start.
    rows : tuple of Row
        A tracker each.
    """

    load: str
    seconds: float
    machine: str
    date: str
    busy: float
    rows: tuple[Row, ...]
