# SPDX-License-Identifier: Apache-2.0
"""What making the computers emitted, the run's share of it, and the score of a functional unit.

M = TE x TiR/EL x RR/ToR and SCI = (O + M) per R, as in the Software Carbon Intensity
specification (ISO/IEC 21031): what was emitted in total, the part of the lifetime for which it
was reserved, and the part of it that was reserved.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import ceil, fsum, hypot
from pathlib import Path

import msgspec

from nicarbon.carbon import cards
from nicarbon.carbon.join import Three, join
from nicarbon.energies import HostEnergy
from nicarbon.errors import CpuError, PriceError
from nicarbon.imports.cpus import named
from nicarbon.records import Host
from nicarbon.rows import Row

TABLE = Path(__file__).parent.parent / "data" / "embodied.toml"
BOAVIZTA = "Boavizta's factors"
GIVEN = "the user's own figure"
YEAR_S = 8760 * 3600.0
# A supercomputer's node stays below; what is beyond is a slip of the unit.
MAX_KG = 100_000.0
MAX_YEARS = 30.0
_GB = 1e9


class _Cpu(msgspec.Struct, frozen=True):
    die_kg_per_mm2: float
    base_kg: float
    die_mm2_per_core: Three


class _Ram(msgspec.Struct, frozen=True):
    die_kg_per_cm2: float
    base_kg: float
    module_gb: float
    gb_per_cm2: Three


class _Table(msgspec.Struct, frozen=True):
    cpu: _Cpu
    ram: _Ram
    gpu: cards.Factors
    rest: dict[str, float]
    lifetime: dict[str, float]


@cache
def _table() -> _Table:
    return msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), _Table)


def default_years() -> float:
    """Return the years in which a server is written off, where nobody says otherwise."""
    return _table().lifetime["years"]


class Made(msgspec.Struct, frozen=True):
    """What making one host emitted.

    Attributes
    ----------
    kg, low_kg, high_kg : float
        Kilograms of CO2 equivalent, and their range.
    source : str
        Who says so.
    gpus_kg : float
        The part of `kg` that is GPUs': of these the run reserves what it sees, all of it.
    """

    kg: float
    low_kg: float
    high_kg: float
    source: str = GIVEN
    gpus_kg: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no computer has; NaN fails the comparison too."""
        if not 0 <= self.low_kg <= self.kg <= self.high_kg <= MAX_KG:
            raise PriceError(
                f"embodied emissions of {self.kg:g} kg ({self.low_kg:g} to {self.high_kg:g}): "
                f"give kg of CO2 equivalent of a host, from 0 to {MAX_KG:g}, within their range"
            )


class Declared(msgspec.Struct, frozen=True):
    """What a user declares of hosts: figures, or that they are computed (`made` is None).

    `hostname` is None for all hosts that no other declaration names.

    Attributes
    ----------
    made : Made or None
        Figures; None where they are to be computed.
    hostname : str or None
        Which host; None for all that no other declaration names.
    """

    made: Made | None = None
    hostname: str | None = None


class Embodied(msgspec.Struct, frozen=True):
    """What a price says of the making of the hosts.

    Attributes
    ----------
    hosts : dict
        By the host's id.
    years, low_years, high_years : float
        In which a host is written off.
    reserved_cpus : int or None
        Of each host's CPUs those that were reserved for the run; None for all.
    """

    hosts: dict[str, Made]
    years: float
    low_years: float
    high_years: float
    reserved_cpus: int | None = None

    def __post_init__(self) -> None:
        """Refuse lifetimes that no computer has."""
        if not 0 < self.low_years <= self.years <= self.high_years <= MAX_YEARS:
            raise PriceError(
                f"a lifetime of {self.years:g} years: give years up to {MAX_YEARS:g}, within "
                "their range"
            )
        if self.reserved_cpus is not None and self.reserved_cpus < 1:
            raise PriceError(f"{self.reserved_cpus} CPUs were reserved: give 1 or more")

    def __str__(self) -> str:
        """Say what it rests on in a line."""
        sources = " and ".join(sorted({made.source for made in self.hosts.values()}))
        return f"embodied over {self.years:g} years ({sources})"


class Making(msgspec.Struct, frozen=True):
    """What a user declares of the making of hosts; see `Embodied`.

    Attributes
    ----------
    declared : tuple of Declared
        The hosts.
    years, low_years, high_years : float or None
        How long they serve, and its range; by default the table's, see `default_years`.
    reserved_cpus : int or None
        CPUs of a host that the run had to itself; all by default.
    """

    declared: tuple[Declared, ...]
    years: float | None = None
    low_years: float | None = None
    high_years: float | None = None
    reserved_cpus: int | None = None

    def of(self, hosts: Iterable[HostEnergy], headers: Mapping[str, Host]) -> Embodied:
        """Return what is declared of the hosts of a run."""
        years = default_years() if self.years is None else self.years
        return Embodied(
            of_hosts(self.declared, hosts, headers),
            years,
            years if self.low_years is None else self.low_years,
            years if self.high_years is None else self.high_years,
            self.reserved_cpus,
        )


class Share(msgspec.Struct, frozen=True):
    """What a run answers for of the making of one host.

    Attributes
    ----------
    host, hostname : str
        Which.
    made : Made
        All of it.
    reserved_s : float
        How long the run had the host.
    part : float
        Which part of it was reserved.
    carbon_g, carbon_low_g, carbon_high_g : float
        The run's share, and its range.
    """

    host: str
    hostname: str
    made: Made
    reserved_s: float
    part: float
    carbon_g: float
    carbon_low_g: float
    carbon_high_g: float


class Unit(msgspec.Struct, frozen=True):
    """A functional unit.

    Attributes
    ----------
    name : str
        Such as ``scan`` or ``subject``.
    n : int
        How many of it the run made.
    """

    name: str
    n: int

    def __post_init__(self) -> None:
        """Refuse a score per nothing."""
        if self.n < 1:
            raise PriceError(f"{self.n} of unit {self.name!r}: give 1 or more")


class Score(msgspec.Struct, frozen=True):
    """The Software Carbon Intensity of a run's nodes, for each functional unit.

    Where M is not declared the score is O per R alone.

    Attributes
    ----------
    unit : str
        The functional unit, R.
    n : int
        How many of it the run made.
    operational_g, embodied_g : float, float or None
        Grams of CO2 equivalent of the run's electricity, O, and of its share of the making of its
        hosts, M; None where that is not declared.
    score_g, score_low_g, score_high_g : float
        (O + M) / R and its range, as in ISO/IEC 21031.
    """

    unit: str
    n: int
    operational_g: float
    embodied_g: float | None
    score_g: float
    score_low_g: float
    score_high_g: float


def server(host: Host) -> Made:
    """Return what making a rack server with a host's processors and memory emits.

    Parameters
    ----------
    host : Host
        What a sampler recorded. Disks are not in it, nor GPUs of which it recorded no counter.

    Raises
    ------
    PriceError
        If the host's memory is not known.
    """
    if host.memory_bytes is None:
        raise PriceError(
            f"host {host.hostname}: its memory was not recorded; declare kg: --embodied 1300"
        )
    table = _table()
    sockets = {d.socket for s in host.sensors for d in s.domains if d.socket is not None}
    threads, packages = 2, len(sockets) or 1
    known = False
    try:
        cpu = named(host.cpu_model)
    except CpuError:
        pass
    else:
        threads, known = cpu.threads_per_core, True
        packages = len(sockets) or max(1, round(host.n_cpus / cpu.package_threads))
    # A machine that shows twice the threads, or as many threads as cores: which, is not recorded.
    cores = host.n_cpus / threads
    most_cores = cores if known else float(host.n_cpus)
    dies = [
        count * mm2 * table.cpu.die_kg_per_mm2
        for count, mm2 in zip((cores, cores, most_cores), table.cpu.die_mm2_per_core, strict=True)
    ]
    gb = host.memory_bytes / _GB
    ram_base = max(1, ceil(gb / table.ram.module_gb)) * table.ram.base_kg
    central, lowest, highest = table.ram.gb_per_cm2  # the densest has least dies
    rams = [gb / d * table.ram.die_kg_per_cm2 for d in (central, highest, lowest)]
    base = packages * table.cpu.base_kg + ram_base + fsum(table.rest.values())
    gpus, said = _gpus(host)
    kg, low, high = (base + sum(parts) for parts in zip(dies, rams, gpus, strict=True))
    return Made(kg, low, high, BOAVIZTA + said, gpus[0])


def _gpus(host: Host) -> tuple[Three, str]:
    """Return what making a host's GPUs emitted, and what to say of it."""
    domains = [d for s in host.sensors for d in s.domains if d.kind == "gpu" and d.account]
    found = [cards.made(domain.card, _table().gpu) for domain in domains]
    kg, low, high = (fsum(figures[i] for figures, _ in found) for i in range(3))
    unknown = {
        d.card or "of no name" for d, (_, known) in zip(domains, found, strict=True) if not known
    }
    said = f", with {len(found)} GPU{'s' if len(found) > 1 else ''}" if found else ""
    if unknown:
        said += f"; not in its table, taken for a large one: {', '.join(sorted(unknown))}"
    return (kg, low, high), said


def of_hosts(
    declared: Sequence[Declared], hosts: Iterable[HostEnergy], headers: Mapping[str, Host]
) -> dict[str, Made]:
    """Return what making each host emitted, as it was declared.

    Raises
    ------
    PriceError
        If a host is left out, or was not recorded so that it can be computed.
    """
    by_name = {one.hostname: one for one in declared}
    found = {}
    for host in hosts:
        # A machine that is several nodes of a cluster has several names.
        known = [by_name[name] for name in host.hostname.split(", ") if name in by_name]
        one = known[0] if known else by_name.get(None)
        if one is None:
            raise PriceError(
                f"host {host.hostname}: no embodied emissions are declared for it; give "
                f"--embodied {host.hostname}=KG"
            )
        if one.made is None and host.host not in headers:
            raise PriceError(f"host {host.hostname}: nothing was recorded of it; declare its kg")
        found[host.host] = one.made or server(headers[host.host])
    return found


def shares(
    embodied: Embodied, hosts: Iterable[HostEnergy], headers: Mapping[str, Host]
) -> tuple[Share, ...]:
    """Return a run's share of the making of each host: TE x TiR/EL x RR/ToR."""
    found = []
    for host in hosts:
        made = embodied.hosts.get(host.host)
        if made is None:
            continue
        part = 1.0
        if embodied.reserved_cpus is not None and host.host in headers:
            part = min(embodied.reserved_cpus / headers[host.host].n_cpus, 1.0)
            if made.gpus_kg:
                part = (part * (made.kg - made.gpus_kg) + made.gpus_kg) / made.kg
        value = made.kg * 1000 * host.duration_s / (embodied.years * YEAR_S) * part
        rates = 1 / embodied.years, 1 / embodied.high_years, 1 / embodied.low_years
        low, high, _ = join(value, {"made": (made.kg, made.low_kg, made.high_kg), "years": rates})
        found.append(
            Share(host.host, host.hostname, made, host.duration_s, part, value, low, high)
        )
    return tuple(found)


def scored(unit: Unit, total: Row, made: Sequence[Share]) -> Score | None:
    """Return the score of a functional unit; None where the grams of the nodes are not known."""
    if total.carbon_g is None:
        return None
    o_low, o_high = total.carbon_low_g or 0.0, total.carbon_high_g or total.carbon_g
    m_g = fsum(share.carbon_g for share in made)
    # What making each host emitted was estimated in the same way: the ranges are added up.
    m_low = m_g - fsum(share.carbon_low_g for share in made)
    m_high = fsum(share.carbon_high_g for share in made) - m_g
    whole = total.carbon_g + m_g
    return Score(
        unit=unit.name,
        n=unit.n,
        operational_g=total.carbon_g,
        embodied_g=m_g if made else None,
        score_g=whole / unit.n,
        score_low_g=(whole - hypot(total.carbon_g - o_low, m_low)) / unit.n,
        score_high_g=(whole + hypot(o_high - total.carbon_g, m_high)) / unit.n,
    )
