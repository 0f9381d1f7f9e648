# SPDX-License-Identifier: Apache-2.0
"""The records of the nodes that one process executes.

A start record, then the exact CPU time of the whole process tree in the end record. Nothing here
starts a thread, touches a signal or waits for a child that the node started.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from typing import Any, NamedTuple

from nicarbon.meter import SCHEMA_VERSION, containers, subreaper
from nicarbon.meter.census import Census, difference_s, new_peak_bytes, take
from nicarbon.meter.cputime import TaskClock, TaskClocks, choose, sigchld_ignored
from nicarbon.meter.messages import fail
from nicarbon.meter.node_lines import end_line, start_line
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.writer import Writer

_UNSEEN = "the CPU time of its container is not seen"
# An engine that gives each node a new thread is not to hand over each of them.
_MOST_TOLD = 64


class RunContext(NamedTuple):
    """What a process needs to know of a run; it travels with the nodes.

    Attributes
    ----------
    run_dir : str
        The run folder, absolute.
    driver : str
        Key of the driver's process.
    sampler_pid : int or None
        The driver's sampler: never part of a node.
    sampler_args : tuple of str
        Options of the samplers of the run's jobs.
    """

    run_dir: str
    driver: str
    sampler_pid: int | None = None
    sampler_args: tuple[str, ...] = ()


class Span:
    """One node execution that began in this process; ended by `Meter.end`."""

    __slots__ = (
        "before",
        "clock",
        "container",
        "name",
        "shared",
        "sigchld_ignored",
        "thread",
        "thread_s",
    )

    def __init__(self, name: str, before: Census, clock: TaskClock | None, thread: int) -> None:
        self.name = name
        self.before = before
        self.clock = clock
        self.thread = thread
        self.container: str | None = None
        self.shared = False
        # Each call counts: a node may take a millisecond. A task clock needs neither of these.
        if clock is None:
            self.sigchld_ignored = sigchld_ignored()
            self.thread_s = time.thread_time()


class Meter:
    """Records the nodes that this process executes for one run.

    Parameters
    ----------
    context : RunContext
        The run.
    """

    def __init__(self, context: RunContext) -> None:
        self.pid = os.getpid()
        self.context = context
        self.proc = ProcFS("/")
        self._host = self.proc.host_id()
        self.key = self.proc.key(self.pid)
        self.writer = Writer(self._path(self.key), self._header())
        self._numbers = itertools.count()
        # Nodes may begin in several threads at once. A forked child makes a meter of its own, so
        # it never waits for a lock that a lost thread held.
        self._lock = threading.RLock()
        self._open: dict[str, Span] = {}
        self._clocks = TaskClocks()
        # Threads of which the sampler is told by the kernel, where the user asked for that.
        self._told: set[int] | None = set() if "--programs" in context.sampler_args else None
        self._was_subreaper = subreaper.get()
        self._session = os.getsid(0)
        # Children from before the first node may have been born into another session.
        self._elders = self.census().children

    def begin(
        self,
        node: str,
        map_node: str | None = None,
        index: int | None = None,
        container: str | None = None,
    ) -> Span:
        """Record that a node begins.

        Parameters
        ----------
        node : str
            Unique name of the node in the executed graph.
        map_node : str, optional
            The MapNode that it is an element of.
        index : int, optional
            Its index in there.
        container : str, optional
            Where the CPU time of the container is read that it runs in, and that is not below
            this process: a folder of `nicarbon.meter.containers`; empty where it is not read.
        """
        if self._told is not None:
            self._tell(self._told)
        with self._lock:
            if not self._open:
                subreaper.switch(True)
            try:
                span = self._new_span()
                span.container = container
            except BaseException:
                self._leave_orphans()
                raise
            parent = self._beside(span) if self._open else None
            self._open[span.name] = span
        try:
            line = start_line(
                span.name,
                node,
                time.monotonic_ns(),
                time.time_ns(),
                span.before.total_s(),
                span.clock is not None,
                parent,
                container,
                map_node,
                index,
            )
            if not self.writer.append(line):
                self._fail()
        except BaseException:
            self.forget(span)
            raise
        return span

    def end(
        self,
        span: Span,
        outcome: str,
        error: str | None = None,
        inputs_hash: str | None = None,
    ) -> None:
        """Record that a node ended.

        Parameters
        ----------
        span : Span
            What `begin` returned.
        outcome : str
            ``ran``, ``cached`` or ``failed``.
        error : str, optional
            Class of the exception.
        inputs_hash : str, optional
            What the engine makes of the node's inputs: the same hash, the same result.
        """
        t_monotonic_ns = time.monotonic_ns()
        with self._lock:
            if self._open.pop(span.name, None) is None:
                # Not this process's: a child that the node forked leaves by the same door.
                return
            try:
                after = self.census()
                line = end_line(
                    span.name,
                    t_monotonic_ns,
                    outcome,
                    *self._cpu(span, after),
                    None if span.shared else new_peak_bytes(span.before, after),
                    error,
                    inputs_hash,
                )
                if not self.writer.append(line):
                    self._fail()
            finally:
                self._leave_orphans()
        if after.children:
            younger = after.children - self._elders
            subreaper.reap_adopted(self.proc, younger, self._session)

    def forget(self, span: Span) -> None:
        """Let a node that can't be metered to its end be over: nothing counts as inside it."""
        with self._lock:
            self._open.pop(span.name, None)
            self._leave_orphans()

    def cached(
        self,
        node: str,
        map_node: str | None = None,
        index: int | None = None,
        inputs_hash: str | None = None,
    ) -> None:
        """Record that the engine found a node's result without calling it.

        Parameters are those of `begin` and `end`.
        """
        record: dict[str, Any] = {}
        if map_node is not None:
            record["map_node"] = map_node
            record["index"] = index
        if inputs_hash is not None:
            record["inputs_hash"] = inputs_hash
        self.note("cached", node, (time.monotonic_ns(), time.time_ns()), record)

    def note(
        self, kind: str, node: str, times_ns: tuple[int, int], record: dict[str, Any]
    ) -> None:
        """Record something of a node that is no execution.

        Parameters
        ----------
        kind : str
            Of the record.
        node : str
            Unique name of the node.
        times_ns : (int, int)
            When, by the monotonic clock and as Unix time.
        record : dict
            What else there is to say.
        """
        monotonic_ns, unix_ns = times_ns
        when = {"t_monotonic_ns": monotonic_ns, "t_unix_ns": unix_ns}
        if not self.writer.write({"kind": kind, "node": node, **when, **record}):
            self._fail()

    def close(self) -> None:
        """Close what is kept open between nodes; a later node opens it again."""
        self.writer.close()
        self._clocks.close()

    def census(self) -> Census:
        """Count this process's tree now."""
        return take(self.proc, self.context.sampler_pid, self._runs_nodes)

    def _tell(self, told: set[int]) -> None:
        """Let the kernel tell the sampler what this thread starts, from its first node on."""
        thread, sampler_pid = threading.get_native_id(), self.context.sampler_pid
        if thread not in told and len(told) < _MOST_TOLD and sampler_pid is not None:
            from nicarbon.meter import handover  # Of use only to those who asked.

            told.add(thread)
            handover.offer(sampler_pid, self.proc.pid_namespace())

    def _leave_orphans(self) -> None:
        """Adopt orphans no longer, unless a node runs."""
        if not self._open:
            subreaper.switch(self._was_subreaper)

    def _fail(self) -> None:
        """Say what the last write raised."""
        if self.writer.error is not None:
            fail(self.writer.error)

    def _beside(self, span: Span) -> str | None:
        """Note that a span shares the process with the open ones; return the one it is inside."""
        parent = None
        for other in self._open.values():
            if other.thread == span.thread:
                parent = other.name
            else:
                other.shared = span.shared = True
        return parent

    def _new_span(self) -> Span:
        before, thread = self.census(), threading.get_ident()
        clock = self._clocks.start(thread, not before.children)
        return Span(f"{self.key}-{next(self._numbers)}", before, clock, thread)

    def _cpu(
        self, span: Span, after: Census
    ) -> tuple[float, str, str | None, float, float | None, float | None]:
        """Count a node that ends: `end_line` says what."""
        rusage_s, certain = difference_s(span.before, after, self._runs_nodes)
        perf_s, thread_s, ignored = None, 0.0, False
        if span.clock is not None:
            perf_s = self._clocks.stop(span.clock, not after.children)
        else:
            thread_s = time.thread_time() - span.thread_s
            ignored = span.sigchld_ignored or sigchld_ignored()
        cpu_s, source, incomplete = choose(
            rusage_s, perf_s, thread_s, span.shared, certain, ignored
        )
        container_s = None
        if span.container is not None:
            container_s = containers.used_s(span.container) if span.container else None
            if container_s is None:
                incomplete = "; ".join(reason for reason in (incomplete, _UNSEEN) if reason)
            else:
                cpu_s += container_s
        return cpu_s, source, incomplete, rusage_s, perf_s, container_s

    def _runs_nodes(self, pid: int, starttime: int) -> bool:
        return os.path.exists(self._path(f"{self._host}-{pid}-{starttime}"))

    def _path(self, key: str) -> str:
        return os.path.join(self.context.run_dir, f"nodes-{key}.jsonl")

    def _header(self) -> dict[str, Any]:
        host, pid, starttime = self.key.split("-")
        return {
            "kind": "process",
            "schema_version": SCHEMA_VERSION,
            "host": host,
            "hostname": socket.gethostname(),
            "pid": int(pid),
            "starttime": int(starttime),
            "key": self.key,
            "driver": driver_above(self.proc, self.context.driver),
            "pid_namespace": self.proc.pid_namespace(),
        }


def driver_above(proc: ProcFS, driver: str) -> str | None:
    """Return a driver's key if this process is it or below it, else None."""
    pid = os.getpid()
    while pid > 1:
        if proc.key(pid) == driver:
            return driver
        stat = proc.stat(pid)
        if stat is None:
            break
        pid = stat.ppid
    return None
