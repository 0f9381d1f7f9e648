# SPDX-License-Identifier: Apache-2.0
"""A clock that goes only when it is told to."""

from __future__ import annotations

NS_PER_S = 1_000_000_000


class FakeClock:
    """CLOCK_MONOTONIC and the time of day, as the meter asks for them.

    Parameters
    ----------
    t_monotonic_ns : int
        Nanoseconds since boot at first.
    t_unix_ns : int
        Nanoseconds since 1970 at that moment; 22 November 2026 by default.
    """

    def __init__(
        self, t_monotonic_ns: int = 1000 * NS_PER_S, t_unix_ns: int = 1_795_305_600 * NS_PER_S
    ) -> None:
        self._t_monotonic_ns = t_monotonic_ns
        self._ahead_ns = t_unix_ns - t_monotonic_ns

    def monotonic_ns(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds."""
        return self._t_monotonic_ns

    def unix_ns(self) -> int:
        """Return nanoseconds since 1970, UTC."""
        return self._t_monotonic_ns + self._ahead_ns

    def advance(self, duration_ns: int) -> None:
        """Let time pass.

        Parameters
        ----------
        duration_ns : int
            Nanoseconds.

        Raises
        ------
        ValueError
            If it would go backwards.
        """
        if duration_ns < 0:
            raise ValueError(f"a monotonic clock can't go back by {-duration_ns} ns")
        self._t_monotonic_ns += duration_ns

    def set_wall_clock(self, t_unix_ns: int) -> None:
        """Step the time of day, as an administrator or NTP does.

        Parameters
        ----------
        t_unix_ns : int
            Nanoseconds since 1970, from now on.
        """
        self._ahead_ns = t_unix_ns - self._t_monotonic_ns
