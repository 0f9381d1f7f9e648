# SPDX-License-Identifier: Apache-2.0
"""Choose among the counts of a node's CPU time, and keep a task clock at hand to make one.

rusage is exact for all that somebody waits for; the kernel's task clock also counts what nobody
waits for, and tells nodes in one process apart.
"""

from __future__ import annotations

import os
import signal

from nicarbon.meter import perf

# An inherited task clock and rusage agree within 2 % (and a scheduler tick or two for the fork
# that each counts on its own side); beyond that, rusage has missed children that nobody reaped.
_PERF_WINS_RATIO = 1.02
_PERF_WINS_S = 0.02


class TaskClock:
    """A running task clock: its descriptor, the thread that it counts, what it showed at first."""

    # One object serves all the nodes that a clock is handed to, one after the other.
    __slots__ = ("fd", "start_s", "thread")

    def __init__(self, fd: int, thread: int) -> None:
        self.fd = fd
        self.thread = thread
        self.start_s = 0.0


class TaskClocks:
    """Hands out task clocks; keeps one open between nodes, since opening costs most.

    A clock goes on to count the children that were started while it was open. One that is kept is
    therefore given to the next node only while its process has no children.
    """

    def __init__(self) -> None:
        self._idle: TaskClock | None = None

    def start(self, thread: int, alone: bool) -> TaskClock | None:
        """Return a clock on the calling thread; None where the kernel refuses.

        Parameters
        ----------
        thread : int
            The calling thread.
        alone : bool
            Whether its process has no children.
        """
        clock, self._idle = self._idle, None
        if clock is not None:
            if alone and clock.thread == thread:
                clock.start_s = perf.read_task_clock(clock.fd)
                return clock
            os.close(clock.fd)
        fd = perf.open_task_clock()
        return None if fd is None else TaskClock(fd, thread)

    def stop(self, clock: TaskClock, alone: bool) -> float:
        """Return what a clock counted, and keep it if its process has no children."""
        counted_s = perf.read_task_clock(clock.fd) - clock.start_s
        if alone and self._idle is None:
            self._idle = clock
        else:
            os.close(clock.fd)
        return counted_s

    def close(self) -> None:
        """Close the clock that is kept."""
        if self._idle is not None:
            os.close(self._idle.fd)
            self._idle = None


def sigchld_ignored() -> bool:
    """Tell whether children of this process end without a trace in its rusage."""
    return signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN


def choose(
    rusage_s: float,
    perf_s: float | None,
    thread_s: float,
    shared: bool,
    certain: bool,
    ignored: bool,
) -> tuple[float, str, str | None]:
    """Choose a node's CPU time among its counts; say what may be missing.

    Parameters
    ----------
    rusage_s : float
        CPU seconds of the process tree by rusage.
    perf_s : float or None
        CPU seconds by the task clock, where there is one.
    thread_s : float
        CPU seconds of the node's own thread.
    shared : bool
        Whether another node ran in the same process meanwhile.
    certain : bool
        Whether `rusage_s` holds nothing of another node.
    ignored : bool
        Whether the process ignores SIGCHLD.

    Returns
    -------
    cpu_s : float
        CPU seconds.
    source : str
        ``rusage``, ``perf`` or ``thread``.
    incomplete : str or None
        What may be missing.
    """
    incomplete = None
    if perf_s is not None:
        missed = perf_s > _PERF_WINS_RATIO * rusage_s + _PERF_WINS_S
        if shared or missed or not certain:
            return perf_s, "perf", None
    elif shared:
        incomplete = (
            "several nodes ran in one process: only this node's own thread is counted, not its "
            "children"
        )
        return thread_s, "thread", incomplete
    elif not certain:
        incomplete = "a process that ran other nodes ended below this one"
    elif ignored:
        incomplete = "the process ignores SIGCHLD: its children are not counted"
    return rusage_s, "rusage", incomplete
