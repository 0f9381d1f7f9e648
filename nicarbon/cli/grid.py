# SPDX-License-Identifier: Apache-2.0
"""Other electricity, as a command line names it: ``--grid 30``, ``--grid CAN:quebec``."""

from __future__ import annotations

from nicarbon.carbon.price import Price
from nicarbon.run import Run, find_intensity

HELP = "grams a kWh, or a country's code with its region (CAN:quebec)"


def price_of(grid: str, opened: Run) -> Price:
    """Return the price at another place, with the run's own PUE.

    Raises
    ------
    PriceError
        If no table knows the place, or no electricity has such an intensity.
    """
    pue = opened.chosen_price.pue if opened.chosen_price else 1.0
    try:
        g_per_kwh = float(grid)
    except ValueError:
        country, _, region = grid.partition(":")
        return Price(find_intensity(country, region or None), pue)
    return Price(find_intensity(g_per_kwh=g_per_kwh), pue)
