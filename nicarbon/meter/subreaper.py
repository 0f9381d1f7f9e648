# SPDX-License-Identifier: Apache-2.0
"""Keep the orphans of a node below the process that runs it, so that their CPU time is counted.

While the flag is set, a descendant whose parent died becomes a child of this process instead of
init's (prctl(2), PR_SET_CHILD_SUBREAPER, since Linux 3.4). It is set only while a node runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable

from nicarbon.meter.processes import ProcFS

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

_prctl = ctypes.PyDLL(None).prctl


def get() -> bool:
    """Return whether this process adopts the orphans among its descendants."""
    flag = ctypes.c_int(0)
    _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(flag), 0, 0, 0)
    return bool(flag.value)


def switch(on: bool) -> None:
    """Adopt the orphans among this process's descendants from now on, or no longer."""
    # Twice a node: no more arguments than the kernel looks at.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1 if on else 0)


def reap_adopted(proc: ProcFS, pids: Iterable[int], session: int) -> None:
    """Reap those dead children that were certainly adopted, and no others.

    The proof is the session: a child of this process is born into its session and can leave it
    only for one that bears the child's own number. A child in a third process's session was
    therefore another's, and nobody here can be waiting for it. Other zombies stay: their CPU
    time can be read all the same, and they end with this process.

    Parameters
    ----------
    proc : ProcFS
        The ``/proc`` to read.
    pids : iterable of int
        Children of this process that were not there when its session was noted.
    session : int
        This process's session when it was first metered.
    """
    if os.getsid(0) != session:
        return
    for pid in pids:
        stat = proc.stat(pid)
        if stat is None or stat.state != "Z" or stat.ppid != os.getpid():
            continue
        if stat.session not in (session, pid):
            with contextlib.suppress(ChildProcessError):  # A thread's waitpid(-1) was first.
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
