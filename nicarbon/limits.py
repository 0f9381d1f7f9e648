# SPDX-License-Identifier: Apache-2.0
"""When a counter's power stands still, as a processor's does that firmware keeps at a limit.

At a limit all that runs is slowed down together: power then says nothing of who draws it. It may
also stand still because nothing changes; which of the two is likelier is for `nicarbon.likeness`.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

# Power that is kept varies by less than this part of it.
_STILL = 0.01
# Fewer intervals are no level, nor is what is far below the most: a limit is what is reached.
_LEAST_INTERVALS = 4
_LEAST_PART = 0.95


def standing_j(energy_j: Floats, seconds: Floats) -> Floats:
    """Return a domain's energy in those intervals in which its power was the same; else 0.

    Parameters
    ----------
    energy_j, seconds : ndarray
        Of each interval.
    """
    live = (energy_j > 0) & (seconds > 0)
    power_w = np.where(live, energy_j / np.where(live, seconds, 1.0), 0.0)
    levels = np.sort(power_w[live])
    if not levels.size:
        return np.zeros_like(energy_j)
    # Of levels as wide as power that is still, the one with most intervals, of those the highest.
    beyond = np.searchsorted(levels, levels * (1 + _STILL), "right")
    n = np.where(levels >= _LEAST_PART * levels[-1], beyond - np.arange(levels.size), 0)
    first = levels.size - 1 - int(np.argmax(n[::-1]))
    if n[first] < _LEAST_INTERVALS:
        return np.zeros_like(energy_j)
    low_w, high_w = levels[first], levels[beyond[first] - 1]
    return np.where((power_w >= low_w) & (power_w <= high_w), energy_j, 0.0)
