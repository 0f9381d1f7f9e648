# SPDX-License-Identifier: Apache-2.0
"""What every source of intensities offers, and the sources that need no file and no network."""

from __future__ import annotations

from typing import Protocol

import msgspec

from nicarbon.carbon.intensity import Intensity
from nicarbon.carbon.series import Series


class Found(msgspec.Struct, frozen=True):
    """What a source says of a stretch of time.

    Attributes
    ----------
    intensity : Intensity
        The mean over that time, with source, place and kind.
    series : Series or None
        How it changed; None where the source has one value only.
    """

    intensity: Intensity
    series: Series | None = None


class Source(Protocol):
    """A source of intensities."""

    def between(self, start_unix_s: float, end_unix_s: float) -> Found:
        """Return the intensities from one instant to a later one, in seconds since 1970.

        Parameters
        ----------
        start_unix_s, end_unix_s : float
            Seconds since 1970.

        Returns
        -------
        Found
            In grams of CO2 equivalent a kilowatt-hour.

        Raises
        ------
        PriceError
            If it does not have them, in a line that says what to do.
        """


class Fixed(msgspec.Struct, frozen=True):
    """One intensity at all times: the user's own, or a table's yearly average.

    Attributes
    ----------
    intensity : Intensity
        In grams of CO2 equivalent a kilowatt-hour.
    """

    intensity: Intensity

    def between(self, start_unix_s: float, end_unix_s: float) -> Found:
        """Return it, whatever the time."""
        return Found(self.intensity)


def summed_up(series: Series, about: Intensity) -> Found:
    """Return a series with its mean over time in place of the intensity of `about`."""
    central, low, high = series.means([series.steps[0].t_unix_s], [series.end_unix_s])[:, 0]
    # Rounding may bring the three out of order by a bit.
    low, high = min(low, central), max(high, central)
    mean = msgspec.structs.replace(
        about,
        g_per_kwh=float(central),
        low_g_per_kwh=float(low),
        high_g_per_kwh=float(high),
    )
    return Found(mean, series)
