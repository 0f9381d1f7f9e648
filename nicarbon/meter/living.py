# SPDX-License-Identifier: Apache-2.0
"""Which processes still write into a run folder, as far as this host can know.

Of a process of this host (the same boot, the same process numbers) that is certain. Of others only
what they wrote tells: an end, or how long they have been silent.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from nicarbon.meter.pack import is_record
from nicarbon.meter.processes import ProcFS

QUIET_S = 600.0
"""A sampler writes every 10 seconds: one elsewhere that was silent for so long is no more."""


class Writer(NamedTuple):
    """One file of a run folder, and what is known of the process that writes it.

    Attributes
    ----------
    name : str
        The file.
    host, pid, starttime : str, int, int
        Of the process, from the file's name.
    hostname : str
        What the host calls itself; empty where the first line is torn.
    driver : str
        Key of the driver that it serves; its own where it serves none.
    pid_namespace : int or None
        Where its process number means something.
    ended : bool
        Whether it wrote that it ended.
    running : bool
        Whether a node that began in it has not ended.
    driver_gone : bool
        Whether a sampler saw its driver end.
    t_unix_s : float
        When the file was last written, by the file system's clock.
    """

    name: str
    host: str
    pid: int
    starttime: int
    hostname: str
    driver: str
    pid_namespace: int | None
    ended: bool
    running: bool
    driver_gone: bool
    t_unix_s: float

    @property
    def key(self) -> str:
        """The key of its process."""
        return f"{self.host}-{self.pid}-{self.starttime}"

    @property
    def samples(self) -> bool:
        """Whether it is a sampler."""
        return self.name.startswith("samples-")


def living(folder: str, names: Iterable[str], now_s: float | None = None) -> dict[str, str]:
    """Return the files that somebody may still write to, and who that is.

    Parameters
    ----------
    folder : str
        A run folder.
    names : iterable of str
        The files in it.
    now_s : float, optional
        The time by the clock that dates the files; this host's by default.

    Returns
    -------
    dict
        By the file's name ``process 4711 on n1``, in the order of `names`.
    """
    writers = [found for found in (_writer(folder, name) for name in names) if found is not None]
    groups: dict[str, list[Writer]] = {}
    for found in writers:
        groups.setdefault(found.driver, []).append(found)
    now_s = time.time() if now_s is None else now_s
    here = _Here()
    alive: dict[str, str] = {}
    for group in groups.values():
        for found in _living_of(group, here, now_s):
            alive[found.name] = f"process {found.pid} on {found.hostname or found.host}"
    return {found.name: alive[found.name] for found in writers if found.name in alive}


class _Here:
    """What this host knows of its processes."""

    def __init__(self) -> None:
        self._procfs = ProcFS("/")
        self._host = self._procfs.host_id()
        self._namespace = self._procfs.pid_namespace()

    def state(self, found: Writer) -> bool | None:
        """Tell whether a process lives; None where this host cannot know."""
        if found.host != self._host or found.pid_namespace != self._namespace:
            return None
        stat = self._procfs.stat(found.pid)
        return stat is not None and stat.starttime == found.starttime and not stat.ended


def _living_of(group: list[Writer], here: _Here, now_s: float) -> list[Writer]:
    """Return the files that may still grow, of those that belong to one driver."""
    # Without a sampler nobody writes while a long node runs: its silence says nothing.
    beats = any(found.samples for found in group)
    silent = beats and now_s - max(found.t_unix_s for found in group) > QUIET_S

    gone = any(found.driver_gone for found in group)

    def lives(found: Writer) -> bool:
        if found.ended or (gone and found.key == found.driver):
            return False
        known = here.state(found)
        return not silent if known is None else known

    drivers = [f for f in group if f.key == f.driver and not f.name.startswith("graph-")]
    if any(lives(driver) for driver in drivers):
        return group
    # A worker outlives its driver's end by a moment, but gets no more nodes.
    over = gone or any(driver.ended for driver in drivers)
    # A graph has no first line: of its driver, another file tells where its number counts.
    judged = [f for f in group if not (drivers and f.name.startswith("graph-"))]
    return [f for f in judged if lives(f) and (f.samples or f.running or not over)]


def _writer(folder: str, name: str) -> Writer | None:
    """Read what a file says of its process; None for files that no process goes on writing to."""
    if not is_record(name) or name.startswith(("jobs-", "unmetered-")):
        return None
    parts = name.partition(".")[0].split("-")
    if len(parts) < 4 or not (parts[2].isdigit() and parts[3].isdigit()):
        return None
    host, pid, starttime = parts[1], int(parts[2]), int(parts[3])
    path = os.path.join(folder, name)
    try:
        t_unix_s = os.stat(path).st_mtime
        with open(path, "rb") as file:
            lines = [] if name.startswith("graph-") else file.read().split(b"\n")
    except OSError:
        return None  # Somebody else has packed it.
    head = _decoded(lines[0]) if lines else {}
    ended, running, driver_gone = _course(lines)
    namespace = head.get("pid_namespace")
    return Writer(
        name,
        host,
        pid,
        starttime,
        str(head.get("hostname", "")),
        str(head.get("driver") or f"{host}-{pid}-{starttime}"),
        namespace if isinstance(namespace, int) else None,
        ended,
        running,
        driver_gone,
        t_unix_s,
    )


def _course(lines: list[bytes]) -> tuple[bool, bool, bool]:
    """Tell if a process ended, if a node of it has not, if it saw its driver end (a sampler)."""
    ended, open_spans, driver_gone = False, set(), False
    for line in lines:
        # Decoding every sample of a long run would take a while, and samples say nothing here.
        if b'"sample"' in line:
            continue
        record = _decoded(line)
        kind, span = record.get("kind"), str(record.get("span"))
        if kind == "start":
            open_spans.add(span)
        elif kind == "end":
            open_spans.discard(span)
        elif kind == "close" or (kind == "driver" and record.get("event") == "end"):
            ended = True
            driver_gone = record.get("reason") == "driver ended"
    return ended, bool(open_spans), driver_gone


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
