# SPDX-License-Identifier: Apache-2.0
"""What a run consists of: the time and the energy of each node's stages, idle power apart.

Nothing here is other than it was measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from math import fsum

import msgspec

from nicarbon.accounts import weakest_of
from nicarbon.critical import measured_times
from nicarbon.energies import HostEnergy, SpanEnergy
from nicarbon.errors import NicarbonError
from nicarbon.hosttime import host_times
from nicarbon.notes import is_known
from nicarbon.power import power_over_time
from nicarbon.records import RunFacts
from nicarbon.run import Run
from nicarbon.timeline import account
from nicarbon.units import NS_PER_S

LOWEST_SEEN = "the lowest power seen"


class Idle(msgspec.Struct, frozen=True):
    """What a host draws while nothing runs.

    Attributes
    ----------
    low_w, power_w, high_w : float
        Watts.
    source : str
        ``calibrated``, ``the model's``, or ``the lowest power seen``, which is an upper bound.
    """

    low_w: float
    power_w: float
    high_w: float
    source: str


class Part(msgspec.Struct, frozen=True):
    """A stage of a node.

    Attributes
    ----------
    seconds : float
        Its part of the node's time.
    energy_j, idle_j : float
        Joules, and those of them that are idle power.
    """

    seconds: float = 0.0
    energy_j: float = 0.0
    idle_j: float = 0.0


class Costs(msgspec.Struct, frozen=True):
    """What a run consists of, as far as a schedule needs it.

    Attributes
    ----------
    parts : dict
        The stages of each node, by their names.
    total_j, low_j, high_j : float or None
        The run's energy as measured, with that of engine and meter and without that of others on
        its hosts, and its range; None where no reading covers it.
    idle : tuple of Idle
        Of each host.
    method : str or None
        The weakest method that the energy rests on.
    """

    parts: dict[str, dict[str, Part]]
    total_j: float | None = None
    low_j: float | None = None
    high_j: float | None = None
    idle: tuple[Idle, ...] = ()
    method: str | None = None

    def stage(self, name: str) -> Part:
        """Add up a stage."""
        found = [of_node[name] for of_node in self.parts.values() if name in of_node]
        return Part(
            fsum(part.seconds for part in found),
            fsum(part.energy_j for part in found),
            fsum(part.idle_j for part in found),
        )


def idle_powers(facts: RunFacts) -> dict[str, Idle]:
    """Return the idle power of each host whose energy is known, the best that can be said."""
    found = {}
    for host, time in host_times(facts).items():
        header = time.header
        if header is None:
            continue
        models = [domain.model for _, domain in account(header.sensors)]
        known = [model for model in models if model is not None]
        power = power_over_time(time.accounts)
        if header.idle_power_w is not None:
            watts = header.idle_power_w
            found[host] = Idle(watts, watts, watts, "calibrated")
        elif known and len(known) == len(models):
            low_w, power_w, high_w = (fsum(m.idle_w[i] for m in known) for i in range(3))
            found[host] = Idle(low_w, power_w, high_w, "the model's")
        elif power is not None:
            seen = [float(w) for w in power.power_w if w == w]
            if seen:
                found[host] = Idle(0.0, min(seen), min(seen), LOWEST_SEEN)
    return found


def costs(run: Run, stages_file: str | None = None) -> Costs:
    """Take a run apart into the time and energy of each node's stages."""
    idle = idle_powers(run.facts)
    # The same attribution, that knows what the hosts draw idle.
    known = Run(_with_idle(run.facts, idle), run.path)
    times = measured_times(run.executed(stages_file))
    stages = known.stage_of(known.rules(stages_file))
    parts: dict[str, dict[str, Part]] = defaultdict(dict)
    for span in known.parts("stage", stages_file):
        stage = span.part or stages[span.node]
        before = parts[span.node].get(stage, Part())
        energy_j = span.energy_j or 0.0
        idle_j = 0.0 if span.active_j is None else energy_j - span.active_j
        parts[span.node][stage] = Part(
            before.seconds + (_seconds(span) if span.parent is None else 0.0),
            before.energy_j + energy_j,
            before.idle_j + idle_j,
        )
    timed = {name: _fitted(of, _length_s(times, name)) for name, of in parts.items()}
    hosts = [host for host in run.attribution.hosts if is_known(host) and host.energy_j > 0]
    if not hosts:
        return Costs(timed)
    return Costs(
        timed,
        total_j=fsum(_own_j(host) for host in hosts),
        low_j=fsum(_own_j(host) * host.energy_low_j / host.energy_j for host in hosts),
        high_j=fsum(_own_j(host) * host.energy_high_j / host.energy_j for host in hosts),
        idle=tuple(idle[host.host] for host in hosts if host.host in idle),
        method=weakest_of(
            sensor.method
            for host in hosts
            for sensor in host.sensors
            if any(domain.account for domain in sensor.domains)
        ),
    )


def _with_idle(facts: RunFacts, idle: Mapping[str, Idle]) -> RunFacts:
    files = [
        msgspec.structs.replace(
            file,
            host=msgspec.structs.replace(file.host, idle_power_w=idle[file.host.host].power_w),
        )
        if file.host.host in idle
        else file
        for file in facts.sample_files
    ]
    return msgspec.structs.replace(facts, sample_files=tuple(files))


def _own_j(host: HostEnergy) -> float:
    """Return the energy of a host that is the run's: with what nobody used, without others'."""
    return host.nodes_j + host.engine_j + host.meter_j + host.unattributed_j


def _seconds(span: SpanEnergy) -> float:
    pieces = span.pieces or ((span.start_s, span.end_s),)
    return fsum(end_s - start_s for start_s, end_s in pieces)


def _length_s(times: Mapping[str, tuple[int, int]], name: str) -> float:
    start, end = times.get(name, (0, 0))
    return (end - start) / NS_PER_S


def _fitted(of_node: Mapping[str, Part], length_s: float) -> dict[str, Part]:
    """Scale the times of a node's stages so that they add up to its own."""
    whole_s = fsum(part.seconds for part in of_node.values())
    scale = length_s / whole_s if whole_s else 0.0
    return {
        stage: msgspec.structs.replace(part, seconds=part.seconds * scale)
        for stage, part in of_node.items()
    }


def check_stages(names: Iterable[str], of: Costs) -> None:
    """Refuse a stage that a run does not have.

    Raises
    ------
    NicarbonError
        If there is none; near names are offered.
    """
    known = sorted({stage for of_node in of.parts.values() for stage in of_node})
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f" did you mean {near[0]!r}?" if near else ""
            raise NicarbonError(
                f"--stage {name!r}: the run has no such stage;{meant} it has {', '.join(known)}"
            )
