# SPDX-License-Identifier: Apache-2.0
"""What hosts used while only the critical path of a run ran, while other nodes did, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum

import msgspec

from nicarbon.critical import Times
from nicarbon.hosttime import HostTime
from nicarbon.intervals import Interval, length_s, union, without
from nicarbon.spent import spent_in
from nicarbon.units import NS_PER_S

PHASES = ("critical path alone", "other nodes too", "no node")


class Phase(msgspec.Struct, frozen=True):
    """What all hosts used while only nodes of the critical path ran, while others did, or none.

    Attributes
    ----------
    name : str
        One of `PHASES`.
    duration_s : float
        Seconds of the run.
    energy_j, energy_low_j, energy_high_j : float or None
        Joules of the hosts, not of nodes alone: see `nicarbon.spent.Spent`; None where a host
        has no reading in that time, or cannot be placed in it.
    uncovered_s : float
        Seconds that no reading covers; their energy is in no figure.
    """

    name: str
    duration_s: float
    energy_j: float | None = None
    energy_low_j: float | None = None
    energy_high_j: float | None = None
    uncovered_s: float = 0.0


def phases(
    times: Times,
    on_path: set[str],
    hosts: Mapping[str, HostTime],
    offsets: Mapping[str, float],
    whole: Sequence[Interval],
) -> tuple[Phase, ...]:
    """Divide the run's time by what ran, and say what the hosts used in each part.

    Parameters
    ----------
    times : mapping
        Start and end by node, in nanoseconds on the run's common clock.
    on_path : set of str
        The nodes on the critical path.
    hosts : mapping
        From `nicarbon.hosttime.host_times`.
    offsets : mapping
        Seconds from each host's clock to the common one.
    whole : sequence of (int, int)
        The run's time on the common clock; empty where no node took time.

    Returns
    -------
    tuple of Phase
        By `PHASES`; together they are the run's time.
    """
    others = union(span for name, span in times.items() if name not in on_path)
    alone = without(union(times[name] for name in on_path), others)
    idle = without(whole, union(times.values()))
    stretches = (alone, others, idle)
    return tuple(
        _phase(name, parts, hosts, offsets) for name, parts in zip(PHASES, stretches, strict=True)
    )


def _phase(
    name: str,
    stretches: Sequence[Interval],
    hosts: Mapping[str, HostTime],
    offsets: Mapping[str, float],
) -> Phase:
    duration_s = length_s(stretches)
    parts = []
    for host, time in hosts.items():
        if host not in offsets:
            return Phase(name, duration_s)
        shift = round(offsets[host] * NS_PER_S)
        local = [(a - shift, b - shift) for a, b in stretches]
        # Of another host's time, before its job began or after it ended, nothing is the run's.
        spent = spent_in(
            time.accounts, without(local, without(local, time.window)), time.devices.values()
        )
        if spent is None:
            return Phase(name, duration_s)
        parts.append(spent)
    if not parts:
        return Phase(name, duration_s)
    return Phase(
        name,
        duration_s,
        fsum(part.energy_j for part in parts),
        fsum(part.low_j for part in parts),
        fsum(part.high_j for part in parts),
        fsum(part.uncovered_s for part in parts),
    )
