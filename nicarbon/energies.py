# SPDX-License-Identifier: Apache-2.0
"""What executions and hosts used: what attribution gives, and all else is folded of."""

from __future__ import annotations

import msgspec

from nicarbon.checks import Check
from nicarbon.devices import DeviceEnergy
from nicarbon.records import Sensor
from nicarbon.sightings import Split
from nicarbon.steps import Steps
from nicarbon.unlike import Doubt


class SpanEnergy(msgspec.Struct, frozen=True):
    """What one node execution used. A nested element is not in its parent's figures.

    Attributes
    ----------
    span, node, host : str
        The execution, its node's unique name, its host id.
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
    cpu_incomplete : str or None
        Why CPU seconds may be missing; None where they are complete.
    error : str or None
        The kind of exception that it ended with.
    method : str
        ``measured``, ``modelled`` or ``assumed``: the weakest of the sensors that it rests on.
    parent : str or None
        Span of the MapNode in whose time and process it ran.
    map_node : str or None
        Name of the MapNode that it is an element of.
    index : int or None
        Its index as an element of the MapNode.
    inputs_hash : str or None
        What the engine makes of the node's inputs.
    peak_memory_bytes : int or None
        The most that the process tree in which it ran was seen to hold: it may have held more
        between two looks. None where nobody looked.
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
    host, hostname : str
        Its id, and its name, or several.
    energy_j, energy_low_j, energy_high_j : float
        Joules of its account in the window, and what its sensors allow.
    nodes_j, engine_j, meter_j, other_j, unattributed_j : float
        The parts: node executions, the engine's own processes, nicarbon's own, everybody else's,
        and those of intervals in which nothing at all was busy.
    residual_j : float
        Energy recomputed from the first and last raw readings, less the sum of the parts.
    uncovered_s : float
        Seconds of the window that no reading covers; their energy is in no figure.
    idle_power_w : float or None
        Calibrated idle power of its account; None without a calibration.
    busy_cpu_s : float
        CPU seconds of the whole host in the window.
    scaled_cpu_s : float
        CPU seconds that were taken back because nodes claimed more than the host was busy.
    duration_s : float
        Seconds of the window: while a driver or a job of the run lived there.
    sensors : tuple of Sensor
        What was read, checks included.
    turns : tuple of Turn
        What each set of sensors gave, where its samplers saw different ones.
    devices : tuple of DeviceEnergy
        The accounts of its GPUs, which are parts of its own.
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
    """Joules for each execution and the account of each host.

    Attributes
    ----------
    hosts : tuple of HostEnergy
        By their id.
    spans : tuple of SpanEnergy
        By host, start and span.
    """

    hosts: tuple[HostEnergy, ...]
    spans: tuple[SpanEnergy, ...]
