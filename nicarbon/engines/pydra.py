# SPDX-License-Identifier: Apache-2.0
"""pydra: the metered twin of any worker.

A submitter asks its worker to run every job, of every workflow. The twin lets the real worker do
it, with hooks on the job that meter it where it is executed. Checksums, caches and pickles stay
as they are, and so do the user's own hooks.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import threading
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from nicarbon.engines.pydra_names import require
from nicarbon.engines.pydra_recording import Recording, Root
from nicarbon.meter import messages, span
from nicarbon.meter.session import Session, SessionError

_lock = threading.Lock()
# By process: what is being recorded there, and how many outermost jobs take part.
_active: dict[int, tuple[Recording, int]] = {}


class _Place(NamedTuple):
    """Where in a run a job is: in which process, recording, outermost job and workflow."""

    pid: int
    recording: Recording
    root: Root
    name: str


_place: contextvars.ContextVar[_Place | None] = contextvars.ContextVar("nicarbon", default=None)


def worker(
    worker: Any = "cf",
    /,
    *,
    run_dir: str | None = None,
    interval_s: float | None = None,
    sampler_args: Sequence[str] = (),
    state_values: bool = False,
    **worker_args: Any,
) -> Any:
    """Return the metered twin of a pydra worker: see `nicarbon.worker`."""
    require()
    from pydra.engine.submitter import Submitter  # noqa: F401  # pydra.workers needs it first.
    from pydra.workers.base import Worker

    inner = Worker.plugin(worker) if isinstance(worker, str) else worker
    if isinstance(inner, type):
        inner = inner(**worker_args)
    elif worker_args:
        raise ValueError("arguments belong to the worker's name: give them to the object itself")
    given = [*([] if interval_s is None else ["--interval", str(interval_s)]), *sampler_args]
    return Metered(_unwrap(inner), _Opener(run_dir, given, state_values))


class Metered:
    """A worker whose jobs are metered; in every other respect the worker itself.

    Parameters
    ----------
    worker : pydra.workers.base.Worker
        The real one.
    opened : callable
        Returns what an outermost job is recorded in, as a context; None where that is impossible.
    """

    def __init__(self, worker: Any, opened: Callable[[], Any]) -> None:
        set_own = object.__setattr__
        set_own(self, "_nicarbon_worker", worker)
        set_own(self, "_nicarbon_opened", opened)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The worker's class: a submitter checks it."""
        return type(self._nicarbon_worker)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_nicarbon"):  # A copy that is being made has nothing yet.
            raise AttributeError(name)
        return getattr(self._nicarbon_worker, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._nicarbon_worker, name, value)

    def __repr__(self) -> str:
        return repr(self._nicarbon_worker)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Jobs hold their submitter, and it its worker. A function of the standard library that
        # returns what it is given: the pickle is readable without nicarbon.
        return typing.cast, (None, self._nicarbon_worker)

    def run(self, job: Any, rerun: bool = False) -> Any:
        """Run a job as the worker would, metered."""
        inner = self._nicarbon_worker
        if inner.is_async:
            return self._nicarbon_run(inner.run, job, rerun)
        with self._nicarbon_around(job):
            return inner.run(job, rerun=rerun)

    async def submit(self, job: Any, rerun: bool = False) -> Any:
        """Submit a job as the worker would, metered."""
        return await self._nicarbon_run(self._nicarbon_worker.submit, job, rerun)

    async def _nicarbon_run(self, run: Any, job: Any, rerun: bool) -> Any:
        with self._nicarbon_around(job):
            return await run(job, rerun=rerun)

    @contextlib.contextmanager
    def _nicarbon_around(self, job: Any) -> Iterator[None]:
        """Meter what happens inside; a job inside another node's task is that node's own."""
        place = _place.get()
        if span.inside_node():
            yield
        elif place is not None and place.pid == os.getpid():
            with _visiting(place, job, _name_of(self._nicarbon_worker)):
                yield
        else:
            with self._nicarbon_opened() as recording:
                if recording is None:
                    yield
                    return
                name = _name_of(self._nicarbon_worker)
                root = _root(recording, job, name)
                if root is None:
                    yield
                    return
                try:
                    with _visiting(_Place(os.getpid(), recording, root, ""), job, name):
                        yield
                finally:
                    recording.end(root, name)


@contextlib.contextmanager
def _visiting(place: _Place, job: Any, worker: str) -> Iterator[None]:
    """Meter one job; jobs that are given to a worker meanwhile are inside it."""
    visit = place.recording.arrive(job, place.root, place.name, worker)
    inside = place if visit is None else place._replace(name=visit.name)
    token = _place.set(inside)
    failed = True
    try:
        yield
        failed = False
    finally:
        _place.reset(token)
        place.recording.leave(job, place.root, visit, failed)


def _root(recording: Recording, job: Any, worker: str) -> Root | None:
    try:
        return recording.root(job, worker)
    except Exception as error:
        messages.fail(error)
        return None


def _name_of(worker: Any) -> str:
    """Return pydra's name of a worker."""
    try:
        return str(worker.plugin_name())
    except Exception:  # Somebody's own class may have none.
        return type(worker).__name__


class _Opener:
    """Starts a session for each outermost job; one that begins meanwhile takes part in it."""

    def __init__(self, run_dir: str | None, sampler_args: list[str], values: bool) -> None:
        self._new = (run_dir, sampler_args)
        self._values = values

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Recording | None]:
        recording = self._enter()
        outcome = "interrupted"
        try:
            yield recording
            outcome = "ok"
        except Exception:
            outcome = "failed"
            raise
        finally:
            if recording is not None:
                _leave(recording, outcome)

    def _enter(self) -> Recording | None:
        pid = os.getpid()
        with _lock:
            recording, n = _active.get(pid, (None, 0))
            if recording is None:
                recording = self._open()
            if recording is not None:
                _active[pid] = (recording, n + 1)
        return recording

    def _open(self) -> Recording | None:
        """Start a session; where that fails, say so once and let the workflow run unmetered."""
        run_dir, sampler_args = self._new
        try:
            session = Session(run_dir, _program(), "pydra", sampler_args)
            context = session.start()
            if context is not None:
                return Recording(session, context, self._values)
            session.stop("interrupted")
        except SessionError as error:
            messages.say(f"{error}; the workflow runs unmetered")
        except Exception as error:
            messages.fail(error)
        return None


def _leave(recording: Recording, outcome: str) -> None:
    with _lock:
        _, n = _active[recording.pid]
        if n > 1:
            _active[recording.pid] = (recording, n - 1)
            return
        del _active[recording.pid]
    session = recording.session
    session.stop(outcome)
    for warning in session.warnings:
        messages.say(warning)
    messages.say(f"run recorded: nicarbon summary {session.run_dir}")
    if session.hint:
        messages.say(session.hint)


def meter_every_submitter(submitter_class: Any, session: Session) -> None:
    """Let each job of every submitter be metered, whatever worker it names.

    Parameters
    ----------
    submitter_class : type
        ``pydra.engine.submitter.Submitter``.
    session : Session
        The running session that takes their records.
    """
    try:
        require()
    except ImportError as error:
        messages.say(f"{error}; its workflows run unmetered")
        return
    original = submitter_class.__init__
    found: list[Recording] = []

    @contextlib.contextmanager
    def opened() -> Iterator[Recording | None]:
        try:
            if not found and session.context is not None:
                session.uses("pydra")
                found.append(Recording(session, session.context))
        except Exception as error:
            messages.fail(error)
        yield found[0] if found else None

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        self.worker = Metered(_unwrap(self.worker), opened)

    __init__.__doc__ = original.__doc__
    __init__.__wrapped__ = original  # type: ignore[attr-defined]
    submitter_class.__init__ = __init__


def _unwrap(worker: Any) -> Any:
    return worker._nicarbon_worker if type(worker) is Metered else worker


def _program() -> str:
    return sys.argv[0].rsplit("/", 1)[-1] if sys.argv and sys.argv[0] else "python"
