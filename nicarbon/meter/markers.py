# SPDX-License-Identifier: Apache-2.0
"""Where inside a node a pipeline's own steps begin, by the log that it keeps while it runs.

recon-all and FastSurfer write a line into a log when a step begins. The sampler, which looks at
the node's processes anyway, finds that log and writes down when each such line arrived, by the
monotonic clock: no date has to be read, whatever its language and time zone. The line was written
between the look before and this one; both instants are noted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nicarbon.meter.processes import ProcFS
from nicarbon.meter.procstat import COMM_LENGTH, Stat, read_file
from nicarbon.meter.rule_logs import Rule, root_of, written
from nicarbon.meter.tail import Tail
from nicarbon.meter.tool_logs import RECON_ALL, SHELLS, TOOLS, Place, places, tool_of

# A subject has some hundred steps; a log that pretends to more must not fill the disk.
MOST_MARKERS = 5000
# Clock ticks and the file system's times are so coarse.
_GRAIN_S = 0.02
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# The kernel cuts names.
_COMMS = frozenset(name[:COMM_LENGTH] for name in TOOLS)
# So often each process is asked what it writes into, then at every so many looks.
_LOOKS_AT_FILES = 20
_COMMAND_BYTES = 1 << 14
_ENVIRON_BYTES = 1 << 18

Key = tuple[int, int]


class _Log:
    """A tool's log, and the one that is read where it can't be."""

    def __init__(self, place: Place, since_unix_s: float, root: str) -> None:
        self.format = place.format
        self._tails = [
            Tail(root + path, place.format.pattern, place.format.header)
            for path in (place.path, place.instead)
            if path
        ]
        for tail in self._tails:
            tail.begin(since_unix_s)

    @property
    def found(self) -> bool:
        return any(tail.found for tail in self._tails)

    @property
    def problem(self) -> tuple[str, str] | None:
        """The path of the log and why it can't be followed."""
        first = self._tails[0]
        return (first.path, first.problem) if first.problem else None

    def read(self) -> tuple[list[bytes], bool]:
        """Return new lines, and whether there are no more."""
        for tail in self._tails:
            if not tail.problem:
                return tail.read(), tail.at_end
        return [], True

    def close(self) -> None:
        for tail in self._tails:
            tail.close()


class _Tool:
    """A tool that runs in a node, and its logs."""

    def __init__(self, name: str, key: Key, root: str, since_unix_s: float, since_ns: int) -> None:
        self.name = name
        self.key = key
        self.logs: dict[str, _Log] = {}
        # Until when each log was read to its end: what is new in it was written later.
        self.since_ns: dict[str, int] = {}
        self._root = root
        self._since_unix_s = since_unix_s
        self._first_ns = since_ns

    def add(self, place: Place) -> None:
        """Follow one more log."""
        if place.path not in self.logs:
            self.logs[place.path] = _Log(place, self._since_unix_s, self._root)
            self.since_ns[place.path] = self._first_ns

    @property
    def lacks_log(self) -> bool:
        return not any(log.found for log in self.logs.values())

    def close(self) -> None:
        for log in self.logs.values():
            log.close()


class _Node:
    """What is known of one node's process tree."""

    def __init__(self, span: str, began_ns: int) -> None:
        self.span = span
        self.looked_ns = began_ns
        # What each process was when it was last asked, and the instant after which it began.
        self.checked: dict[Key, tuple[str, int]] = {}
        self.tools: list[_Tool] = []
        self.n = 0
        # What processes write into, and that no rule has been asked about for good.
        self.files: dict[str, tuple[Stat, int]] = {}
        self.sizes: dict[str, int] = {}
        # By process number, how often it was looked at.
        self.looks: dict[int, int] = {}


class Markers:
    """Follows the logs of the tools in the trees of running nodes.

    Parameters
    ----------
    procfs : ProcFS
        The host's processes.
    monotonic_ns : callable, optional
        The time.
    say : callable, optional
        Takes a sentence for the user.
    rules : sequence of Rule, optional
        Rules of the user for other logs.
    """

    def __init__(
        self,
        procfs: ProcFS,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        say: Callable[[str], None] = lambda what: None,
        rules: Sequence[Rule] = (),
    ) -> None:
        self._proc = f"{procfs.root.rstrip('/')}/proc"
        self._monotonic_ns = monotonic_ns
        self._say = say
        self._rules = rules
        self._nodes: dict[str, _Node] = {}
        self._found: dict[str, list[dict[str, Any]]] = {}

    def look(self, span: str, began_ns: int, processes: Sequence[Stat]) -> None:
        """Look for tools among a node's processes, and read what their logs have got.

        Parameters
        ----------
        span : str
            The node's execution.
        began_ns : int
            When it began.
        processes : sequence of Stat
            Its process tree, parents first.
        """
        now_ns = self._monotonic_ns()
        node = self._nodes.get(span)
        if node is None:
            node = self._nodes[span] = _Node(span, began_ns)
        self._find(node, processes, now_ns)
        if self._rules:
            self._find_files(node, processes)
        for path in list(node.files):
            self._ask_rules(node, path, now_ns)
        living = {(stat.pid, stat.starttime) for stat in processes} if node.tools else ()
        for tool in list(node.tools):
            self._read(node, tool, now_ns)
            if tool.key not in living:
                self._note(node, tool, "gone", "", node.looked_ns, now_ns)
                tool.close()
                node.tools.remove(tool)
        node.looked_ns = now_ns

    def keep(self, spans: Iterable[str]) -> None:
        """Read the logs of nodes that ended to their end, and forget those nodes."""
        for span in self._nodes.keys() - set(spans):
            node = self._nodes.pop(span)
            for tool in node.tools:
                self._read(node, tool, self._monotonic_ns())
                tool.close()

    def found(self) -> bool:
        """Tell whether anything was found that `take` has not returned yet."""
        return bool(self._found)

    def take(self) -> dict[str, Any]:
        """Return what was found since the last call, as ``markers`` of a sample record."""
        found, self._found = self._found, {}
        return found

    def _find(self, node: _Node, processes: Sequence[Stat], now_ns: int) -> None:
        """Look at each process once, and again if it has become another program."""
        if len(node.checked) > 2 * len(processes) + 100:
            here = {(stat.pid, stat.starttime) for stat in processes}
            node.checked = {key: met for key, met in node.checked.items() if key in here}
        for stat in processes:
            key = stat.pid, stat.starttime
            # A process may have been met before it became what it is now.
            comm, since_ns = node.checked.get(key, ("", node.looked_ns))
            if comm == stat.comm:
                continue
            node.checked[key] = stat.comm, since_ns
            if stat.comm == "tee":
                self._ask_tee(node, stat.pid)
            elif (stat.comm in _COMMS or stat.comm in SHELLS) and not _is_below(
                stat, node.tools, processes
            ):
                self._begin(node, stat, since_ns, now_ns)

    def _find_files(self, node: _Node, processes: Sequence[Stat]) -> None:
        """Find what processes write into; a script may open its log long after it began."""
        for stat in processes:
            n = node.looks[stat.pid] = node.looks.get(stat.pid, 0) + 1
            if n > _LOOKS_AT_FILES and n % _LOOKS_AT_FILES:
                continue
            since_ns = node.checked[stat.pid, stat.starttime][1]
            for path in written(f"{self._proc}/{stat.pid}"):
                if path not in node.sizes:
                    node.sizes[path] = 0
                    node.files[path] = self._owner(path, stat, processes), since_ns

    def _begin(self, node: _Node, stat: Stat, since_ns: int, now_ns: int) -> None:
        """Follow the logs of a process, if it is a tool."""
        folder = f"{self._proc}/{stat.pid}"
        words = _words(read_file(f"{folder}/cmdline", _COMMAND_BYTES))
        found = tool_of(words)
        if found is None:
            return
        name, arguments = found
        environ = dict(
            word.partition("=")[::2]
            for word in _words(read_file(f"{folder}/environ", _ENVIRON_BYTES))
        )
        try:
            cwd = os.readlink(f"{folder}/cwd")
        except OSError:
            cwd = ""
        tool = _Tool(
            name,
            (stat.pid, stat.starttime),
            root_of(folder),
            _began_unix_s(stat) - _GRAIN_S,
            since_ns,
        )
        for place in places(name, arguments, environ, cwd):
            tool.add(place)
        node.tools.append(tool)
        self._note(node, tool, "seen", "", since_ns, now_ns)

    def _owner(self, path: str, stat: Stat, processes: Sequence[Stat]) -> Stat:
        """Return the outermost process of a tree that writes into a file: others inherited it."""
        of_pid = {other.pid: other for other in processes}
        parent = of_pid.get(stat.ppid)
        while parent is not None and path in written(f"{self._proc}/{parent.pid}"):
            stat, parent = parent, of_pid.get(parent.ppid)
        return stat

    def _ask_rules(self, node: _Node, path: str, now_ns: int) -> None:
        """Follow a file that a process writes into, if a rule knows it by its first lines."""
        root = root_of(f"{self._proc}/{node.files[path][0].pid}")
        try:
            size = os.stat(root + path).st_size
        except OSError:
            size = 0
        if size == node.sizes[path]:
            return
        node.sizes[path] = size
        known = [(rule, rule.knows(root + path)) for rule in self._rules]
        if any(is_known is None for _, is_known in known) and not any(k for _, k in known):
            return  # Too little stands in it yet.
        stat, since_ns = node.files.pop(path)
        for rule, is_known in known:
            if is_known:
                began_unix_s = _began_unix_s(stat) - _GRAIN_S
                tool = _Tool(rule.name, (stat.pid, stat.starttime), root, began_unix_s, since_ns)
                tool.add(Place(rule.format, path))
                node.tools.append(tool)
                self._note(node, tool, "seen", "", since_ns, now_ns)
                return

    def _ask_tee(self, node: _Node, pid: int) -> None:
        """Find a log that no argument tells by what `tee` has open: recon-all pipes into it."""
        for tool in node.tools:
            if not tool.lacks_log:
                continue
            for fd in range(3, 8):
                try:
                    path = os.readlink(f"{self._proc}/{pid}/fd/{fd}")
                except OSError:
                    continue
                name = os.path.basename(path)
                if name.startswith("recon-all") and name.endswith(".log"):
                    tool.add(Place(RECON_ALL, path))

    def _read(self, node: _Node, tool: _Tool, now_ns: int) -> None:
        for path, log in tool.logs.items():
            lines, at_end = log.read()
            for line in lines:
                text = log.format.kept(line)
                if text is not None:
                    self._note(node, tool, log.format.name, text, tool.since_ns[path], now_ns)
            if at_end:
                tool.since_ns[path] = now_ns
            if log.problem is not None:
                where, why = log.problem
                self._say(f"{where} can't be followed ({why}): steps may be missing")

    def _note(
        self, node: _Node, tool: _Tool, source: str, text: str, since_ns: int, now_ns: int
    ) -> None:
        node.n += 1
        if node.n > MOST_MARKERS:
            if node.n == MOST_MARKERS + 1:
                self._say(f"a log of {tool.name} marks too many steps: the rest is not followed")
            return
        self._found.setdefault(node.span, []).append(
            {
                "tool": f"{tool.name} {tool.key[0]}",
                "source": source,
                "text": text,
                "since_monotonic_ns": since_ns,
                "t_monotonic_ns": now_ns,
            }
        )


def _is_below(stat: Stat, tools: Sequence[_Tool], processes: Sequence[Stat]) -> bool:
    """Tell whether a process is a tool's own, or runs inside one whose logs have its steps."""
    if not tools:
        return False
    parents = {other.pid: other.ppid for other in processes}
    roots = {tool.key[0] for tool in tools}
    pid, n = stat.ppid, 0
    while pid in parents and n < len(parents):
        if pid in roots:
            return True
        pid, n = parents[pid], n + 1
    return pid in roots


def _words(data: bytes | None) -> list[str]:
    return (data or b"").decode("utf-8", "surrogateescape").split("\0")[:-1]


def _began_unix_s(stat: Stat) -> float:
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - stat.starttime / _TICKS_PER_S
    return time.time() - age_s
