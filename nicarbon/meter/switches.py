# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of tasks as it happens: read from the memory that it writes it into.

One piece of memory for each CPU, for all the tasks that are told of. The kernel writes each record
on the CPU where it happens and never waits: what does not fit is counted as lost.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable
from typing import NamedTuple

from nicarbon.meter import perf

# include/uapi/linux/perf_event.h: types of records, and bits of `misc`.
_LOST, COMM, EXIT, FORK, SWITCH = 2, 3, 4, 7, 14
_OUT = _EXEC = 1 << 13

_HEADER = struct.Struct("=IHH")
_POSITION = struct.Struct("=Q")
_TASK = struct.Struct("=II")
_NEW_TASK = struct.Struct("=IIII")
# At the end of each record: process, thread, nanoseconds, id of the event.
_TRAILER = struct.Struct("=IIQQ")
# struct perf_event_mmap_page: where the kernel writes next, and what was read.
_HEAD, _TAIL = 1024, 1032
# 128 KiB hold 4,096 switches. The kernel lets a user have 516 KiB a CPU in all, unless told else.
_PAGES = (32, 8, 2)
# A record may be written this much later than the time in it, as another CPU is interrupted.
_SETTLED_NS = 1_000_000


class Record(NamedTuple):
    """Something that a task did.

    Attributes
    ----------
    t_ns : int
        When, by the monotonic clock.
    event : int
        Id of the event that tells of it.
    kind : int
        `COMM`, `EXIT`, `FORK` or `SWITCH`.
    pid, tid : int
        The process and the thread; those that are new, of a `FORK`.
    flag : bool
        Of a `SWITCH`, that the thread stops running; of a `COMM`, that the process began to
        execute another program.
    parent : int
        Of a `FORK`, the process that started it.
    name : str
        Of a `COMM`, the kernel's short name.
    """

    t_ns: int
    event: int
    kind: int
    pid: int
    tid: int
    flag: bool = False
    parent: int = 0
    name: str = ""


class _Ring:
    """The memory of one CPU."""

    def __init__(self, cpu: int) -> None:
        self.fd = perf.open_task_records(cpu, inherit=False)
        refusal: OSError | None = None
        for pages in _PAGES:
            try:
                self.map = mmap.mmap(self.fd, (1 + pages) * mmap.PAGESIZE)
            except OSError as error:
                refusal = error
                continue
            self.size = pages * mmap.PAGESIZE
            return
        os.close(self.fd)
        assert refusal is not None
        raise refusal

    def take(self) -> bytes:
        """Return what was written since the last call."""
        head: int = _POSITION.unpack_from(self.map, _HEAD)[0]
        tail: int = _POSITION.unpack_from(self.map, _TAIL)[0]
        if head == tail:
            return b""
        begin, length, base = tail % self.size, head - tail, mmap.PAGESIZE
        data = self.map[base + begin : base + min(begin + length, self.size)]
        if begin + length > self.size:
            data += self.map[base : base + begin + length - self.size]
        _POSITION.pack_into(self.map, _TAIL, head)
        return data

    def close(self) -> None:
        self.map.close()
        os.close(self.fd)


class Rings:
    """The memory of all CPUs.

    Parameters
    ----------
    cpus : iterable of int
        The CPUs.

    Raises
    ------
    OSError
        If the kernel refuses.
    """

    def __init__(self, cpus: Iterable[int]) -> None:
        self._rings: dict[int, _Ring] = {}
        self._late: list[Record] = []
        try:
            for cpu in cpus:
                self._rings[cpu] = _Ring(cpu)
        except BaseException:
            self.close()
            raise

    def cpus(self) -> list[int]:
        """Return the CPUs."""
        return list(self._rings)

    def join(self, cpu: int, fd: int) -> int:
        """Let an event of `nicarbon.meter.perf` write into a CPU's memory; return its id."""
        return perf.tell_into(fd, self._rings[cpu].fd)

    def take(self, now_ns: int) -> tuple[list[Record], int, int]:
        """Return what happened since the last call, in order of time.

        Parameters
        ----------
        now_ns : int
            The time, before the call.

        Returns
        -------
        (list of Record, int, int)
            What happened; until when all of it is known; and how many records were lost.
        """
        until_ns = now_ns - _SETTLED_NS
        found, n_lost = self._late, 0
        for ring in self._rings.values():
            data = ring.take()
            if data:
                n_lost += _parse(data, found)
        found.sort()
        at = len(found)
        while at and found[at - 1].t_ns > until_ns:
            at -= 1
        self._late = found[at:]
        return found[:at], until_ns, n_lost

    def close(self) -> None:
        """Give the memory back."""
        for ring in self._rings.values():
            ring.close()
        self._rings.clear()


def _parse(data: bytes, found: list[Record]) -> int:
    """Add the records in `data`; return how many the kernel says that it lost before them."""
    at, n_lost, whole = 0, 0, len(data)
    while at + _HEADER.size <= whole:
        kind, misc, size = _HEADER.unpack_from(data, at)
        if size < _HEADER.size or at + size > whole:
            return n_lost + 1  # Not what the kernel writes: nothing after it can be trusted.
        if kind == SWITCH:
            pid, tid, t_ns, event = _TRAILER.unpack_from(data, at + size - _TRAILER.size)
            found.append(Record(t_ns, event, kind, pid, tid, bool(misc & _OUT)))
        elif kind in (FORK, EXIT):
            pid, parent, tid, _ = _NEW_TASK.unpack_from(data, at + _HEADER.size)
            _, _, t_ns, event = _TRAILER.unpack_from(data, at + size - _TRAILER.size)
            found.append(Record(t_ns, event, kind, pid, tid, False, parent))
        elif kind == COMM:
            pid, tid = _TASK.unpack_from(data, at + _HEADER.size)
            _, _, t_ns, event = _TRAILER.unpack_from(data, at + size - _TRAILER.size)
            name = data[at + _HEADER.size + _TASK.size : at + size - _TRAILER.size]
            text = name.split(b"\0", 1)[0].decode("utf-8", "replace")
            found.append(Record(t_ns, event, kind, pid, tid, bool(misc & _EXEC), 0, text))
        elif kind == _LOST:
            n_lost += _POSITION.unpack_from(data, at + _HEADER.size + 8)[0]
        at += size
    return n_lost
