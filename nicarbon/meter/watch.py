# SPDX-License-Identifier: Apache-2.0
"""What the node files of this host say while the nodes run, read as they grow.

Finds the nodes that began and have not ended, what they have used so far, and those whose process
is gone. Files whose process has ended are read to their end once and then forgotten: a long run
makes thousands, and a look must stay cheap.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from nicarbon.meter import containers
from nicarbon.meter.memory import Peaks
from nicarbon.meter.node_file import (
    NodeFile,
    OpenSpan,
    Owner,
    Worked,
    namespace_of,
    owner,
    process_of,
)
from nicarbon.meter.processes import ProcFS, Seen
from nicarbon.meter.sightings import Tree

# A file made within a clock tick of the last look may not have changed the folder's time.
_FOLDER_TIME_GRAIN_NS = 100_000_000
# Network file systems may show a new file late.
_RELIST_AFTER_NS = 30_000_000_000
# Processes whose last nodes are remembered after their end.
_LEFT_KEPT = 256


class Look(NamedTuple):
    """What one look found.

    Attributes
    ----------
    cpu_s : dict
        CPU seconds so far of each running node, by span.
    gone : list of str
        Spans whose process ended without an end record.
    sigchld_ignored : tuple of str
        Spans without a task clock below which a process ignores SIGCHLD.
    memory_bytes : dict
        The most that the tree of each running node was seen to hold, by span.
    """

    cpu_s: dict[str, float]
    gone: list[str]
    sigchld_ignored: tuple[str, ...]
    memory_bytes: dict[str, int]


class NodeWatch:
    """Follows the ``nodes-*.jsonl`` of one host in a run folder.

    Parameters
    ----------
    run_dir : str
        The run folder; that it vanishes is no error.
    procfs : ProcFS
        The host's processes.
    own_pid : int
        The sampler, which belongs to no node.
    driver : str, optional
        Key of the driver or job that is served: what is below another one is looked at by that
        one's sampler. A host may run a hundred jobs at once, and thousands after each other.

    Attributes
    ----------
    done : dict
        Outcome by the name of each node that ended or was found in the cache.
    """

    def __init__(
        self, run_dir: str, procfs: ProcFS, own_pid: int, driver: str | None = None
    ) -> None:
        self._run_dir = run_dir
        self._procfs = procfs
        self._own_pid = own_pid
        self._driver = driver
        self._prefix = f"nodes-{procfs.host_id()}-"
        self._listed_at_ns: int | None = None
        self._folder_ns = -1
        self._known: set[str] = set()
        self._files: dict[str, NodeFile] = {}
        self._cpu_s: dict[str, float] = {}
        self._peaks = Peaks(procfs)
        self._left: dict[int, list[Worked]] = {}
        self.done: dict[str, str] = {}

    def close(self) -> None:
        """Close the files that are followed; nothing is looked at again."""
        for file in self._files.values():
            os.close(file.fd)
        self._files.clear()

    def running(self) -> list[OpenSpan]:
        """Return the nodes that run now, without those that run inside another one."""
        return [
            span
            for file in self._files.values()
            for span in file.open.values()
            if span.parent not in file.open
        ]

    def trees(self) -> list[Tree]:
        """Return the process trees in which one node runs alone, as `follow` last found them.

        Those of other drivers and jobs are left out, which have samplers of their own.
        """
        others = {file.pid for file in self._files.values()} | {self._own_pid}
        found = []
        for file in self._files.values():
            if file.open and file.is_one_tree() and self._is_ours(file):
                parents = {span.parent for span in file.open.values()}
                (inner,) = (span for span in file.open.values() if span.span not in parents)
                exclude = others - {file.pid}
                found.append(Tree(inner.span, file.pid, file.starttime, inner.began_ns, exclude))
        return found

    def owners(self, first_ns: int, last_ns: int) -> dict[int, Owner | None]:
        """Return whose the work of each process that executes nodes was between two instants.

        None for what is below another driver or job, whose sampler answers for it. Those that
        ended are told as well, until they are asked for a time after their end.
        """
        found: dict[int, Owner | None] = {}
        for pid, worked in list(self._left.items()):
            if all(one.ended_ns < first_ns for one in worked):
                del self._left[pid]
            else:
                found[pid] = owner(worked, first_ns, last_ns)
        for file in self._files.values():
            ours = self._is_ours(file)
            found[file.pid] = owner(file.worked(last_ns), first_ns, last_ns) if ours else None
        return found

    def executions(self, pid: int, now_ns: int) -> list[Worked]:
        """Return the nodes that a process executed last; none where it is not this sampler's."""
        for file in self._files.values():
            if file.pid == pid:
                return file.worked(now_ns) if self._is_ours(file) else []
        return self._left.get(pid, [])

    def follow(self) -> None:
        """Read what was written since the last call, without looking at any process."""
        self._find_files()
        for file in self._files.values():
            file.read(self.done)

    def look(self, known: dict[int, Seen] | None = None) -> Look:
        """Read what was written, and count what the running nodes have used so far.

        Parameters
        ----------
        known : dict, optional
            Processes that were counted at this moment already, see `ProcFS.tree_cpu_s`.
        """
        self._find_files()
        gone: list[str] = []
        losing: list[str] = []
        known = {} if known is None else known
        others = {file.pid for file in self._files.values()} | {self._own_pid}
        for name, file in list(self._files.items()):
            # First the process, then the file: what an ended process wrote is all there.
            stat = self._procfs.stat(file.pid)
            alive = stat is not None and stat.starttime == file.starttime
            ended = not alive or (stat is not None and stat.ended)
            file.read(self.done)
            if alive and file.open and self._is_ours(file) and file.is_one_tree():
                self._beat(file, others - {file.pid}, known)
                losing += self._losing(file, others - {file.pid})
            if ended:
                gone += file.open
                self._left[file.pid] = file.worked(time.monotonic_ns())
                if len(self._left) > _LEFT_KEPT:
                    del self._left[next(iter(self._left))]
                os.close(file.fd)
                del self._files[name]
        running = {span for file in self._files.values() for span in file.open} | set(gone)
        self._cpu_s = {span: cpu_s for span, cpu_s in self._cpu_s.items() if span in running}
        self._peaks.keep(running)
        return Look(dict(self._cpu_s), gone, tuple(losing), dict(self._peaks.peak_bytes))

    def _is_ours(self, file: NodeFile) -> bool:
        return self._driver is None or file.driver is None or file.driver == self._driver

    def _beat(self, file: NodeFile, exclude: set[int], known: dict[int, Seen]) -> None:
        """Note what a process's spans have used, CPU time and memory; never less than before."""
        self._peaks.look(file.open, file.pid, exclude, known)
        tree_cpu_s = self._procfs.tree_cpu_s(file.pid, exclude, known)
        for span in file.open.values():
            beside_s = containers.used_s(span.container) if span.container else None
            cpu_s = max(round(tree_cpu_s - span.cpu_base_s + (beside_s or 0.0), 6), 0.0)
            self._cpu_s[span.span] = max(cpu_s, self._cpu_s.get(span.span, 0.0))

    def _losing(self, file: NodeFile, exclude: set[int]) -> list[str]:
        """Return the spans whose CPU time may lack children that nobody waits for."""
        spans = [span.span for span in file.open.values() if not span.perf]
        if not spans:
            return []
        tree = self._procfs.tree(file.pid, exclude)
        return spans if any(self._procfs.sigchld_ignored(pid) for pid in tree) else []

    def _find_files(self) -> None:
        """Open the files that are new; the folder is listed only when it changed."""
        now_ns = time.monotonic_ns()
        try:
            folder_ns = os.stat(self._run_dir).st_mtime_ns
        except OSError:
            return
        recent = self._listed_at_ns is None or now_ns - self._listed_at_ns > _RELIST_AFTER_NS
        if not recent and folder_ns == self._folder_ns:
            return
        # Known to be complete only if the folder has been at rest for longer than a tick.
        ended_before = self._listed_at_ns is None and self._driver is not None
        at_rest = time.time_ns() - folder_ns > _FOLDER_TIME_GRAIN_NS
        self._folder_ns = folder_ns if at_rest else -1
        self._listed_at_ns = now_ns
        try:
            names = os.listdir(self._run_dir)
        except OSError:
            return
        for name in names:
            process = None if name in self._known else process_of(name, self._prefix)
            if process is None:
                continue
            process = self._number_here(name, *process), process[1]
            if ended_before and not self._lives(*process):
                # It ended before anybody looked from here: nothing of it is still to be told.
                self._known.add(name)
            else:
                self._open(name, *process)

    def _number_here(self, name: str, pid: int, starttime: int) -> int:
        """Return the number of the process that writes a file: in a container it has another."""
        namespace = namespace_of(os.path.join(self._run_dir, name))
        if namespace is None or namespace == self._procfs.pid_namespace():
            return pid
        return self._procfs.number_here(pid, starttime) or pid

    def _lives(self, pid: int, starttime: int) -> bool:
        stat = self._procfs.stat(pid)
        return stat is not None and stat.starttime == starttime

    def _open(self, name: str, pid: int, starttime: int) -> None:
        path = os.path.join(self._run_dir, name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            # Perhaps too many are open: the next look tries again.
            self._folder_ns = -1
            return
        self._known.add(name)
        self._files[name] = NodeFile(fd, pid, starttime)
