# SPDX-License-Identifier: Apache-2.0
"""The range of a product of factors, each with a range of its own."""

from __future__ import annotations

from collections.abc import Mapping
from math import hypot, prod
from typing import TypeAlias

# Central, lowest and highest.
Three: TypeAlias = tuple[float, float, float]


def join(value: float, factors: Mapping[str, Three]) -> tuple[float, float, str | None]:
    """Return the range of a product, and the factor that it mostly comes from.

    The factors' ranges are independent of each other, so that the relative widths below and above
    are added as squares (JCGM 100:2008, 5.1.6). The product of all lowest factors is a bound.

    Parameters
    ----------
    value : float
        The product of the central factors.
    factors : mapping
        Central, lowest and highest, by name.

    Returns
    -------
    tuple
        Lowest, highest, and the name; None where no factor has a range.
    """
    ratios = {
        name: (low / central, high / central) if central else (1.0, 1.0)
        for name, (central, low, high) in factors.items()
    }
    below = hypot(*(1 - low for low, _ in ratios.values()))
    above = hypot(*(high - 1 for _, high in ratios.values()))
    lowest = max(1 - below, prod(low for low, _ in ratios.values()))
    widths = {name: high - low for name, (low, high) in ratios.items()}
    most = max(widths, key=lambda name: widths[name])
    return value * lowest, value * (1 + above), most if widths[most] > 0 else None
