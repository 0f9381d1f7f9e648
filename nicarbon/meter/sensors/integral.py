# SPDX-License-Identifier: Apache-2.0
"""Energy of what shows only its power: readings, integrated, with what happened between unknown.

The sum never falls, and neither do its bounds.
"""

from __future__ import annotations

# Readings this far apart are those of an instrument; between later ones anything may have been.
_LONGEST_S = 1.5


class PowerIntegral:
    """Joules since the first reading of a power.

    Between two readings power is taken as changing evenly, and as never below the lower or above
    the higher of them; where they are further apart than `_LONGEST_S`, as never below the lowest
    that was ever read or above what the device can draw.

    Parameters
    ----------
    max_power_w : float
        What it can draw at most.
    """

    def __init__(self, max_power_w: float) -> None:
        self._max_power_w = max_power_w
        self._last: tuple[int, float] | None = None
        self._least_w = max_power_w
        self._energy_j = 0.0
        self._low_j = 0.0
        self._high_j = 0.0

    def add(self, t_ns: int, power_w: float) -> None:
        """Add a reading; one that is not later than the last, or is no power, is left out."""
        if not 0 <= power_w <= self._max_power_w:
            return
        if self._last is not None:
            before_ns, before_w = self._last
            if t_ns <= before_ns:
                return
            seconds = (t_ns - before_ns) / 1e9
            low_w, high_w = min(before_w, power_w), max(before_w, power_w)
            if seconds > _LONGEST_S:
                low_w, high_w = min(self._least_w, low_w), self._max_power_w
            self._energy_j += (before_w + power_w) / 2 * seconds
            self._low_j += low_w * seconds
            self._high_j += high_w * seconds
        self._last = t_ns, power_w
        self._least_w = min(self._least_w, power_w)

    def millijoules(self) -> tuple[int, int, int]:
        """Return the energy, the least and the most that it may be, in whole millijoules."""
        return int(self._energy_j * 1e3), int(self._low_j * 1e3), int(self._high_j * 1e3)
