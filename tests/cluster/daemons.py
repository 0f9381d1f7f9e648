# SPDX-License-Identifier: Apache-2.0
"""Daemons that live as long as somebody holds this process's standard input.

All run below this process, which also adopts what loses its parent: whoever kills its children
until there are none has killed all, jobs that ignore signals and left their session included.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PATIENCE_S = 60.0
_PR_SET_CHILD_SUBREAPER = 36


class CannotStartError(Exception):
    """What is missing or went wrong, in one line."""


def serve(start: Callable[[], dict[str, object]], clean: Callable[[], None]) -> int:
    """Start, say so, and live until standard input ends.

    Prints one line of JSON: ``{"ready": {...}}`` with what `start` returns, or
    ``{"cannot": "why"}``.

    Parameters
    ----------
    start : callable
        Starts every daemon.
    clean : callable
        Called when there is no process left, whatever happened.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        print(json.dumps({"ready": start()}), flush=True)
        while not select.select([0], [], [], 0.1)[0] or os.read(0, 4096):
            _reap()
    except CannotStartError as error:
        print(json.dumps({"cannot": str(error)}), flush=True)
        return 1
    finally:
        _kill_children()
        clean()
    return 0


def need(programs: Sequence[str]) -> None:
    """Look for programs where an ordinary user's PATH may not lead."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise CannotStartError(f"{', '.join(missing)} missing: .ci/debian-packages installs it")


def can_unshare(*namespaces: str) -> bool:
    """Tell whether processes may have namespaces of their own: not in most containers."""
    done = subprocess.run(["unshare", *namespaces, "true"], stderr=subprocess.DEVNULL)
    return done.returncode == 0


def run_daemon(folder: Path, *arguments: str) -> None:
    with open(folder / "daemons.log", "ab") as log:
        subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def command(*arguments: str, **environ: str) -> str:
    """Run a program to its end; return what it prints."""
    env = {**os.environ, **environ}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_S, env=env)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise CannotStartError(f"{arguments[0]}: {' '.join(last)}")
    return done.stdout


def until(folder: Path, *arguments: str, prints: str = "") -> None:
    """Repeat a command until it succeeds and prints something."""
    deadline = time.monotonic() + PATIENCE_S
    why: object = ""
    while time.monotonic() < deadline:
        try:
            if prints in command(*arguments):
                return
            why = f"{arguments[0]}: no {prints}"
        except (CannotStartError, subprocess.TimeoutExpired) as error:
            why = error
        time.sleep(0.1)
    raise CannotStartError(f"{why} (logs: {folder})")


def _reap() -> None:
    """Bury whoever has ended, as init does: what a killed job leaves is nobody else's child."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _kill_children() -> None:
    """Kill and reap until there is no child: orphans of those killed are children by then."""
    while True:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                found.append(int(stat.parent.name))
    return found
