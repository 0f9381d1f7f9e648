# SPDX-License-Identifier: Apache-2.0
"""The facts of a run folder, as frozen structs; `nicarbon.reader` reads them.

Nothing here computes energy, and nothing here touches a file.
"""

from __future__ import annotations

import msgspec

from nicarbon.meter import SCHEMA_VERSION


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """A linear power curve, P = idle + busy x (busy CPUs), each value as (low, central, high).

    Attributes
    ----------
    idle_w : tuple of float
        Watts of the whole host while nothing runs.
    busy_w : tuple of float
        Watts above idle for each busy CPU, that is joules a CPU second.
    source : str
        Where the curve comes from.
    """

    idle_w: tuple[float, float, float]
    busy_w: tuple[float, float, float]
    source: str = ""


class Domain(msgspec.Struct, frozen=True):
    """One counter of a sensor, or one modelled power curve.

    Attributes
    ----------
    name : str
        The key of its values in `Sample.readings`.
    kind : str
        ``package``, ``core``, ``uncore``, ``dram``, ``psys``, ``gpu`` or ``host``.
    account : bool
        Whether it is part of the host's energy; the others are checks, shown beside, never added.
    unit_j : float
        Joules for each unit of the raw counter.
    range : int or None
        The counter is back at 0 after this value (its ``max_energy_range_uj`` for RAPL).
    max_power_w : float or None
        The greatest power that is possible: with `range` it bounds the gaps that can be bridged.
    socket : int or None
        The socket that it measures.
    model : Model or None
        Given for a modelled domain, which has no readings.
    """

    name: str
    kind: str
    account: bool = True
    unit_j: float = 1.0
    range: int | None = None
    max_power_w: float | None = None
    socket: int | None = None
    model: Model | None = None


class Sensor(msgspec.Struct, frozen=True):
    """A source of energy numbers on one host.

    Attributes
    ----------
    name : str
        ``rapl``, ``virtual``, ``replay`` ...
    method : str
        ``measured``, ``modelled`` or ``assumed``.
    relative_error : float
        Half width of the range of what it reads, as a fraction; 0 where the model has its own.
    note : str
        What its numbers lack or mean, in one sentence; may be empty.
    """

    name: str
    method: str
    domains: tuple[Domain, ...]
    relative_error: float = 0.0
    note: str = ""


class Process(msgspec.Struct, frozen=True, tag="process", tag_field="kind"):
    """First line of a ``nodes-*.jsonl`` file: the process that writes it.

    `key` is ``<host>-<pid>-<starttime>``; `driver` is the key of the driver in whose process tree
    it is, or None.
    """

    host: str
    hostname: str
    pid: int
    starttime: int
    key: str
    driver: str | None = None
    schema_version: str = SCHEMA_VERSION


class Driver(msgspec.Struct, frozen=True, tag="driver", tag_field="kind"):
    """The driver's start or end: its whole tree's CPU seconds at that moment.

    `event` is ``start`` or ``end``; `outcome` (at the end) ``ok``, ``failed`` or ``interrupted``.
    """

    event: str
    t_monotonic_ns: int
    t_unix_ns: int
    cpu_s: float
    outcome: str | None = None


class Start(msgspec.Struct, frozen=True, tag="start", tag_field="kind"):
    """A node execution begins.

    Attributes
    ----------
    span : str
        ``<host>-<pid>-<starttime>-<n>``: unique among all executions.
    node : str
        The node's unique name in the executed graph; MapNode elements end in ``[index]``.
    parent : str or None
        The span in whose time and process this one runs (an element of a serial MapNode).
    map_node : str or None
        For an element of a MapNode, the name of the MapNode.
    perf : bool
        Whether a task clock counts it beside rusage.
    cpu_base_s : float
        CPU seconds of the process tree at this moment (own, reaped and living children).
    """

    span: str
    node: str
    t_monotonic_ns: int
    t_unix_ns: int
    cpu_base_s: float
    parent: str | None = None
    map_node: str | None = None
    index: int | None = None
    perf: bool = True


class End(msgspec.Struct, frozen=True, tag="end", tag_field="kind"):
    """A node execution ended.

    Attributes
    ----------
    outcome : str
        ``ran``, ``cached`` or ``failed``.
    cpu_s : float
        CPU seconds of the node's process tree, elements in `Start.parent` included.
    cpu_source : str
        ``rusage``, ``perf`` or ``thread``: which count `cpu_s` is.
    cpu_incomplete : str or None
        Why CPU seconds may be missing.
    error : str or None
        Class of the exception.
    inputs_hash : str or None
        What the engine makes of the node's inputs: the same hash, the same result.
    """

    span: str
    t_monotonic_ns: int
    outcome: str
    cpu_s: float
    cpu_source: str = "rusage"
    cpu_rusage_s: float | None = None
    cpu_perf_s: float | None = None
    cpu_incomplete: str | None = None
    error: str | None = None
    inputs_hash: str | None = None


class Cached(msgspec.Struct, frozen=True, tag="cached", tag_field="kind"):
    """The engine found a node's result and did not call it; `inputs_hash` as in `End`."""

    node: str
    t_monotonic_ns: int
    t_unix_ns: int
    inputs_hash: str | None = None


class Host(msgspec.Struct, frozen=True, tag="host", tag_field="kind"):
    """First line of a ``samples-*.jsonl`` file: the machine and its sensors.

    Attributes
    ----------
    host : str
        First 12 hexadecimal digits of the boot id.
    idle_power_w : float or None
        Calibrated idle power of the account; None without a calibration.
    driver : str or None
        Key of the process that started this sampler.
    """

    host: str
    hostname: str
    boot_id: str
    pid: int
    n_cpus: int
    t_monotonic_ns: int
    t_unix_ns: int
    sensors: tuple[Sensor, ...]
    cpu_model: str = ""
    memory_bytes: int | None = None
    interval_s: float = 1.0
    idle_power_w: float | None = None
    driver: str | None = None
    schema_version: str = SCHEMA_VERSION


class Sample(msgspec.Struct, frozen=True, tag="sample", tag_field="kind"):
    """Every domain of a host, and its busy CPU time, at one instant.

    Attributes
    ----------
    busy_cpu_s : float
        CPUs x monotonic time - idle - iowait - steal: cumulative, only differences mean something.
    readings : dict
        Raw counter by domain name; None where the reading is missing.
    meter_cpu_s : float
        CPU seconds of the sampler itself since it started.
    driver_cpu_s : float or None
        CPU seconds of the driver's process tree (own, reaped and living children).
    spans : dict
        CPU seconds that each running node has used so far.
    sigchld_ignored : tuple of str
        Running nodes without a task clock below which a process ignores SIGCHLD: rusage misses
        what its children use.
    """

    t_monotonic_ns: int
    t_unix_ns: int
    busy_cpu_s: float
    readings: dict[str, int | None]
    meter_cpu_s: float = 0.0
    driver_cpu_s: float | None = None
    spans: dict[str, float] = {}
    sigchld_ignored: tuple[str, ...] = ()
    read_s: float = 0.0


class Gone(msgspec.Struct, frozen=True, tag="gone", tag_field="kind"):
    """The process of a running node is no more, and it left no end record."""

    span: str
    t_monotonic_ns: int


class Close(msgspec.Struct, frozen=True, tag="close", tag_field="kind"):
    """The sampler's last line: why it ended."""

    t_monotonic_ns: int
    reason: str


class Node(msgspec.Struct, frozen=True):
    """A node of an executed graph, as its engine describes it.

    `stage` is the stage that the user gave it (``node.stage = ...``); `workflow` its hierarchy;
    `interface` ``module.Class``; `program` the command that it starts.
    """

    name: str
    workflow: str = ""
    interface: str = ""
    program: str = ""
    stage: str | None = None
    map_node: bool = False
    n_procs: int | None = None
    mem_gb: float | None = None


class Graph(msgspec.Struct, frozen=True):
    """``graph-*.json``: one executed graph; `edges` are pairs of node names."""

    workflow: str
    plugin: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    schema_version: str = SCHEMA_VERSION


class RunInfo(msgspec.Struct, frozen=True):
    """``run.json``: what was run, by which versions; without arguments, which name subjects."""

    run_id: str
    t_unix_ns: int
    program: str = ""
    engine: str = ""
    nicarbon_version: str = ""
    python_version: str = ""
    schema_version: str = SCHEMA_VERSION


class NodeFile(msgspec.Struct, frozen=True):
    """One ``nodes-*.jsonl``: the process, and its records in order of writing."""

    process: Process
    lines: tuple[Driver | Start | End | Cached, ...]


class SampleFile(msgspec.Struct, frozen=True):
    """One ``samples-*.jsonl``: the host, and its records in order of writing."""

    host: Host
    samples: tuple[Sample, ...]
    gone: tuple[Gone, ...] = ()
    close: Close | None = None


class RunFacts(msgspec.Struct, frozen=True):
    """All that a run folder holds. `n_skipped_lines` counts the lines that could not be read."""

    info: RunInfo
    graphs: tuple[Graph, ...] = ()
    node_files: tuple[NodeFile, ...] = ()
    sample_files: tuple[SampleFile, ...] = ()
    n_skipped_lines: int = 0
