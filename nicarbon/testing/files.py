# SPDX-License-Identifier: Apache-2.0
"""The files of a simulated host: ``sys/class/powercap`` and ``proc``, as Linux writes them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

TICKS_PER_S = 100

_CPU_INFO = """\
processor\t: {i}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 106
model name\t: simulated processor (nicarbon.testing)
stepping\t: 6
flags\t\t: fpu

"""


class Process(Protocol):
    """What a process's files are made of."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def parent(self) -> int:
        """Its parent's number."""

    @property
    def name(self) -> str:
        """Its program."""

    @property
    def state(self) -> str:
        """``R`` or ``Z``."""

    @property
    def starttime(self) -> int:
        """Clock ticks after boot."""

    @property
    def cpu_s(self) -> float:
        """Its own CPU seconds."""

    @property
    def reaped_s(self) -> float:
        """Those of children that it waited for."""

    @property
    def children(self) -> list[int]:
        """The living and zombie ones."""


class FakeFiles:
    """Writes below a root folder; files are rewritten in place, because the meter keeps them open.

    Parameters
    ----------
    root : Path
        The folder that stands for ``/``.
    boot_id : str
        The host's.
    n_cpus : int
        How many CPUs ``/proc/stat`` lists.
    range_j, max_power_w : float
        Of every counter.
    """

    def __init__(
        self, root: Path, boot_id: str, n_cpus: int, range_j: float, max_power_w: float
    ) -> None:
        self._powercap = f"{root}/sys/class/powercap"
        self._proc = f"{root}/proc"
        self._n_cpus = n_cpus
        self._range_uj = round(range_j * 1e6)
        self._max_power_uw = round(max_power_w * 1e6)
        self._zones: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self._shown: set[int] = set()
        self._write(f"{self._proc}/sys/kernel/random/boot_id", boot_id + "\n")
        self._write(f"{self._proc}/sys/kernel/hostname", "simulated\n")
        self._write(f"{self._proc}/meminfo", "MemTotal:       65536000 kB\n")
        cpus = "".join(_CPU_INFO.format(i=i) for i in range(n_cpus))
        self._write(f"{self._proc}/cpuinfo", cpus)

    def _write(self, path: str, text: str) -> None:
        before = self._written.get(path)
        if before == text:
            return
        if before is None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        # Not emptied first: file systems write a file that was truncated to disk at once.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.pwrite(fd, text.encode(), 0)
            if before is not None and len(before) > len(text):
                os.ftruncate(fd, len(text))
        finally:
            os.close(fd)
        self._written[path] = text

    def write_counter(self, domain: str, raw_uj: int | None) -> None:
        """Write a domain's counter; None is a reading that fails."""
        if domain not in self._zones:
            self._zones[domain] = self._make_zone(domain)
        self._write(f"{self._zones[domain]}/energy_uj", "" if raw_uj is None else f"{raw_uj}\n")

    def link_zones(self, domains: Iterable[str], into: Path) -> None:
        """Let another root show these domains alone, and the same processes."""
        powercap = into / "sys" / "class" / "powercap"
        powercap.mkdir(parents=True)
        for domain in domains:
            zone = Path(self._zones[domain])
            (powercap / zone.name).symlink_to(zone)
        (into / "proc").symlink_to(self._proc)

    def _make_zone(self, domain: str) -> str:
        package, _, part = domain.partition("/")
        number = package.removeprefix("package-")
        zone = f"intel-rapl:{number if number.isdigit() else 9}" + (":0" if part else "")
        folder = f"{self._powercap}/{zone}"
        self._write(f"{folder}/name", f"{part or package}\n")
        self._write(f"{folder}/max_energy_range_uj", f"{self._range_uj}\n")
        self._write(f"{folder}/constraint_0_name", "long_term\n")
        self._write(f"{folder}/constraint_0_max_power_uw", f"{self._max_power_uw}\n")
        return folder

    def write_proc(self, idle_s: float, processes: Mapping[int, Process]) -> None:
        """Write ``/proc/stat`` and every process's files, in whole clock ticks."""
        idle = int(idle_s * TICKS_PER_S)
        one = f"0 0 0 {idle // self._n_cpus} 0 0 0 0 0 0\n"
        cpus = "".join(f"cpu{i} {one}" for i in range(self._n_cpus))
        self._write(f"{self._proc}/stat", f"cpu  0 0 0 {idle} 0 0 0 0 0 0\n{cpus}")
        for process in processes.values():
            self._write(f"{self._proc}/{process.pid}/stat", _stat(process))
            children = "".join(f"{pid} " for pid in process.children)
            self._write(self._children_path(process.pid), children)
        for pid in self._shown - set(processes):
            shutil.rmtree(f"{self._proc}/{pid}")
            del self._written[f"{self._proc}/{pid}/stat"]
            del self._written[self._children_path(pid)]
        self._shown = set(processes)

    def _children_path(self, pid: int) -> str:
        return f"{self._proc}/{pid}/task/{pid}/children"


def _stat(process: Process) -> str:
    """Return a ``/proc/PID/stat``: proc(5) has the order of its fields."""
    cpu = int(process.cpu_s * TICKS_PER_S)
    reaped = int(process.reaped_s * TICKS_PER_S)
    return (
        f"{process.pid} ({process.name}) {process.state} {process.parent} 1 1 0 -1 0 0 0 0 0 "
        f"{cpu} 0 {reaped} 0 20 0 1 0 {process.starttime} 0 0\n"
    )
