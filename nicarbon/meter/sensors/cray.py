# SPDX-License-Identifier: Apache-2.0
"""The energy counters of HPE Cray EX nodes, ``/sys/cray/pm_counters``, which everybody may read.

A file holds one line, ``1000100 J 1795321230716680 us``: joules since the node started, and when
they were read, about ten times a second (HPE Cray Operating System Administration Guide).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

from nicarbon.meter.procstat import read_file
from nicarbon.meter.sensors import Status

_FOLDER = "sys/cray/pm_counters"
_LINE = re.compile(rb"(\d{1,19}) J(?: (\d{1,19}) us)?\s*")
_FILE = re.compile(r"(?:(cpu|memory|accel\d+)_)?energy")
_KINDS = {"cpu": "package", "memory": "dram", "node": "psys"}
# Watts, greater than any such part draws: two readings that differ by more hold garbage.
_MAX_POWER_W = {"package": 4000.0, "dram": 1000.0, "gpu": 2000.0, "psys": 12000.0}
# A value that its own date calls older than this is no reading: what feeds the files is stuck.
_STALE_NS = 5_000_000_000


class Cray:
    """The counters of a node: processors and memory are the account, else the whole node.

    The node's counter contains accelerators, and whatever else is on the boards: beside the parts
    it is a check. The relative error, 5 %, is a judgement; the documentation states none.

    Parameters
    ----------
    root : str
        The folder that holds ``sys``.
    monotonic_ns : callable
        The clock by which values grow old.
    """

    name = "cray"
    method = "measured"
    relative_error = 0.05

    def __init__(
        self, root: str = "/", monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._paths = _paths(os.path.join(root, _FOLDER))
        self._dated: dict[str, tuple[int | None, int]] = {}
        readable = [name for name, value in self.read().items() if value is not None]
        account = {"cray/cpu", "cray/memory"} & set(readable)
        if "cray/cpu" not in account:
            account = {"cray/node"} & set(readable)
        self._paths = {name: path for name, path in self._paths.items() if name in readable}
        self.domains = [_domain(name, name in account) for name in self._paths]
        self.note = _note(account, set(self._paths))

    def read(self) -> dict[str, int | None]:
        """Return each counter in joules, None where it can't be read now or is not renewed."""
        return {name: self._read(name, path) for name, path in self._paths.items()}

    def _read(self, name: str, path: str) -> int | None:
        # Opened each time: no file stays open that the kernel may take away.
        match = _LINE.fullmatch(read_file(path) or b"")
        if match is None:
            return None
        date = int(match.group(2)) if match.group(2) else None
        now_ns = self._monotonic_ns()
        known, since_ns = self._dated.get(name, (None, now_ns))
        if date is None or date != known:
            self._dated[name] = (date, now_ns)
        elif now_ns - since_ns > _STALE_NS:
            return None
        return int(match.group(1))

    def close(self) -> None:
        """Keep nothing open."""

    def status(self) -> Status:
        """Tell whether this is such a node."""
        if any(domain["account"] for domain in self.domains):
            return Status(True, self.note)
        if not self._paths:
            return Status(False, "no counters of an HPE Cray EX node here")
        return Status(False, "the node's counters show accelerators alone")


def _paths(folder: str) -> dict[str, str]:
    """Return the energy files by the names of their domains, the account's first."""
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    found = {}
    for name in names:
        match = _FILE.fullmatch(name)
        if match is not None:
            found[f"cray/{match.group(1) or 'node'}"] = os.path.join(folder, name)
    order = ("cray/cpu", "cray/memory", "cray/node")
    return {
        name: found[name] for name in (*order, *sorted(set(found) - set(order))) if name in found
    }


def _domain(name: str, account: bool) -> dict[str, Any]:
    kind = _KINDS.get(name.partition("/")[2], "gpu")
    return {
        "name": name,
        "kind": kind,
        "account": account,
        "unit_j": 1.0,
        # Of 64 bits; a restart of what counts sets it back, which no range can undo.
        "range": None,
        "max_power_w": _MAX_POWER_W[kind],
        "socket": None,
        "model": None,
    }


def _note(account: set[str], readable: set[str]) -> str:
    """Say what the account lacks or holds too much."""
    accelerators = any(name.startswith("cray/accel") for name in readable)
    if account == {"cray/node"}:
        return "the whole node's counter, accelerators included: parts can't be told apart"
    if account == {"cray/cpu"}:
        return "no memory counter on this node: processors only, a lower bound"
    if accelerators:
        return "accelerators stand beside it as checks and are not in it"
    return ""
