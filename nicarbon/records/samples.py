# SPDX-License-Identifier: Apache-2.0
"""What a sampler reads on its host: the lines of ``samples-*.jsonl``."""

from __future__ import annotations

import msgspec

from nicarbon.meter import SCHEMA_VERSION
from nicarbon.records.sensors import Sensor


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
