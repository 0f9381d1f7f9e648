# SPDX-License-Identifier: Apache-2.0
"""A child that has a time limit and a session of its own, of which nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from nicarbon.meter.procstat import parse_stat, read_file

_LOOK_S = 0.02


class Ended(msgspec.Struct, frozen=True):
    """How a child ended.

    Attributes
    ----------
    code : int or None
        Its exit code, negative for a signal; None where it ran out of time.
    cpu_s : float
        CPU seconds of it and all that it waited for.
    duration_s : float
        Seconds from its start.
    n_left : int
        Processes of its session that were still there, and were ended.
    said : str
        The last line that it wrote to standard error.
    """

    code: int | None
    cpu_s: float
    duration_s: float
    n_left: int
    said: str


def run(
    command: Sequence[str],
    limit_s: float,
    errors: Path,
    env: Mapping[str, str] | None = None,
    kill_when: Callable[[float], bool] | None = None,
    settle_s: float = 0.0,
) -> Ended:
    """Run a command to its end, or to its limit.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    limit_s : float
        Seconds after which it is killed.
    errors : Path
        Where its standard error goes; its standard output goes nowhere.
    env : mapping, optional
        Its environment.
    kill_when : callable, optional
        Told the seconds since its start; when it says so, the child alone gets SIGKILL.
    settle_s : float
        How long what is left of its session may go on before it is ended.
    """
    with open(errors, "wb") as stderr:
        began = time.monotonic()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            env=env,
        )
    late = False
    try:
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            after_s = time.monotonic() - began
            if pid:
                break
            late = after_s > limit_s
            if late or (kill_when is not None and kill_when(after_s)):
                os.kill(child.pid, signal.SIGKILL)
                _, status, usage = os.wait4(child.pid, 0)
                break
            time.sleep(_LOOK_S)
        child.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if child.returncode is None:  # Ctrl-C: nobody waits for it any more.
            child.kill()
            child.wait()
        else:
            time.sleep(settle_s)
        left = _session(child.pid)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    lines = errors.read_text(errors="replace").strip().splitlines()
    return Ended(
        None if late else child.returncode,
        usage.ru_utime + usage.ru_stime,
        after_s,
        len(left),
        lines[-1] if lines else "",
    )


def _session(sid: int) -> list[int]:
    """Return the processes of a session that can still run."""
    found = []
    for name in os.listdir("/proc"):
        data = read_file(f"/proc/{name}/stat") if name.isdecimal() else None
        stat = parse_stat(data) if data else None
        if stat is not None and stat.session == sid and not stat.ended:
            found.append(stat.pid)
    return found
