# SPDX-License-Identifier: Apache-2.0
"""Intensities of Great Britain from its Carbon Intensity API: national or of a region.

Half-hourly, without a token; documented at https://carbon-intensity.github.io/api-definitions,
data under CC BY 4.0. A national value is the actual one where there is one yet; a region has
forecasts only, which are kept after their time has come.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from nicarbon.carbon.intensity import Intensity
from nicarbon.carbon.series import DAY_S, Point, over
from nicarbon.carbon.source import Found, summed_up
from nicarbon.carbon.web import Service
from nicarbon.errors import PriceError

BASE = "https://api.carbonintensity.org.uk"
NAME = "Carbon Intensity API (Great Britain)"
NATIONAL = "national"
_HALF_HOUR_S = 1800.0
_DAYS_AT_ONCE = 13
_FORECAST_S = 2 * DAY_S
_SETTLED_S = 2 * DAY_S
_FRESH_S = 900.0
_POSTCODE = re.compile(r"[A-Z]{1,2}[0-9][A-Z0-9]?")
_REGIONS = 17
# Of electricity as it is consumed, without what fuel and plants cost to make.
_KIND = "average, half-hourly, at the power plants"


class UK(msgspec.Struct, frozen=True):
    """Intensities of Great Britain, or of one of its regions.

    Attributes
    ----------
    region : str
        ``national``, a region's number from 1 to 17, or the first half of a postcode (``OX1``).
    base : str
        Where the service is.
    """

    region: str = NATIONAL
    base: str = BASE

    def __post_init__(self) -> None:
        """Refuse what can't be a region, before anything is asked."""
        number = self.region.isdecimal() and 1 <= int(self.region) <= _REGIONS
        if not (self.region == NATIONAL or number or _POSTCODE.fullmatch(self.region)):
            raise PriceError(
                f"{self.region!r} is no region of Great Britain: write {NATIONAL}, a number from "
                f"1 to {_REGIONS}, or the first half of a postcode such as OX1"
            )

    def between(self, start_unix_s: float, end_unix_s: float) -> Found:
        """Return the intensities from one instant to a later one, up to 48 hours ahead."""
        entries: dict[str, dict[str, Any]] = {}
        for answer in self._answers(start_unix_s, end_unix_s):
            entries |= {str(entry.get("from")): entry for entry in _entries(answer)}
        read = sorted((_read(entry) for entry in entries.values()), key=lambda p: p[0].t_unix_s)
        used = [
            is_forecast
            for point, is_forecast in read
            if point.t_unix_s + _HALF_HOUR_S > start_unix_s and point.t_unix_s < end_unix_s
        ]
        forecasts = f", {sum(used)} of {len(used)} values forecasts" if any(used) else ""
        region = None if self.region == NATIONAL else self.region
        about = Intensity(0, 0, 0, f"{NAME}{forecasts}", country="GBR", region=region, kind=_KIND)
        try:
            if not read:
                raise PriceError("has no intensities for this time")
            return summed_up(over([point for point, _ in read], start_unix_s, end_unix_s), about)
        except PriceError as error:
            raise PriceError(f"{NAME}, {self.region}: {error}") from None

    def _answers(self, start_unix_s: float, end_unix_s: float) -> Iterator[Any]:
        """Ask for what covers a time, and for a day more on both sides of a past one."""
        now_s = time.time()
        service = Service(NAME, self.base, not_found=f"check the region ({self.region})")
        if self.region == NATIONAL:
            path, of = "/intensity", ""
        else:
            by = "regionid" if self.region.isdecimal() else "postcode"
            path, of = "/regional/intensity", f"/{by}/{self.region}"
        first_s = start_unix_s // DAY_S * DAY_S - DAY_S
        last_s = min(end_unix_s // DAY_S * DAY_S + 2 * DAY_S, now_s // _HALF_HOUR_S * _HALF_HOUR_S)
        while start_unix_s < now_s and first_s < last_s:
            upto_s = min(first_s + _DAYS_AT_ONCE * DAY_S, last_s)
            max_age_s = None if upto_s < now_s - _SETTLED_S else _FRESH_S
            yield service.ask(f"{path}/{_iso(first_s)}/{_iso(upto_s)}{of}", {}, max_age_s)
            first_s = upto_s
        if end_unix_s > now_s // _HALF_HOUR_S * _HALF_HOUR_S:
            from_s = max(start_unix_s, now_s) // _HALF_HOUR_S * _HALF_HOUR_S
            yield service.ask(f"{path}/{_iso(from_s)}/fw48h{of}", {}, _FRESH_S)


def _entries(answer: Any) -> list[dict[str, Any]]:
    """Return the values of an answer; a region has its list inside."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if isinstance(data, dict):
        data = data.get("data")
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise PriceError(f"{NAME} answered in a shape that this nicarbon does not know")
    return data


def _read(entry: dict[str, Any]) -> tuple[Point, bool]:
    """Return a half hour, and whether its value is a forecast."""
    try:
        times = [datetime.fromisoformat(entry[key]).timestamp() for key in ("from", "to")]
        values = entry["intensity"]
        actual, forecast = values.get("actual"), values.get("forecast")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PriceError(f"{NAME} answered with a value without its time") from None
    value = forecast if actual is None else actual
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise PriceError(f"{NAME} answered with an intensity that is no number")
    point = Point(times[0], None if value is None else float(value), times[1])
    return point, actual is None and value is not None


def _iso(t_unix_s: float) -> str:
    return datetime.fromtimestamp(t_unix_s, UTC).strftime("%Y-%m-%dT%H:%MZ")
