# SPDX-License-Identifier: Apache-2.0
"""Which of a host's sensors its energy is taken from, where its samplers saw different ones.

One job may read the counters and the next one not, one sees the packages and another only the
whole platform. A host's energy is counted once, each interval by the best account that covers it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from nicarbon.intervals import Interval, length_s, union, without
from nicarbon.records import Domain, SampleFile, Sensor
from nicarbon.timeline import DEVICE, Reading, Timeline, account, timelines

# From the surest to the weakest.
METHODS = ("measured", "modelled", "assumed")


class Account(msgspec.Struct, frozen=True):
    """Domains whose sum is a host's energy, and that energy where no better account has it.

    Attributes
    ----------
    sensors : tuple of Sensor
        With the domains of the account alone.
    lines : tuple of Timeline
        The energy in intervals, the largest set of domains first; never empty.
    """

    sensors: tuple[Sensor, ...]
    lines: tuple[Timeline, ...]

    @property
    def method(self) -> str:
        """The weakest method of its sensors."""
        return weakest(self.sensors)

    def covered(self) -> list[Interval]:
        """Return where any of its domains has energy."""
        return union(piece for line in self.lines for piece in line.covered_intervals())


def weakest(sensors: Iterable[Sensor]) -> str:
    """Return the weakest method of sensors; ``assumed`` without any."""
    return weakest_of(sensor.method for sensor in sensors) or "assumed"


def weakest_of(methods: Iterable[str | None]) -> str | None:
    """Return the weakest of methods: what an energy is that rests on all of them.

    Examples
    --------
    >>> weakest_of(["measured", None, "modelled"]), weakest_of([])
    ('modelled', None)
    """
    return max((method for method in methods if method), key=METHODS.index, default=None)


def accounts(
    readings: Sequence[Reading],
    files: Sequence[SampleFile],
    allowed: Sequence[Interval],
    device: str | None = None,
) -> list[Account]:
    """Return the energy of a host's processors, each interval from the best that covers it.

    Parameters
    ----------
    readings : sequence of Reading
        As `nicarbon.timeline.merge` returns them for `files`.
    files : sequence of SampleFile
        What the host's samplers recorded.
    allowed : sequence of (int, int)
        Where energy belongs to the run.
    device : str, optional
        Name of a device whose energy is meant instead.

    Returns
    -------
    list of Account
        The best first, those without a covered interval left out unless there is no other. Their
        intervals do not overlap.
    """
    found = []
    left = list(allowed)
    for sensors in ranked(files, device):
        domains = account(sensors, device)
        samplers = {domain.name: _who_read(domain, files) for _, domain in domains}
        for whose in _comparable(readings, domains, samplers):
            lines = timelines(whose, domains, left, samplers)
            if lines:
                found.append(Account(sensors, tuple(lines)))
                left = without(left, found[-1].covered())
    return [one for one in found if length_s(one.covered()) > 0] or found[:1]


def _comparable(
    readings: Sequence[Reading],
    domains: Sequence[tuple[Sensor, Domain]],
    samplers: Mapping[str, Collection[int]],
) -> list[Sequence[Reading]]:
    """Return readings whose counters have one zero; of each sampler, the longest first, or all."""
    if not any(domain.since_open for _, domain in domains):
        return [readings]
    own: dict[int, list[Reading]] = {}
    for reading in readings:
        if all(reading.sampler in samplers[domain.name] for _, domain in domains):
            own.setdefault(reading.sampler, []).append(reading)
    return sorted(own.values(), key=_length_ns, reverse=True)


def _length_ns(readings: Sequence[Reading]) -> int:
    return readings[-1].sample.t_monotonic_ns - readings[0].sample.t_monotonic_ns


def ranked(files: Iterable[SampleFile], device: str | None = None) -> list[tuple[Sensor, ...]]:
    """Return the different accounts that samplers of one host name, the best first.

    The best has the most measured domains, then the most domains.
    """
    different: list[tuple[Sensor, ...]] = []
    for file in files:
        sensors = tuple(
            msgspec.structs.replace(sensor, domains=tuple(domain for _, domain in domains))
            for sensor in file.host.sensors
            if (domains := account([sensor], device))
        )
        if sensors and sensors not in different:
            different.append(sensors)
    return sorted(different, key=lambda sensors: _worth(sensors, device), reverse=True)


def uncovered(found: Iterable[Account], stretches: Sequence[Interval]) -> list[Interval]:
    """Return where no account, or only a part of one, covers some stretches of time.

    Parameters
    ----------
    found : iterable of Account
        Those of one host.
    stretches : sequence of (int, int)
        As `nicarbon.intervals.union` returns them.
    """
    whole: list[Interval] = []
    for one in found:
        holes = union(
            hole for line in one.lines for hole in without(stretches, line.covered_intervals())
        )
        whole += without(stretches, holes)
    return without(stretches, union(whole))


def in_use(found: Sequence[Account], files: Iterable[SampleFile]) -> list[tuple[Sensor, ...]]:
    """Return the sensors of each account; of the best one that has no reading, without any."""
    return [one.sensors for one in found] or ranked(files)[:1]


def shown(found: Sequence[Account], files: Sequence[SampleFile]) -> tuple[Sensor, ...]:
    """Return a host's sensors: those of its accounts, and counters that are only a check."""
    used = {
        (sensor.name, domain.name)
        for sensors in in_use(found, files)
        for sensor, domain in account(sensors)
    }
    sensors: dict[str, Sensor] = {}
    best_first = sorted(files, key=lambda file: _worth(file.host.sensors), reverse=True)
    for sensor in (sensor for file in best_first for sensor in file.host.sensors):
        known = sensors.get(sensor.name)
        domains = {domain.name: domain for domain in (known.domains if known else ())}
        for domain in sensor.domains:
            is_used = (sensor.name, domain.name) in used
            # What a device used is its own account, whatever counted the processors.
            is_used = is_used or (domain.account and domain.kind == DEVICE)
            if is_used or sensor.method == "measured":
                with_role = msgspec.structs.replace(domain, account=is_used)
                domains.setdefault(domain.name, with_role)
        # A sensor of devices that can't be read says so and has no domain.
        if domains or (sensor.note and not sensor.domains):
            sensors[sensor.name] = msgspec.structs.replace(
                known or sensor, domains=tuple(domains.values())
            )
    return tuple(sensors.values())


def _worth(sensors: Iterable[Sensor], device: str | None = None) -> tuple[int, int]:
    domains = account(sensors, device)
    return sum(sensor.method == "measured" for sensor, _ in domains), len(domains)


def _who_read(domain: Domain, files: Sequence[SampleFile]) -> set[int]:
    """Return the samplers that mean this counter by its name.

    One whose first line is torn is believed to: what its sensors were, others know.
    """

    def same(other: Domain) -> bool:
        return (other.name, other.unit_j, other.range, other.device, other.bounds) == (
            domain.name,
            domain.unit_j,
            domain.range,
            domain.device,
            domain.bounds,
        )

    return {
        i
        for i, file in enumerate(files)
        if not file.host.sensors
        or any(same(other) for sensor in file.host.sensors for other in sensor.domains)
    }
