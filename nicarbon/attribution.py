# SPDX-License-Identifier: Apache-2.0
"""Divide each host's energy among the nodes that ran on it; the sum is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import TypeVar

import msgspec

from nicarbon import curves, markers, shares, sightings, steps, timeline, unlike
from nicarbon.accounts import METHODS, Account, in_use, shown, uncovered, weakest
from nicarbon.checks import Check, checks, of_jobs
from nicarbon.devices import DeviceAccount, DeviceEnergy, DeviceParts, device_account
from nicarbon.hosttime import busy_cpu_s, by_host, host_time
from nicarbon.intervals import length_s
from nicarbon.jobs import Ending, endings, scheduler_facts
from nicarbon.kinds import kinds_of
from nicarbon.markers import Course
from nicarbon.pooled import machine
from nicarbon.records import (
    Cached,
    Graph,
    JobFact,
    NodeFile,
    RunFacts,
    SampleFile,
    Sensor,
)
from nicarbon.sightings import Program, Split, Stretch
from nicarbon.steps import Part, Steps
from nicarbon.units import NS_PER_S
from nicarbon.unlike import Doubt
from nicarbon.watts import Watts


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
    doubt : Doubt
        What sharing a host by CPU time leaves unknown of it; nothing for a node that had the host
        to itself, or shared it with its like.
    shared_j : float
        Energy weighted by the part of a device's time that was somebody else's, where nothing is
        known of how unlike they are.
    active_j : float or None
        The part above the calibrated idle power.
    method : str
        ``measured``, ``modelled`` or ``assumed``: the weakest of the sensors that it rests on.
    inputs_hash : str or None
        What the engine makes of the node's inputs.
    ended_by : str or None
        What ended a job, as its scheduler says it: see `nicarbon.records.JobFact`.
    attempt : int
        Which execution of its node this is, from 1; see `nicarbon.history` for this and the next.
    wasted : bool
        It did not deliver, and the node was executed again.
    job : str or None
        The batch job that was started for it, ``slurm 4711``.
    queue_wait_s : float or None
        How long that job waited in the scheduler's queue; None where it is not known.
    peak_memory_bytes : int or None
        The most that the process tree in which it ran was seen to hold: it may have held more
        between two looks. None where nobody looked.
    split : Split or None
        How it divides among its programs; None where none was seen at work.
    steps : Steps or None
        How it divides among the steps that its tools marked; None where none did.
    part : str
        Of an execution that was divided, which part this is: a program, a step or a stage, see
        `nicarbon.programs`. Empty for a whole one.
    pieces : tuple of (float, float)
        Of a part, when it was at work; empty for a whole one, which was from start to end.
    split_j : float
        One standard deviation of a part's energy, of what dividing the execution leaves unknown.
    course : tuple of (float, float, float)
        When it used how much, where that is known: monotonic seconds, and joules from one to the
        other. A part has that of its whole execution. What is not in it was used evenly.
    gpu_j : float or None
        The part of the energy that is the host's devices'; None where it has none that is known.
    gpu_held_j : float or None
        The part of that in which it held memory on a device while nothing computed there.
    gpu_s : float or None
        Seconds of a whole device that it computed: one that keeps half of a GPU's
        multiprocessors busy for a minute has 30.
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
    doubt: Doubt = Doubt()
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
    ended_by: str | None = None
    attempt: int = 1
    wasted: bool = False
    job: str | None = None
    queue_wait_s: float | None = None
    split: Split | None = None
    steps: Steps | None = None
    part: str = ""
    pieces: tuple[tuple[float, float], ...] = ()
    split_j: float = 0.0
    course: tuple[tuple[float, float, float], ...] = ()
    gpu_j: float | None = None
    gpu_held_j: float | None = None
    gpu_s: float | None = None


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
    n_taught : int
        How many runs taught what a CPU second of each kind of node costs, by which measured energy
        is shared; 0 where it is shared by CPU time alone.
    checks : tuple of Check
        What counters beside the account say of the same time.
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
    turns: tuple[Turn, ...] = ()
    devices: tuple[DeviceEnergy, ...] = ()
    n_taught: int = 0
    checks: tuple[Check, ...] = ()


class Turn(msgspec.Struct, frozen=True):
    """What one of a host's accounts gave, where its samplers saw different sensors.

    Attributes
    ----------
    sensors : tuple of str
        Its sensors with their domains.
    method : str
        The weakest of them.
    energy_j : float
        Joules.
    covered_s : float
        Seconds in which it was the best that covers them.
    """

    sensors: tuple[str, ...]
    method: str
    energy_j: float
    covered_s: float


class Attribution(msgspec.Struct, frozen=True):
    """Joules for each execution and the account of each host."""

    hosts: tuple[HostEnergy, ...]
    spans: tuple[SpanEnergy, ...]


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


class _Inside(msgspec.Struct, frozen=True):
    """What is known of the inside of an execution.

    Attributes
    ----------
    parts : tuple of Stretch
        What was seen of its programs.
    part_ns : list of int
        The instants between those.
    ran : Course or None
        When the steps ran that its tools marked.
    seen : list of nicarbon.steps.Seen
        What was seen of its programs, as finely as it was written down.
    edges : list of int
        All instants between which its energy and CPU time must be known.
    """

    parts: tuple[Stretch, ...]
    part_ns: list[int]
    ran: Course | None
    seen: list[steps.Seen]
    edges: list[int]


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
    inside = _inside(ran, sample_files)
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
    inside: Mapping[str, _Inside],
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
    split, marked = _divided(execution, ran, of_span, on_devices, inside.get(start.span))
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
        method=max(gave, key=METHODS.index, default=host.method),
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


def _inside(
    ran: Mapping[str, curves.Execution], sample_files: Sequence[SampleFile]
) -> dict[str, _Inside]:
    """Return what is known of the programs and steps in each execution."""
    stretches = sightings.stretches(sample_files)
    finely = sightings.by_span(sample_files)
    marked = markers.markers_of(sample_files)
    found = {}
    for span in (stretches.keys() | marked.keys()) & ran.keys():
        first_ns, last_ns = ran[span].start.t_monotonic_ns, ran[span].end_ns
        parts = stretches.get(span, ())
        part_ns = sightings.edges(parts, first_ns, last_ns) if parts else []
        course = None
        if span in marked:
            course = markers.course(marked[span], first_ns, last_ns, ran[span].outcome)
        edges = set(part_ns) | set(steps.edges(course, first_ns, last_ns) if course else ())
        found[span] = _Inside(
            parts=parts,
            part_ns=part_ns,
            ran=course,
            seen=steps.seen(finely.get(span, ())) if course else [],
            edges=sorted(edges),
        )
    return found


def _divided(
    execution: curves.Execution,
    ran: Mapping[str, curves.Execution],
    of_span: Sequence[shares.Share],
    on_devices: Sequence[shares.Share],
    inside: _Inside | None,
) -> tuple[Split | None, Steps | None]:
    """Divide an execution among its programs and among its steps, each time by what ran then."""
    if inside is None or len(inside.edges) < 2:
        return None, None
    t_ns = inside.edges
    cpu_s = curves.between(execution, ran, t_ns)
    split, marked = _by_energy(inside, cpu_s, _stretches_j(of_span))
    gpu_j = _stretches_j(on_devices)
    if fsum(gpu_j) <= 0:
        return split, marked
    # What they have of GPUs goes by when GPUs used it, not by when all else did.
    of_gpus, marked_of_gpus = _by_energy(inside, cpu_s, gpu_j)
    if split is not None and of_gpus is not None:
        split = msgspec.structs.replace(
            split, programs=_with_gpus(split.programs, of_gpus.programs)
        )
    if marked is not None and marked_of_gpus is not None:
        marked = msgspec.structs.replace(
            marked, parts=_with_gpus(marked.parts, marked_of_gpus.parts)
        )
    return split, marked


_Divided = TypeVar("_Divided", Program, Part)


def _with_gpus(parts: Iterable[_Divided], of_gpus: Iterable[_Divided]) -> tuple[_Divided, ...]:
    """Give parts of an execution the shares that they have where only GPUs are divided."""
    known = {part.name: part.energy_share for part in of_gpus}
    return tuple(
        msgspec.structs.replace(part, gpu_share=known.get(part.name, 0.0)) for part in parts
    )


def _stretches_j(of_span: Sequence[shares.Share]) -> list[float]:
    return [fsum(of_one) for of_one in zip(*(s.stretches_j for s in of_span), strict=True)]


def _by_energy(
    inside: _Inside, cpu_s: Sequence[float], energy_j: Sequence[float]
) -> tuple[Split | None, Steps | None]:
    """Divide some energy of an execution, known in each stretch of its time."""
    split = marked = None
    if inside.parts:
        cpu_of = sightings.summed(inside.edges, cpu_s, inside.part_ns)
        energy_of = sightings.summed(inside.edges, energy_j, inside.part_ns) if energy_j else None
        split = sightings.divide(inside.parts, inside.part_ns, cpu_of, energy_of)
    if inside.ran is not None:
        marked = steps.divide(inside.ran, inside.edges, cpu_s, energy_j or None, inside.seen)
    return split, marked


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
