# SPDX-License-Identifier: Apache-2.0
"""Divide each host's energy among the nodes that ran on it; the sum is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum

import msgspec

from nicarbon import curves, shares, splitting, timeline, unlike
from nicarbon.accounts import Account, in_use, shown, uncovered, weakest, weakest_of
from nicarbon.checks import checks, of_jobs
from nicarbon.devices import DeviceAccount, DeviceParts, device_account
from nicarbon.energies import Attribution, HostEnergy, SpanEnergy, Turn
from nicarbon.hosttime import busy_cpu_s, by_host, host_time
from nicarbon.intervals import length_s
from nicarbon.jobs import Ending, endings, scheduler_facts
from nicarbon.kinds import kinds_of
from nicarbon.pooled import machine
from nicarbon.records import Cached, Graph, JobFact, NodeFile, RunFacts, SampleFile, Sensor
from nicarbon.units import NS_PER_S
from nicarbon.watts import Watts


class _Host(msgspec.Struct, frozen=True):
    """What holds for every execution on a host.

    Attributes
    ----------
    method : str
        The weakest of its sensors.
    idle_power_w : float or None
        Calibrated idle power of its account.
    losing : set of str
        Spans below which a process ignored SIGCHLD.
    peaks : dict
        The most memory that each span was seen to hold, in bytes.
    ended : dict
        How jobs ended that are known to be over, by the key of their process.
    """

    method: str
    idle_power_w: float | None
    losing: set[str]
    peaks: dict[str, int]
    ended: Mapping[str, Ending]


# Of a machine that has many names.
_NAMES_SHOWN = 4

_UNFINISHED = {
    "killed": "it was killed: CPU time after its last sample is not known",
    "running": "it had not ended: CPU time after its last sample is not known",
}


def attribute(facts: RunFacts, watts: Mapping[str, Watts] | None = None) -> Attribution:
    """Divide the energy of every host among engine, meter, others and node executions.

    Parameters
    ----------
    facts : RunFacts
        What a run folder holds.
    watts : mapping, optional
        What runs taught of programs on machines of a type, see `nicarbon.pooled`: measured
        energy is shared by CPU time times that, else by CPU time alone.

    Returns
    -------
    Attribution
        Hosts by their id; executions by host, start and span. A node whose result the engine
        found without calling it is an execution of no length, with outcome ``cached``.
    """
    hosts = []
    spans: list[SpanEnergy] = []
    ended, said = endings(facts), scheduler_facts(facts)
    for name, node_files, sample_files in by_host(facts):
        host, of_host = _attribute_host(
            name, node_files, sample_files, ended, said, facts.graphs, watts or {}
        )
        hosts.append(host)
        spans += of_host
    return Attribution(tuple(hosts), tuple(spans))


def _attribute_host(
    name: str,
    node_files: list[NodeFile],
    sample_files: list[SampleFile],
    ended: Mapping[str, Ending],
    said: Mapping[tuple[str, str], tuple[JobFact, ...]],
    graphs: Sequence[Graph],
    watts: Mapping[str, Watts],
) -> tuple[HostEnergy, list[SpanEnergy]]:
    readings = timeline.merge(sample_files)
    ran = curves.executions(node_files, sample_files, readings, ended)
    time = host_time(node_files, sample_files, readings, ran)
    window = time.window
    inside = splitting.insides(ran, sample_files)
    edges = {span: of_span.edges for span, of_span in inside.items()}
    kinds = kinds_of(ran, graphs, {span: known.parts for span, known in inside.items()})
    by_account = []
    n_taught = 0
    for one in time.accounts:
        of_one = msgspec.structs.replace(
            kinds, measured=one.method == "measured", watts=watts.get(machine(one, sample_files))
        )
        if of_one.watts is not None:
            n_taught = max(n_taught, of_one.watts.n_runs)
        parts = [
            shares.divide(line, ran, node_files, sample_files, edges, of_one) for line in one.lines
        ]
        by_account.append((one, parts))
    divided = [parts for _, of_account in by_account for parts in of_account]
    devices = [
        device_account(device, found, sample_files, _counted(ran), edges)
        for device, found in time.devices.items()
    ]
    known = _Host(
        method=weakest(s for sensors in in_use(time.accounts, sample_files) for s in sensors),
        idle_power_w=next(
            (f.host.idle_power_w for f in sample_files if f.host.idle_power_w is not None), None
        ),
        losing={span for reading in readings for span in reading.sample.sigchld_ignored},
        peaks=_peak_memory_bytes(readings),
        ended=ended,
    )
    spans = [_span(e, ran, by_account, devices, known, inside) for e in ran.values()]
    spans += _never_called(node_files, known.method)
    spans.sort(key=lambda span: (span.start_s, span.span))
    nodes_j = fsum(span.energy_j or 0.0 for span in spans)
    everything: list[shares.Parts | DeviceParts] = [
        *divided,
        *(parts for device in devices for parts in device.parts),
    ]
    engine_j = fsum(parts.engine_j for parts in everything)
    meter_j = fsum(parts.meter_j for parts in divided)
    other_j = fsum(parts.other_j for parts in everything)
    unattributed_j = fsum(parts.unattributed_j for parts in everything)
    energy_j = fsum(line.recount_j for line in time.lines)
    host = HostEnergy(
        host=name,
        hostname=_hostname(node_files, sample_files),
        energy_j=energy_j,
        energy_low_j=fsum(x for line in time.lines for x in line.low_j),
        energy_high_j=fsum(x for line in time.lines for x in line.high_j),
        nodes_j=nodes_j,
        engine_j=engine_j,
        meter_j=meter_j,
        other_j=other_j,
        unattributed_j=unattributed_j,
        residual_j=energy_j - fsum((nodes_j, engine_j, meter_j, other_j, unattributed_j)),
        uncovered_s=length_s(uncovered(time.accounts, window)),
        idle_power_w=known.idle_power_w,
        busy_cpu_s=busy_cpu_s(readings, time.allowed),
        scaled_cpu_s=fsum(parts[0].scaled_cpu_s for _, parts in by_account),
        duration_s=length_s(window),
        sensors=shown(time.accounts, sample_files),
        turns=_turns(time.accounts),
        devices=tuple(device.energy(window) for device in devices),
        n_taught=n_taught,
        checks=(
            *checks(readings, sample_files, time.allowed, time.accounts),
            *of_jobs(node_files, sample_files, time.accounts, said),
        ),
    )
    return host, spans


def _turns(found: Iterable[Account]) -> tuple[Turn, ...]:
    """Return what each account gave; the same sensors, read by several samplers, are one."""
    same: dict[tuple[Sensor, ...], list[Account]] = {}
    for one in found:
        same.setdefault(one.sensors, []).append(one)
    return tuple(
        Turn(
            sensors=tuple(f"{s.name} ({', '.join(d.name for d in s.domains)})" for s in sensors),
            method=weakest(sensors),
            energy_j=fsum(line.recount_j for one in of_sensors for line in one.lines),
            covered_s=fsum(length_s(one.covered()) for one in of_sensors),
        )
        for sensors, of_sensors in same.items()
    )


def _hostname(node_files: list[NodeFile], sample_files: list[SampleFile]) -> str:
    """Return the host's names: a machine that is several nodes of a cluster has several.

    A file whose header was torn knows none.
    """
    names = {file.host.hostname for file in sample_files}
    names |= {file.process.hostname for file in node_files}
    known = sorted(name for name in names if name)
    if len(known) > _NAMES_SHOWN:
        known = [*known[:_NAMES_SHOWN], f"{len(known) - _NAMES_SHOWN} more names"]
    return ", ".join(known)


def _span(
    execution: curves.Execution,
    ran: Mapping[str, curves.Execution],
    divided: Sequence[tuple[Account, Sequence[shares.Parts]]],
    devices: Sequence[DeviceAccount],
    host: _Host,
    inside: Mapping[str, splitting.Inside],
) -> SpanEnergy:
    start, end = execution.start, execution.end
    by_account = [
        (one, [part.shares[start.span] for part in parts if start.span in part.shares])
        for one, parts in divided
    ]
    on_devices = [share for device in devices for share in device.shares(start.span)]
    of_span = [*(share for _, found in by_account for share in found), *on_devices]
    energy_j = fsum(share.energy_j for share in of_span) if of_span else None
    active_j = None
    gpu_j = fsum(share.energy_j for share in on_devices)
    # The idle power of devices is not calibrated.
    if energy_j is not None and host.idle_power_w is not None and not gpu_j:
        # Idle power is a whole account's: it is counted once, with the largest set of domains.
        host_s = fsum(found[0].host_s for _, found in by_account if found)
        active_j = energy_j - host.idle_power_w * host_s
    cpu_incomplete = end.cpu_incomplete if end else _UNFINISHED[execution.outcome]
    if start.span in host.losing and cpu_incomplete is None:
        cpu_incomplete = "a process below it ignores SIGCHLD: its children are not counted"
    split, marked = splitting.divide(execution, ran, of_span, on_devices, inside.get(start.span))
    gave = [one.method for one, found in by_account if any(share.energy_j for share in found)]
    gave += [device.method for device in devices if device.shares(start.span)]
    has_gpu = energy_j is not None and any(device.is_known for device in devices)
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
        doubt=unlike.joined(share.doubt for _, found in by_account for share in found),
        shared_j=fsum(share.shared_j for share in on_devices),
        active_j=active_j,
        cpu_incomplete=cpu_incomplete,
        error=end.error if end else None,
        method=weakest_of(gave) or host.method,
        parent=start.parent,
        map_node=start.map_node,
        index=start.index,
        inputs_hash=end.inputs_hash if end else None,
        ended_by=_ended_by(execution, host.ended),
        split=split,
        steps=marked,
        course=_course(execution, of_span),
        gpu_j=gpu_j if has_gpu else None,
        gpu_held_j=fsum(d.held_j(start.span) for d in devices) if has_gpu else None,
        gpu_s=fsum(d.use.sm_s(start.span) for d in devices) if has_gpu else None,
        peak_memory_bytes=max(
            filter(None, (host.peaks.get(start.span), end.peak_memory_bytes if end else None)),
            default=None,
        ),
    )


def _counted(ran: Mapping[str, curves.Execution]) -> list[str]:
    """Return the executions that are nodes: of a cached one, hashing is the engine's."""
    return [span for span, execution in ran.items() if execution.outcome != "cached"]


def _course(
    execution: curves.Execution, of_span: Sequence[shares.Share]
) -> tuple[tuple[float, float, float], ...]:
    """Return when an execution used its energy, within its own time."""
    start_ns, end_ns = execution.start.t_monotonic_ns, execution.end_ns
    return tuple(
        (max(first_ns, start_ns) / NS_PER_S, min(last_ns, end_ns) / NS_PER_S, joules)
        for share in of_span
        for first_ns, last_ns, joules in share.course
        if min(last_ns, end_ns) > max(first_ns, start_ns)
    )


def _ended_by(execution: curves.Execution, ended: Mapping[str, Ending]) -> str | None:
    """Return what ended the job of an execution that did not end well, where that is known."""
    driver = execution.driver
    if execution.outcome not in ("failed", "killed") or driver is None or driver not in ended:
        return None
    return ended[driver].how


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
