# SPDX-License-Identifier: Apache-2.0
"""The virtual counter of a host that shows no real one: P = idle + k x busy CPUs.

Linear on purpose: shares of its energy then add up as a real counter's do. It is modelled, its
range is a factor, not a percentage, and it is never used where a measured account works.
"""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Mapping
from typing import Any

from nicarbon.meter import profile
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.sensors import Status

TABLE = "cpu_families.json"

# Factors by which one server lies above or below its family's mean. Judgements from the spread in
# the table: leaving one server out, its full load is -15..+25 % off (p10-p90) and idle -28..+52 %;
# these are tuned servers, and real load curves aren't straight.
FACTOR_KNOWN = 1.5
# Families differ by 3.5 (full load) and 4.4 (idle) between the least and the greatest.
FACTOR_UNKNOWN = 2.5

# Memory, W/GB: Lannelongue et al. 2021 (Green Algorithms), doi:10.1002/advs.202100707.
_MEMORY_W_PER_GB = 0.3725


def load_table() -> dict[str, Any]:
    """Return the table of CPU families: its file holds source, date and licence."""
    # Not by its path: this may run from a zip in a container.
    data = pkgutil.get_data(__package__, TABLE)
    assert data is not None
    table: dict[str, Any] = json.loads(data)
    return table


def _within(value: int | None, bounds: list[int] | None) -> bool:
    return bounds is None or (value is not None and bounds[0] <= value <= bounds[1])


def microarchitecture(cpu: dict[str, Any], table: dict[str, Any]) -> str | None:
    """Return the name of a CPU's family in the table, or None.

    By vendor, family, model and stepping, because virtual machines mask the brand name; where a
    model isn't listed, by the brand name.

    Parameters
    ----------
    cpu : dict
        What `ProcFS.cpu_info` returns.
    table : dict
        What `load_table` returns.
    """
    if re.search(table["not_servers"], cpu["name"]):
        return None
    for row in table["identities"]:
        if (
            (cpu["vendor"], cpu["family"]) == (row["vendor"], row["family"])
            and _within(cpu["model"], row["models"])
            and _within(cpu["stepping"], row.get("steppings"))
        ):
            return str(row["name"])
    for row in table["brands"]:
        if re.search(row["pattern"], cpu["name"], re.IGNORECASE):
            return str(row["name"])
    return None


def watts(table: dict[str, Any], name: str | None) -> tuple[float, float]:
    """Return idle and full-load watts for each thread; the mean over families where unknown."""
    families = table["families"]
    rows = [families[name]] if name is not None else list(families.values())
    idle_w = sum(row["idle_w"] for row in rows) / len(rows)
    max_w = sum(row["max_w"] for row in rows) / len(rows)
    return idle_w, max_w


def model(n_cpus: int, memory_bytes: int | None, name: str | None) -> dict[str, Any]:
    """Return the power curve of a host, as `nicarbon.records.Model` reads it.

    The table's watts are a whole server's at the wall, divided by its threads: a virtual machine
    is charged its CPUs' share of such a server. They contain those servers' own memory, so that
    memory adds nothing to the low and the central curve; they were tuned for the benchmark with
    little of it, so the high curve adds `_MEMORY_W_PER_GB` for all of this host's, to idle,
    because memory draws most of its power whether used or not.

    Parameters
    ----------
    n_cpus : int
        The host's CPUs (hardware threads).
    memory_bytes : int or None
        The host's memory.
    name : str or None
        Its family in the table; None uses the mean over families and a wider range.
    """
    table = load_table()
    idle_w, max_w = watts(table, name)
    factor = FACTOR_UNKNOWN if name is None else FACTOR_KNOWN
    idle = n_cpus * idle_w
    busy = max_w - idle_w
    memory_w = (memory_bytes or 0) * 1e-9 * _MEMORY_W_PER_GB
    return {
        "idle_w": [_round(idle / factor), _round(idle), _round(idle * factor + memory_w)],
        "busy_w": [_round(busy / factor), _round(busy), _round(busy * factor)],
        "source": f"{name or 'mean over CPU families'}: {table['source']}",
    }


def _round(value: float) -> float:
    """Keep the record readable; the range is a factor of 1.5 at best."""
    return round(value, 6)


class Virtual:
    """The modelled power of the whole host.

    Parameters
    ----------
    procfs : ProcFS
        The host: its CPUs, their family and its memory.
    calibrated : dict, optional
        What was calibrated of this machine, see `nicarbon.meter.profile`: at the plug if there is
        that, which is what the families' watts are, else by its own counters.
    """

    name = "virtual"
    method = "modelled"
    relative_error = 0.0

    def __init__(
        self, procfs: ProcFS, calibrated: Mapping[str, profile.Curve] | None = None
    ) -> None:
        n_cpus = procfs.n_cpus()
        family = microarchitecture(procfs.cpu_info(), load_table())
        curve = model(n_cpus, procfs.memory_bytes(), family)
        own = calibrated or {}
        measured = own.get(profile.PLUG) or own.get(profile.COUNTER)
        if measured is not None:
            what, factor = "", 0.0
            curve = {
                "idle_w": list(measured.idle_w),
                "busy_w": list(measured.busy_w),
                "source": measured.source,
            }
        elif family is None:
            what = "this CPU's family is unknown: the mean over families is used"
            factor = FACTOR_UNKNOWN
        else:
            what = f"{family} servers' wall power for each thread, SPECpower_ssj2008"
            factor = FACTOR_KNOWN
        self.family = family
        self.note = (
            "modelled from CPU use, calibrated on this machine"
            if measured is not None
            else f"modelled from CPU use, x/÷ {factor} ({what})"
        )
        self.domains = [
            {
                "name": "host",
                "kind": "host",
                "account": True,
                "unit_j": 1.0,
                "range": None,
                "max_power_w": None,
                "socket": None,
                "model": curve,
            }
        ]

    def read(self) -> dict[str, int | None]:
        """Return nothing: the model needs only the host's busy time, which every sample has."""
        return {}

    def close(self) -> None:
        """Keep nothing open."""

    def status(self) -> Status:
        """Tell that it works: it needs nothing but /proc."""
        return Status(True, self.note)
