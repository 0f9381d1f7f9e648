# SPDX-License-Identifier: Apache-2.0
"""What kind of machine this is, and the first line of a samples file."""

from __future__ import annotations

import os
from typing import Any

from nicarbon.meter import SCHEMA_VERSION
from nicarbon.meter.processes import ProcFS

# Files that a container's runtime leaves at its root.
_CONTAINER_MARKS = (
    (".dockerenv", "docker"),
    ("run/.containerenv", "podman"),
    (".singularity.d", "apptainer"),
)


def container(root: str = "/") -> str | None:
    """Return ``docker``, ``podman`` or ``apptainer`` when this is inside one, else None."""
    for mark, name in _CONTAINER_MARKS:
        if os.path.exists(os.path.join(root, mark)):
            return name
    return None


def is_virtual_machine(procfs: ProcFS) -> bool:
    """Tell whether the CPU says that a hypervisor runs it."""
    return "hypervisor" in procfs.cpu_info()["flags"]


def describe(
    procfs: ProcFS,
    sensors: list[dict[str, Any]],
    pid: int,
    t_monotonic_ns: int,
    t_unix_ns: int,
    interval_s: float,
    driver_pid: int | None,
    idle_power_w: float | None = None,
) -> dict[str, Any]:
    """Return the host record: the machine and its sensors, as `nicarbon.records.Host` reads it.

    Parameters
    ----------
    sensors : list of dict
        What `nicarbon.meter.sensors.describe` says of each sensor.
    pid : int
        The sampler.
    interval_s : float
        Seconds between two samples, at first.
    driver_pid : int or None
        The process that started the sampler.
    idle_power_w : float or None
        Calibrated idle power of the account.
    """
    return {
        "kind": "host",
        "schema_version": SCHEMA_VERSION,
        "host": procfs.host_id(),
        "hostname": procfs.hostname(),
        "boot_id": procfs.boot_id(),
        "pid": pid,
        "n_cpus": procfs.n_cpus(),
        "cpu_model": procfs.cpu_info()["name"],
        "memory_bytes": procfs.memory_bytes(),
        "t_monotonic_ns": t_monotonic_ns,
        "t_unix_ns": t_unix_ns,
        "interval_s": interval_s,
        "idle_power_w": idle_power_w,
        "driver": None if driver_pid is None else procfs.key(driver_pid),
        "pid_namespace": procfs.pid_namespace(),
        "sensors": sensors,
    }
