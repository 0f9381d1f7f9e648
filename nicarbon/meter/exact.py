# SPDX-License-Identifier: Apache-2.0
"""How the CPU time of a node's process tree divides among its programs, as the kernel tells it.

Every time that a thread begins or stops running the kernel says so, and when a process executes
another program it gives its short name. Looks (`nicarbon.meter.sightings`) add what these names do
not tell: which script an interpreter executes, as far as it lives long enough to be asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nicarbon.meter.handover import Desk, Handed, answer
from nicarbon.meter.naming import interpreter
from nicarbon.meter.node_file import Worked, owner
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.procstat import Stat
from nicarbon.meter.programs import NODE
from nicarbon.meter.switches import COMM, EXIT, FORK, SWITCH, Record, Rings

# One that is not known after this time was started by somebody who is not told of.
_KNOWN_AFTER_S = 0.1
# What a clock tells and what the kernel told up to a moment ago differ by no more.
_LATEST_S = 0.4
# A fork that used more is more than the start of another program.
_STARTING_NS = 20_000_000
_NS_PER_S = 1_000_000_000
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

Execution = Callable[[int, int], Sequence[Worked]]


class Image:
    """A program that a process executes, with all forks of it that execute no other.

    Attributes
    ----------
    comm : str
        The kernel's short name.
    name : str or None
        Its name, once a look has found it out.
    n_living : int
        Processes that execute it.
    used_ns : int
        CPU time in all.
    by_span : dict
        CPU time by the node's execution, as far as it was not written down yet.
    began_ns, ended_ns : int
        From when to when it was executed; 0 while it is.
    met : (str, int) or None
        The execution in which a look met it, and the nanoseconds since the look before.
    """

    __slots__ = ("began_ns", "by_span", "comm", "ended_ns", "met", "n_living", "name", "used_ns")

    def __init__(self, comm: str, began_ns: int, name: str | None = None) -> None:
        self.comm = comm
        self.name = name
        self.n_living = 1
        self.used_ns = 0
        self.by_span: dict[str, int] = {}
        self.began_ns = began_ns
        self.ended_ns = 0
        self.met: tuple[str, int] | None = None

    def add(self, span: str, used_ns: int) -> None:
        """Count CPU time."""
        self.used_ns += used_ns
        self.by_span[span] = self.by_span.get(span, 0) + used_ns


class _Root:
    """A process that executes nodes: what was handed over of it, and what it started."""

    def __init__(self, handed: Handed, t_ns: int) -> None:
        self.pid = handed.pid
        self.fds = list(handed.events.values())
        self.images = {handed.pid: Image("", t_ns, NODE)}
        # What forks used that have executed no program of their own: what starting one costs.
        self.forks: dict[int, dict[str, int]] = {}
        # Threads that run: since when that was not written down yet.
        self.running = {handed.tid: (handed.pid, t_ns)}
        # Processes below it that execute nodes themselves, and all below those.
        self.others: set[int] = set()
        self.worked: Sequence[Worked] = ()
        self.ended = False
        # Of the root's threads that were there before, its clock alone tells.
        self.clock_s: float | None = None
        self.untold_s = 0.0
        self.own_ns = 0
        self.until_ns = 0

    def start(self, record: Record) -> None:
        """Follow a new task: a thread, or a process that goes on with its parent's program."""
        if record.parent in self.others:
            self.others.add(record.pid)
        if record.pid != record.parent and record.parent in self.images:
            image = self.images[record.pid] = self.images[record.parent]
            image.n_living += 1
            self.forks[record.pid] = {}

    def leave(self, pid: int, t_ns: int) -> Image | None:
        """Return what a process executed, which it does no more."""
        image = self.images.pop(pid, None)
        if image is not None:
            for span, used_ns in self.forks.pop(pid, {}).items():
                image.add(span, used_ns)
            image.n_living -= 1
            if image.n_living == 0:
                image.ended_ns = t_ns
        return image

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)
        self.fds = []


class ExactPrograms:
    """Follows what the kernel tells of the processes that execute nodes.

    Parameters
    ----------
    procfs : ProcFS
        The host.
    monotonic_ns : callable, optional
        The time.
    whole_name : callable
        The whole of a short name, which the kernel cuts.
    """

    def __init__(
        self,
        procfs: ProcFS,
        whole_name: Callable[[str], str | None],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._procfs = procfs
        self._whole_name = whole_name
        self._monotonic_ns = monotonic_ns
        self._rings: Rings | None = None
        self._desk: Desk | None = None
        self._roots: dict[int, _Root] = {}
        self._events: dict[int, _Root] = {}
        self._images: set[Image] = set()
        self._seen: dict[str, dict[str, dict[str, list[float]]]] = {}
        self._programs: dict[str, dict[str, float]] = {}
        self._n_lost = 0

    def open(self, sampler_pid: int) -> None:
        """Begin to take what processes hand over.

        Raises
        ------
        OSError
            If the kernel refuses.
        """
        self._rings = Rings(sorted(os.sched_getaffinity(0)))
        try:
            self._desk = Desk(sampler_pid, self._rings.cpus())
        except BaseException:
            self._rings.close()
            raise

    def fileno(self) -> int | None:
        """Return what becomes readable when a process wants to hand something over."""
        return None if self._desk is None else self._desk.fileno()

    def accept(self) -> None:
        """Take what processes hand over.

        Raises
        ------
        OSError, ValueError
            If what one of them sends is not what it should be.
        """
        while self._desk is not None:
            found = self._desk.accept()
            if found is None:
                return
            peer, handed = found
            taken = False
            try:
                taken = handed.pid_namespace == self._procfs.pid_namespace()
                if taken:
                    self.add(handed, self._join(handed))
            finally:
                if not taken:
                    for fd in handed.events.values():
                        os.close(fd)
                answer(peer, taken)

    def _join(self, handed: Handed) -> list[int]:
        assert self._rings is not None
        return [self._rings.join(cpu, fd) for cpu, fd in handed.events.items()]

    def add(self, handed: Handed, events: Iterable[int]) -> None:
        """Follow a process from now on.

        Parameters
        ----------
        handed : Handed
            The process.
        events : iterable of int
            The ids of its events.
        """
        known = self._roots.get(handed.pid)
        if known is not None and not known.ended:
            # Another thread of it executes nodes as well.
            known.fds += handed.events.values()
            known.running.setdefault(handed.tid, (handed.pid, self._monotonic_ns()))
            root = known
        else:
            root = self._roots[handed.pid] = _Root(handed, self._monotonic_ns())
            self._images.add(root.images[handed.pid])
            for other in self._roots.values():
                # What a worker's worker does is told twice: it counts where it is executed.
                if other is not root and handed.pid in other.images:
                    other.others.add(handed.pid)
        self._events.update(dict.fromkeys(events, root))

    def drain(self, executions: Execution) -> None:
        """Read what the kernel told since the last call.

        Parameters
        ----------
        executions : callable
            The nodes that a process executed until a time, given its number and that time. It is
            called after what the kernel told was read: what began by then is known.
        """
        if self._rings is None or not self._roots:
            return
        records, until_ns, n_lost = self._rings.take(self._monotonic_ns())
        self.follow(records, until_ns, n_lost, executions)

    def follow(
        self, records: Sequence[Record], until_ns: int, n_lost: int, executions: Execution
    ) -> None:
        """Follow what the kernel told; parameters as `Rings.take` returns them, and of `drain`."""
        for root in self._roots.values():
            ran = executions(root.pid, until_ns)
            root.worked = [one for one in ran if one.ended_ns > root.until_ns]
            root.until_ns = until_ns
        for record in records:
            found = self._events.get(record.event)
            if found is not None:
                self._follow(found, record)
        for root in list(self._roots.values()):
            for tid, (pid, since_ns) in list(root.running.items()):
                if n_lost:
                    # It may have stopped, and nobody knows when.
                    del root.running[tid]
                else:
                    self._use(root, pid, since_ns, until_ns)
                    root.running[tid] = pid, max(since_ns, until_ns)
            if root.ended:
                root.close()
                del self._roots[root.pid]
                self._events = {key: of for key, of in self._events.items() if of is not root}
        self._n_lost += n_lost

    def _follow(self, root: _Root, record: Record) -> None:
        if record.kind == SWITCH:
            if not record.flag:
                root.running[record.tid] = record.pid, record.t_ns
                return
            self._stop(root, record)
        elif record.kind == FORK:
            root.start(record)
        elif record.kind == COMM and record.flag:
            # Until now the thread worked for the program before.
            if record.tid in root.running:
                pid, since_ns = root.running[record.tid]
                self._use(root, pid, since_ns, record.t_ns)
                root.running[record.tid] = pid, record.t_ns
            starting = root.forks.pop(record.pid, {})
            self._keep(root.leave(record.pid, record.t_ns))
            root.images[record.pid] = image = Image(record.name, record.t_ns)
            for span, used_ns in starting.items():
                image.add(span, used_ns)
            self._keep(image)
        elif record.kind == EXIT:
            self._stop(root, record)
            if record.tid == record.pid:
                self._keep(root.leave(record.pid, record.t_ns))
                root.others.discard(record.pid)
                root.ended = root.ended or record.pid == root.pid

    def _stop(self, root: _Root, record: Record) -> None:
        """Count what a thread used until it stopped."""
        ran = root.running.pop(record.tid, None)
        if ran is not None:
            self._use(root, ran[0], ran[1], record.t_ns)

    def _keep(self, image: Image | None) -> None:
        """Keep a program of which there may be something to write down."""
        if image is not None:
            self._images.add(image)

    def _use(self, root: _Root, pid: int, since_ns: int, until_ns: int) -> None:
        """Count what a process used for the node that was executed meanwhile."""
        image = root.images.get(pid)
        if image is None or pid in root.others or until_ns <= since_ns:
            return
        if pid == root.pid:
            root.own_ns += until_ns - since_ns
        worked = root.worked
        if len(worked) == 1 and worked[0].began_ns <= since_ns and until_ns <= worked[0].ended_ns:
            parts: Sequence[tuple[str, float]] = ((worked[0].span, 1.0),)
        else:
            whose = owner(worked, since_ns, until_ns)
            parts = whose.parts if whose.is_told_apart else ()
        fork = root.forks.get(pid)
        for span, part in parts:
            used_ns = round(part * (until_ns - since_ns))
            if fork is not None:
                fork[span] = fork.get(span, 0) + used_ns
            else:
                image.add(span, used_ns)
                self._images.add(image)
        if fork is not None and sum(fork.values()) > _STARTING_NS:
            # It works on its own.
            del root.forks[pid]
            for span, used_ns in fork.items():
                image.add(span, used_ns)
            self._images.add(image)

    def image(self, root_pid: int, stat: Stat) -> Image | None:
        """Return what a process executes; None where the kernel does not tell of it."""
        root = self._roots.get(root_pid)
        return None if root is None else root.images.get(stat.pid)

    def is_new(self, root_pid: int, stat: Stat) -> bool:
        """Tell whether what the kernel tells of a process may not have been read yet."""
        if root_pid not in self._roots:
            return False
        now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        return now_s - stat.starttime / _TICKS_PER_S < _KNOWN_AFTER_S

    def look(self, span: str, image: Image, name: str, gap_s: float) -> None:
        """Take the name of a program that a look found out.

        Parameters
        ----------
        span : str
            The node's execution.
        image : Image
            The program.
        name : str
            Its name.
        gap_s : float
            The seconds since the look before.
        """
        image.name = name
        image.met = span, round(gap_s * _NS_PER_S)
        self._images.add(image)

    def _stand_for(self, image: Image) -> None:
        """Note what a script that was met says of those that were not.

        Of scripts of one length that are started between two looks, the second look meets that
        part which their length is of the time between. Each stands for the others.
        """
        if image.met is None or interpreter(image.comm) is None:
            return
        (span, gap_ns), image.met = image.met, None
        lasted_ns = image.ended_ns - image.began_ns
        if 0 < lasted_ns < gap_ns:
            seen = self._seen.setdefault(span, {}).setdefault(image.comm, {})
            total = seen.setdefault(image.name or "", [0, 0.0, 0.0])
            others_s = image.used_ns / _NS_PER_S * (gap_ns / lasted_ns - 1)
            total[0] += 1
            total[1] += others_s
            total[2] += others_s**2

    def clock(self, span: str, root_pid: int, cpu_s: float) -> None:
        """Count what threads of the root used that were there before it was followed."""
        root = self._roots.get(root_pid)
        if root is None or root_pid not in root.images:
            return
        untold_s = cpu_s - root.own_ns / _NS_PER_S
        if root.clock_s is None:
            root.clock_s = untold_s
        more_s = untold_s - root.clock_s - root.untold_s
        # What the kernel tells is up to a moment ago.
        if more_s > _LATEST_S:
            root.untold_s += more_s
            programs = self._programs.setdefault(span, {})
            programs[NODE] = programs.get(NODE, 0.0) + more_s

    def take(self) -> dict[str, dict[str, Any]]:
        """Return what was found since the last call, by the node's execution.

        ``programs``: CPU seconds by program; ``unnamed``: by an interpreter's short name, the CPU
        seconds of its processes that no look met, and those that were met; ``n_lost``.
        """
        programs, self._programs = self._programs, {}
        unnamed: dict[str, dict[str, float]] = {}
        for image in list(self._images):
            is_open = image.n_living > 0
            if not is_open:
                self._stand_for(image)
            name = image.name
            if name is None:
                name = self._whole_name(image.comm)
            if name is None and is_open:
                continue  # The next look may find out.
            into, key = (programs, name) if name is not None else (unnamed, image.comm)
            for span, used_ns in image.by_span.items():
                found = into.setdefault(span, {})
                found[key] = found.get(key, 0.0) + used_ns / _NS_PER_S
            image.by_span = {}
            if not is_open or image.met is None:
                self._images.discard(image)
        seen, self._seen = self._seen, {}
        n_lost, self._n_lost = self._n_lost, 0
        taken = {}
        for span in {*programs, *unnamed, *seen}:
            used_s, met = unnamed.get(span, {}), seen.get(span, {})
            taken[span] = {
                "programs": {
                    name: round(cpu_s, 6) for name, cpu_s in programs.get(span, {}).items()
                },
                "unnamed": {
                    comm: {
                        "cpu_s": round(used_s.get(comm, 0.0), 6),
                        "met": {
                            name: [int(n), round(others_s, 6), round(squares, 9)]
                            for name, (n, others_s, squares) in met.get(comm, {}).items()
                        },
                    }
                    for comm in {*used_s, *met}
                },
                "n_lost": n_lost,
            }
        return taken

    def close(self) -> None:
        """Follow nothing more."""
        for root in self._roots.values():
            root.close()
        self._roots.clear()
        if self._desk is not None:
            self._desk.close()
        if self._rings is not None:
            self._rings.close()
        self._rings = self._desk = None
