# SPDX-License-Identifier: Apache-2.0
"""Choose how the joules of a run become grams: a source asked for its time, a unit counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import fsum
from pathlib import Path
from typing import Any

import msgspec

from nicarbon.carbon.embodied import Making, Unit
from nicarbon.carbon.intensity import Intensity, given
from nicarbon.carbon.price import Price, Terms
from nicarbon.carbon.pricing import grams, weighed, window
from nicarbon.carbon.source import Source
from nicarbon.carbon.stored import read_price, write_price
from nicarbon.carbon.tables import Tables
from nicarbon.earlier import Saved
from nicarbon.energies import Attribution
from nicarbon.errors import PriceError
from nicarbon.records import Host

# Functional units that nodes tell.
_COUNTED = ("subject", "session")


def find_intensity(
    country: str | None = None, region: str | None = None, g_per_kwh: float | None = None
) -> Intensity:
    """Return a given intensity, or a country's or region's: one of both, as none is assumed.

    Parameters
    ----------
    country, region : str, optional
        See `nicarbon.carbon.tables.Tables.intensity`.
    g_per_kwh : float, optional
        Grams of CO2 equivalent a kilowatt-hour.

    Raises
    ------
    PriceError
        If neither or both are given, the place is unknown, or no electricity has such a number.
    """
    if g_per_kwh is not None:
        if country is not None or region is not None:
            raise PriceError("give a country (and region) or an intensity, not both")
        return given(g_per_kwh)
    if country is None:
        raise PriceError("give a country (and region), or an intensity; none is assumed")
    return Tables.find().intensity(country, region)


def chosen(
    source: Source,
    terms: Terms | None,
    making: Making | None,
    unit: Unit | None,
    attribution: Attribution,
    headers: Mapping[str, Host],
    started_unix_s: float,
) -> Price:
    """Return the price of a run by a source, its intensity weighted by the run's energy.

    Parameters
    ----------
    source : Source
        Asked for the time in which the run's nodes used energy, or for the second in which the
        run started where none did.
    terms : Terms or None
        What else a price has.
    making : Making or None
        What is declared of the making of the hosts.
    unit : Unit or None
        The functional unit of a score.
    attribution : Attribution
        The run's hosts and executions.
    headers : mapping
        What a sampler recorded of each host.
    started_unix_s : float
        When the run started, in seconds since the epoch.

    Raises
    ------
    PriceError
        If the source has no intensity for that time, or a host is not declared.
    """
    spans = attribution.spans
    first_s, last_s = window(spans) or (started_unix_s, started_unix_s + 1.0)
    found = weighed(source.between(first_s, last_s), spans)
    embodied = None if making is None else making.of(attribution.hosts, headers)
    return (terms or Terms()).price(found, embodied, unit)


def counted(name: str, nodes: Iterable[Mapping[str, Any]], path: Path) -> Unit:
    """Count a functional unit that nodes tell: subjects, sessions.

    Parameters
    ----------
    name : str
        The unit.
    nodes : iterable of mapping
        Attributes of the nodes of the executed graph.
    path : Path
        The run folder, for the message.

    Raises
    ------
    PriceError
        If no node has such a unit.
    """
    values = {data.get(name) for data in nodes if name in _COUNTED}
    n = len(values - {None, ""})
    if not n:
        raise PriceError(f"{path}: no node has a {name}; give their number: {name}=12")
    return Unit(name, n)


def kept(path: Path, price: Price | None) -> Price:
    """Write a price into a run folder, with the time of it, in place of the one before.

    Raises
    ------
    PriceError
        If there is none.
    OutputError
        If the folder cannot be written.
    """
    if price is None:
        raise PriceError(f"{path}: no price is chosen")
    now = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    dated = msgspec.structs.replace(price, priced=now)
    write_price(path, dated)
    return dated


def as_it_was(cache: Saved) -> float | None:
    """Return the grams of what a cache saved, at the prices of the runs that it cost.

    None where one of them has no price, or nothing was saved.
    """
    parts = []
    for folder, energy_j in cache.runs.items():
        price, _ = read_price(Path(folder))
        if price is None:
            return None
        parts.append(grams(energy_j, price.intensity.g_per_kwh, price.pue) or 0.0)
    return fsum(parts) if parts else None
