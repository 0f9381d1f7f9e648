# SPDX-License-Identifier: Apache-2.0
"""What a driver knows of pydra's jobs while they run: their places, and how they ended.

Which jobs were executed is said by whoever executes them; here is seen which were not: found in
the cache, or made by another job with the same checksum. Nothing of pydra is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from typing import Any, NamedTuple

from nicarbon.engines.pydra_graph import (
    Expansion,
    element,
    expansion,
    flattened,
    is_workflow,
)
from nicarbon.engines.pydra_hooks import Runtime, Ticket, Transport, checksum
from nicarbon.meter import accounting, messages, scheduler, span
from nicarbon.meter.recorder import RunContext
from nicarbon.meter.session import Session

# A graph that grows is written again when this part of the time was not spent on writing it.
_GRAPH_SHARE = 0.003
# A scheduler's accounts are a second or two late.
_PATIENCE_S = 5.0


class Visit(NamedTuple):
    """A job that was given to a worker.

    Attributes
    ----------
    name : str
        The node's unique name.
    ticket : Ticket
        What travels with it.
    result : tuple of int or None
        Identity of the result that was there before.
    """

    name: str
    ticket: Ticket
    result: tuple[int, int, int] | None


class Root:
    """An outermost job and the workflows that were opened below it."""

    def __init__(self, name: str, job: Any) -> None:
        self.name = name
        self.task = job.task
        self.workflow = type(job.task).__name__
        self.opened: dict[str, Expansion] = {}
        self.running: dict[str, Any] = {}
        self.ran: dict[str, str] = {}
        self.graph: int | None = None
        self.written_s = -float("inf")
        self.writing_s = 0.0


class Recording:
    """The jobs of one session.

    Parameters
    ----------
    session : Session
        It runs.
    context : RunContext
        Its context.
    values : bool
        Whether to keep state values: they may name people.
    """

    def __init__(self, session: Session, context: RunContext, values: bool = False) -> None:
        self.session = session
        self.pid = os.getpid()
        self._context = context
        self._values = values
        self._submitted_in: tuple[tuple[str, str], ...] | None = None
        self._names: dict[str, str] = {}
        self._taken: dict[str, int] = {}
        self._seen: set[str] = set()
        self._doubtful: dict[str, tuple[Ticket, Any, str]] = {}
        self._recorded: set[str] = set()
        self._read: dict[str, int] = {}

    def root(self, job: Any, worker: str) -> Root:
        """Name an outermost job: the same job again has the same name."""
        key = f"{job.name} {job.checksum}"
        if key not in self._names:
            number = self._taken[job.name] = self._taken.get(job.name, 0) + 1
            self._names[key] = job.name if number == 1 else f"{job.name}#{number}"
        root = Root(self._names[key], job)
        if not is_workflow(job.task):  # What a workflow holds is known when its first job comes.
            self._write_graph(root, worker)
        return root

    def arrive(self, job: Any, root: Root, above: str, worker: str) -> Visit | None:
        """Put hooks on a job that is given to a worker. Never raises.

        Parameters
        ----------
        job : pydra.engine.job.Job
            The job.
        root : Root
            The outermost job.
        above : str
            Name of the workflow that it is in; empty for the outermost job itself.
        worker : str
            pydra's name of the worker.
        """
        try:
            ticket = self._ticket(job, root, above)
            visit = Visit(ticket.node, ticket, None if ticket.is_workflow else _identity(job))
            self._seen.add(ticket.node)
            if above in root.running:
                self._write_graph(root, worker)
            if ticket.is_workflow:
                root.running[ticket.node] = job
            elif worker in accounting.SCHEDULERS:
                times_ns = time.monotonic_ns(), time.time_ns()
                span.submitted(self._context, ticket.node, times_ns, worker)
            job.hooks = Transport(
                job.hooks, ticket, lambda name, job: self._expanded(root, name, job)
            )
            return visit
        except Exception as error:
            messages.fail(error)
            return None

    def leave(self, job: Any, root: Root, visit: Visit | None, failed: bool) -> None:
        """Take the hooks off a job that its worker is done with. Never raises."""
        if visit is None:
            return
        try:
            root.running.pop(visit.name, None)
            hooks = job.hooks
            if isinstance(hooks, (Transport, Runtime)):
                job.hooks = hooks.inner
            if failed and isinstance(hooks, Runtime):
                error = sys.exc_info()[0]
                hooks.give_up(error.__name__ if error else None)
            if failed or (isinstance(hooks, Runtime) and hooks.began):
                return
            if isinstance(hooks, Runtime) or visit.result == _identity(job):
                self._found(visit.ticket, checksum(job))
            else:
                # Executed elsewhere, by this job or by another one of the same checksum.
                made_by = f"{job.cache_root}/{job.checksum}/_job.pklz"
                self._doubtful[visit.name] = (visit.ticket, checksum(job), f"{job.uid} {made_by}")
        except Exception as error:
            messages.fail(error)

    def end(self, root: Root, worker: str) -> None:
        """Settle what is in doubt once an outermost job is over. Never raises."""
        try:
            self._settle()
            root.running.clear()
            root.written_s = -float("inf")
            self._write_graph(root, worker)
            if worker in accounting.SCHEDULERS:
                accounting.ask_for_run(self._context.run_dir, _PATIENCE_S)
        except Exception as error:
            messages.fail(error)

    def _ticket(self, job: Any, root: Root, above: str) -> Ticket:
        if self._submitted_in is None:
            self._submitted_in = tuple((place[0], place[1]) for place in scheduler.places())
        name = f"{above}/{job.name}" if above else root.name
        index = job.state_index if above else None
        return Ticket(
            context=self._context,
            node=element(name, index),
            map_node=None if index is None else name,
            number=index,
            is_workflow=is_workflow(job.task),
            submitted_in=self._submitted_in,
        )

    def _expanded(self, root: Root, name: str, job: Any) -> None:
        """Describe a workflow that has run, before pydra lets go of its jobs."""
        root.running.pop(name, None)
        graph = (job.return_values or {}).get("exec_graph")
        if graph is None:
            return
        root.opened[name] = expansion(graph, self._values)
        inputs_hash = checksum(job)
        if inputs_hash and not any(node.errored or node.unrunnable for node in graph.nodes):
            root.ran[name] = inputs_hash
        for execution in graph.nodes:
            for index in execution.successful:
                node = element(f"{name}/{execution.name}", index)
                if node in self._seen:
                    continue
                # Never given to a worker: a twin had the same checksum, and ran once for both.
                above = None if index is None else f"{name}/{execution.name}"
                twin = Ticket(self._context, node, above, index)
                self._found(twin, checksum(execution._tasks[index]))

    def _found(self, ticket: Ticket, inputs_hash: str | None) -> None:
        span.cached(self._context, ticket.node, ticket.map_node, ticket.number, inputs_hash)

    def _settle(self) -> None:
        """Record of jobs that nobody began here whether another one did, or an unmetered one."""
        if not self._doubtful:
            return
        self._read_records()
        for name, (ticket, inputs_hash, made) in self._doubtful.items():
            if name in self._recorded:
                continue
            uid, _, path = made.partition(" ")
            if _holds(path, uid.encode()):
                reason = "no record came from where it ran"
                span.unmetered(self._context, name, socket.gethostname(), reason)
            else:
                self._found(ticket, inputs_hash)
        self._doubtful.clear()

    def _read_records(self) -> None:
        """Learn of which nodes any process of the run has said that they began."""
        folder = self._context.run_dir
        for name in os.listdir(folder):
            if not name.startswith(("nodes-", "unmetered-")) or name.endswith(".part"):
                continue
            with open(os.path.join(folder, name), "rb") as file:
                file.seek(self._read.get(name, 0))
                *lines, last = file.read().split(b"\n")
            self._read[name] = self._read.get(name, 0) + sum(len(line) + 1 for line in lines)
            # The file of an unmetered job has no end of line.
            for line in [*lines, last] if name.startswith("unmetered-") else lines:
                if b'"start"' in line or b'"unmetered"' in line:
                    with contextlib.suppress(ValueError, AttributeError):
                        self._recorded.add(str(json.loads(line).get("node")))

    def _write_graph(self, root: Root, worker: str) -> None:
        """Keep what is known of the graph, but do not spend the run on it."""
        began_s = time.monotonic()
        if began_s - root.written_s < root.writing_s / _GRAPH_SHARE:
            return
        opened = dict(root.opened)
        for name, job in root.running.items():
            graph = (job.return_values or {}).get("exec_graph")
            if graph is not None:
                opened[name] = expansion(graph, self._values)
        nodes, edges = flattened(root.name, root.task, opened)
        root.graph = self.session.write_graph(
            root.workflow, worker, nodes, edges, number=root.graph, workflows=root.ran
        )
        root.written_s = time.monotonic()
        # At most once in two seconds: whoever looks on does not look more often.
        root.writing_s = max(root.written_s - began_s, 2 * _GRAPH_SHARE)


def _identity(job: Any) -> tuple[int, int, int] | None:
    """Identify a job's result in its cache: the same before and after means it was not made."""
    try:
        # As `job.cache_dir` is made, without making paths of it: each job is asked twice.
        result = os.stat(f"{job.cache_root}/{job.checksum}/_result.pklz")
    except Exception:  # A checksum that cannot be computed is for pydra to say.
        return None
    return result.st_ino, result.st_mtime_ns, result.st_size


def _holds(path: str, text: bytes) -> bool:
    """Tell whether a file holds a text."""
    try:
        with open(path, "rb") as file:
            return text in file.read()
    except OSError:
        return False
