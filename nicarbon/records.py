# SPDX-License-Identifier: Apache-2.0
"""The facts of a run folder, as frozen structs; `nicarbon.reader` reads them.

Nothing here computes energy, and nothing here touches a file.
"""

from __future__ import annotations

import msgspec

from nicarbon.meter import SCHEMA_VERSION

# `RunInfo.engine` of a run that nobody metered: its folder was made of the logs that it left.
IMPORTED = "import"


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """A linear power curve, P = idle + busy x (busy CPUs), each value as (low, central, high).

    Attributes
    ----------
    idle_w : tuple of float
        Watts of the whole host while nothing runs.
    busy_w : tuple of float
        Watts above idle for each busy CPU, that is joules a CPU second.
    source : str
        Where the curve comes from, in a sentence.
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
    since_open : bool
        Whether it counts from when its sampler opened it: several samplers of a host then have
        a zero each, and only one sampler's own readings can be compared.
    model : Model or None
        Given for a modelled domain, which has no readings.
    card, device : str
        Of a device, the product, and what tells this piece of it from others.
    bounds : tuple of (str, str) or None
        Names of the readings that are the least and the most it may have counted, where its
        energy was integrated from readings of power.
    """

    name: str
    kind: str
    account: bool = True
    unit_j: float = 1.0
    range: int | None = None
    max_power_w: float | None = None
    socket: int | None = None
    since_open: bool = False
    model: Model | None = None
    card: str = ""
    device: str = ""
    bounds: tuple[str, str] | None = None


class Sensor(msgspec.Struct, frozen=True):
    """A source of energy numbers on one host.

    Attributes
    ----------
    name : str
        ``rapl``, ``virtual``, ``replay`` ...
    method : str
        ``measured``, ``modelled`` or ``assumed``.
    domains : tuple of Domain
        Its counters, or its power curve.
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

    Attributes
    ----------
    host : str
        First 12 hexadecimal digits of the boot id.
    hostname : str
        The host's name.
    pid : int
        Process number.
    starttime : int
        When the process started, in clock ticks since boot, as in ``/proc/PID/stat``: process
        numbers are used again, the pair is not.
    key : str
        ``<host>-<pid>-<starttime>``: this process and no other. It is in the file's name.
    driver : str or None
        Key of the driver in whose process tree it is.
    pid_namespace : int or None
        Tells where `pid` is its number: in a container numbers begin anew.
    schema_version : str
        Version of the format.
    """

    host: str
    hostname: str
    pid: int
    starttime: int
    key: str
    driver: str | None = None
    pid_namespace: int | None = None
    schema_version: str = SCHEMA_VERSION


class Driver(msgspec.Struct, frozen=True, tag="driver", tag_field="kind"):
    """The start or end of a driver or a job.

    Attributes
    ----------
    event : str
        ``start`` or ``end``.
    t_monotonic_ns, t_unix_ns : int
        When.
    cpu_s : float
        CPU seconds of its whole process tree at this moment.
    outcome : str or None
        At a driver's end ``ok``, ``failed`` or ``interrupted``.
    scheduler, job_id : str
        At its start, the batch job that it is in itself, as in `Job`; empty where there is none.
    """

    event: str
    t_monotonic_ns: int
    t_unix_ns: int
    cpu_s: float
    outcome: str | None = None
    scheduler: str = ""
    job_id: str = ""


class Job(msgspec.Struct, frozen=True, tag="job", tag_field="kind"):
    """A batch job: the process that wrote this was started by a scheduler, for one node.

    Attributes
    ----------
    node : str
        The node that it is for.
    t_monotonic_ns, t_unix_ns : int
        When it began.
    scheduler, job_id : str
        ``slurm``, ``sge``, ``pbs``, ``lsf``, ``oar`` or ``condor``, and its number there; both
        empty where no scheduler made itself known.
    restart : int
        How often the same job was started before.
    """

    node: str
    t_monotonic_ns: int
    t_unix_ns: int
    scheduler: str = ""
    job_id: str = ""
    restart: int = 0


class Submitted(msgspec.Struct, frozen=True, tag="submitted", tag_field="kind"):
    """The driver gave a node to a scheduler.

    Attributes
    ----------
    node : str
        The node's unique name in the executed graph.
    t_monotonic_ns, t_unix_ns : int
        When; where a whole graph is handed over at once, when that began.
    scheduler, job_id : str
        As in `Job`; `job_id` is empty where the driver is not told it, as with whole graphs.
    """

    node: str
    t_monotonic_ns: int
    t_unix_ns: int
    scheduler: str = ""
    job_id: str = ""


class JobFact(msgspec.Struct, frozen=True):
    """What a scheduler says of one attempt of a job.

    Attributes
    ----------
    job_id : str
        The job's number there.
    state : str
        In the scheduler's words.
    how : str or None
        ``time limit``, ``cancelled``, ``out of memory``, ``node failure``, ``requeued``,
        ``preempted``, ``resource limit`` or ``failed``; None where it ended as it should, goes on,
        or the scheduler does not say.
    over : bool
        Whether the attempt has ended.
    exit_code : str
        In the scheduler's form.
    hostname : str
        Where it ran: the scheduler's name of a host.
    t_submit_unix_s, t_start_unix_s, t_end_unix_s : float or None
        By the scheduler's clock, in whole seconds.
    consumed_energy_j : float or None
        What the scheduler counted while the job's batch step ran: the whole host's (Slurm's
        ``ConsumedEnergyRaw``), whoever else was on it. None where it did not count.
    """

    job_id: str
    state: str = ""
    how: str | None = None
    over: bool = False
    exit_code: str = ""
    hostname: str = ""
    t_submit_unix_s: float | None = None
    t_start_unix_s: float | None = None
    t_end_unix_s: float | None = None
    consumed_energy_j: float | None = None


class JobFacts(msgspec.Struct, frozen=True):
    """``jobs-*.json``: the answer of a scheduler.

    Attributes
    ----------
    scheduler : str
        As in `Job`.
    t_unix_ns : int
        When it was asked.
    jobs : tuple of JobFact
        What it said, the attempts of a job in their order.
    energy_by : str
        How it counts energy, with its version (``rapl, slurm 22.05.8``); empty where it does not.
    schema_version : str
        Version of the format.
    """

    scheduler: str
    t_unix_ns: int
    jobs: tuple[JobFact, ...] = ()
    energy_by: str = ""
    schema_version: str = SCHEMA_VERSION


class Unmetered(msgspec.Struct, frozen=True, tag="unmetered", tag_field="kind"):
    """A node ran without nicarbon.

    A job leaves it as ``unmetered-*.json``, as it can't have a file like other processes; a driver
    that knows beforehand writes it as a line of its own file.

    Attributes
    ----------
    node : str
        The node's unique name in the executed graph.
    hostname : str
        Where; in a driver's line the driver's host.
    interpreter : str
        The Python that could not import nicarbon; empty where it is not known.
    reason : str
        Why.
    t_unix_ns : int
        When.
    schema_version : str
        Version of the format.
    """

    node: str
    hostname: str = ""
    interpreter: str = ""
    reason: str = ""
    t_unix_ns: int = 0
    schema_version: str = SCHEMA_VERSION


class Start(msgspec.Struct, frozen=True, tag="start", tag_field="kind"):
    """A node execution begins.

    Attributes
    ----------
    span : str
        ``<host>-<pid>-<starttime>-<n>``: unique among all executions.
    node : str
        The node's unique name in the executed graph; MapNode elements end in ``[index]``.
    t_monotonic_ns, t_unix_ns : int
        When.
    parent : str or None
        The span in whose time and process this one runs (an element of a serial MapNode).
    map_node : str or None
        For an element of a MapNode, the name of the MapNode.
    index : int or None
        For an element of a MapNode, its index.
    perf : bool
        Whether a task clock counts it beside rusage.
    cpu_base_s : float
        CPU seconds of the process tree at this moment (own, reaped and living children).
    container : str or None
        Where the CPU time of its container is read while it runs.
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
    container: str | None = None


class End(msgspec.Struct, frozen=True, tag="end", tag_field="kind"):
    """A node execution ended.

    Attributes
    ----------
    span : str
        The execution, as in its start record.
    t_monotonic_ns : int
        When.
    outcome : str
        ``ran``, ``cached`` or ``failed``.
    cpu_s : float
        CPU seconds of the node's process tree, those of elements whose `parent` it is included.
    cpu_source : str
        ``rusage``, ``perf`` or ``thread``: which count `cpu_s` is; in an imported run ``log``, or
        ``assumed`` where the log does not count it.
    cpu_rusage_s : float or None
        CPU seconds by rusage, where there are two counts.
    cpu_perf_s : float or None
        CPU seconds by the task clock, where there is one.
    cpu_container_s : float or None
        The part of `cpu_s` that a container used which is not below the node's process, as its
        cgroup said last.
    cpu_incomplete : str or None
        Why CPU seconds may be missing.
    error : str or None
        Class of the exception.
    inputs_hash : str or None
        What the engine makes of the node's inputs: the same hash, the same result.
    peak_memory_bytes : int or None
        What its process, or a child of it, held at some time, where that was more than ever
        before in this process.
    """

    span: str
    t_monotonic_ns: int
    outcome: str
    cpu_s: float
    cpu_source: str = "rusage"
    cpu_rusage_s: float | None = None
    cpu_perf_s: float | None = None
    cpu_container_s: float | None = None
    cpu_incomplete: str | None = None
    error: str | None = None
    inputs_hash: str | None = None
    peak_memory_bytes: int | None = None


class Cached(msgspec.Struct, frozen=True, tag="cached", tag_field="kind"):
    """The engine found a node's result and did not call it.

    Attributes
    ----------
    node : str
        The node's unique name in the executed graph.
    t_monotonic_ns, t_unix_ns : int
        When.
    map_node, index, inputs_hash
        As in `Start` and `End`.
    """

    node: str
    t_monotonic_ns: int
    t_unix_ns: int
    map_node: str | None = None
    index: int | None = None
    inputs_hash: str | None = None


class Host(msgspec.Struct, frozen=True, tag="host", tag_field="kind"):
    """First line of a ``samples-*.jsonl`` file: the machine and its sensors.

    Attributes
    ----------
    host : str
        First 12 hexadecimal digits of the boot id.
    hostname : str
        Its name.
    boot_id : str
        The kernel's identifier of this boot: the monotonic clock counts from it.
    pid : int
        Process number of the sampler.
    n_cpus : int
        Hardware threads.
    t_monotonic_ns, t_unix_ns : int
        When.
    sensors : tuple of Sensor
        One that gives the account, and checks beside it.
    cpu_model : str
        Name of the processor.
    memory_bytes : int or None
        Memory.
    interval_s : float
        Seconds between samples at the start; the default interval grows after five minutes.
    idle_power_w : float or None
        Calibrated idle power of the account; None without a calibration.
    driver : str or None
        Key of the process that started this sampler.
    pid_namespace : int or None
        As in `Process`.
    schema_version : str
        Version of the format.
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
    pid_namespace: int | None = None
    schema_version: str = SCHEMA_VERSION


class Interpreted(msgspec.Struct, frozen=True):
    """What the processes of one interpreter used whose scripts the kernel does not tell.

    Attributes
    ----------
    cpu_s : float
        CPU seconds of those that no look met.
    met : dict
        By the script's name, how many looks met and that ended before they could be sure to be
        met; the CPU seconds of others like them that these stand for; and the sum of the squares,
        as some stand for many and some for few.
    """

    cpu_s: float
    met: dict[str, tuple[int, float, float]] = {}


class Traced(msgspec.Struct, frozen=True):
    """What the kernel told of the processes in a node's tree since the sample before.

    Attributes
    ----------
    programs : dict
        CPU seconds by the program's name.
    unnamed : dict
        What interpreters used for scripts that are not known by name, by the interpreter.
    n_lost : int
        Records that the kernel had no room for, of this and of all other nodes together.
    """

    programs: dict[str, float] = {}
    unnamed: dict[str, Interpreted] = {}
    n_lost: int = 0


class Sightings(msgspec.Struct, frozen=True):
    """Which programs were seen at work in a node's process tree since the sample before.

    Attributes
    ----------
    n : int
        Looks that met a process for the first time, and running.
    programs : dict
        By the program's name: how many of those looks met it; the CPU seconds that these stand
        for; and the CPU seconds that its processes were seen to use between two looks, by their
        own clocks.
    sides : dict
        Both kinds of CPU seconds together, of those programs whose command lines name one
        hemisphere, by ``lh`` and ``rh``.
    arguments : dict
        By the program's name, command lines that were not seen before; absent unless the user
        asked for them, as they name subjects.
    traced : Traced or None
        Where the user asked for exact programs, those of which the kernel told: they are not in
        `programs` then.
    """

    n: int
    programs: dict[str, tuple[int, float, float]]
    sides: dict[str, float] = {}
    arguments: dict[str, tuple[str, ...]] = {}
    traced: Traced | None = None


class Marker(msgspec.Struct, frozen=True):
    """A line that marks a step in the log of a tool that runs inside a node, or the tool itself.

    Attributes
    ----------
    tool : str
        The tool and its process number: a node may run several.
    source : str
        Which log: ``recon-all``, ``recon-surf`` or the name of a rule; ``seen`` when the tool was
        first seen, ``gone`` when it was no longer there.
    text : str
        What marks the step, without what could name a subject.
    since_monotonic_ns, t_monotonic_ns : int
        It happened after the first of these instants, and was found at the second.
    """

    tool: str
    source: str
    text: str
    since_monotonic_ns: int
    t_monotonic_ns: int


class GpuUse(msgspec.Struct, frozen=True):
    """Who used a card since the sample before.

    Attributes
    ----------
    t_monotonic_ns : int
        Up to when `sm_s` is known.
    sm_s : dict
        Seconds of all of the card's multiprocessors, by span; ``engine`` is what ran outside of
        nodes, ``other`` everybody else.
    held_s : dict
        Seconds in which its memory was in use, each divided by the memory that each held.
    told : str
        How it is known: ``process`` where the driver tells each process's; ``candidate``, the one
        node that has the device open, where process numbers are another namespace's, and
        ``candidates`` where these are several; ``holders``, by the memory held, where it tells
        only how busy the card is, and ``unknown`` where not even that.
    """

    t_monotonic_ns: int
    sm_s: dict[str, float] = {}
    held_s: dict[str, float] = {}
    told: str = "process"


class Sample(msgspec.Struct, frozen=True, tag="sample", tag_field="kind"):
    """Every domain of a host, and its busy CPU time, at one instant.

    Attributes
    ----------
    t_monotonic_ns, t_unix_ns : int
        When: the middle of the reading.
    busy_cpu_s : float
        CPUs x monotonic time - idle - iowait - steal: cumulative, only differences mean something.
    readings : dict
        Raw counter by domain name; None where the reading is missing.
    meter_cpu_s : float
        CPU seconds of the sampler itself since it started.
    driver_cpu_s : float or None
        CPU seconds of the driver's process tree (own, reaped and living children).
    spans : dict
        CPU seconds that each running node has used so far, by its span.
    sigchld_ignored : tuple of str
        Running nodes without a task clock below which a process ignores SIGCHLD: rusage misses
        what its children use.
    memory_bytes : dict
        The most that the process tree of each running node was seen to hold so far.
    sightings : dict
        Programs of the nodes that ran since the sample before, by span; absent where nobody
        looked, or several nodes share a process.
    gpus : dict
        Who used each device, by the name of its domain.
    markers : dict
        Steps that tools inside the nodes marked in their logs since the sample before, by span.
    read_s : float
        How long the reading took.
    """

    t_monotonic_ns: int
    t_unix_ns: int
    busy_cpu_s: float
    readings: dict[str, int | None]
    meter_cpu_s: float = 0.0
    driver_cpu_s: float | None = None
    spans: dict[str, float] = {}
    sigchld_ignored: tuple[str, ...] = ()
    memory_bytes: dict[str, int] = {}
    sightings: dict[str, Sightings] = {}
    gpus: dict[str, GpuUse] = {}
    markers: dict[str, tuple[Marker, ...]] = {}
    read_s: float = 0.0


class Gone(msgspec.Struct, frozen=True, tag="gone", tag_field="kind"):
    """The process of a running node is no more, and it left no end record.

    Attributes
    ----------
    span : str
        The execution.
    t_monotonic_ns : int
        When that was seen.
    """

    span: str
    t_monotonic_ns: int


class Close(msgspec.Struct, frozen=True, tag="close", tag_field="kind"):
    """The sampler's last line.

    Attributes
    ----------
    t_monotonic_ns : int
        When.
    reason : str
        Why it ended.
    """

    t_monotonic_ns: int
    reason: str


class Node(msgspec.Struct, frozen=True):
    """A node of an executed graph, as its engine describes it.

    Attributes
    ----------
    name : str
        Unique in the graph.
    workflow : str
        The workflows that it is in, joined by dots.
    interface : str
        ``module.Class``.
    program : str
        The command that it starts, where the interface says it.
    stage : str or None
        The stage that the user gave it: ``node.stage = ...``.
    map_node : bool
        Whether it is a MapNode, whose elements have records of their own.
    n_procs : int or None
        The processors that it asks its engine for.
    mem_gb : float or None
        The memory that it asks its engine for, in GB.
    iterables : tuple of str
        The subject, session and hemisphere that it is expanded for (``subject_id_01``), be it by
        a file of theirs (``sub-01``); of other iterables nothing is kept, as they may hold what
        identifies a person.
    state : tuple of str
        Of an element of a split, its indices there (``smooth.fwhm=2``); values only if they were
        asked for.
    collects : bool
        Whether it stands for all elements of a split, and is never executed itself.
    """

    name: str
    workflow: str = ""
    interface: str = ""
    program: str = ""
    stage: str | None = None
    map_node: bool = False
    n_procs: int | None = None
    mem_gb: float | None = None
    iterables: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    collects: bool = False

    @property
    def own_name(self) -> str:
        """Its name without its workflow, its iterables and its element's index.

        Examples
        --------
        >>> Node("wf.preproc.smooth.aI.a0[3]", workflow="wf.preproc").own_name
        'smooth'
        >>> Node("main/sub[0]/smooth[3]", workflow="main.sub").own_name
        'smooth'
        >>> Node("run_fastsurfer.sh").own_name
        'run_fastsurfer.sh'
        """
        if "/" in self.name:
            return self.name.rpartition("/")[2].partition("[")[0]
        name = self.name.partition("[")[0]
        if self.workflow and name.startswith(self.workflow + "."):
            return name[len(self.workflow) + 1 :].partition(".")[0]
        return name


class Graph(msgspec.Struct, frozen=True):
    """``graph-*.json``: one executed graph.

    Attributes
    ----------
    workflow : str
        Its name.
    plugin : str
        The engine's plugin that executed it.
    nodes : tuple of Node
        Its nodes.
    edges : tuple of (str, str)
        Pairs of node names: the second needs the first.
    workflows : dict
        What the engine makes of the inputs of workflows that ran well, by their names, where it
        may find a whole workflow in its cache. Names of their nodes begin with theirs and ``/``.
    schema_version : str
        Version of the format.
    """

    workflow: str
    plugin: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    workflows: dict[str, str] = {}
    schema_version: str = SCHEMA_VERSION


class RunInfo(msgspec.Struct, frozen=True):
    """``run.json``: what was run, by which versions; without arguments, which name subjects.

    Attributes
    ----------
    run_id : str
        ``<UTC time>_<short id>``.
    t_unix_ns : int
        When the run folder was made.
    program : str
        The script, module or command, without its folder and arguments.
    engine : str
        ``nipype``, ``pydra``, ``command`` for a command that is metered as one node, or
        ``import``.
    nicarbon_version, python_version : str
        What ran it.
    schema_version : str
        Version of the format.
    """

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
    lines: tuple[Driver | Job | Submitted | Unmetered | Start | End | Cached, ...]

    @property
    def job(self) -> Job | None:
        """The batch job that the process is; None for a driver and for what it started."""
        return next((line for line in self.lines if isinstance(line, Job)), None)


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
    unmetered: tuple[Unmetered, ...] = ()
    job_facts: tuple[JobFacts, ...] = ()
    n_skipped_lines: int = 0
