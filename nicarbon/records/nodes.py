# SPDX-License-Identifier: Apache-2.0
"""Which process executed a node, and what it used: the lines of ``nodes-*.jsonl``."""

from __future__ import annotations

import msgspec

from nicarbon.meter import SCHEMA_VERSION


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
