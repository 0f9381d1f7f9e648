# SPDX-License-Identifier: Apache-2.0
"""Fold node executions into rows of a table: the sum of energies is kept, times are united.

A row may stand for a node, a stage, a host or a whole run. Nothing here decides what belongs to
it, and nothing is rounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum, hypot
from typing import TypeAlias

import msgspec

from nicarbon import unlike
from nicarbon.accounts import weakest_of
from nicarbon.energies import SpanEnergy

# One standard deviation of what sharing a device by its time leaves unknown, as a part of the
# energy that was shared; what CPU time leaves unknown is estimated, see `nicarbon.unlike`.
DEVICE_SPREAD = 0.35

FAILED = ("failed", "killed")


class Row(msgspec.Struct, frozen=True):
    """What some nodes used together.

    Attributes
    ----------
    name : str
        What was folded into it: a stage, a node, a host ...
    energy_j : float or None
        Joules; None where no execution has any (cached, or covered by no reading).
    energy_low_j, energy_high_j : float or None
        The range: of the sensors and of the sharing, combined as independent.
    active_j : float or None
        The part above the hosts' idle power; None unless all hosts are calibrated.
    cpu_s : float
        CPU seconds.
    cpu_incomplete : str or None
        Why CPU seconds may be missing: each reason once.
    duration_s : float
        Length of the union of the executions' intervals; cached ones have none.
    carbon_g : float or None
        Grams of CO2 equivalent; None until the run is priced.
    n_nodes, n_cached, n_failed : int
        Nodes, those only found in the cache, and those whose last attempt failed or was killed.
    method : str or None
        The weakest method that the energy rests on; None without energy.
    peak_memory_bytes : int or None
        The most that the process tree of any one execution was seen to hold.
    wasted_j : float or None
        The part of the energy that went into executions that did not deliver and were done again;
        None where no energy is known.
    queue_wait_s : float or None
        The sum of the times that jobs waited in a scheduler's queue, in no duration; None where
        none was a job, or the wait of none is known.
    carbon_low_g, carbon_high_g : float or None
        The range of the grams: energy's, the intensity's and the PUE's, joined.
    carbon_range_from : str or None
        Which of the three it mostly comes from; None where none has a range.
    gpu_j, gpu_held_j : float or None
        The part of the energy that is GPUs', and of that the part in which memory was held while
        nothing computed; None where no GPU's energy is known.
    gpu_s : float or None
        Seconds of a whole GPU that were computed.
    """

    name: str
    energy_j: float | None
    energy_low_j: float | None
    energy_high_j: float | None
    active_j: float | None
    cpu_s: float
    cpu_incomplete: str | None
    duration_s: float
    carbon_g: float | None
    n_nodes: int
    n_cached: int
    n_failed: int
    method: str | None
    peak_memory_bytes: int | None = None
    wasted_j: float | None = None
    queue_wait_s: float | None = None
    carbon_low_g: float | None = None
    carbon_high_g: float | None = None
    carbon_range_from: str | None = None
    gpu_j: float | None = None
    gpu_held_j: float | None = None
    gpu_s: float | None = None


# What gives a row, folded of these executions, its grams: see `nicarbon.carbon.pricing`.
Priced: TypeAlias = Callable[[Row, Sequence[SpanEnergy]], Row]

COLUMNS = Row.__struct_fields__
# The name of the row of all that ran.
TOTAL = "total"


def unpriced(row: Row, spans: Sequence[SpanEnergy]) -> Row:
    """Return the row as it is."""
    return row


def clock_offsets(spans: Iterable[SpanEnergy]) -> dict[str, float]:
    """Return the seconds that bring each host's monotonic clock onto one common clock.

    Each host gets one offset, so that within a host only its monotonic clock counts: a wall
    clock that is set while nodes run changes no duration.
    """
    first: dict[str, SpanEnergy] = {}
    for span in spans:
        if span.host not in first or (span.start_s, span.span) < _place(first[span.host]):
            first[span.host] = span
    offsets = {host: first[host].start_unix_s - first[host].start_s for host in sorted(first)}
    origin = next(iter(offsets.values()), 0.0)
    return {host: offset - origin for host, offset in offsets.items()}


def _place(span: SpanEnergy) -> tuple[float, str]:
    return span.start_s, span.span


def fold(
    spans: Iterable[SpanEnergy],
    name_of: Callable[[SpanEnergy], str],
    offsets: Mapping[str, float],
    priced: Priced = unpriced,
) -> list[Row]:
    """Fold executions into one row for each name, highest energy first, rows without energy last.

    Parameters
    ----------
    spans : iterable of SpanEnergy
        Executions.
    name_of : callable
        Name of the row that an execution belongs to.
    offsets : mapping
        Seconds by host, from `clock_offsets`.
    priced : callable, optional
        What gives each row its grams.
    """
    groups: dict[str, list[SpanEnergy]] = defaultdict(list)
    for span in spans:
        groups[name_of(span)].append(span)
    rows = [fold_one(name, group, offsets, priced) for name, group in groups.items()]
    return sorted(rows, key=lambda row: (row.energy_j is None, -(row.energy_j or 0.0), row.name))


def fold_one(
    name: str,
    spans: Iterable[SpanEnergy],
    offsets: Mapping[str, float],
    priced: Priced = unpriced,
) -> Row:
    """Fold executions into one row."""
    spans = list(spans)
    energy_j, low_j, high_j = energy_range(spans)
    by_node: dict[str, list[SpanEnergy]] = defaultdict(list)
    for span in spans:
        by_node[span.node].append(span)
    outcomes = [outcome(of_node) for of_node in by_node.values()]
    reasons = sorted({s.cpu_incomplete for s in spans if s.cpu_incomplete})
    row = Row(
        name=name,
        energy_j=energy_j,
        energy_low_j=low_j,
        energy_high_j=high_j,
        active_j=_active_j(spans),
        cpu_s=fsum(s.cpu_s for s in spans),
        cpu_incomplete="; ".join(reasons) or None,
        duration_s=_united_s(spans, offsets),
        carbon_g=None,
        n_nodes=len(by_node),
        n_cached=outcomes.count("cached"),
        n_failed=sum(o in FAILED for o in outcomes),
        method=weakest_of(s.method for s in _priced(spans)),
        peak_memory_bytes=max(
            (s.peak_memory_bytes for s in spans if s.peak_memory_bytes is not None), default=None
        ),
        wasted_j=None if energy_j is None else fsum(s.energy_j or 0.0 for s in spans if s.wasted),
        queue_wait_s=_summed(s.queue_wait_s for s in spans),
        gpu_j=_summed(s.gpu_j for s in spans),
        gpu_held_j=_summed(s.gpu_held_j for s in spans),
        gpu_s=_summed(s.gpu_s for s in spans),
    )
    return priced(row, spans)


def add_up(name: str, rows: Iterable[Row]) -> Row:
    """Add up rows of several runs; their times are summed, as they do not share a clock.

    Ranges are added up too, as runs of one study have the same sensors and the same ways of
    sharing. Grams are known only where each row's are.
    """
    rows = list(rows)
    reasons = sorted({row.cpu_incomplete for row in rows if row.cpu_incomplete})
    with_energy = [row for row in rows if row.energy_j is not None]
    grams = [row.carbon_g for row in with_energy]
    active = [row.active_j for row in with_energy]
    return Row(
        name=name,
        energy_j=_summed(row.energy_j for row in rows),
        energy_low_j=_summed(row.energy_low_j for row in rows),
        energy_high_j=_summed(row.energy_high_j for row in rows),
        active_j=None if None in active else _summed(active),
        cpu_s=fsum(row.cpu_s for row in rows),
        cpu_incomplete="; ".join(reasons) or None,
        duration_s=fsum(row.duration_s for row in rows),
        carbon_g=None if None in grams else _summed(grams),
        n_nodes=sum(row.n_nodes for row in rows),
        n_cached=sum(row.n_cached for row in rows),
        n_failed=sum(row.n_failed for row in rows),
        method=weakest_of(row.method for row in rows),
        peak_memory_bytes=max(
            (row.peak_memory_bytes for row in rows if row.peak_memory_bytes is not None),
            default=None,
        ),
        wasted_j=_summed(row.wasted_j for row in rows),
        queue_wait_s=_summed(row.queue_wait_s for row in rows),
        carbon_low_g=None if None in grams else _summed(row.carbon_low_g for row in rows),
        carbon_high_g=None if None in grams else _summed(row.carbon_high_g for row in rows),
        carbon_range_from=max(rows, key=_width_g).carbon_range_from if rows else None,
        gpu_j=_summed(row.gpu_j for row in rows),
        gpu_held_j=_summed(row.gpu_held_j for row in rows),
        gpu_s=_summed(row.gpu_s for row in rows),
    )


def _width_g(row: Row) -> float:
    return (row.carbon_high_g or 0.0) - (row.carbon_low_g or 0.0)


def _summed(values: Iterable[float | None]) -> float | None:
    """Return the sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return fsum(known) if known else None


def energy_range(spans: Iterable[SpanEnergy]) -> tuple[float | None, float | None, float | None]:
    """Return energy, low and high in joules, or three times None where there is no energy.

    The sensors' ranges are added up (one sensor is wrong in one direction); what sharing a host
    leaves unknown is what unlike programs may differ by, see `nicarbon.unlike`; what telling
    programs apart leaves unknown is each part's own; all three are combined as independent.
    """
    priced = _priced(spans)
    if not priced:
        return None, None, None
    energy_j = fsum(s.energy_j or 0.0 for s in priced)
    below_j = energy_j - fsum(s.sensor_low_j for s in priced)
    above_j = fsum(s.sensor_high_j for s in priced) - energy_j
    sharing_j = _sharing_j(priced)
    split_j = hypot(*(s.split_j for s in priced))
    low_j = max(energy_j - hypot(below_j, sharing_j, split_j), 0.0)
    return energy_j, min(low_j, energy_j), energy_j + hypot(above_j, sharing_j, split_j)


def _sharing_j(spans: Sequence[SpanEnergy]) -> float:
    """Return one standard deviation of what sharing hosts and devices leaves unknown."""
    devices_j = DEVICE_SPREAD * fsum(s.shared_j for s in spans)
    return hypot(devices_j, unlike.sigma(s.doubt for s in spans))


def share_range(
    spans: Iterable[SpanEnergy], whole: Iterable[SpanEnergy]
) -> tuple[float, float, float] | None:
    """Return which part of the energy some executions have, low and high; None without energy.

    A share is surer than its joules: a sensor that reads too much does so for all nodes of its
    host alike. So shares are compared under the lowest, the central and the highest that each
    host's sensors allow, each host for itself; what sharing a host leaves unknown is as in
    `energy_range`, and both are combined as independent.

    Parameters
    ----------
    spans : iterable of SpanEnergy
        The executions.
    whole : iterable of SpanEnergy
        All executions, these included.
    """
    part, total = _curves(spans), _curves(whole)
    whole_j = fsum(curve[1] for curve in total.values())
    if whole_j <= 0:
        return None
    share = fsum(curve[1] for curve in part.values()) / whole_j
    sharing = _sharing_j(_priced(spans)) / whole_j
    below = share - _extreme_share(part, total, share, -1.0)
    above = _extreme_share(part, total, share, 1.0) - share
    split = hypot(*(s.split_j for s in _priced(spans))) / whole_j
    low = max(share - hypot(below, sharing, split), 0.0)
    return share, low, min(share + hypot(above, sharing, split), 1.0)


def _curves(spans: Iterable[SpanEnergy]) -> dict[str, tuple[float, float, float]]:
    """Return the lowest, central and highest joules that the sensors allow, by host."""
    by_host: dict[str, list[SpanEnergy]] = defaultdict(list)
    for span in _priced(spans):
        by_host[span.host].append(span)
    return {
        host: (
            fsum(s.sensor_low_j for s in of_host),
            fsum(s.energy_j or 0.0 for s in of_host),
            fsum(s.sensor_high_j for s in of_host),
        )
        for host, of_host in by_host.items()
    }


def _extreme_share(
    part: Mapping[str, tuple[float, float, float]],
    total: Mapping[str, tuple[float, float, float]],
    share: float,
    sign: float,
) -> float:
    """Return the least (-1) or greatest (1) share, each host on one of its three curves.

    A ratio of sums is greatest where ``part - share x total`` is, host by host, at the share
    that comes out (Dinkelbach 1967, Management Science 13(7)).
    """
    while True:
        chosen = [
            max(
                zip(part.get(host, (0.0, 0.0, 0.0)), of_host, strict=True),
                key=lambda pair: sign * (pair[0] - share * pair[1]),
            )
            for host, of_host in total.items()
        ]
        whole_j = fsum(of_host for _, of_host in chosen)
        found = fsum(of_part for of_part, _ in chosen) / whole_j if whole_j else share
        if sign * (found - share) <= 1e-12:
            return share
        share = found


def outcome(spans: Iterable[SpanEnergy]) -> str:
    """Return how a node ended: its last execution that was not merely found in the cache."""
    ran = [s for s in spans if s.outcome != "cached"]
    return max(ran, key=_place).outcome if ran else "cached"


def last_hash(spans: Iterable[SpanEnergy]) -> str | None:
    """Return the hash of a node's inputs when it ran last."""
    known = [span for span in spans if span.inputs_hash is not None]
    return max(known, key=lambda span: span.start_unix_s).inputs_hash if known else None


def _priced(spans: Iterable[SpanEnergy]) -> list[SpanEnergy]:
    return [s for s in spans if s.energy_j is not None]


def _active_j(spans: Iterable[SpanEnergy]) -> float | None:
    parts = [s.active_j for s in _priced(spans)]
    known = [part for part in parts if part is not None]
    return fsum(known) if known and len(known) == len(parts) else None


def _united_s(spans: Iterable[SpanEnergy], offsets: Mapping[str, float]) -> float:
    """Return the length of the union of the intervals, in seconds, on the common clock."""
    pieces = sorted(
        (start_s + offsets.get(s.host, 0.0), end_s + offsets.get(s.host, 0.0))
        for s in spans
        if s.outcome != "cached"
        for start_s, end_s in s.pieces or ((s.start_s, s.end_s),)
    )
    lengths = []
    reached = float("-inf")
    for start, end in pieces:
        lengths.append(max(end - max(start, reached), 0.0))
        reached = max(reached, end)
    return fsum(lengths)
