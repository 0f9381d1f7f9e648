# SPDX-License-Identifier: Apache-2.0
"""What /proc says of this host and of its process trees.

Nothing here ever raises because a process ended while it was looked at: a value that cannot be
read is None. All of it takes a root folder, so that a fake /proc can stand in for the real one.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from nicarbon.meter.procstat import Stat, parse_stat, read_file

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SIGCHLD_BIT = 1 << 16  # signal 17 in the kernel's masks, whose lowest bit is signal 1


class Seen(NamedTuple):
    """A process as one look found it: with its waited-for children's CPU time, and its children.

    `rss_bytes` is what it holds in memory, pages that it shares with others included.
    """

    cpu_s: float
    rss_bytes: int
    children: list[int]


class ProcFS:
    """The processes of one host.

    Parameters
    ----------
    root : str
        ``/`` for this host; its CPU times are then exact (nanoseconds). Another folder is a fake
        host, whose CPU times are the clock ticks of its stat files.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self._proc = os.path.join(root, "proc")
        self._exact = root == "/"
        self._stat_fd: int | None = None
        self._n_cpus: int | None = None
        self._cpu_info: dict[str, Any] | None = None
        self._has_children_files: bool | None = None

    # The host ------------------------------------------------------------------------------

    def boot_id(self) -> str:
        """Return the boot id, or a stand-in made of the host's name where there is none."""
        data = read_file(f"{self._proc}/sys/kernel/random/boot_id")
        if data and data.strip():
            return data.strip().decode("ascii", "replace")
        return f"{zlib.crc32(os.uname().nodename.encode()):08x}-0000"

    def host_id(self) -> str:
        """Return the first 12 hexadecimal digits of the boot id."""
        return self.boot_id().replace("-", "")[:12]

    def key(self, pid: int) -> str:
        """Return ``<host>-<pid>-<start time>``, which no other process ever has.

        The start time is 0 where there is no such process.
        """
        stat = self.stat(pid)
        return f"{self.host_id()}-{pid}-{stat.starttime if stat else 0}"

    def pid_namespace(self) -> int | None:
        """Return what tells apart where process numbers mean the same; None where not known."""
        try:
            return os.stat(f"{self._proc}/self/ns/pid").st_ino
        except OSError:
            return None

    def number_here(self, pid: int, starttime: int) -> int | None:
        """Return the number that a process of a container has outside it.

        The kernel tells a process's numbers in all namespaces that are below this one's; its
        start time is the same in each. None where there is no such process, or it is hidden.

        Parameters
        ----------
        pid : int
            Its number in its container.
        starttime : int
            When it started, in clock ticks since boot.
        """
        try:
            names = os.listdir(self._proc)
        except OSError:
            return None
        for name in names:
            if name.isdigit() and pid in self._numbers_inside(name):
                stat = self.stat(int(name))
                if stat is not None and stat.starttime == starttime:
                    return stat.pid
        return None

    def _numbers_inside(self, name: str) -> list[int]:
        """Return the numbers of a process in namespaces below this one's."""
        for line in (read_file(f"{self._proc}/{name}/status") or b"").split(b"\n"):
            if line.startswith(b"NSpid:"):
                return [int(word) for word in line.split()[2:] if word.isdigit()]
        return []

    def hostname(self) -> str:
        """Return the host's name."""
        data = read_file(f"{self._proc}/sys/kernel/hostname") or b""
        return data.decode("utf-8", "replace").strip() or os.uname().nodename

    def close(self) -> None:
        """Close what is kept open; it is opened again when it is needed."""
        if self._stat_fd is not None:
            os.close(self._stat_fd)
            self._stat_fd = None

    def n_cpus(self) -> int:
        """Return how many CPUs were online when this object first looked.

        It stays the same from then on: busy time is CPUs x time, and a cumulative count whose
        factor changes would jump.
        """
        if self._n_cpus is None:
            data = read_file(f"{self._proc}/stat") or b""
            lines = data.split(b"\n")
            count = sum(1 for line in lines if line.startswith(b"cpu") and line[3:4].isdigit())
            self._n_cpus = count or os.cpu_count() or 1
        return self._n_cpus

    def idle_cpu_s(self) -> float | None:
        """Return the CPU seconds in which CPUs did nothing for this host, since boot.

        idle + iowait + steal: iowait is idle, and steal went to another virtual machine. None
        where /proc/stat cannot be read.
        """
        try:
            if self._stat_fd is None:
                self._stat_fd = os.open(f"{self._proc}/stat", os.O_RDONLY | os.O_CLOEXEC)
            fields = os.pread(self._stat_fd, 512, 0).split(b"\n", 1)[0].split()
            ticks = int(fields[4]) + int(fields[5]) + (int(fields[8]) if len(fields) > 8 else 0)
        except (OSError, ValueError, IndexError):
            return None
        return ticks / _TICKS_PER_S

    def busy_cpu_s(self, t_monotonic_s: float) -> float | None:
        """Return CPUs x monotonic time - idle - iowait - steal: only differences mean something.

        Counting what is left of the idle time, rather than adding up user and system ticks, is
        the less biased of the two where work is short (interrupts are busy, too).

        Parameters
        ----------
        t_monotonic_s : float
            When /proc/stat is being read, in seconds of CLOCK_MONOTONIC.
        """
        idle_cpu_s = self.idle_cpu_s()
        return None if idle_cpu_s is None else self.n_cpus() * t_monotonic_s - idle_cpu_s

    def memory_bytes(self) -> int | None:
        """Return the host's memory in bytes."""
        for line in (read_file(f"{self._proc}/meminfo") or b"").split(b"\n"):
            if line.startswith(b"MemTotal:"):
                try:
                    return int(line.split()[1]) * 1024
                except (ValueError, IndexError):
                    return None
        return None

    def cpu_info(self) -> dict[str, Any]:
        """Return the first CPU: vendor, family, model, stepping (int or None), name, flags.

        The kernel writes the file anew, CPU by CPU, each time it is read: it is read once.
        """
        if self._cpu_info is None:
            self._cpu_info = self._read_cpu_info()
        return self._cpu_info

    def _read_cpu_info(self) -> dict[str, Any]:
        found: dict[str, str] = {}
        data = (read_file(f"{self._proc}/cpuinfo") or b"").split(b"\n\n", 1)[0]
        for line in data.decode("utf-8", "replace").splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())

        def number(key: str) -> int | None:
            try:
                return int(found[key])
            except (KeyError, ValueError):
                return None

        return {
            "vendor": found.get("vendor_id", ""),
            "family": number("cpu family"),
            "model": number("model"),
            "stepping": number("stepping"),
            "name": " ".join(found.get("model name", "").split()),
            "flags": frozenset(found.get("flags", "").split()),
        }

    # Processes -----------------------------------------------------------------------------

    def stat(self, pid: int) -> Stat | None:
        """Return the process's stat line, or None when there is no such process."""
        data = read_file(f"{self._proc}/{pid}/stat", 2048, is_line=True)
        return parse_stat(data) if data else None

    def children(self, pid: int, n_threads: int | None = None) -> list[int]:
        """Return the living and zombie children of all threads of a process.

        Parameters
        ----------
        n_threads : int, optional
            Spares the listing of the threads where it is known to be 1.
        """
        folder = f"{self._proc}/{pid}/task"
        threads = [str(pid)]
        if n_threads != 1:
            try:
                threads = os.listdir(folder)
            except OSError:
                return []
        found = []
        for thread in threads:
            data = read_file(f"{folder}/{thread}/children")
            if data:
                found += [int(word) for word in data.split()]
        return found

    def lists_children(self, pid: int) -> bool:
        """Return whether this kernel tells a process's children; `pid` is any that lives."""
        if self._has_children_files is None and os.path.exists(f"{self._proc}/{pid}/task"):
            self._has_children_files = os.path.exists(f"{self._proc}/{pid}/task/{pid}/children")
        return self._has_children_files is not False

    def _by_parent(self) -> dict[int, list[int]]:
        """Return every process's children from all the stat files (kernels without children)."""
        found: dict[int, list[int]] = {}
        try:
            names = os.listdir(self._proc)
        except OSError:
            return found
        for name in names:
            stat = self.stat(int(name)) if name.isdigit() else None
            if stat is not None:
                found.setdefault(stat.ppid, []).append(stat.pid)
        return found

    def walk(self, pid: int, exclude: Collection[int] = ()) -> Iterator[tuple[Stat, list[int]]]:
        """Give a process and its descendants with their children, parents first.

        A parent's count of waited-for children is thus read before the children themselves: one
        that ends in between is missed until the next time, and never counted twice.
        """
        by_parent = None if self.lists_children(pid) else self._by_parent()
        waiting, seen = [pid], set(exclude)
        while waiting:
            this = waiting.pop()
            if this in seen:
                continue
            seen.add(this)
            stat = self.stat(this)
            if stat is None:
                continue
            if by_parent is None:
                children = self.children(this, stat.n_threads)
            else:
                children = by_parent.get(this, [])
            yield stat, children
            waiting += reversed(children)

    def tree(self, pid: int, exclude: Collection[int] = ()) -> list[int]:
        """Return the process and its living or zombie descendants, itself first.

        Parameters
        ----------
        exclude : collection of int
            Processes left out with all that is below them.
        """
        return [stat.pid for stat, _ in self.walk(pid, exclude)]

    def own_cpu_s(self, stat: Stat) -> float:
        """Return the CPU seconds of the threads of a process that was just looked at."""
        exact_s = self.clock_s(stat.pid)
        return (stat.utime + stat.stime) / _TICKS_PER_S if exact_s is None else exact_s

    def clock_s(self, pid: int) -> float | None:
        """Return what a process's CPU clock says; None where it has none, or is no more."""
        if self._exact:
            try:
                # The kernel's CPU clock of another thread group, MAKE_PROCESS_CPUCLOCK(pid,
                # CPUCLOCK_SCHED): all threads, in ns, of a zombie as well.
                return time.clock_gettime((~pid << 3) | 2)
            except OSError:
                pass
        return None

    def cpu_s(self, pid: int) -> float | None:
        """Return the CPU seconds of a process's threads, without its children.

        None when there is no such process. Exact on this host, in clock ticks on a fake one.
        """
        stat = self.stat(pid)
        return None if stat is None else self.own_cpu_s(stat)

    def tree_cpu_s(
        self,
        pid: int,
        exclude: Collection[int] = (),
        known: dict[int, Seen] | None = None,
    ) -> float:
        """Return the CPU seconds of a tree: own and waited-for children of each process in it.

        0 when there is no such process. Waited-for children are in clock ticks. What a process
        that ignores SIGCHLD has started is missing once it ended (`sigchld_ignored`).

        Parameters
        ----------
        exclude : collection of int
            Processes left out with all that is below them.
        known : dict, optional
            The processes that were read already at this moment: they are not read again, and
            those that are read are added. A tree and the trees inside it are then counted at one
            moment, and for the price of one.
        """
        return sum(seen.cpu_s for _, seen in self._seen(pid, exclude, known))

    def tree_rss_bytes(
        self,
        pid: int,
        exclude: Collection[int] = (),
        known: dict[int, Seen] | None = None,
    ) -> dict[int, int]:
        """Return what each process of a tree holds in memory; arguments as in `tree_cpu_s`."""
        return {this: seen.rss_bytes for this, seen in self._seen(pid, exclude, known)}

    def _seen(
        self, pid: int, exclude: Collection[int], known: dict[int, Seen] | None
    ) -> Iterator[tuple[int, Seen]]:
        known = {} if known is None else known
        waiting, done = [pid], set(exclude)
        while waiting:
            this = waiting.pop()
            if this in done:
                continue
            done.add(this)
            if this not in known:
                self._add(this, exclude, known)
            if this in known:
                yield this, known[this]
                waiting += known[this].children

    def _add(self, pid: int, exclude: Collection[int], known: dict[int, Seen]) -> None:
        """Read a process and what is below it."""
        for stat, children in self.walk(pid, exclude):
            cpu_s = self.own_cpu_s(stat) + (stat.cutime + stat.cstime) / _TICKS_PER_S
            known[stat.pid] = Seen(cpu_s, stat.rss_pages * _PAGE_BYTES, children)

    def sigchld_ignored(self, pid: int) -> bool | None:
        """Return whether the process ignores SIGCHLD, so that its children's CPU time is lost.

        None where it cannot be told. The flag SA_NOCLDWAIT, which does the same, does not show.
        """
        for line in (read_file(f"{self._proc}/{pid}/status") or b"").split(b"\n"):
            if line.startswith(b"SigIgn:"):
                try:
                    return bool(int(line.split()[1], 16) & _SIGCHLD_BIT)
                except (ValueError, IndexError):
                    return None
        return None
