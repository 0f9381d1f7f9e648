# SPDX-License-Identifier: Apache-2.0
"""How a run's joules become grams: what was chosen. Nothing is computed, and no file touched."""

from __future__ import annotations

import msgspec

from nicarbon.carbon.embodied import Embodied, Unit
from nicarbon.carbon.intensity import Intensity
from nicarbon.carbon.series import Series, utc
from nicarbon.carbon.source import Found
from nicarbon.errors import PriceError
from nicarbon.meter import SCHEMA_VERSION
from nicarbon.units import format_duration

MAX_PUE = 5.0


class Terms(msgspec.Struct, frozen=True):
    """What a price has beside the intensity; see `Price`.

    Attributes
    ----------
    pue : float
        Power usage effectiveness: what the whole site draws for each joule of its computers.
    pue_low, pue_high : float or None
        Its range; none by default.
    """

    pue: float = 1.0
    pue_low: float | None = None
    pue_high: float | None = None

    def price(
        self, found: Found, embodied: Embodied | None = None, per: Unit | None = None
    ) -> Price:
        """Return the price at what a source found."""
        return Price(
            found.intensity,
            self.pue,
            pue_low=self.pue_low,
            pue_high=self.pue_high,
            series=found.series,
            embodied=embodied,
            per=per,
        )


class Price(msgspec.Struct, frozen=True):
    """How a run's joules become grams.

    Attributes
    ----------
    intensity : Intensity
        Of the electricity that the run used; of a series, the mean weighted by the energy of the
        run's nodes.
    pue : float
        Power usage effectiveness: what the whole site draws for each joule of its computers.
    priced : str or None
        When it was chosen: UTC, ISO 8601.
    pue_low, pue_high : float or None
        Its range; None where none was given.
    series : Series or None
        Intensities in the time of the run, where they are known; then `intensity` only sums up.
    embodied : Embodied or None
        What making the hosts emitted; None where it is not declared.
    per : Unit or None
        The functional unit of a score; None where none was named.
    schema_version : str
        Version of the format of the file that keeps it.
    """

    intensity: Intensity
    pue: float = 1.0
    priced: str | None = None
    pue_low: float | None = None
    pue_high: float | None = None
    series: Series | None = None
    embodied: Embodied | None = None
    per: Unit | None = None
    schema_version: str = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse what no site has; NaN fails the comparison too."""
        for value in (*self.pue_range, self.pue):
            if not 1 <= value <= MAX_PUE:
                raise PriceError(
                    f"a PUE of {value:g}: give what the site draws for each joule of its "
                    f"computers, from 1 to {MAX_PUE:g}"
                )
        low, high = self.pue_range
        if not low <= self.pue <= high:
            raise PriceError(
                f"a PUE of {self.pue:g} lies outside its own range, {low:g} to {high:g}"
            )

    def __str__(self) -> str:
        """Say intensity and PUE in a line."""
        by_time = f", by time ({self.values})" if self.series is not None else ""
        return f"{self.intensity}{by_time}{self._beside}"

    @property
    def _beside(self) -> str:
        low, high = self.pue_range
        of_pue = f" ({low:g}-{high:g})" if low < high else ""
        made = "" if self.embodied is None else f", {self.embodied}"
        return f", PUE {self.pue:g}{of_pue}{made}"

    @property
    def basis(self) -> str:
        """What it rests on, without the figures of a series, which are this run's alone.

        Runs whose prices rest on the same can be compared in grams.
        """
        if self.series is None:
            return str(self)
        one = self.intensity
        # After a comma a source says how many of its values are what, for this run.
        parts = (one.source.partition(",")[0], one.country, one.region, one.kind)
        return f"by time: {', '.join(part for part in parts if part)}{self._beside}"

    @property
    def values(self) -> str:
        """How many intensities in time there are, and within which limits; empty without any."""
        if self.series is None:
            return ""
        known = [step.g_per_kwh for step in self.series.steps if not step.is_bridged]
        if len(set(known)) <= 1:
            return f"{len(known)} values" if len(known) > 1 else "1 value"
        return f"{len(known)} values of {min(known):.4g} to {max(known):.4g} g/kWh"

    @property
    def pue_range(self) -> tuple[float, float]:
        """The lowest and highest PUE."""
        low = self.pue if self.pue_low is None else self.pue_low
        return low, self.pue if self.pue_high is None else self.pue_high

    @property
    def range_note(self) -> str:
        """What a range of grams at this price contains, and what it leaves out."""
        intensity, (low, high) = self.intensity, self.pue_range
        joined = ["energy's"]
        if intensity.has_range:
            of = ", of gaps in its source alone" if self.series is not None else ""
            of = f", {intensity.range_from}" if intensity.range_from else of
            joined.append(
                f"the intensity's ({intensity.low_g_per_kwh:.4g} to "
                f"{intensity.high_g_per_kwh:.4g} g/kWh{of})"
            )
        if low < high:
            joined.append(f"the PUE's ({low:g} to {high:g})")
        unstated = "; the intensity's range is not stated by its source"
        if len(joined) == 1:
            return f"range: energy only{unstated}"
        if intensity.has_range and self.series is None:
            unstated = ""
        return f"range: {' and '.join(joined)}, joined as independent{unstated}"

    @property
    def bridged_note(self) -> str | None:
        """What of its series is missing at the source; None where nothing is."""
        if self.series is None or not self.series.bridged_s:
            return None
        gaps = [step for step in self.series.steps if step.is_bridged]
        return (
            f"the intensity is not known for {format_duration(self.series.bridged_s)} from "
            f"{utc(gaps[0].t_unix_s)} on: there it is the mean of both sides, within the lowest "
            "and the highest of the day before and the day after"
        )
