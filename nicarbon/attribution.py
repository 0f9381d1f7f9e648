# SPDX-License-Identifier: Apache-2.0
"""Divide each host's energy among the nodes that ran on it; the sum is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import fsum

import msgspec

from nicarbon import curves, shares, timeline
from nicarbon.intervals import Interval, length_s, union, without
from nicarbon.records import Cached, Driver, Host, NodeFile, RunFacts, SampleFile, Sensor
from nicarbon.units import NS_PER_S


class SpanEnergy(msgspec.Struct, frozen=True):
    """What one node execution used. A nested element is not in its parent's figures.

    Attributes
    ----------
    span, node, host : str
        The execution, its node's unique name, its host id.
    parent : str or None
        Span of the MapNode in whose time and process it ran.
    map_node : str or None
        Name of the MapNode that it is an element of.
    outcome : str
        ``ran``, ``cached``, ``failed``, ``killed`` (no end record in an ended run) or ``running``.
    start_s, end_s : float
        Monotonic seconds on its host.
    start_unix_s : float
        Seconds since the epoch.
    cpu_s : float
        CPU seconds.
    energy_j : float or None
        Joules; None for a cached node and for one that no reading covers.
    sensor_low_j, sensor_high_j : float
        The same share of the lowest and highest energy that the sensors allow.
    shared_j : float
        Energy weighted by the part of the host's busy time that was somebody else's: what the
        range of the attribution grows with; 0 for a node that had the host to itself.
    active_j : float or None
        The part above the calibrated idle power.
    method : str
        ``measured``, ``modelled`` or ``assumed``: the weakest of the sensors that it rests on.
    inputs_hash : str or None
        What the engine makes of the node's inputs.
    peak_memory_bytes : int or None
        The most that the process tree in which it ran was seen to hold: it may have held more
        between two looks. None where nobody looked.
    """

    span: str
    node: str
    host: str
    outcome: str
    start_s: float
    end_s: float
    start_unix_s: float
    cpu_s: float
    energy_j: float | None
    sensor_low_j: float = 0.0
    sensor_high_j: float = 0.0
    shared_j: float = 0.0
    active_j: float | None = None
    cpu_incomplete: str | None = None
    error: str | None = None
    method: str = "measured"
    parent: str | None = None
    map_node: str | None = None
    index: int | None = None
    inputs_hash: str | None = None
    peak_memory_bytes: int | None = None


class HostEnergy(msgspec.Struct, frozen=True):
    """A host's account: ``energy = nodes + engine + meter + other + unattributed + residual``.

    Attributes
    ----------
    residual_j : float
        Energy recomputed from the first and last raw readings, less the sum of the parts.
    uncovered_s : float
        Seconds of the window that no reading covers; their energy is in no figure.
    scaled_cpu_s : float
        CPU seconds that were taken back because nodes claimed more than the host was busy.
    busy_cpu_s : float
        CPU seconds of the whole host in the window.
    """

    host: str
    hostname: str
    energy_j: float
    energy_low_j: float
    energy_high_j: float
    nodes_j: float
    engine_j: float
    meter_j: float
    other_j: float
    unattributed_j: float
    residual_j: float
    uncovered_s: float
    idle_power_w: float | None
    busy_cpu_s: float
    scaled_cpu_s: float
    duration_s: float
    sensors: tuple[Sensor, ...]


class Attribution(msgspec.Struct, frozen=True):
    """Joules for each execution and the account of each host."""

    hosts: tuple[HostEnergy, ...]
    spans: tuple[SpanEnergy, ...]


class HostTime(msgspec.Struct, frozen=True):
    """When the run was on a host, and the host's energy in intervals of that time.

    Attributes
    ----------
    window : tuple of Interval
        Lifetimes of the run's drivers, in nanoseconds of the host's monotonic clock.
    allowed : tuple of Interval
        The same with what its samplers saw beside.
    lines : tuple of Timeline
        The domains of the account; empty without a reading.
    header : Host or None
        What the samplers say of the host.
    """

    window: tuple[Interval, ...]
    allowed: tuple[Interval, ...]
    lines: tuple[timeline.Timeline, ...]
    header: Host | None


# From the surest to the weakest.
METHODS = ("measured", "modelled", "assumed")

_UNFINISHED = {
    "killed": "it was killed: CPU time after its last sample is not known",
    "running": "it had not ended: CPU time after its last sample is not known",
}


def attribute(facts: RunFacts) -> Attribution:
    """Divide the energy of every host among engine, meter, others and node executions.

    Parameters
    ----------
    facts : RunFacts
        What a run folder holds.

    Returns
    -------
    Attribution
        Hosts by their id; executions by host, start and span. A node whose result the engine
        found without calling it is an execution of no length, with outcome ``cached``.
    """
    hosts = []
    spans: list[SpanEnergy] = []
    for name, node_files, sample_files in _by_host(facts):
        host, of_host = _attribute_host(name, node_files, sample_files)
        hosts.append(host)
        spans += of_host
    return Attribution(tuple(hosts), tuple(spans))


def host_times(facts: RunFacts) -> dict[str, HostTime]:
    """Return when the run was on each host, and the host's energy in intervals."""
    times = {}
    for name, node_files, sample_files in _by_host(facts):
        readings = timeline.merge(sample_files)
        ran = curves.executions(node_files, sample_files, readings)
        times[name] = _host_time(node_files, sample_files, readings, ran)
    return times


def _by_host(facts: RunFacts) -> Iterator[tuple[str, list[NodeFile], list[SampleFile]]]:
    names = {file.process.host for file in facts.node_files}
    for name in sorted(names | {file.host.host for file in facts.sample_files}):
        node_files = [file for file in facts.node_files if file.process.host == name]
        yield name, node_files, [f for f in facts.sample_files if f.host.host == name]


def _host_time(
    node_files: list[NodeFile],
    sample_files: list[SampleFile],
    readings: list[timeline.Reading],
    ran: Mapping[str, curves.Execution],
) -> HostTime:
    window = _window(node_files, sample_files, ran.values())
    header = sample_files[timeline.best_header(sample_files)].host if sample_files else None
    domains = timeline.account(header.sensors) if header else []
    allowed = union([*window, *_sessions(sample_files)])
    lines = timeline.timelines(readings, domains, allowed)
    return HostTime(tuple(window), tuple(allowed), tuple(lines), header)


def _attribute_host(
    name: str, node_files: list[NodeFile], sample_files: list[SampleFile]
) -> tuple[HostEnergy, list[SpanEnergy]]:
    readings = timeline.merge(sample_files)
    ran = curves.executions(node_files, sample_files, readings)
    time = _host_time(node_files, sample_files, readings, ran)
    window, header, lines = time.window, time.header, time.lines
    domains = timeline.account(header.sensors) if header else []
    divided = [shares.divide(line, ran, node_files, sample_files) for line in lines]
    idle_power_w = header.idle_power_w if header else None
    method = max((sensor.method for sensor, _ in domains), key=METHODS.index, default="assumed")
    losing = {span for reading in readings for span in reading.sample.sigchld_ignored}
    peaks = _peak_memory_bytes(readings)
    spans = [
        _span(e, ran, divided, method, idle_power_w, e.start.span in losing, peaks)
        for e in ran.values()
    ]
    spans += _never_called(node_files, method)
    spans.sort(key=lambda span: (span.start_s, span.span))
    nodes_j = fsum(span.energy_j or 0.0 for span in spans)
    engine_j = fsum(parts.engine_j for parts in divided)
    meter_j = fsum(parts.meter_j for parts in divided)
    other_j = fsum(parts.other_j for parts in divided)
    unattributed_j = fsum(parts.unattributed_j for parts in divided)
    energy_j = fsum(line.recount_j for line in lines)
    uncovered = union(hole for line in lines for hole in without(window, line.covered_intervals()))
    host = HostEnergy(
        host=name,
        hostname=_hostname(node_files, sample_files),
        energy_j=energy_j,
        energy_low_j=fsum(x for line in lines for x in line.low_j),
        energy_high_j=fsum(x for line in lines for x in line.high_j),
        nodes_j=nodes_j,
        engine_j=engine_j,
        meter_j=meter_j,
        other_j=other_j,
        unattributed_j=unattributed_j,
        residual_j=energy_j - fsum((nodes_j, engine_j, meter_j, other_j, unattributed_j)),
        uncovered_s=length_s(uncovered if lines else window),
        idle_power_w=idle_power_w,
        busy_cpu_s=_busy_cpu_s(readings, time.allowed),
        scaled_cpu_s=divided[0].scaled_cpu_s if divided else 0.0,
        duration_s=length_s(window),
        sensors=header.sensors if header else (),
    )
    return host, spans


def _hostname(node_files: list[NodeFile], sample_files: list[SampleFile]) -> str:
    """Return the first name that is known; a file whose header was torn knows none."""
    names = [file.host.hostname for file in sample_files]
    names += [file.process.hostname for file in node_files]
    return next((name for name in names if name), "")


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
    lives = []
    for file in node_files:
        marks = [line.t_monotonic_ns for line in file.lines if isinstance(line, Driver)]
        if not marks:
            continue
        if not any(isinstance(line, Driver) and line.event == "end" for line in file.lines):
            key = file.process.key
            marks += [e.end_ns for e in ran if e.driver == key]
            marks += [
                last for f in sample_files if f.host.driver == key for _, last in _sessions([f])
            ]
        lives.append((min(marks), max(marks)))
    if not lives:
        lives = _sessions(sample_files)
        lives += [(e.start.t_monotonic_ns, e.end_ns) for e in ran]
    return union(lives)


def _busy_cpu_s(readings: Sequence[timeline.Reading], allowed: Sequence[Interval]) -> float:
    """Return the CPU seconds of the whole host in the run's time."""
    total_s = 0.0
    for first, last in allowed:
        busy = [r.sample.busy_cpu_s for r in readings if first <= r.sample.t_monotonic_ns <= last]
        if busy:
            total_s += busy[-1] - busy[0]
    return total_s


def _span(
    execution: curves.Execution,
    ran: Mapping[str, curves.Execution],
    divided: Sequence[shares.Parts],
    method: str,
    idle_power_w: float | None,
    losing: bool,
    peaks: Mapping[str, int],
) -> SpanEnergy:
    start, end = execution.start, execution.end
    of_span = [parts.shares[start.span] for parts in divided if start.span in parts.shares]
    energy_j = fsum(share.energy_j for share in of_span) if of_span else None
    active_j = None
    if energy_j is not None and idle_power_w is not None:
        # Idle power is the whole account's: it is counted once, with the largest set of domains.
        active_j = energy_j - idle_power_w * of_span[0].host_s
    cpu_incomplete = end.cpu_incomplete if end else _UNFINISHED[execution.outcome]
    if losing and cpu_incomplete is None:
        cpu_incomplete = "a process below it ignores SIGCHLD: its children are not counted"
    return SpanEnergy(
        span=start.span,
        node=start.node,
        host=execution.process.host,
        outcome=execution.outcome,
        start_s=start.t_monotonic_ns / NS_PER_S,
        end_s=execution.end_ns / NS_PER_S,
        start_unix_s=start.t_unix_ns / NS_PER_S,
        cpu_s=curves.own_cpu_s(execution, ran),
        energy_j=energy_j,
        sensor_low_j=fsum(share.low_j for share in of_span),
        sensor_high_j=fsum(share.high_j for share in of_span),
        shared_j=fsum(share.shared_j for share in of_span),
        active_j=active_j,
        cpu_incomplete=cpu_incomplete,
        error=end.error if end else None,
        method=method,
        parent=start.parent,
        map_node=start.map_node,
        index=start.index,
        inputs_hash=end.inputs_hash if end else None,
        peak_memory_bytes=max(
            filter(None, (peaks.get(start.span), end.peak_memory_bytes if end else None)),
            default=None,
        ),
    )


def _peak_memory_bytes(readings: Iterable[timeline.Reading]) -> dict[str, int]:
    """Return the most that the samplers saw each execution's process tree hold, by span."""
    peaks: dict[str, int] = {}
    for reading in readings:
        for span, held in reading.sample.memory_bytes.items():
            peaks[span] = max(held, peaks.get(span, 0))
    return peaks


def _never_called(node_files: Iterable[NodeFile], method: str) -> list[SpanEnergy]:
    """Return the nodes whose result the engine found without calling them."""
    return [
        SpanEnergy(
            span=f"{file.process.key}-cached-{i}",
            node=line.node,
            host=file.process.host,
            outcome="cached",
            start_s=line.t_monotonic_ns / NS_PER_S,
            end_s=line.t_monotonic_ns / NS_PER_S,
            start_unix_s=line.t_unix_ns / NS_PER_S,
            cpu_s=0.0,
            energy_j=None,
            method=method,
            map_node=line.map_node,
            index=line.index,
            inputs_hash=line.inputs_hash,
        )
        for file in node_files
        for i, line in enumerate(line for line in file.lines if isinstance(line, Cached))
    ]
