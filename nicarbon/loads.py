# SPDX-License-Identifier: Apache-2.0
"""Known loads for a machine, each some child processes that work until they are stopped.

They are children of this process, in a session of their own, and nothing of them is left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from types import TracebackType

import msgspec

# What each child runs; `sys.argv[1]` is its share of memory in bytes.
_SPIN = "x = 1.0\nwhile True:\n    for i in range(1000):\n        x = x * 1.0000001 + i % 7"
_COPY = (
    "import sys\n"
    "half = int(sys.argv[1]) // 2\n"
    "a, b = bytearray(half), bytearray(b'x' * half)\n"
    "while True:\n    a[:] = b"
)
_SPAWN = (
    "import os\n"
    "while True:\n"
    "    pid = os.posix_spawn('/bin/true', ['true'], {})\n"
    "    os.waitpid(pid, 0)"
)
# Beyond any cache that a CPU has to itself, and never much of the machine's memory.
_COPY_BYTES = 64 << 20
_MEMORY_PART = 0.1


class Load(msgspec.Struct, frozen=True):
    """A load.

    Attributes
    ----------
    name : str
        Its name.
    code : str
        What each child runs.
    n_children : int
        How many there are.
    memory_bytes : int
        What each of them takes beside its interpreter.
    """

    name: str
    code: str = ""
    n_children: int = 0
    memory_bytes: int = 0


def loads(n_cpus: int, memory_bytes: int | None) -> tuple[Load, ...]:
    """Return idleness and the loads, the lightest first.

    Parameters
    ----------
    n_cpus : int
        CPUs that may be used.
    memory_bytes : int or None
        The machine's memory.
    """
    each = _COPY_BYTES
    if memory_bytes is not None:
        each = min(each, int(memory_bytes * _MEMORY_PART) // n_cpus)
    return (
        Load("idle"),
        Load("one core", _SPIN, 1),
        Load("memory-bound", _COPY, n_cpus, max(each, 1 << 20)),
        Load("short children", _SPAWN, n_cpus),
        Load("all cores", _SPIN, n_cpus),
    )


class Running:
    """A load at work, as a context; when it ends, `cpu_s` is what its processes used.

    Parameters
    ----------
    load : Load
        The load.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._children: list[subprocess.Popen[bytes]] = []
        self._began_s = 0.0
        self.cpu_s = 0.0
        self.duration_s = 0.0

    def __enter__(self) -> Running:
        self._began_s = time.monotonic()
        command = [sys.executable, "-I", "-S", "-c", self._load.code, str(self._load.memory_bytes)]
        try:
            for _ in range(self._load.n_children):
                self._children.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )
        except OSError:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def failed(self) -> bool:
        """Whether a child has ended, which none does by itself."""
        return any(child.poll() is not None for child in self._children)

    def _stop(self) -> None:
        with _undisturbed():
            for child in self._children:
                if child.returncode is None:
                    # All of its session: a child's children as well.
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
            self.duration_s = time.monotonic() - self._began_s
            for child in self._children:
                if child.returncode is None:
                    _, status, usage = os.wait4(child.pid, 0)
                    child.returncode = os.waitstatus_to_exitcode(status)
                    self.cpu_s += usage.ru_utime + usage.ru_stime
        self._children = []


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C wait until every child is gone."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
