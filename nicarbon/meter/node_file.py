# SPDX-License-Identifier: Apache-2.0
"""One ``nodes-*.jsonl`` while its process writes it: the nodes that began and have not ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

_CHUNK = 1 << 16
# Between two looks hardly more end, and a process may execute a hundred thousand.
_ENDED_KEPT = 64
# How `nicarbon.meter.node_lines` begins its lines. Names that JSON escapes are left to its reader.
_START = b'{"kind":"start","span":"'
_END = b'{"kind":"end","span":"'
_NODE = re.compile(_START + rb'[^"]*","node":"([ !#-\[\]-~]*)",')
_OUTCOME = re.compile(_END + rb'[^"]*","t_monotonic_ns":\d+,"outcome":"([a-z]*)",')


class OpenSpan(NamedTuple):
    """A node that began and has not ended.

    Attributes
    ----------
    span, node : str
        Its span and the node's name.
    parent : str or None
        The span in which it runs.
    cpu_base_s : float
        CPU seconds of its process's tree when it began.
    perf : bool
        Whether a task clock counts it, which misses no child.
    began_ns : int
        When it began.
    container : str or None
        Where the CPU time of its container is read, see `nicarbon.meter.containers`.
    """

    span: str
    node: str
    parent: str | None
    cpu_base_s: float
    perf: bool = True
    began_ns: int = 0
    container: str | None = None


class Worked(NamedTuple):
    """When a node ran in a process; `parent` is the span in which it did, if any."""

    span: str
    parent: str | None
    began_ns: int
    ended_ns: int


class Owner(NamedTuple):
    """Whose the work of a process was in some stretch of time.

    Attributes
    ----------
    parts : tuple of (str, float)
        Spans, with the part of the time in which each was the innermost one; less than 1 in all
        where none ran for a while.
    is_told_apart : bool
        False where nodes ran side by side in the process.
    """

    parts: tuple[tuple[str, float], ...] = ()
    is_told_apart: bool = True


def owner(worked: Sequence[Worked], first_ns: int, last_ns: int) -> Owner:
    """Return whose the work of a process was between two instants.

    Parameters
    ----------
    worked : sequence of Worked
        The nodes that ran in it.
    first_ns, last_ns : int
        The instants.
    """
    own_ns = {
        one.span: max(min(one.ended_ns, last_ns) - max(one.began_ns, first_ns), 0)
        for one in worked
    }
    whole_ns = dict(own_ns)
    for one in worked:
        if one.parent in own_ns:
            own_ns[one.parent] = max(own_ns[one.parent] - whole_ns[one.span], 0)
    total_ns = sum(own_ns.values())
    # Side by side they have more time than there was.
    length_ns = max(last_ns - first_ns, total_ns, 1)
    parts = tuple((span, part / length_ns) for span, part in own_ns.items() if part > 0)
    return Owner(parts, total_ns <= max(last_ns - first_ns, 1))


def namespace_of(path: str) -> int | None:
    """Return where the process number in a file's name means something; None where not known."""
    try:
        with open(path, "rb") as file:
            namespace = json.loads(file.readline(_CHUNK))["pid_namespace"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return namespace if isinstance(namespace, int) else None


class NodeFile:
    """One growing file.

    Parameters
    ----------
    fd : int
        The open file.
    pid, starttime : int
        The process that writes it.

    Attributes
    ----------
    open : dict
        Nodes that began and have not ended, by span.
    driver : str or None
        Key of the driver in whose process tree the process is, as far as it says.
    ended : deque of Worked
        The nodes that ended last.
    """

    def __init__(self, fd: int, pid: int, starttime: int) -> None:
        self.fd = fd
        self.pid = pid
        self.starttime = starttime
        self.driver: str | None = None
        self.open: dict[str, OpenSpan] = {}
        self.ended: deque[Worked] = deque(maxlen=_ENDED_KEPT)
        self._offset = 0
        self._partial = b""  # A last line that isn't whole yet.

    def read(self, done: dict[str, str]) -> None:
        """Read what was written since the last call.

        Parameters
        ----------
        done : dict
            Outcomes by node name: those of nodes that ended are added.
        """
        starts: dict[bytes, bytes] = {}
        ends: list[tuple[bytes | None, bytes]] = []
        for line in self._new_lines():
            if line.startswith(_START):
                starts[_span_of(line, _START)] = line
            elif line.startswith(_END) and line.endswith(b"}"):
                ends.append((starts.pop(_span_of(line, _END), None), line))
            else:
                self._take(line, done)
        # Of nodes that both began and ended since, of which there may be thousands, hardly more
        # than the outcome is asked for.
        n_passed = len(ends) - _ENDED_KEPT
        for number, (start, end) in enumerate(ends):
            if start is not None and (number >= n_passed or not _passed(start, end, done)):
                self._take(start, done)
                start = None
            if start is None:
                self._take(end, done)
        for start in starts.values():
            self._take(start, done)

    def worked(self, now_ns: int) -> list[Worked]:
        """Return the nodes that ended last and those that run."""
        running = [Worked(s.span, s.parent, s.began_ns, now_ns) for s in self.open.values()]
        return [*self.ended, *running]

    def is_one_tree(self) -> bool:
        """Tell whether the open spans are nested in one another: one tree is then all of theirs.

        Two that run side by side in one process can't be told apart by its CPU time.
        """
        outermost = [span for span in self.open.values() if span.parent not in self.open]
        parents = [span.parent for span in self.open.values() if span.parent in self.open]
        return len(outermost) == 1 and len(parents) == len(set(parents))

    def _new_lines(self) -> list[bytes]:
        data = self._partial
        try:
            while True:
                chunk = os.pread(self.fd, _CHUNK, self._offset)
                self._offset += len(chunk)
                data += chunk
                if len(chunk) < _CHUNK:
                    break
        except OSError:
            pass
        lines = data.split(b"\n")
        self._partial = lines.pop()
        return lines

    def _take(self, line: bytes, done: dict[str, str]) -> None:
        # One torn by a full disk is skipped; the reader of the run counts such lines.
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            self._note(json.loads(line), done)

    def _note(self, record: dict[str, Any], done: dict[str, str]) -> None:
        kind = record.get("kind")
        if kind == "process":
            self.driver = record.get("driver")
        elif kind == "start":
            span = record["span"]
            base_s = float(record["cpu_base_s"])
            self.open[span] = OpenSpan(
                span,
                str(record["node"]),
                record.get("parent"),
                base_s,
                record.get("perf", True),
                int(record.get("t_monotonic_ns", 0)),
                record.get("container"),
            )
        elif kind == "end":
            began = self.open.pop(record["span"], None)
            if began is not None:
                done[began.node] = str(record["outcome"])
                ended_ns = int(record.get("t_monotonic_ns", began.began_ns))
                self.ended.append(Worked(began.span, began.parent, began.began_ns, ended_ns))
        elif kind == "cached":
            done[str(record["node"])] = "cached"


def _span_of(line: bytes, prefix: bytes) -> bytes:
    """Return the span with which a line begins."""
    return line[len(prefix) : line.find(b'"', len(prefix))]


def _passed(start: bytes, end: bytes, done: dict[str, str]) -> bool:
    """Note the outcome of a node that is over; tell whether its lines were as expected."""
    name, outcome = _NODE.match(start), _OUTCOME.match(end)
    if name is None or outcome is None or not start.endswith(b"}"):
        return False
    done[name[1].decode("ascii")] = outcome[1].decode("ascii")
    return True


def process_of(name: str, prefix: str) -> tuple[int, int] | None:
    """Return pid and start time of a ``<prefix><pid>-<starttime>.jsonl``, else None."""
    if not name.startswith(prefix) or not name.endswith(".jsonl"):
        return None
    pid, _, starttime = name[len(prefix) : -len(".jsonl")].partition("-")
    if not (pid.isdigit() and starttime.isdigit()):
        return None
    return int(pid), int(starttime)
