# SPDX-License-Identifier: Apache-2.0
"""How much CO2 equivalent a kilowatt-hour stands for, and who says so."""

from __future__ import annotations

import msgspec

from nicarbon.errors import PriceError

# Coal of the dirtiest kind emits about 1,200, and marginal plants less than twice that: what is
# beyond is a slip of the unit.
MAX_G_PER_KWH = 3000.0
GIVEN = "given by the user"


class Intensity(msgspec.Struct, frozen=True):
    """The carbon intensity of electricity.

    Attributes
    ----------
    g_per_kwh : float
        Grams of CO2 equivalent a kilowatt-hour.
    low_g_per_kwh, high_g_per_kwh : float
        Its range; equal to it where none is known.
    source : str
        Who says so.
    year : int or None
        The year that it holds for.
    country, region : str or None
        ISO 3166 code of three letters, and the province, state or bidding zone.
    kind : str
        What was averaged and what was counted, such as ``average, yearly, life cycle``.
    range_from : str
        What the range is of, where its source does not state it; empty where it does.
    """

    g_per_kwh: float
    low_g_per_kwh: float
    high_g_per_kwh: float
    source: str
    year: int | None = None
    country: str | None = None
    region: str | None = None
    kind: str = ""
    range_from: str = ""

    def __post_init__(self) -> None:
        """Refuse what no electricity has; NaN fails the comparison too."""
        for value in (self.low_g_per_kwh, self.g_per_kwh, self.high_g_per_kwh):
            if not 0 <= value <= MAX_G_PER_KWH:
                raise PriceError(
                    f"an intensity of {value:g} g/kWh: give grams of CO2 equivalent a kWh, "
                    f"from 0 to {MAX_G_PER_KWH:g}"
                )
        if not self.low_g_per_kwh <= self.g_per_kwh <= self.high_g_per_kwh:
            raise PriceError(
                f"an intensity of {self.g_per_kwh:g} g/kWh lies outside its own range, "
                f"{self.low_g_per_kwh:g} to {self.high_g_per_kwh:g}"
            )

    @property
    def has_range(self) -> bool:
        """Whether anything is known of how sure it is."""
        return self.low_g_per_kwh < self.high_g_per_kwh

    @property
    def what(self) -> str:
        """How much, where and when."""
        place = ", ".join(name for name in (self.country, self.region) if name)
        parts = [f"{self.g_per_kwh:.4g} g/kWh"]
        parts += [place] if place else []
        parts += [str(self.year)] if self.year else []
        parts += [self.kind] if self.kind else []
        return ", ".join(parts)

    def __str__(self) -> str:
        """Say how much, where, when and who says so, in a line."""
        return f"{self.what} ({self.source})"


def given(
    g_per_kwh: float, low: float | None = None, high: float | None = None, kind: str = ""
) -> Intensity:
    """Return an intensity that the user knows, with its range where that is known too."""
    low, high = g_per_kwh if low is None else low, g_per_kwh if high is None else high
    return Intensity(g_per_kwh, low, high, GIVEN, kind=kind)
