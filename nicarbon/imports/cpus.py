# SPDX-License-Identifier: Apache-2.0
"""The power of a machine that is known by the name of its processor, for runs that nobody metered.

How busy the rest of that machine was, a log does not say. So the range is wide, on purpose: from a
machine that was full, where a run answers for its own threads, to one that ran nothing else, where
it answers for all idle power; the central value is the geometric mean of both.
"""

from __future__ import annotations

import math
import re
import tomllib
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import msgspec

from nicarbon.errors import CpuError
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.sensors import virtual
from nicarbon.records import Model

TABLE = Path(__file__).parent.parent / "data" / "cpus.toml"

# The servers of the table of families are mostly of two sockets, and so are those of clusters.
_SERVER_SOCKETS = 2


class Cpu(msgspec.Struct, frozen=True):
    """A processor.

    Attributes
    ----------
    name : str
        Maker's name.
    family : str or None
        Its family among servers whose power is known.
    host_threads : int
        Hardware threads of a whole machine that has it.
    threads_per_core : int
        1 or 2.
    tdp_w : float or None
        Thermal design power of one package.
    package_threads : int
        Hardware threads of one package.
    """

    name: str
    family: str | None
    host_threads: int
    threads_per_core: int
    tdp_w: float | None
    package_threads: int


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cores: int
    threads: int
    tdp_w: float


@cache
def _table() -> dict[str, _Entry]:
    content = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return msgspec.convert(content, dict[str, _Entry])


def named(name: str) -> Cpu:
    """Return the processor of a name as people and ``/proc/cpuinfo`` write it.

    Raises
    ------
    CpuError
        If the table does not know it; near names are offered.

    Examples
    --------
    >>> named("Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz").name
    'Intel Xeon Gold 6148'
    >>> named("xeon gold 6148").tdp_w
    150.0
    """
    table = _table()
    known = {_key(full): full for full in table}
    full = known.get(_key(name))
    if full is None:
        raise CpuError(f"{name!r}: this processor is not in the table; {_near(name, known)}")
    entry = table[full]
    family = _family(full)
    sockets = _SERVER_SOCKETS if family is not None else 1
    return Cpu(
        name=full,
        family=family,
        host_threads=sockets * entry.threads,
        threads_per_core=entry.threads // entry.cores,
        tdp_w=entry.tdp_w,
        package_threads=entry.threads,
    )


def given(tdp_w: float, cores: int) -> Cpu:
    """Return a processor of which only a design power and a number of cores are known.

    Raises
    ------
    CpuError
        If no processor has such figures.
    """
    if not (math.isfinite(tdp_w) and 0 < tdp_w <= 2000):
        raise CpuError(f"--tdp {tdp_w:g}: give the watts of one processor, as 150")
    if not 1 <= cores <= 1024:
        raise CpuError(f"--cores {cores}: give the cores of one processor, as 20")
    name = f"a processor of {cores} cores and {tdp_w:g} W"
    return Cpu(name, None, cores, 1, tdp_w, cores)


def this_host(procfs: ProcFS | None = None) -> Cpu:
    """Return the processor of the machine that this runs on."""
    procfs = procfs or ProcFS()
    info = procfs.cpu_info()
    family = virtual.microarchitecture(info, virtual.load_table())
    n_cpus = procfs.n_cpus()
    return Cpu(info["name"] or "this host's processor", family, n_cpus, 1, None, n_cpus)


def model(cpu: Cpu, busy_cpus: float, cpu_time: tuple[float, float], *, alone: bool) -> Model:
    """Return the power that a run answers for: idle while it lasts, and a CPU second.

    Parameters
    ----------
    cpu : Cpu
        The processor of its machine.
    busy_cpus : float
        CPUs that it kept busy on average.
    cpu_time : tuple of float
        The lowest and highest CPU time that the log allows, as parts of the central one.
    alone : bool
        Whether nothing else ran on that machine: all its idle power is then the run's.
    """
    table = virtual.load_table()
    factor = virtual.FACTOR_KNOWN if cpu.family is not None else virtual.FACTOR_UNKNOWN
    idle_w, max_w = virtual.watts(table, cpu.family)
    source = f"{cpu.family or 'mean over CPU families'}: {table['source']}"
    if cpu.family is None and cpu.tdp_w is not None:
        # What a desktop draws idle is taken as the part that servers of the table draw on average.
        idle_w, max_w = idle_w / max_w * _tdp_w(cpu), _tdp_w(cpu)
        source = f"TDP of {cpu.name} for each thread, idle as for the {source}"
    busy_w = max_w - idle_w
    # A thread whose core's other thread rests draws up to what both would.
    sharing = float(cpu.threads_per_core)
    whole_w = cpu.host_threads * idle_w
    least_w = whole_w if alone else min(max(busy_cpus, 1.0) * idle_w, whole_w)
    low, high = cpu_time
    return Model(
        idle_w=_rounded(least_w / factor, math.sqrt(least_w * whole_w), whole_w * factor),
        busy_w=_rounded(
            low * busy_w / factor, math.sqrt(sharing) * busy_w, high * sharing * busy_w * factor
        ),
        source=source,
    )


def note(cpu: Cpu, *, alone: bool) -> str:
    """Say in a sentence what the model means."""
    if alone:
        return (
            f"modelled from CPU time in logs, for a machine with {cpu.name} that ran nothing else"
        )
    return (
        f"modelled from CPU time in logs, for a machine with {cpu.name}; how busy the rest of it "
        "was is not known: of its idle power the run gets between the part of the threads that it "
        "kept busy and all"
    )


def _tdp_w(cpu: Cpu) -> float:
    return (cpu.tdp_w or 0.0) / cpu.package_threads


def _rounded(low: float, central: float, high: float) -> tuple[float, float, float]:
    return round(low, 4), round(central, 4), round(high, 4)


def _key(name: str) -> str:
    """Return what tells one processor from another in its name.

    Examples
    --------
    >>> _key("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz"), _key("AMD EPYC 7742 64-Core Processor")
    ('xeon e5-2680 v4', 'epyc 7742')
    """
    text = re.sub(r"\((r|tm)\)", " ", name.lower()).partition("@")[0]
    text = re.sub(r"\b(?:intel|amd|cpu|processor|\d+-core|core(?= i\d))\b", " ", text)
    return " ".join(text.split())


def _family(full: str) -> str | None:
    identity = {"name": full, "vendor": "", "family": None, "model": None, "stepping": None}
    return virtual.microarchitecture(identity, virtual.load_table())


def _near(name: str, known: dict[str, str]) -> str:
    near = [known[key] for key in get_close_matches(_key(name), known, n=3, cutoff=0.6)]
    last_resort = "give its figures: --tdp 150 --cores 20"
    return f"did you mean {' or '.join(near)}? Or {last_resort}" if near else last_resort
