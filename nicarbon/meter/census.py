# SPDX-License-Identifier: Apache-2.0
"""CPU seconds of this process and of all that it started, exactly, at two moments.

Own time + time of reaped children + time of those that still live (or wait to be reaped) only
moves between its terms when a child ends, so the difference between two moments is what the tree
used in between.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import process_time
from typing import NamedTuple

from nicarbon.meter.processes import ProcFS

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# waitid(2) of any child, living or not, at once, and nothing is reaped. Not by `os.waitid`: what
# it raises where there is none, which is so beside most nodes, takes longer than the call.
_ANY, _LOOK = os.P_ALL, os.WEXITED | os.WNOHANG | os.WNOWAIT
_waitid = ctypes.PyDLL(None).waitid
# Each node is counted twice: what is made for that is made by the shortest way.
_new = tuple.__new__
_NONE: dict[tuple[int, int], float] = {}
_CHILDLESS: frozenset[int] = frozenset()


class Census(NamedTuple):
    """The tree of this process at one moment, in CPU seconds.

    Attributes
    ----------
    own_s, reaped_s : float
        This process; its reaped children and theirs.
    living : dict
        Each living or unreaped descendant with its own reaped children, by (pid, start time):
        process numbers are used again.
    workers : dict
        The same for processes below that run nodes of their own, each with all below it: they
        answer for themselves.
    children : frozenset of int
        Process numbers of the direct children.
    own_peak_kb, reaped_peak_kb : int
        The most memory that this process, and that the largest of its reaped children and
        theirs, ever held.
    """

    own_s: float
    reaped_s: float
    living: dict[tuple[int, int], float]
    workers: dict[tuple[int, int], float]
    children: frozenset[int]
    own_peak_kb: int = 0
    reaped_peak_kb: int = 0

    def total_s(self) -> float:
        """Return the CPU seconds of the tree, those that answer for themselves left out."""
        own_s = self.own_s + self.reaped_s
        return own_s + sum(self.living.values()) if self.living else own_s

    def whole_s(self) -> float:
        """Return the CPU seconds of the whole tree."""
        return self.total_s() + sum(self.workers.values())


def _nobody(pid: int, starttime: int) -> bool:
    return False


def take(
    proc: ProcFS,
    ignore: int | None = None,
    is_worker: Callable[[int, int], bool] = _nobody,
) -> Census:
    """Count the CPU seconds of this process's tree now.

    Parameters
    ----------
    proc : ProcFS
        The ``/proc`` to read.
    ignore : int, optional
        A process to leave out, with all below it: the sampler.
    is_worker : callable, optional
        Tells from (pid, start time) whether a process runs nodes of its own.
    """
    own_s = process_time()
    usage = getrusage(RUSAGE_CHILDREN)
    reaped_s = usage.ru_utime + usage.ru_stime
    own_kb = getrusage(RUSAGE_SELF).ru_maxrss
    if _waitid(_ANY, 0, None, _LOOK) != 0:  # Which is so beside most nodes.
        return _new(Census, (own_s, reaped_s, _NONE, _NONE, _CHILDLESS, own_kb, usage.ru_maxrss))
    children = frozenset(proc.children(os.getpid()))
    living: dict[tuple[int, int], float] = {}
    workers: dict[tuple[int, int], float] = {}
    pending: list[tuple[int, tuple[int, int] | None]] = [(pid, None) for pid in children]
    while pending:
        pid, worker = pending.pop()
        stat = None if pid == ignore else proc.stat(pid)
        if stat is None:
            continue
        key = pid, stat.starttime
        if worker is None and is_worker(*key):
            worker = key
        cpu_s = (proc.cpu_s(pid) or 0.0) + (stat.cutime + stat.cstime) * _TICK_S
        if worker is None:
            living[key] = cpu_s
        else:
            workers[worker] = workers.get(worker, 0.0) + cpu_s
        pending += [(child, worker) for child in proc.children(pid)]
    return Census(own_s, reaped_s, living, workers, children, own_kb, usage.ru_maxrss)


def difference_s(
    before: Census, after: Census, was_worker: Callable[[int, int], bool] = _nobody
) -> tuple[float, bool]:
    """Return what the tree used between two moments, and whether that is certain.

    Parameters
    ----------
    before, after : Census
        The two moments.
    was_worker : callable, optional
        Tells from (pid, start time) whether a process that ended in between ran nodes of its own.

    Returns
    -------
    cpu_s : float
        CPU seconds of this process and of what it started, without those that answer for
        themselves.
    certain : bool
        False where one of those ended in between: its last seconds are in the sum too.
    """
    cpu_s = after.own_s - before.own_s + after.reaped_s - before.reaped_s
    if not (before.living or after.living or before.workers):
        return (cpu_s if cpu_s > 0.0 else 0.0), True
    for key, at_end_s in after.living.items():
        cpu_s += at_end_s - before.living.get(key, 0.0)
    certain = True
    for key, at_start_s in before.living.items():
        if key not in after.living and key not in after.workers:
            # It was reaped: its whole life is in reaped_s now.
            cpu_s -= at_start_s
            certain = certain and not was_worker(*key)
    for key, at_start_s in before.workers.items():
        if key not in after.workers:
            cpu_s -= at_start_s
            certain = False
    return max(cpu_s, 0.0), certain


def new_peak_bytes(before: Census, after: Census) -> int | None:
    """Return what the tree held at some time between two moments, if it was a new record.

    The kernel keeps the most that a process ever held, so that a node which holds less than one
    before it in this process leaves no trace.
    """
    # A child counts with what its parent ever held until it runs a program of its own.
    if after.reaped_peak_kb > max(before.reaped_peak_kb, after.own_peak_kb):
        return after.reaped_peak_kb * 1024
    return after.own_peak_kb * 1024 if after.own_peak_kb > before.own_peak_kb else None
