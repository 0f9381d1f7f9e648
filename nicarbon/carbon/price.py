# SPDX-License-Identifier: Apache-2.0
"""What joules emit: grams = kWh x intensity x PUE. Pure functions; no file is touched here."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from nicarbon.carbon.intensity import Intensity
from nicarbon.errors import PriceError
from nicarbon.meter import SCHEMA_VERSION
from nicarbon.rows import Row
from nicarbon.units import J_PER_KWH

MAX_PUE = 5.0


class Price(msgspec.Struct, frozen=True):
    """How a run's joules become grams.

    Attributes
    ----------
    intensity : Intensity
        Of the electricity that the run used.
    pue : float
        Power usage effectiveness: what the whole site draws for each joule of its computers.
    priced : str or None
        When it was chosen: UTC, ISO 8601.
    schema_version : str
        Version of the format of the file that keeps it.
    """

    intensity: Intensity
    pue: float = 1.0
    priced: str | None = None
    schema_version: str = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse what no site has; NaN fails the comparison too."""
        if not 1 <= self.pue <= MAX_PUE:
            raise PriceError(
                f"a PUE of {self.pue:g}: give what the site draws for each joule of its "
                f"computers, from 1 to {MAX_PUE:g}"
            )

    def __str__(self) -> str:
        """Say intensity and PUE in a line."""
        return f"{self.intensity}, PUE {self.pue:g}"

    @property
    def range_note(self) -> str:
        """What a range of grams at this price contains, and what it leaves out."""
        intensity = self.intensity
        if not intensity.has_range:
            return "range: energy only; the intensity's own uncertainty is not known"
        return (
            f"range: energy's, at {intensity.low_g_per_kwh:.4g} to "
            f"{intensity.high_g_per_kwh:.4g} g/kWh"
        )


class CarbonRow(msgspec.Struct, frozen=True):
    """Joules and grams of a row, each with its range; None where there is no energy."""

    name: str
    energy_j: float | None
    energy_low_j: float | None
    energy_high_j: float | None
    carbon_g: float | None
    carbon_low_g: float | None
    carbon_high_g: float | None
    n_nodes: int
    method: str | None


def grams(energy_j: float | None, g_per_kwh: float, pue: float = 1.0) -> float | None:
    """Return the grams that joules emit; None for none.

    Examples
    --------
    >>> round(grams(108.5 * 3600, 30), 2)
    3.26
    """
    return None if energy_j is None else energy_j / J_PER_KWH * g_per_kwh * pue


def carbon_g(energy_j: float | None, price: Price | None) -> float | None:
    """Return the grams at a price; None without energy or price."""
    return None if price is None else grams(energy_j, price.intensity.g_per_kwh, price.pue)


def priced(row: Row, price: Price | None) -> Row:
    """Return a row with its grams at a price."""
    return msgspec.structs.replace(row, carbon_g=carbon_g(row.energy_j, price))


def carbon_rows(rows: Iterable[Row], price: Price) -> list[CarbonRow]:
    """Return the grams of rows with their range.

    The lowest energy is priced at the lowest intensity, the highest at the highest: nothing is
    gained by taking the two as independent, as both are wrong in one direction for every row.
    """
    intensity, pue = price.intensity, price.pue
    return [
        CarbonRow(
            name=row.name,
            energy_j=row.energy_j,
            energy_low_j=row.energy_low_j,
            energy_high_j=row.energy_high_j,
            carbon_g=carbon_g(row.energy_j, price),
            carbon_low_g=grams(row.energy_low_j, intensity.low_g_per_kwh, pue),
            carbon_high_g=grams(row.energy_high_j, intensity.high_g_per_kwh, pue),
            n_nodes=row.n_nodes,
            method=row.method,
        )
        for row in rows
    ]
