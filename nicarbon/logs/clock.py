# SPDX-License-Identifier: Apache-2.0
"""One clock for all dates of a log."""

from __future__ import annotations

from collections.abc import Iterable

from nicarbon.logs.dates import Stamp, offset_s


class Clock:
    """Turns dates into seconds on one clock: a change to or from summer time is taken out.

    Parameters
    ----------
    zones : collection of str
        All zones that the log names.
    """

    def __init__(self, zones: Iterable[str]) -> None:
        self._zones = list(dict.fromkeys(z for z in zones if z))
        offsets = {zone: offset_s(zone, self._zones) for zone in self._zones}
        self._first = offsets.get(self._zones[0]) if self._zones else None
        self._ahead = {
            zone: known - self._first
            for zone, known in offsets.items()
            if known is not None and self._first is not None
        }
        self._last_ahead = 0.0

    @property
    def utc_offset_s(self) -> float | None:
        """Seconds that the clock is ahead of UTC."""
        return self._first

    def seconds(self, stamp: Stamp) -> float:
        """Return an instant; one without a zone is in the zone of the one before."""
        if stamp.zone:
            self._last_ahead = self._ahead.get(stamp.zone, 0.0)
        return stamp.local_s - self._last_ahead
