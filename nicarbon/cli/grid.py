# SPDX-License-Identifier: Apache-2.0
"""Other electricity, as a command line names it: a number, a place, or a file of intensities."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from nicarbon.carbon.choice import find_intensity
from nicarbon.carbon.hours import best_begin
from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.carbon.series import utc
from nicarbon.carbon.series_file import SeriesFile
from nicarbon.carbon.source import Fixed, Source
from nicarbon.errors import PriceError
from nicarbon.run import Run
from nicarbon.units import NS_PER_S

HELP = "grams a kWh, a country's code with its region (CAN:quebec), or a file of time and g/kWh"


def source(grid: str) -> Source:
    """Return the source that is named.

    Raises
    ------
    PriceError
        If no table knows the place, or no electricity has such an intensity.
    """
    try:
        return Fixed(given(float(grid)))
    except ValueError:
        pass
    if os.path.lexists(grid):
        return SeriesFile.read(grid)
    country, _, region = grid.partition(":")
    return Fixed(find_intensity(country, region or None))


def began_unix_s(opened: Run, start: str | None = None) -> float:
    """Return when a run began, or would have begun: ISO 8601, UTC unless it says otherwise.

    Raises
    ------
    PriceError
        If that is no time.
    """
    if start is None:
        return opened.facts.info.t_unix_ns / NS_PER_S
    try:
        time = datetime.fromisoformat(start)
    except ValueError:
        raise PriceError(f"--start {start}: give a time such as 2026-11-22T03:00Z") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def price_of(grid: str, opened: Run, start: str | None = None, duration_s: float = 0.0) -> Price:
    """Return the price of a run with other electricity, with the run's own PUE.

    A series counts with its mean over the time of the run.

    Raises
    ------
    PriceError
        If it is not known, or does not cover that time.
    """
    pue = opened.chosen_price.pue if opened.chosen_price else 1.0
    found = source(grid)
    if start is not None and isinstance(found, Fixed):
        raise PriceError(f"--start: --grid {grid} is the same at all times; give a file of hours")
    begin_s = began_unix_s(opened, start)
    return Price(found.between(begin_s, begin_s + max(duration_s, 1.0)).intensity, pue)


def cleaner(grid: str, opened: Run, duration_s: float) -> dict[str, Price]:
    """Return prices with other electricity, by what they are called; of a series its best hour.

    Raises
    ------
    PriceError
        As of `price_of`.
    """
    found = source(grid)
    if not isinstance(found, SeriesFile):
        return {grid: price_of(grid, opened)}
    began_s = began_unix_s(opened)
    best_s = best_begin(found.points, began_s, duration_s)
    if best_s is None:
        raise PriceError(
            f"{grid}: covers no day from {utc(began_s)} on, when the run began: an hour to wait "
            "for cannot be told"
        )
    pue = opened.chosen_price.pue if opened.chosen_price else 1.0
    price = Price(found.between(best_s, best_s + max(duration_s, 1.0)).intensity, pue)
    return {f"{grid}, begun at {utc(best_s)}": price}
