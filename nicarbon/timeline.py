# SPDX-License-Identifier: Apache-2.0
"""From a host's raw readings to joules and busy CPU seconds in intervals.

Nothing here knows of nodes. A missing reading is never a zero: the next good one bridges it, or
the interval is not covered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise, zip_longest

import msgspec
import numpy as np
from numpy.typing import NDArray

from nicarbon.intervals import Interval, union
from nicarbon.limits import standing_j
from nicarbon.records import Domain, Model, Sample, SampleFile, Sensor
from nicarbon.units import NS_PER_S

# Counters move every millisecond and busy time in ticks of 10 ms: their ratio is off by 8 % over
# 5 ms and by 0.4 % over 100 ms. Shorter intervals are joined; sums are not changed by it.
_MIN_INTERVAL_NS = 100_000_000

# `Domain.kind` of a device: those who computed on it share its energy, not those who used CPUs.
DEVICE = "gpu"

# Two samplers that read one counter within this time may note their readings in the other order.
_JITTER_NS = 100_000_000


class Reading(msgspec.Struct, frozen=True):
    """A sample of the merged timeline, and which of the host's samplers took it."""

    sampler: int
    sample: Sample


class Step(msgspec.Struct, frozen=True):
    """What a domain did between two of its readings.

    `first` and `last` are positions in the merged timeline; `units` is the raw difference, None
    where it is not known (or not the run's); `low` and `high` are the least and the most that it
    may have been, where the domain tells them.
    """

    first: int
    last: int
    units: int | None
    low: int | None = None
    high: int | None = None


class Timeline(msgspec.Struct, frozen=True):
    """Joules and busy CPU seconds between instants, for domains that were read together.

    Attributes
    ----------
    t_ns : ndarray of int64
        The n + 1 instants, n intervals.
    covered : ndarray of bool
        The intervals whose energy is known.
    energy_j, low_j, high_j : ndarray
        Joules and what the sensors' errors allow; 0 where not covered.
    busy_cpu_s : ndarray
        CPU seconds of the whole host; may be slightly negative.
    recount_j : float
        The energy once more, straight from the first and last raw readings.
    n_domains : int
        How many domains are summed here.
    standing_j : ndarray or None
        The part of the energy that is of counters whose power stood still just then, see
        `nicarbon.limits`; None where nothing is known of it.
    """

    t_ns: NDArray[np.int64]
    covered: NDArray[np.bool_]
    energy_j: NDArray[np.float64]
    low_j: NDArray[np.float64]
    high_j: NDArray[np.float64]
    busy_cpu_s: NDArray[np.float64]
    recount_j: float
    n_domains: int
    standing_j: NDArray[np.float64] | None = None

    def covered_intervals(self) -> list[Interval]:
        """Return the covered intervals, joined where they meet."""
        edges = self.t_ns.tolist()
        return union((edges[i], edges[i + 1]) for i, covered in enumerate(self.covered) if covered)


def merge(files: Sequence[SampleFile]) -> list[Reading]:
    """Put the samples of a host's samplers into one order of time."""
    readings = [Reading(i, sample) for i, file in enumerate(files) for sample in file.samples]
    return sorted(readings, key=lambda r: (r.sample.t_monotonic_ns, r.sampler))


def account(sensors: Iterable[Sensor], device: str | None = None) -> list[tuple[Sensor, Domain]]:
    """Return the domains whose sum is the energy of a host's processors, with their sensors.

    Parameters
    ----------
    sensors : iterable of Sensor
        The host's.
    device : str, optional
        Name of a device: its domains instead, which are divided among those who used it.
    """
    return [
        (sensor, domain)
        for sensor in sensors
        for domain in sensor.domains
        if domain.account and (domain.name if domain.kind == DEVICE else None) == device
    ]


def devices(files: Iterable[SampleFile]) -> list[str]:
    """Return the names of a host's devices."""
    domains = (d for file in files for sensor in file.host.sensors for d in sensor.domains)
    return sorted({domain.name for domain in domains if domain.account and domain.kind == DEVICE})


def timelines(
    readings: Sequence[Reading],
    domains: Sequence[tuple[Sensor, Domain]],
    allowed: Sequence[Interval],
    samplers: Mapping[str, Collection[int]] | None = None,
) -> list[Timeline]:
    """Turn readings into intervals of energy.

    Parameters
    ----------
    readings : sequence of Reading
        As `merge` returns them.
    domains : sequence of (Sensor, Domain)
        The account.
    allowed : sequence of (int, int)
        Where energy belongs to the run: an interval between two readings that is not wholly
        inside one of these is not covered.
    samplers : mapping, optional
        By the name of a domain, the samplers whose readings of that name are meant; all by
        default. A model needs none: busy time is in every sample.

    Returns
    -------
    list of Timeline
        One for each set of domains that were read at the same instants, the largest set first.
    """
    groups: dict[tuple[tuple[int, int, bool], ...], list[tuple[Sensor, Domain, list[Step]]]] = {}
    for sensor, domain in domains:
        whose = None if samplers is None else samplers[domain.name]
        steps = _steps(readings, domain, allowed, whose)
        if steps:
            key = tuple((i.first, i.last, i.units is None) for i in steps)
            groups.setdefault(key, []).append((sensor, domain, steps))
    return [
        _timeline(readings, group)
        for group in sorted(groups.values(), key=lambda group: -len(group))
    ]


def _steps(
    readings: Sequence[Reading],
    domain: Domain,
    allowed: Sequence[Interval],
    whose: Collection[int] | None,
) -> list[Step]:
    """Return what a domain did between its good readings, in order of time."""
    found: list[Step] = []
    before: int | None = None
    where = 0
    good = [
        i
        for i, reading in enumerate(readings)
        if domain.model is not None
        or (
            reading.sample.readings.get(domain.name) is not None
            and (whose is None or reading.sampler in whose)
        )
    ]
    for now, after in zip_longest(good, good[1:]):
        reading = readings[now]
        if before is None:
            before = now
            continue
        first_ns = readings[before].sample.t_monotonic_ns
        last_ns = reading.sample.t_monotonic_ns
        while where < len(allowed) and allowed[where][1] < last_ns:
            where += 1
        inside = where < len(allowed) and allowed[where][0] <= first_ns
        if domain.model is not None:
            units: int | None = 0
        else:
            if _is_jitter(readings[before], reading, domain):
                continue
            # One garbage reading is a missing one, where the next agrees with the last.
            if after is not None and _is_leap(
                readings[before].sample, reading.sample, readings[after].sample, domain
            ):
                continue
            units = _difference(readings[before].sample, reading.sample, domain)
        if not inside:
            units = None
        low, high = _bounds(readings[before].sample, reading.sample, domain, units)
        found.append(Step(before, now, units, low, high))
        before = now
    return found


def _is_jitter(before: Reading, now: Reading, domain: Domain) -> bool:
    """Tell a reading that another sampler has overtaken from a counter that wrapped.

    Its reading is then treated as missing, which costs nothing.
    """
    drop = before.sample.readings[domain.name] - now.sample.readings[domain.name]  # type: ignore[operator]
    apart_ns = now.sample.t_monotonic_ns - before.sample.t_monotonic_ns
    return (
        drop > 0
        and before.sampler != now.sampler
        and apart_ns < _JITTER_NS
        and (domain.range is None or 2 * drop < domain.range)
    )


def _is_leap(before: Sample, now: Sample, after: Sample, domain: Domain) -> bool:
    """Tell a reading that sticks out of its neighbours, which agree, from a counter set back.

    By way of it the counter would have gone back, or once more round than there is time for.
    """
    direct = _difference(before, after, domain)
    if direct is None:
        return False
    past, present, later = (s.readings[domain.name] or 0 for s in (before, now, after))
    if past <= later:
        return not past <= present <= later
    there, back = _difference(before, now, domain), _difference(now, after, domain)
    return there is not None and back is not None and there + back > direct


def _longest_gap_s(domain: Domain) -> float | None:
    """Return after how long a counter may have wrapped twice; None where that is not known."""
    if domain.range is None or not domain.max_power_w:
        return None
    return domain.range * domain.unit_j / domain.max_power_w


def _difference(before: Sample, now: Sample, domain: Domain) -> int | None:
    """Return how far a counter went; None where that can't be known.

    The kernel's energy counters are back at 0 after ``max_energy_range_uj``, which is taken as
    their modulus (Documentation/power/powercap/powercap.rst).
    """
    past, present = before.readings[domain.name], now.readings[domain.name]
    assert past is not None
    assert present is not None
    apart_s = (now.t_monotonic_ns - before.t_monotonic_ns) / NS_PER_S
    longest_s = _longest_gap_s(domain)
    if longest_s is not None and apart_s > longest_s:
        return None
    units = present - past
    if units < 0:
        if domain.range is None or units + domain.range < 0:
            return None
        units += domain.range
    if domain.max_power_w and units * domain.unit_j > 2 * domain.max_power_w * (apart_s + 0.1):
        # No load goes so far in that time: the counter was set back (a suspend, a new driver), or
        # one of the two readings is garbage.
        return None
    return units


def _bounds(
    before: Sample, now: Sample, domain: Domain, units: int | None
) -> tuple[int | None, int | None]:
    """Return the least and the most that a domain counted; None where it doesn't tell."""
    if domain.bounds is None or units is None:
        return None, None
    low, high = (
        None if past is None or present is None else present - past
        for past, present in (
            (before.readings.get(name), now.readings.get(name)) for name in domain.bounds
        )
    )
    return (
        None if low is None else min(max(low, 0), units),
        None if high is None else max(high, units),
    )


def _recount_j(readings: Sequence[Reading], domain: Domain, steps: list[Step]) -> float:
    """Compute a domain's energy from first and last readings alone, in whole numbers."""
    runs: list[list[int]] = []
    for step in steps:
        if step.units is None:
            continue
        if runs and runs[-1][-1] == step.first:
            runs[-1].append(step.last)
        else:
            runs.append([step.first, step.last])
    if domain.model is not None:
        _, idle_w, _ = domain.model.idle_w
        _, busy_w, _ = domain.model.busy_w
        apart_ns = sum(
            readings[run[-1]].sample.t_monotonic_ns - readings[run[0]].sample.t_monotonic_ns
            for run in runs
        )
        busy_s = sum(
            readings[run[-1]].sample.busy_cpu_s - readings[run[0]].sample.busy_cpu_s
            for run in runs
        )
        return idle_w * apart_ns / NS_PER_S + busy_w * busy_s
    total = 0
    for run in runs:
        raw = [readings[i].sample.readings[domain.name] or 0 for i in run]
        wraps = sum(now < past for past, now in pairwise(raw))
        total += raw[-1] - raw[0] + wraps * (domain.range or 0)
    return total * domain.unit_j


def _modelled_j(
    model: Model, which: int, seconds: NDArray[np.float64], busy_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    return model.idle_w[which] * seconds + model.busy_w[which] * busy_s


def _timeline(
    readings: Sequence[Reading], group: list[tuple[Sensor, Domain, list[Step]]]
) -> Timeline:
    """Sum domains that share their instants, then join intervals that are too short."""
    steps = group[0][2]
    points = np.array([steps[0].first] + [i.last for i in steps])
    t_ns = np.array([readings[i].sample.t_monotonic_ns for i in points], dtype=np.int64)
    busy = np.array([readings[i].sample.busy_cpu_s for i in points])
    covered = np.array([i.units is not None for i in steps])
    kept = _spaced(t_ns.tolist(), covered.tolist())
    seconds = np.diff(t_ns) / NS_PER_S
    busy_s = np.diff(busy)
    energy = np.zeros((3, len(steps)))
    apart_s = np.add.reduceat(seconds, kept[:-1])
    standing = np.zeros(len(kept) - 1)
    for sensor, domain, of_domain in group:
        if domain.model is not None:
            for which, row in ((1, 0), (0, 1), (2, 2)):
                energy[row] += _modelled_j(domain.model, which, seconds, busy_s)
        else:
            of_domain_j = np.array([float(i.units or 0) for i in of_domain]) * domain.unit_j
            energy[0] += of_domain_j
            standing += standing_j(np.add.reduceat(of_domain_j, kept[:-1]), apart_s)
            low = [float((i.units if i.low is None else i.low) or 0) for i in of_domain]
            high = [float((i.units if i.high is None else i.high) or 0) for i in of_domain]
            energy[1] += np.array(low) * domain.unit_j * (1 - sensor.relative_error)
            energy[2] += np.array(high) * domain.unit_j * (1 + sensor.relative_error)
    energy[:, ~covered] = 0.0
    energy = np.add.reduceat(energy, kept[:-1], axis=1)
    return Timeline(
        t_ns=t_ns[kept],
        covered=covered[kept[:-1]],
        energy_j=energy[0],
        low_j=energy[1],
        high_j=energy[2],
        busy_cpu_s=np.diff(busy[kept]),
        recount_j=sum(_recount_j(readings, domain, i) for _, domain, i in group),
        n_domains=len(group),
        standing_j=standing,
    )


def _spaced(t_ns: list[int], covered: list[bool]) -> NDArray[np.intp]:
    """Choose instants that are far enough apart; the ends of covered stretches always stay."""
    kept = [0]
    for i in range(1, len(t_ns)):
        is_end = i == len(covered) or covered[i - 1] != covered[i] or not covered[i]
        if t_ns[i] - t_ns[kept[-1]] >= _MIN_INTERVAL_NS:
            kept.append(i)
        elif is_end:
            if len(kept) > 1 and covered[kept[-1] - 1] and covered[kept[-1]]:
                kept.pop()
            kept.append(i)
    return np.array(kept)
