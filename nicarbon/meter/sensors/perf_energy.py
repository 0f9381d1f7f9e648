# SPDX-License-Identifier: Apache-2.0
"""The processors' energy counters by another door: perf events of the kernel's power unit.

They are the same counters that `rapl` reads. Where its files are closed, system-wide perf events
may be open; where both are, these are a check. A perf event counts from the moment at which it
is opened, so that each sampler has a zero of its own.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from nicarbon.meter.procstat import read_file
from nicarbon.meter.sensors import Status
from nicarbon.meter.sensors.rapl import MAX_POWER_W

_UNIT = "sys/bus/event_source/devices/power"
_TOPOLOGY = "sys/devices/system/cpu/cpu{cpu}/topology"
_PARANOID = "proc/sys/kernel/perf_event_paranoid"
# Names of the kernel's rapl driver (arch/x86/events/rapl.c) and the kinds of `rapl`.
_KINDS = {
    "energy-pkg": "package",
    "energy-ram": "dram",
    "energy-cores": "core",
    "energy-gpu": "uncore",
    "energy-psys": "psys",
}
_ALLOW = (
    "# this lets everybody count what any CPU does, see 'Who may read it' in the documentation:",
    "sudo sysctl kernel.perf_event_paranoid=0",
)


class _Counter(NamedTuple):
    """One event on one CPU; `fd` is None where the kernel refuses it."""

    name: str
    kind: str
    socket: int | None
    unit_j: float
    fd: int | None
    error: OSError | None


def _text(path: str) -> str:
    return (read_file(path) or b"").decode("ascii", "replace").strip()


def cpu_list(text: str) -> list[int]:
    """Return the CPUs of a kernel's list; none where it isn't one.

    Examples
    --------
    >>> cpu_list("0,18-20"), cpu_list("junk")
    ([0, 18, 19, 20], [])
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if match is None:
            return []
        first = int(match.group(1))
        found += range(first, int(match.group(2) or first) + 1)
    return found


def _events(folder: str) -> list[tuple[str, int, float]]:
    """Return name, number and joules a count of each event that is known and has both."""
    found = []
    for name in _KINDS:
        number = re.fullmatch(r"event=(0x[0-9a-fA-F]+|\d+)", _text(f"{folder}/events/{name}"))
        try:
            unit_j = float(_text(f"{folder}/events/{name}.scale"))
        except ValueError:
            continue
        unit = _text(f"{folder}/events/{name}.unit")
        if number is not None and unit == "Joules" and 0 < unit_j < 1:
            found.append((name, int(number.group(1), 0), unit_j))
    return found


def _packages(root: str, cpus: list[int]) -> list[tuple[int, str, int | None]]:
    """Return each CPU with the name of the package, or of the die of it, that it counts for."""
    found: list[tuple[int, str, int | None]] = []
    ids = []
    for cpu in cpus:
        folder = os.path.join(root, _TOPOLOGY.format(cpu=cpu))
        package, die = (_text(f"{folder}/{name}") for name in ("physical_package_id", "die_id"))
        ids.append((cpu, package, die))
    for n, (cpu, package, die) in enumerate(ids):
        if not package.isdigit():
            found.append((cpu, f"package-{n}", None))
        elif sum(other == package for _, other, _ in ids) > 1:
            found.append((cpu, f"package-{package}-die-{die or n}", int(package)))
        else:
            found.append((cpu, f"package-{package}", int(package)))
    return found


def _counters(root: str, open_counter: Callable[[int, int, int], int]) -> list[_Counter]:
    """Return the counters of every package."""
    folder = os.path.join(root, _UNIT)
    event_type = _text(f"{folder}/type")
    if not event_type.isdigit():
        return []
    packages = _packages(root, cpu_list(_text(f"{folder}/cpumask")))
    found = []
    for event, config, unit_j in _events(folder):
        kind = _KINDS[event]
        # The platform has one counter, which every package shows.
        for cpu, package, socket in packages[:1] if kind == "psys" else packages:
            name = {"package": package, "psys": "psys"}.get(kind, f"{package}/{kind}")
            fd, error = None, None
            try:
                fd = open_counter(int(event_type), config, cpu)
            except OSError as refused:
                error = refused
            of_socket = None if kind == "psys" else socket
            found.append(_Counter(f"perf/{name}", kind, of_socket, unit_j, fd, error))
    return found


def _account(counters: list[_Counter]) -> set[str]:
    """Return the domains that add up to the host's energy, by the same rule as in `rapl`."""
    packages = [counter for counter in counters if counter.kind == "package"]
    if packages and all(counter.fd is not None for counter in packages):
        return {c.name for c in counters if c.kind in ("package", "dram") and c.fd is not None}
    return {c.name for c in counters if c.kind == "psys" and c.fd is not None}


class PerfEnergy:
    """The energy events of all packages.

    Parameters
    ----------
    root : str
        The folder that holds ``sys``.
    open_counter, read_counter : callable, optional
        In the place of those of `nicarbon.meter.perf`, which is loaded only where the kernel has
        such events: each run starts a sampler.
    """

    name = "perf"
    method = "measured"
    # The same counters as `nicarbon.meter.sensors.rapl`, and the same judgement.
    relative_error = 0.05

    def __init__(
        self,
        root: str = "/",
        open_counter: Callable[[int, int, int], int] | None = None,
        read_counter: Callable[[int], int | None] | None = None,
    ) -> None:
        self._root = root
        self._exists = os.path.exists(os.path.join(root, _UNIT, "type"))
        self._all: list[_Counter] = []
        if self._exists:
            from nicarbon.meter import perf

            self._all = _counters(root, open_counter or perf.open_counter)
            self._read_counter = read_counter or perf.read_counter
        account = _account(self._all)
        self._fds = {c.name: c.fd for c in self._all if c.fd is not None}
        self.domains: list[dict[str, Any]] = [
            {
                "name": counter.name,
                "kind": counter.kind,
                "account": counter.name in account,
                "unit_j": counter.unit_j,
                # 64 bits wide: the kernel reads the hardware's 32 often enough by itself.
                "range": None,
                "max_power_w": MAX_POWER_W[counter.kind],
                "socket": counter.socket,
                "since_open": True,
                "model": None,
            }
            for counter in self._all
            if counter.fd is not None
        ]
        kinds = {domain["kind"] for domain in self.domains if domain["account"]}
        self.note = ""
        if kinds == {"psys"}:
            self.note = "whole-platform counter (psys) only: it can't be told which part used it"
        elif kinds == {"package"}:
            self.note = "no dram counter by perf: package energy only, a lower bound"

    def read(self) -> dict[str, int | None]:
        """Return what each event counted since it was opened, None where it can't be read."""
        return {name: self._read_counter(fd) for name, fd in self._fds.items()}

    def close(self) -> None:
        """Close the events."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds = {}

    def status(self) -> Status:
        """Tell whether every package can be read, and if not, why and what would allow it."""
        if any(domain["account"] for domain in self.domains):
            return Status(True, self.note)
        if not self._exists:
            return Status(False, "the kernel has no energy events for perf here")
        closed = [counter for counter in self._all if counter.error is not None]
        if not closed:
            return Status(False, "the kernel names no package's energy among its perf events")
        error = closed[0].error
        reason = f"{len(closed)} of {len(self._all)} energy events can't be opened"
        if error is not None and error.errno in (errno.EACCES, errno.EPERM):
            paranoid = _text(os.path.join(self._root, _PARANOID))
            told = f" (kernel.perf_event_paranoid is {paranoid})" if paranoid else ""
            reason += f": counting a whole CPU takes CAP_PERFMON, or less paranoia{told}"
            return Status(False, reason, _ALLOW)
        return Status(False, f"{reason}: {error and error.strerror}")
