# SPDX-License-Identifier: Apache-2.0
"""When a run was on each of its hosts, and the energy of each in intervals of that time.

Nothing here divides anything.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from nicarbon import curves, timeline
from nicarbon.accounts import Account, accounts
from nicarbon.intervals import Interval, union
from nicarbon.jobs import endings
from nicarbon.records import Driver, Host, NodeFile, RunFacts, SampleFile


class HostTime(msgspec.Struct, frozen=True):
    """When the run was on a host, and the host's energy in intervals of that time.

    Attributes
    ----------
    window : tuple of Interval
        Lifetimes of the run's drivers, in nanoseconds of the host's monotonic clock.
    allowed : tuple of Interval
        The same with what its samplers saw beside.
    accounts : tuple of Account
        Its energy, the best account first; empty without a reading.
    header : Host or None
        What a sampler says of the host.
    devices : dict
        The energy of each of its devices, by name: as `accounts`, which hold the processors'.
    """

    window: tuple[Interval, ...]
    allowed: tuple[Interval, ...]
    accounts: tuple[Account, ...]
    header: Host | None
    devices: dict[str, tuple[Account, ...]] = {}

    @property
    def lines(self) -> tuple[timeline.Timeline, ...]:
        """The energy in intervals, of all accounts and devices."""
        everything = [*self.accounts, *(one for found in self.devices.values() for one in found)]
        return tuple(line for one in everything for line in one.lines)


def host_times(facts: RunFacts) -> dict[str, HostTime]:
    """Return when the run was on each host, and the host's energy in intervals."""
    times = {}
    ended = endings(facts)
    for name, node_files, sample_files in by_host(facts):
        readings = timeline.merge(sample_files)
        ran = curves.executions(node_files, sample_files, readings, ended)
        times[name] = host_time(node_files, sample_files, readings, ran)
    return times


def by_host(facts: RunFacts) -> Iterator[tuple[str, list[NodeFile], list[SampleFile]]]:
    """Give each host with its files, in order of their ids."""
    names = {file.process.host for file in facts.node_files}
    for name in sorted(names | {file.host.host for file in facts.sample_files}):
        node_files = [file for file in facts.node_files if file.process.host == name]
        yield name, node_files, [f for f in facts.sample_files if f.host.host == name]


def host_time(
    node_files: list[NodeFile],
    sample_files: list[SampleFile],
    readings: list[timeline.Reading],
    ran: Mapping[str, curves.Execution],
) -> HostTime:
    """Return when the run was on one host, from the files of that host.

    Parameters
    ----------
    node_files, sample_files : list
        The host's.
    readings : list of Reading
        Its merged timeline.
    ran : mapping
        Its executions by span.
    """
    window = _window(node_files, sample_files, ran.values())
    allowed = union([*window, *_sessions(sample_files)])
    found = accounts(readings, sample_files, allowed)
    header = next((file.host for file in sample_files if file.host.sensors), None)
    devices = {
        name: tuple(accounts(readings, sample_files, allowed, name))
        for name in timeline.devices(sample_files)
    }
    return HostTime(tuple(window), tuple(allowed), tuple(found), header, devices)


def _sessions(sample_files: list[SampleFile]) -> list[Interval]:
    """Return when each sampler was reading."""
    times = [[sample.t_monotonic_ns for sample in file.samples] for file in sample_files]
    return [(min(of_file), max(of_file)) for of_file in times if of_file]


def _window(
    node_files: list[NodeFile],
    sample_files: list[SampleFile],
    ran: Iterable[curves.Execution],
) -> list[Interval]:
    """Return the lifetimes of the run's drivers; without any, when anything was recorded.

    A driver that was killed lived until the last that its files or its sampler say of it.
    """
    ran = list(ran)
    last_ns: dict[str | None, list[int]] = defaultdict(list)
    for e in ran:
        last_ns[e.driver].append(e.end_ns)
    for samples in sample_files:
        last_ns[samples.host.driver] += [last for _, last in _sessions([samples])]
    lives = []
    for file in node_files:
        marks = [line.t_monotonic_ns for line in file.lines if isinstance(line, Driver)]
        if not marks:
            continue
        if not any(isinstance(line, Driver) and line.event == "end" for line in file.lines):
            marks += last_ns[file.process.key]
        lives.append((min(marks), max(marks)))
    if not lives:
        lives = _sessions(sample_files)
        lives += [(e.start.t_monotonic_ns, e.end_ns) for e in ran]
    return union(lives)


def busy_cpu_s(readings: Sequence[timeline.Reading], allowed: Sequence[Interval]) -> float:
    """Return the CPU seconds of the whole host in the run's time."""
    total_s = 0.0
    times = [reading.sample.t_monotonic_ns for reading in readings]
    for first, last in allowed:
        inside = readings[bisect_left(times, first) : bisect_right(times, last)]
        if inside:
            total_s += inside[-1].sample.busy_cpu_s - inside[0].sample.busy_cpu_s
    return total_s
