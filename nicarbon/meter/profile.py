# SPDX-License-Identifier: Apache-2.0
"""What was calibrated of this machine: its idle power and its power curve, for later runs.

One small JSON file for each machine, below ``$XDG_CONFIG_HOME/nicarbon/hosts`` (else
``~/.config``), as homes are often shared by many; what is missing there is looked for below
``$XDG_CONFIG_DIRS`` (else ``/etc/xdg``), where an administrator may put it for everybody. It is
named by a hash of the machine's id (machine-id(5), which is not to be shown to others), its
processor and its number of CPUs.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from nicarbon.meter.processes import ProcFS
from nicarbon.meter.procstat import read_file

SCHEMA_VERSION = "0"
COUNTER, PLUG = "counter", "plug"
"""The parts of a profile: by an energy counter of the machine, and by a meter at its plug."""

_APPLICATION = b"nicarbon host profile"


class Curve(NamedTuple):
    """P = idle + busy x (busy CPUs), each as (low, central, high).

    Attributes
    ----------
    idle_w : tuple of float
        Watts while nothing runs.
    busy_w : tuple of float
        Watts above idle for each busy CPU.
    domains : tuple of str
        Names of the counters whose sum this is; empty for what was measured at the plug.
    source : str
        By what and when it was measured, in a sentence.
    """

    idle_w: tuple[float, float, float]
    busy_w: tuple[float, float, float]
    domains: tuple[str, ...]
    source: str


def folder() -> str:
    """Return the folder of the user's profiles."""
    config = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(config):
        config = os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(config, "nicarbon", "hosts")


def shared_folders() -> list[str]:
    """Return the folders of profiles that are for everybody, the most important first."""
    dirs = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [os.path.join(d, "nicarbon", "hosts") for d in dirs.split(":") if os.path.isabs(d)]


def key(root: str, procfs: ProcFS) -> str:
    """Return what names a machine's profile, the same after each boot.

    Parameters
    ----------
    root : str
        The folder that holds ``etc/machine-id``; the host's name stands in where it is missing.
    procfs : ProcFS
        The host.
    """
    data = read_file(os.path.join(root, "etc", "machine-id")) or b""
    machine = data.strip() or procfs.hostname().encode("utf-8", "replace")
    # A library of its own, which most runs need for nothing else.
    import hashlib

    what = (_APPLICATION, machine, procfs.cpu_info()["name"].encode(), b"%d" % procfs.n_cpus())
    return hashlib.sha256(b"\0".join(what)).hexdigest()[:16]


def path(root: str, procfs: ProcFS) -> str:
    """Return where the user's profile of a machine lies, whether there is one or not."""
    return os.path.join(folder(), f"{key(root, procfs)}.json")


def load(root: str, procfs: ProcFS) -> dict[str, Curve]:
    """Return the parts of a machine's profile by their name; what is no curve is left out."""
    places = [where for where in (folder(), *shared_folders()) if os.path.isdir(where)]
    if not places:
        return {}
    name = f"{key(root, procfs)}.json"
    found: dict[str, Curve] = {}
    for where in places:
        found = {**_parts(os.path.join(where, name)), **found}
    return found


def _parts(path: str) -> dict[str, Curve]:
    try:
        content = json.loads(read_file(path) or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    parts = {name: _curve(content.get(name)) for name in (COUNTER, PLUG)}
    return {name: curve for name, curve in parts.items() if curve is not None}


def save(root: str, procfs: ProcFS, parts: dict[str, Curve]) -> str:
    """Write a machine's profile; parts that are not given stay as they are. Return its path.

    Raises
    ------
    OSError
        If it can't be written.
    """
    where = path(root, procfs)
    os.makedirs(os.path.dirname(where), exist_ok=True)
    content = {
        "schema_version": SCHEMA_VERSION,
        "hostname": procfs.hostname(),
        "cpu_model": procfs.cpu_info()["name"],
        "n_cpus": procfs.n_cpus(),
        **{name: curve._asdict() for name, curve in {**_parts(where), **parts}.items()},
    }
    part = f"{where}.{os.getpid()}.part"
    with open(part, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2) + "\n")
    os.replace(part, where)
    return where


def idle_power_w(parts: dict[str, Curve], sensors: Iterable[Any]) -> float | None:
    """Return the calibrated idle power of an account, in watts; None where it has none.

    Parameters
    ----------
    parts : dict
        As `load` returns it.
    sensors : iterable of Sensor
        Those in use: it must be the very domains that were calibrated, or the calibrated model.
    """
    every = [d for sensor in sensors for d in sensor.domains]
    # What devices draw when idle is not calibrated, and not in the curve.
    domains = [d for d in every if d["account"] and d.get("kind") != "gpu"]
    models = [d["model"] for d in domains if d.get("model") is not None]
    if len(models) == len(domains) == 1:
        used = [c for c in parts.values() if c.source == models[0]["source"]]
        return used[0].idle_w[1] if used else None
    curve = parts.get(COUNTER)
    if curve is not None and sorted(curve.domains) == sorted(d["name"] for d in domains):
        return curve.idle_w[1]
    return None


def _curve(content: Any) -> Curve | None:
    """Read a part; None where it is missing or holds what no curve does."""
    if not isinstance(content, dict):
        return None
    ranges = []
    for name in ("idle_w", "busy_w"):
        watts = content.get(name)
        if not isinstance(watts, list) or len(watts) != 3:
            return None
        if not all(isinstance(w, (int, float)) and math.isfinite(w) for w in watts):
            return None
        low, central, high = map(float, watts)
        if not 0 <= low <= central <= high:
            return None
        ranges.append((low, central, high))
    domains, source = content.get("domains"), content.get("source")
    if not isinstance(domains, list) or not isinstance(source, str) or not source:
        return None
    return Curve(ranges[0], ranges[1], tuple(map(str, domains)), source)
