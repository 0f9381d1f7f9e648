# SPDX-License-Identifier: Apache-2.0
"""Put tasks that need each other in time, on a number of processors: list scheduling.

Pure functions of numbers and names: no run is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from itertools import accumulate, pairwise
from math import atan2, ceil, cos, pi, sin
from statistics import fmean, median

import msgspec

# nipype's MultiProc looks so often, unless it is told otherwise (execution.poll_sleep_duration).
LOOK_S = 2.0
# What people tell it; more often is as good as always.
_LOOKS_S = (10.0, 5.0, LOOK_S, 1.0, 0.5)
# So surely, by so many gaps between beginnings, does one see that it did: 1 is always in step, 0
# is what beginnings at any time are. Of what is not its default, by twice as many.
_IN_STEP = 0.9
_N_GAPS = 3


class Task(msgspec.Struct, frozen=True):
    """Something to be done.

    Attributes
    ----------
    duration_s : float
        How long it takes, once begun.
    n_procs : int
        Processors that it holds; one that asks for more than there are gets all. A task that
        takes no time holds none.
    rank : float
        Of several tasks that could begin, the lowest is first.
    delay_s : float or None
        How long the engine took to begin it, once it could; None for what it takes as a rule.
    """

    duration_s: float
    n_procs: int = 1
    rank: float = 0.0
    delay_s: float | None = None


class Engine(msgspec.Struct, frozen=True):
    """How an engine starts tasks.

    Attributes
    ----------
    delay_s : float
        From the moment that it could begin a task to the task's beginning; the task's processors
        are held meanwhile.
    look_s : float
        It looks whether anything ended only so often; 0 is always.
    late_s : float
        How long after a look the first task began: workers have to be started for it.
    """

    delay_s: float = 0.0
    look_s: float = 0.0
    late_s: float = 0.0

    def notices(self, t_s: float) -> float:
        """Return when it sees what happens at an instant.

        Examples
        --------
        >>> Engine(look_s=2.0).notices(2.1), Engine().notices(2.1)
        (4.0, 2.1)
        """
        return ceil(t_s / self.look_s - 1e-9) * self.look_s if self.look_s else t_s


def schedule(
    tasks: Mapping[str, Task],
    needs: Mapping[str, Sequence[str]],
    n_procs: int,
    engine: Engine | None = None,
) -> dict[str, tuple[float, float]]:
    """Return when each task begins and ends, in seconds from the first that could.

    As nipype's MultiProc does it: whenever anything ended, all that is ready is tried in its
    order, and what does not fit lets smaller ones pass.

    Parameters
    ----------
    tasks : mapping
        Task by name.
    needs : mapping
        By name, the tasks that have to end before; those that are no tasks are none.
    n_procs : int
        Processors, at least 1.
    engine : Engine, optional
        How long it takes to notice; by default it begins everything at once. Tasks without
        duration begin when they can.
    """
    board = _Board(tasks, needs, n_procs, engine or Engine())
    while board.ready or board.running:
        board.begin()
        board.go_on()
    return board.times


class _Board:
    """What is ready, what runs, and the time."""

    def __init__(
        self,
        tasks: Mapping[str, Task],
        needs: Mapping[str, Sequence[str]],
        n_procs: int,
        engine: Engine,
    ) -> None:
        self._tasks, self._n_procs, self._engine = tasks, n_procs, engine
        self._free, self._now_s, self._looks = n_procs, 0.0, True
        self._waiting = {name: sum(n in tasks for n in needs.get(name, ())) for name in tasks}
        self._dependents: dict[str, list[str]] = {name: [] for name in tasks}
        for name in tasks:
            for need in needs.get(name, ()):
                if need in tasks:
                    self._dependents[need].append(name)
        self.ready: list[tuple[float, str]] = []
        self.running: list[tuple[float, str]] = []
        self.times: dict[str, tuple[float, float]] = {}
        for name, n in self._waiting.items():
            if not n:
                self._is_ready(name)

    def _is_ready(self, name: str) -> None:
        if self._tasks[name].duration_s > 0:
            heappush(self.ready, (self._tasks[name].rank, name))
        else:
            self._put(name, self._now_s)

    def _put(self, name: str, begin_s: float) -> None:
        self.times[name] = begin_s, begin_s + self._tasks[name].duration_s
        heappush(self.running, (self.times[name][1], name))

    def _held(self, name: str) -> int:
        task = self._tasks[name]
        return min(task.n_procs, self._n_procs) if task.duration_s > 0 else 0

    def begin(self) -> None:
        """Begin what is ready and fits."""
        too_big = []
        while self._looks and self.ready and self._free:
            rank, name = heappop(self.ready)
            if self._held(name) > self._free:
                too_big.append((rank, name))
            else:
                self._free -= self._held(name)
                own_s = self._tasks[name].delay_s
                delay_s = self._engine.delay_s if own_s is None else own_s
                self._put(name, self._now_s + delay_s)
        for one in too_big:
            heappush(self.ready, one)

    def go_on(self) -> None:
        """Go to the next end."""
        end_s, name = heappop(self.running)
        self._now_s = max(self._now_s, self._engine.notices(end_s))
        self._free += self._held(name)
        for dependent in self._dependents[name]:
            self._waiting[dependent] -= 1
            if not self._waiting[dependent]:
                self._is_ready(dependent)
        # What ended before the engine looked is seen in the same look.
        self._looks = not (self.running and self.running[0][0] <= self._now_s)


def observe(
    times: Mapping[str, tuple[float, float]],
    ready_s: Mapping[str, float | None],
    n_procs: Mapping[str, int],
    may_look: bool = True,
) -> tuple[int, Engine, dict[str, float]]:
    """Read processors and the engine's ways from a schedule that happened.

    Parameters
    ----------
    times : mapping
        Begin and end of each task that took time, in seconds.
    ready_s : mapping
        When all that a task needs had ended; None where it needs nothing.
    n_procs : mapping
        Processors that each task holds.
    may_look : bool, optional
        Whether the engine is one that may look now and then.

    Returns
    -------
    tuple
        The most processors that were held at once (there may have been more), the engine, and
        for how long it let each task wait that could have begun; not of an engine that looks now
        and then.
    """
    if not times:
        return 1, Engine(), {}
    # At one instant ends come before beginnings: a processor is handed on.
    events = sorted(
        event
        for name, (begin, end) in times.items()
        for event in ((end, 0, -n_procs[name]), (begin, 1, n_procs[name]))
        if end > begin
    )
    most = max(accumulate((event[2] for event in events), initial=0)) or 1
    sorted_begins = sorted(begin for begin, _ in times.values())
    look_s = _looks(sorted_begins) if may_look else 0.0
    if look_s:
        return most, Engine(look_s=look_s, late_s=_late_s(sorted_begins, look_s)), {}
    delays = _delays(times, ready_s, n_procs, most)
    # The first one begins when the run does: it says nothing of the engine.
    first = min(times, key=lambda name: times[name])
    later = [delay_s for name, delay_s in delays.items() if name != first]
    return most, Engine(delay_s=median(later) if later else 0.0), delays


def _delays(
    times: Mapping[str, tuple[float, float]],
    ready_s: Mapping[str, float | None],
    n_procs: Mapping[str, int],
    most: int,
) -> dict[str, float]:
    """Return how long each task waited once it was ready and there were processors for it.

    Whatever begins takes the processors that have been free for longest: as many as become free
    together are begun together, and none has waited since the first of them.
    """
    first_s = min(begin for begin, _ in times.values())
    free = [first_s] * most
    running: list[tuple[float, int]] = []
    delays = {}
    for begin, end, name in sorted((begin, end, name) for name, (begin, end) in times.items()):
        while running and running[0][0] <= begin:
            freed_s, n = heappop(running)
            for _ in range(n):
                heappush(free, freed_s)
        ready = ready_s.get(name)
        could_s = first_s if ready is None else max(ready, first_s)
        n_taken = min(n_procs[name], most, len(free))
        for _ in range(n_taken):
            could_s = max(could_s, heappop(free))
        heappush(running, (end, n_taken))
        delays[name] = max(begin - could_s, 0.0)
    return delays


def _looks(begins_s: Sequence[float]) -> float:
    """Return how often the engine looks, if tasks begin as if by looks; else 0.

    Told from the time between those that follow. One that looks every two seconds is in step with
    every second, too: the longest is meant.
    """
    every = [b - a for a, b in pairwise(begins_s)]
    for look_s in _LOOKS_S:
        gaps = [gap for gap in every if gap > look_s / 2]
        n_enough = _N_GAPS if look_s == LOOK_S else 2 * _N_GAPS
        if len(gaps) >= n_enough:
            in_step = [cos(2 * pi * gap / look_s) for gap in gaps]
            # The first nodes wait for workers to start, and a busy machine is late now and then.
            if median(in_step) > _IN_STEP and fmean(in_step) > _IN_STEP / 2:
                return look_s
    return 0.0


def _late_s(begins_s: Sequence[float], look_s: float) -> float:
    """Return how long after a look the first task began, by those that began later."""
    later = [begin - begins_s[0] for begin in begins_s if begin - begins_s[0] > look_s / 2]
    turns = [2 * pi * begin / look_s for begin in later]
    # The mean of angles: that of 1.9 and 0.1 of two seconds is 0.
    phase = atan2(fmean(map(sin, turns)), fmean(map(cos, turns))) * look_s / (2 * pi)
    # A tenth of a second earlier than the others is in step.
    return max(-phase, 0.0)
