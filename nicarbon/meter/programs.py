# SPDX-License-Identifier: Apache-2.0
"""Which program a process of a node's tree is, as a person would name it; remembered."""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import NamedTuple

from nicarbon.meter.processes import ProcFS
from nicarbon.meter.procstat import COMM_LENGTH, Stat, read_file

NODE = "python (node)"
"""The process that executes the node, as far as it runs no program of its own."""

Key = tuple[int, int]
"""Process number and start time: numbers are used again."""

# A process may become another program that the kernel gives the same short name.
_AGAIN_S = 5.0
# Of a long line of arguments only the first words tell the program.
_COMMAND_BYTES = 4096
# A file of one hemisphere has it in its name (../surf/lh.orig), an option says it (-hemi rh).
_SIDE = re.compile(rb"(?<![A-Za-z0-9])(lh|rh)(?![A-Za-z0-9])")


class _Known(NamedTuple):
    """What a process was found to be; `sure` once two looks agreed that it is a program's own."""

    comm: str
    name: str
    sure: bool
    t_s: float
    side: str | None
    line: str


class Programs:
    """Names the programs of processes.

    Parameters
    ----------
    procfs : ProcFS
        The host.
    keep_arguments : bool, optional
        Whether command lines are kept, for `line`: they name subjects.
    """

    def __init__(self, procfs: ProcFS, *, keep_arguments: bool = False) -> None:
        self._procfs = procfs
        self._keep_arguments = keep_arguments
        self._known: dict[Key, _Known] = {}
        self._completed: dict[str, str | None] = {}
        self._root: tuple[Key, bytes] | None = None
        # Of the command line that was read last.
        self._side: str | None = None
        self._line = ""

    def name(self, stat: Stat, root: Key) -> str | None:
        """Return the program of a process; None where nothing tells which script it executed.

        Parameters
        ----------
        stat : Stat
            The process.
        root : (int, int)
            The process that executes the node: it, and forks of it that run no other program,
            are the node's own Python.
        """
        key = stat.pid, stat.starttime
        if key == root:
            return NODE
        known, now_s = self._known.get(key), time.monotonic()
        if (
            known is not None
            and known.sure  # A child may have been met between its fork and its exec.
            and known.comm == stat.comm
            and now_s - known.t_s < _AGAIN_S
        ):
            return known.name
        name = self._found(stat, root)
        if name is None:  # It is ending: all that is left is the kernel's name.
            return known.name if known is not None else self.whole(stat.comm)
        sure = known is not None and known.name == name
        self._known[key] = _Known(stat.comm, name, sure, now_s, self._side, self._line)
        return name

    def side(self, key: Key) -> str | None:
        """Return the one hemisphere that the command line of a process names."""
        known = self._known.get(key)
        return known.side if known is not None else None

    def line(self, key: Key) -> str:
        """Return the command line of a process, if those are kept."""
        known = self._known.get(key)
        return known.line if known is not None else ""

    def keep(self, living: set[Key]) -> None:
        """Forget all other processes."""
        if self._known.keys() - living:
            self._known = {key: known for key, known in self._known.items() if key in living}

    def _found(self, stat: Stat, root: Key) -> str | None:
        """Return what the process's own files say; None where they say nothing any more."""
        command = self._command(stat.pid)
        if not command:
            return None
        sides = set(_SIDE.findall(command))
        self._side = sides.pop().decode() if len(sides) == 1 else None
        if self._root is None or self._root[0] != root:
            self._root = root, self._command(root[0])
        words = command.decode("utf-8", "replace").split("\0")
        if self._keep_arguments:
            import shlex

            self._line = shlex.join(words[:-1] or words)
        if command == self._root[1] and self._exe(stat.pid) == self._exe(root[0]):
            return NODE
        # Of use only where a node starts programs, and each run starts a sampler.
        from nicarbon.meter.naming import name_of, plain

        # Looking the file up takes time, and a plain first word says the same.
        exe = None if words[0] and plain(words[0]) else self._exe(stat.pid)
        return name_of(words[:-1] or words, exe, stat.comm)

    def whole(self, comm: str) -> str | None:
        """Return the program of a short name, which the kernel cuts; None for an interpreter."""
        from nicarbon.meter.naming import interpreter, name_of

        if interpreter(comm) is not None:
            return None
        if len(comm) >= COMM_LENGTH:
            for known in self._known.values():
                if known.name.startswith(comm):
                    return known.name
            return name_of([], None, self._on_path(comm) or comm)
        return name_of([], None, comm)

    def _on_path(self, comm: str) -> str | None:
        """Return the one command on PATH whose name begins so; None where there are several."""
        if comm not in self._completed:
            found: set[str] = set()
            for folder in os.environ.get("PATH", "").split(os.pathsep):
                with contextlib.suppress(OSError):
                    found.update(name for name in os.listdir(folder) if name.startswith(comm))
            self._completed[comm] = found.pop() if len(found) == 1 else None
        return self._completed[comm]

    def _command(self, pid: int) -> bytes:
        path = f"{self._procfs.root.rstrip('/')}/proc/{pid}/cmdline"
        return read_file(path, _COMMAND_BYTES, is_line=True) or b""

    def _exe(self, pid: int) -> str | None:
        try:
            return os.readlink(f"{self._procfs.root.rstrip('/')}/proc/{pid}/exe")
        except OSError:
            return None
