# SPDX-License-Identifier: Apache-2.0
"""How the CPU time of a node's process tree divides among its programs, short-lived ones included.

A tree is looked at at random instants. A process that is there twice is counted exactly, by its
own clock. One that is there for the first time stands for all that came and went since the look
before: it is given the time between the two looks, if it is running. A program that lives for a
tenth of that time is met at every tenth look on average, so that sums are right on average, and
the more looks the better. What is written down are sums for each node and program, not looks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nicarbon.meter.markers import Markers
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.procstat import Stat, parse_stat, read_file
from nicarbon.meter.programs import Key, Programs

if TYPE_CHECKING:
    from nicarbon.meter.exact import ExactPrograms

# 600 looks in a node's first minute tell its programs apart to about 3 %; at one a second an hour
# has 3,600. Between, looks get rarer as the node gets older: at one a second at once those of the
# second minute would stand for ten times as much as those of the first. Programs that live but
# shortly need more than those that are counted by their clocks.
_SHORT_LIVED_S = 0.04
_OFTEN_S = 0.1
_SELDOM_S = 1.0
_FIRST_S = 60.0
# The part of a core that looking may take; where many nodes run, it looks less often.
_AFFORDABLE = 0.0035
# What a process is seldom changes: after an exec at the latest so much later its name does, too.
_STAT_AGAIN_NS = 1_000_000_000
# Orphans that ended stay until their node does: they are passed over, as their numbers are not
# soon another process's.
_ENDED_AGAIN_NS = 30_000_000_000
# Of a process with very many threads only some are asked whether they run.
_THREADS_ASKED = 32
# A node may start thousands of programs; their command lines must not fill the disk.
_MOST_LINES = 2000
_NS_PER_S = 1_000_000_000


class Tree(NamedTuple):
    """The process tree in which a node runs, alone.

    Attributes
    ----------
    span : str
        The node's execution; the innermost one where several are nested.
    pid, starttime : int
        Its root.
    began_ns : int
        When the node began.
    exclude : collection of int
        Processes left out with all below them: they answer for themselves.
    """

    span: str
    pid: int
    starttime: int
    began_ns: int
    exclude: Collection[int] = ()


class _Last:
    """What the last look at a tree found; `due_ns` is its next time.

    `cpu_s` are CPU seconds by process, `stats` what each was and when that was read; `ended` are
    those that had ended by then, counted since `ended_ns`.
    """

    def __init__(self, span: str) -> None:
        self.span = span
        self.t_ns = 0
        self.due_ns = 0
        self.cpu_s: dict[Key, float] = {}
        self.stats: dict[int, tuple[Stat, int]] = {}
        self.ended: set[int] = set()
        self.ended_ns = 0


class _Sum:
    """What was found of one span since it was last written: instants, and sums by program."""

    def __init__(self) -> None:
        self.n = 0
        self.programs: dict[str, list[float]] = {}
        self.sides: dict[str, float] = {}
        self.arguments: dict[str, list[str]] = {}

    def add(self, look: dict[str, list[float]], sides: dict[str, float]) -> None:
        """Add one look: newly met and counted CPU seconds by program, both by hemisphere."""
        for side, cpu_s in sides.items():
            self.sides[side] = self.sides.get(side, 0.0) + cpu_s
        self.n += any(met_s > 0 for met_s, _ in look.values())
        for name, (met_s, counted_s) in look.items():
            if met_s > 0 or counted_s > 0:
                total = self.programs.setdefault(name, [0, 0.0, 0.0])
                total[0] += met_s > 0
                total[1] += met_s
                total[2] += counted_s

    def record(self) -> dict[str, Any]:
        """Return it as `nicarbon.records.Sightings`."""
        found: dict[str, Any] = {
            "n": self.n,
            "programs": {
                name: [int(n), round(met_s, 4), round(counted_s, 6)]
                for name, (n, met_s, counted_s) in self.programs.items()
            },
        }
        if self.sides:
            found["sides"] = {side: round(cpu_s, 6) for side, cpu_s in self.sides.items()}
        if self.arguments:
            found["arguments"] = self.arguments
        return found


class Sightings:
    """Looks at the trees of running nodes.

    Parameters
    ----------
    procfs : ProcFS
        The host's processes.
    monotonic_ns : callable, optional
        The time.
    markers : Markers, optional
        Is shown the processes of each tree that is looked at.
    programs : Programs, optional
        What names processes.
    exact : ExactPrograms, optional
        Where the kernel tells of processes: these are counted by what it tells.
    """

    def __init__(
        self,
        procfs: ProcFS,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        markers: Markers | None = None,
        programs: Programs | None = None,
        exact: ExactPrograms | None = None,
    ) -> None:
        self._procfs = procfs
        # Command lines that were written down already, by span: each is kept once.
        self._lines: dict[str, set[str]] = {}
        self._markers = markers
        self._monotonic_ns = monotonic_ns
        self._programs = programs or Programs(procfs)
        self._exact = exact
        self._last: dict[int, _Last] = {}
        self._sums: dict[str, _Sum] = {}
        self._busy_ns = monotonic_ns()
        self._met = False

    def look(self, trees: Sequence[Tree]) -> None:
        """Look at the trees whose time has come."""
        self._met = False
        for tree in trees:
            last = self._last.get(tree.pid)
            if last is None or last.span != tree.span or self._monotonic_ns() >= last.due_ns:
                self._look_at(tree, last)
        if self._markers is not None:
            self._markers.keep(tree.span for tree in trees)
        if self._lines:
            spans = {tree.span for tree in trees}
            self._lines = {span: known for span, known in self._lines.items() if span in spans}
        roots = {tree.pid for tree in trees}
        self._last = {pid: last for pid, last in self._last.items() if pid in roots}
        self._programs.keep({key for last in self._last.values() for key in last.cpu_s})

    def wait_s(self, trees: Iterable[Tree], cost_s: float) -> float:
        """Return the seconds until the next look, at random so that no rhythm is followed.

        Parameters
        ----------
        trees : iterable of Tree
            What was just looked at.
        cost_s : float
            CPU seconds that it took.
        """
        now_ns = self._monotonic_ns()
        # Where nodes have run lately others may soon begin: they are not to be missed.
        began_ns = [tree.began_ns for tree in trees]
        self._busy_ns = max([self._busy_ns, *began_ns])
        age_s = (now_ns - self._busy_ns) / _NS_PER_S
        short_s = _SHORT_LIVED_S if self._met and age_s < _FIRST_S else _pause_s(age_s)
        return max(short_s * _jitter(), cost_s / _AFFORDABLE)

    def take(self) -> dict[str, Any]:
        """Return what was found since the last call, as ``sightings`` of a sample record."""
        sums, self._sums = self._sums, {}
        taken = {span: found.record() for span, found in sums.items() if found.programs}
        for span, traced in (self._exact.take() if self._exact is not None else {}).items():
            nothing = {"n": 0, "programs": {}}
            taken.setdefault(span, sums[span].record() if span in sums else nothing)["traced"] = (
                traced
            )
        return taken

    def _look_at(self, tree: Tree, last: _Last | None) -> None:
        root = tree.pid, tree.starttime
        now_ns = self._monotonic_ns()
        since_ns = max(tree.began_ns, last.t_ns if last is not None else 0)
        gap_s = max(now_ns - since_ns, 0) / _NS_PER_S
        # What a process had used before this node began is not the node's.
        before = last if last is not None and last.span == tree.span else _Last(tree.span)
        here = _Last(tree.span)
        look: dict[str, list[float]] = {}
        sides: dict[str, float] = {}
        processes = []
        for stat, cpu_s in self._walk(tree, before, here, now_ns):
            processes.append(stat)
            key = stat.pid, stat.starttime
            if stat.pid == tree.pid and key != root:
                return
            here.cpu_s[key] = cpu_s
            if key in before.cpu_s:
                parts = [0.0, max(cpu_s - before.cpu_s[key], 0.0)]
            else:
                parts = [gap_s * self._running(stat), 0.0]
            if self._is_told(tree, stat, gap_s):
                self._add_side(sides, key, sum(parts))
                continue
            name = self._programs.name(stat, root) if any(parts) else None
            if name is not None:
                self._met = self._met or (parts[0] > 0 and last is not None)
                found = look.setdefault(name, [0.0, 0.0])
                found[0] += parts[0]
                found[1] += parts[1]
                self._add_side(sides, key, sum(parts))
                self._keep_line(tree.span, name, self._programs.line(key))
        self._sums.setdefault(tree.span, _Sum()).add(look, sides)
        if self._markers is not None:
            self._markers.look(tree.span, tree.began_ns, processes)
        age_s = (now_ns - tree.began_ns) / _NS_PER_S
        pause_s = _pause_s(age_s) * _jitter() if age_s >= _FIRST_S else 0.0
        here.t_ns = now_ns
        here.due_ns = now_ns + round(pause_s * _NS_PER_S)
        self._last[tree.pid] = here

    def _add_side(self, sides: dict[str, float], key: Key, cpu_s: float) -> None:
        side = self._programs.side(key)
        if side is not None and cpu_s > 0:
            sides[side] = sides.get(side, 0.0) + cpu_s

    def _is_told(self, tree: Tree, stat: Stat, gap_s: float) -> bool:
        """Tell whether the kernel tells what a process uses; find out its name if so."""
        if self._exact is None:
            return False
        image = self._exact.image(tree.pid, stat)
        if image is None:
            return self._exact.is_new(tree.pid, stat)
        if stat.pid == tree.pid:
            self._exact.clock(tree.span, tree.pid, self._procfs.own_cpu_s(stat))
        elif image.name is None:
            now = self._procfs.stat(stat.pid)  # It may have become another program since.
            root = tree.pid, tree.starttime
            name = self._programs.name(now, root) if now and now.comm == image.comm else None
            if name is not None:
                self._met = True
                self._exact.look(tree.span, image, name, gap_s)
                self._keep_line(tree.span, name, self._programs.line((stat.pid, stat.starttime)))
        return True

    def _keep_line(self, span: str, name: str, line: str) -> None:
        """Keep a command line, if such are kept at all, once for each node."""
        known = self._lines.setdefault(span, set()) if line else None
        if known is not None and line not in known and len(known) < _MOST_LINES:
            known.add(line)
            total = self._sums.setdefault(span, _Sum())
            total.arguments.setdefault(name, []).append(line)

    def _walk(
        self, tree: Tree, before: _Last, here: _Last, now_ns: int
    ) -> Iterator[tuple[Stat, float]]:
        """Give the processes of a tree with their CPU seconds.

        Those that were there a moment ago are asked for their time and their children alone.
        """
        if not self._procfs.lists_children(tree.pid):
            for stat, _ in self._procfs.walk(tree.pid, tree.exclude):
                yield stat, self._procfs.own_cpu_s(stat)
            return
        if now_ns - before.ended_ns < _ENDED_AGAIN_NS:
            here.ended, here.ended_ns = before.ended, before.ended_ns
        else:
            here.ended_ns = now_ns
        waiting, done = [tree.pid], set(tree.exclude)
        while waiting:
            this = waiting.pop()
            if this in done:
                continue
            done.add(this)
            known = before.stats.get(this)
            cpu_s = None
            if known is not None and now_ns - known[1] < _STAT_AGAIN_NS:
                cpu_s = self._procfs.clock_s(this)
            if known is None or cpu_s is None:
                found = self._procfs.stat(this)
                if found is None:
                    continue
                known, cpu_s = (found, now_ns), self._procfs.own_cpu_s(found)
            here.stats[this] = known
            yield known[0], cpu_s
            if known[0].ended:
                here.ended.add(this)
                continue
            children = self._procfs.children(this, known[0].n_threads)
            waiting += [pid for pid in reversed(children) if pid not in here.ended]

    def _running(self, stat: Stat) -> float:
        """Return how many CPUs a process keeps busy at this instant, as far as can be told."""
        proc = f"{self._procfs.root.rstrip('/')}/proc/{stat.pid}"
        if stat.n_threads <= 1:
            return _on_cpu(proc) if stat.state == "R" else 0.0
        try:
            threads = os.listdir(f"{proc}/task")
        except OSError:
            return 0.0
        asked = threads[:_THREADS_ASKED]
        running = 0.0
        for thread in asked:
            data = read_file(f"{proc}/task/{thread}/stat", 2048, is_line=True)
            of_thread = parse_stat(data) if data else None
            if of_thread is not None and of_thread.state == "R":
                running += _on_cpu(f"{proc}/task/{thread}")
        return running * len(threads) / len(asked) if asked else 0.0


def _on_cpu(path: str) -> float:
    """Return the part of a thread's runnable time in which it had a CPU.

    A thread in state R runs or waits for a CPU; schedstat says how long it has done either.
    """
    fields = (read_file(f"{path}/schedstat", 256, is_line=True) or b"").split()
    try:
        run_ns, wait_ns = int(fields[0]), int(fields[1])
    except (IndexError, ValueError):
        return 1.0
    return run_ns / (run_ns + wait_ns) if run_ns + wait_ns > 0 else 0.0


def _pause_s(age_s: float) -> float:
    """Return the mean seconds between two looks at a node of an age."""
    return min(max(_OFTEN_S * age_s / _FIRST_S, _OFTEN_S), _SELDOM_S)


def _jitter() -> float:
    """Return a number from 0.75 to 1.25, each equally likely.

    After ten looks no rhythm is left, as the instants add up; were the pauses more unlike, looks
    would stand for more unlike times and tell less: from 0.5 to 1.5, as much as 8 % fewer looks.
    """
    return 0.75 + int.from_bytes(os.urandom(2), "big") / 131072
