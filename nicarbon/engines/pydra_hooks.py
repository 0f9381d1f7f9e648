# SPDX-License-Identifier: Apache-2.0
"""What travels with a pydra job to the process that executes it, and meters it there.

A job's hooks are the one thing that every worker brings along. Ours stand in the place of the
user's until the job runs; what pydra then writes into its cache holds the user's. A pickle that
is made for another interpreter can be read where nicarbon is missing: the job runs unmetered
there, and says so. Nothing of pydra is imported here.
"""

from __future__ import annotations

import sys
import threading
import typing
from copy import copy
from typing import Any, NamedTuple

from nicarbon.meter import SCHEMA_VERSION, containers, span
from nicarbon.meter.job import joined
from nicarbon.meter.messages import fail
from nicarbon.meter.recorder import RunContext

# Plain Python of any version; `hooks` are the user's own, and what comes out is called `hooks`.
_ARRIVE = """\
try:
    from nicarbon.engines.pydra_hooks import arrived
    hooks = arrived(hooks, *ticket)
except Exception as error:
    class Unmetered:
        def __init__(self, inner, reason):
            self.inner, self.reason = inner, reason
        def __getattr__(self, name):
            if name.startswith("__") or name == "inner":
                raise AttributeError(name)
            return getattr(self.inner, name)
        def pre_run(self, job):
            job.hooks = self.inner
            try:
                import json, os, socket, sys, time
                unmetered["hostname"] = socket.gethostname()
                unmetered["interpreter"] = sys.executable
                unmetered["reason"] = self.reason
                unmetered["t_unix_ns"] = int(time.time() * 1000000000)
                name = "unmetered-%s-%d-%d.json" % (
                    unmetered["hostname"], os.getpid(), unmetered["t_unix_ns"])
                path = os.path.join(run_dir, name)
                with open(path + ".part", "w") as file:
                    json.dump(unmetered, file)
                os.rename(path + ".part", path)
            except Exception as problem:
                sys.stderr.write("nicarbon: this node runs unmetered: %s\\n" % problem)
            return self.inner.pre_run(job)
    hooks = Unmetered(hooks, "%s: %s" % (type(error).__name__, error))
"""
# Compiling that takes as long as metering a job: where it was done once, it is not done again.
_EXPRESSION = (
    "__import__('sys').modules[ours].arrived(scope['hooks'], *scope['ticket']) "
    "if ours in __import__('sys').modules else exec(code, scope) or scope['hooks']"
)


# By thread: the job that began last in it.
_latest: dict[int, Runtime] = {}


class Ticket(NamedTuple):
    """Of which run and node a job is; plain data, as it travels.

    Attributes
    ----------
    context : RunContext
        The run.
    node : str
        The node's unique name in the executed graph.
    map_node : str or None
        For an element of a split, the node that it is an element of.
    number : int or None
        For an element of a split, its index in there.
    is_workflow : bool
        Whether the job is a workflow: its own work is the engine's.
    submitted_in : tuple of (str, str)
        Scheduler and number of the jobs that the driver itself is in.
    """

    context: RunContext
    node: str
    map_node: str | None = None
    number: int | None = None
    is_workflow: bool = False
    submitted_in: tuple[tuple[str, str], ...] = ()


class Transport:
    """Hooks of a job that was given to a worker and does not run yet.

    Parameters
    ----------
    inner : object
        The user's hooks.
    ticket : Ticket
        The job's run and node.
    expanded : callable, optional
        In the driver's process, takes a workflow's job once it has run.
    """

    def __init__(self, inner: Any, ticket: Ticket, expanded: Any = None) -> None:
        self.inner = inner
        self.ticket = ticket
        self.expanded = expanded

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("inner", "ticket", "expanded"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        context, *rest = self.ticket
        unmetered = {
            "kind": "unmetered",
            "schema_version": SCHEMA_VERSION,
            "node": self.ticket.node,
        }
        scope = {
            "hooks": self.inner,
            "ticket": (tuple(context), *rest),
            "unmetered": unmetered,
            "run_dir": self.ticket.context.run_dir,
        }
        return eval, (_EXPRESSION, {"code": _ARRIVE, "scope": scope, "ours": __name__})

    def pre_run(self, job: Any) -> Any:
        """Let the job keep hooks that meter it, and that pickle as the user's."""
        job.hooks = Runtime(self.inner, self.ticket, self.expanded)
        return self.inner.pre_run(job)


class Runtime:
    """Hooks of a job that runs in this process.

    Attributes
    ----------
    began : bool
        Whether it was executed, not found in the cache.
    """

    def __init__(self, inner: Any, ticket: Ticket, expanded: Any = None) -> None:
        self.inner = inner
        self.ticket = ticket
        self.expanded = expanded
        self.began = False
        self._context: RunContext | None = None
        self._span: Any = None
        self._handled: BaseException | None = None
        self._contained: Contained | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("inner", "ticket", "expanded", "began"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A function of the standard library that returns what it is given.
        return typing.cast, (None, self.inner)

    def pre_run_task(self, job: Any) -> Any:
        """Call the user's hook, then begin."""
        returned = self.inner.pre_run_task(job)
        self.began = True
        if not self.ticket.is_workflow:
            self._begin(job)
        return returned

    def post_run_task(self, job: Any, result: Any) -> Any:
        """End, then call the user's hook."""
        try:
            if self.ticket.is_workflow:
                if self.expanded is not None:
                    self.expanded(self.ticket.node, job)
            elif self._context is not None:
                self._end(job, result)
        except Exception as error:
            fail(error)
        if self._contained is not None:
            self._contained.forget(job)
        return self.inner.post_run_task(job, result)

    def _begin(self, job: Any) -> None:
        ticket = self.ticket
        # One that is being handled already is no failure of this job.
        self._handled = sys.exc_info()[1]
        self._context = joined(ticket.context, ticket.node, ticket.submitted_in)
        if self._context is not None:
            before, _latest[threading.get_ident()] = _latest.get(threading.get_ident()), self
            if before is not None:
                before.give_up()
            if runs_below_a_daemon(job):
                self._contained = Contained(job)
            container = self._contained.folder if self._contained else None
            place = ticket.map_node, ticket.number
            self._span = span.begin(self._context, ticket.node, *place, container)

    def give_up(self, error: str | None = None) -> None:
        """End, as failed, a job that pydra did not come back from; else do nothing.

        Its auditing may raise between the two hooks, without calling the second.

        Parameters
        ----------
        error : str, optional
            Class of the exception.
        """
        began, self._span = self._span, None
        if self._context is not None and began is not None:
            span.end(self._context, began, "failed", error)

    def _end(self, job: Any, result: Any) -> None:
        error = sys.exc_info()[1]
        failed = error is not None and error is not self._handled
        outcome = "failed" if failed or getattr(result, "errored", False) else "ran"
        name = type(error).__name__ if failed else None
        assert self._context is not None
        began, self._span = self._span, None
        span.end(self._context, began, outcome, name, checksum(job))


class Contained:
    """The container of a job that a daemon runs, found again by the id that it is given.

    Attributes
    ----------
    folder : str
        Where its CPU time is read; empty where that failed.
    """

    def __init__(self, job: Any) -> None:
        self.folder = ""
        self._environment = job.environment
        try:
            self.folder = containers.expect()
            # What the environment runs the container with enters no checksum.
            environment = copy(job.environment)
            words = ["--cidfile", containers.id_file(self.folder)]
            environment.xargs = [*environment.xargs, *words]
            job.environment = environment
        except Exception as error:
            fail(error)

    def forget(self, job: Any) -> None:
        """Give the job its own environment back, before pydra writes it to the cache."""
        job.environment = self._environment
        try:
            if self.folder:
                containers.forget(self.folder)
        except Exception as error:
            fail(error)


def runs_below_a_daemon(job: Any) -> bool:
    """Tell whether a job's processes will not be below this one: Docker's are its daemon's."""
    environment = getattr(job, "environment", None)
    kinds = {kind.__name__ for kind in type(environment).__mro__}
    asked = getattr(environment, "xargs", None)
    return "Docker" in kinds and isinstance(asked, list) and "--cidfile" not in asked


def arrived(hooks: Any, context: Any, *rest: Any) -> Transport:
    """Unpickle the hooks of a job in the process that may run it."""
    return Transport(hooks, Ticket(RunContext(*context), *rest))


def checksum(job: Any) -> str | None:
    """Return what pydra makes of a job's inputs, if it came so far; computes nothing."""
    value = getattr(job, "_checksum", None)
    return value if isinstance(value, str) else None
