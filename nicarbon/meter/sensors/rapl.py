# SPDX-License-Identifier: Apache-2.0
"""Energy counters of Intel and AMD processors, by the kernel's powercap folder.

Package and dram of every socket are the account, else psys; core and uncore are parts of package,
and psys contains all of it, so beside package they are checks and never added.
"""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from nicarbon.meter import host
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.sensors import Status

_FOLDER = "sys/class/powercap"
# On AMD the driver uses Intel's name. The mmio zones are the package's counter by another door.
_ZONE = re.compile(r"intel-rapl(-mmio)?(:\d+)+")

# Watts, greater than any part of this kind draws, where the kernel states no limit. They bound how
# long a gap between two readings may be before a wrap-around could have gone unseen, and what two
# readings may differ by before one of them is taken for garbage.
MAX_POWER_W = {"package": 1000.0, "core": 1000.0, "uncore": 1000.0, "dram": 500.0, "psys": 4000.0}
# Short peaks go beyond the limits that the firmware states.
_MAX_POWER_SAFETY = 2.0

# One group's, not everybody's: nicarbon/data/permissions says why.
_PERMIT = (
    "sudo groupadd --system energy",
    "sudo usermod -aG energy $USER",
    "nicarbon doctor --print udev-rule | sudo tee /etc/udev/rules.d/70-nicarbon-rapl.rules",
    "sudo udevadm control --reload",
    "sudo udevadm trigger --subsystem-match=powercap --action=add",
    "# then log in again, so that the group counts; or, for everybody until the next boot:",
    "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj",
)
# Docker and Podman cover /sys/devices/virtual/powercap, to which the links in
# /sys/class/powercap lead: mounting the links alone gives links that lead nowhere.
_MOUNT = "/sys/devices/virtual/powercap/intel-rapl:/sys/class/powercap"
_SHARE = {
    "docker": f"docker run -v {_MOUNT}:ro ...",
    "podman": f"podman run -v {_MOUNT}:ro ...",
    "apptainer": f"apptainer exec --bind {_MOUNT}:ro ...",
}


class _Zone(NamedTuple):
    """One powercap zone; `fd` is None where its counter can't be opened."""

    path: str
    name: str
    kind: str
    fd: int | None
    error: OSError | None


def _text(path: str) -> str | None:
    """Return a small file's text, or None."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def _number(path: str) -> int | None:
    text = _text(path)
    return int(text) if text and text.isdigit() else None


def _read_counter(fd: int) -> int | None:
    """Return the counter, or None for this reading: an error, nothing, or no number."""
    try:
        data = os.pread(fd, 64, 0).strip()
    except OSError:
        return None
    return int(data) if data.isdigit() else None


def _zone_paths(root: str) -> list[str]:
    """Return the folders of all zones, each once, the MSR's before their mmio doubles.

    /sys/class/powercap lists them flat; where the driver's folder itself is mounted there, as in
    a container, nested ones are found inside their parents.
    """
    found: dict[str, str] = {}
    waiting = [os.path.join(root, _FOLDER)]
    while waiting:
        folder = waiting.pop(0)
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            if _ZONE.fullmatch(name) and name not in found:
                found[name] = os.path.join(folder, name)
                waiting.append(found[name])
    numbers = {name: [int(part) for part in re.findall(r"\d+", name)] for name in found}
    return [
        found[name] for name in sorted(found, key=lambda name: ("mmio" in name, numbers[name]))
    ]


def _open_zone(path: str, parents: dict[str, str]) -> _Zone | None:
    """Open one zone; None where it isn't a zone after all."""
    base = os.path.basename(path)
    name = _text(os.path.join(path, "name"))
    if name is None:
        return None
    parents[base] = name
    kind = name.split("-", 1)[0]
    parent = parents.get(base.rpartition(":")[0])
    if parent is not None:
        name = f"{parent}/{name}"
    try:
        fd = os.open(os.path.join(path, "energy_uj"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return _Zone(path, name, kind, None, error)
    try:
        os.pread(fd, 64, 0)
    except OSError as error:
        os.close(fd)
        return _Zone(path, name, kind, None, error)
    return _Zone(path, name, kind, fd, None)


def _zones(root: str) -> list[_Zone]:
    """Return the zones, one for each domain name: a readable one where there are several."""
    found: dict[str, _Zone] = {}
    parents: dict[str, str] = {}
    for path in _zone_paths(root):
        zone = _open_zone(path, parents)
        if zone is None:
            continue
        known = found.get(zone.name)
        if known is None or (known.fd is None and zone.fd is not None):
            found[zone.name] = zone
        elif zone.fd is not None:
            os.close(zone.fd)
    return list(found.values())


def _max_power_w(zone: _Zone) -> float:
    """Return a power that the domain can't exceed, in watts."""
    limit_uw = max(
        _number(os.path.join(zone.path, f"constraint_{n}_{what}")) or 0
        for n in range(4)
        for what in ("max_power_uw", "power_limit_uw")
    )
    if limit_uw > 0:
        return limit_uw * 1e-6 * _MAX_POWER_SAFETY
    return MAX_POWER_W.get(zone.kind, MAX_POWER_W["package"])


def _domain(zone: _Zone, account: bool) -> dict[str, Any]:
    socket = re.match(r"package-(\d+)", zone.name)
    return {
        "name": zone.name,
        "kind": zone.kind if zone.kind in MAX_POWER_W else "host",
        "account": account,
        "unit_j": 1e-6,
        "range": _number(os.path.join(zone.path, "max_energy_range_uj")),
        "max_power_w": _max_power_w(zone),
        "socket": int(socket.group(1)) if socket else None,
        "model": None,
    }


def _account_names(zones: list[_Zone]) -> set[str]:
    """Return the domains that add up to the host's energy; none where a socket can't be read."""
    packages = [zone for zone in zones if zone.kind == "package"]
    if packages and all(zone.fd is not None for zone in packages):
        return {z.name for z in zones if z.kind in ("package", "dram") and z.fd is not None}
    for zone in zones:
        # On servers each package may list psys, and only the first one's counts.
        if zone.kind == "psys" and zone.fd is not None:
            return {zone.name}
    return set()


def _lacks(zones: list[_Zone], account: set[str]) -> str:
    """Say what the account doesn't contain."""
    if not account:
        return ""
    if not any(zone.kind == "package" and zone.name in account for zone in zones):
        return "whole-platform counter (psys) only: it can't be told which part used the energy"
    dram = [zone for zone in zones if zone.kind == "dram"]
    if not dram:
        return "no dram counter on this processor: package energy only, a lower bound"
    if any(zone.fd is None for zone in dram):
        return "dram not readable: package energy only, a lower bound"
    return ""


class Rapl:
    """The RAPL counters of all sockets.

    The relative error, 5 %, is a judgement, not a specification: since Haswell the counters are
    measurements that follow external meters closely (Khan et al. 2018, doi:10.1145/3177754), and
    no vendor states a bound. What they don't contain (fans, disks, power supply) is not in it.

    Parameters
    ----------
    root : str
        The folder that holds ``sys``.
    procfs : ProcFS, optional
        The host, to say why there are no counters; by default the one in `root`.
    """

    name = "rapl"
    method = "measured"
    relative_error = 0.05

    def __init__(self, root: str = "/", procfs: ProcFS | None = None) -> None:
        self._root = root
        self._procfs = procfs or ProcFS(root)
        self._zones = _zones(root)
        self._account = _account_names(self._zones)
        self.note = _lacks(self._zones, self._account)
        readable = [zone for zone in self._zones if zone.fd is not None]
        self.domains = [_domain(zone, zone.name in self._account) for zone in readable]
        self._fds = [(z.name, z.fd) for z in readable if z.fd is not None]

    def read(self) -> dict[str, int | None]:
        """Return each domain's counter in microjoules, None where it can't be read now."""
        return {name: _read_counter(fd) for name, fd in self._fds}

    def close(self) -> None:
        """Close the counters."""
        for _, fd in self._fds:
            os.close(fd)
        self._fds = []

    def status(self) -> Status:
        """Tell whether every socket can be read, and if not, why and what would allow it."""
        if self._account:
            denied = any(zone.error is not None for zone in self._zones)
            return Status(True, self.note, _PERMIT if denied else ())
        if not self._zones:
            return self._absent()
        packages = [zone for zone in self._zones if zone.kind == "package"]
        closed = [zone for zone in packages or self._zones if zone.error is not None]
        if not closed:
            return Status(False, "the kernel shows parts of a processor and no package counter")
        reason = f"{len(closed)} of {len(packages or self._zones)} energy counters can't be read"
        error = closed[0].error
        if isinstance(error, PermissionError):
            reason += ": the kernel lets only root read them (CVE-2020-8694)"
            return Status(False, reason, _PERMIT)
        return Status(False, f"{reason}: {closed[0].path}/energy_uj: {error and error.strerror}")

    def _absent(self) -> Status:
        """Say why there are no counters at all."""
        if host.is_virtual_machine(self._procfs):
            return Status(False, "a virtual machine: its hypervisor shows it no energy counters")
        if self._procfs.cpu_info()["vendor"] not in ("GenuineIntel", "AuthenticAMD"):
            return Status(False, "this processor is neither Intel's nor AMD's: it has no RAPL")
        runtime = host.container(self._root)
        if runtime is not None:
            reason = f"this {runtime} container doesn't show the host's counters"
            return Status(False, reason, (_SHARE[runtime],))
        return Status(
            False,
            "the kernel shows no counters: the module intel_rapl_msr isn't loaded",
            ("sudo modprobe intel_rapl_msr",),
        )
