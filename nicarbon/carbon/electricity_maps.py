# SPDX-License-Identifier: Apache-2.0
"""Intensities of Electricity Maps: the past, the hour that is running, and the forecast.

Documented at https://portal.electricitymaps.com/docs/api; the token is read from the environment
when it is needed, and goes nowhere else.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from nicarbon.carbon.intensity import Intensity
from nicarbon.carbon.series import DAY_S, Point, over
from nicarbon.carbon.source import Found, summed_up
from nicarbon.carbon.web import Service
from nicarbon.errors import PriceError

BASE = "https://api.electricitymaps.com/v3"
TOKEN = "ELECTRICITYMAPS_TOKEN"
NAME = "Electricity Maps"
HOUR_S = 3600.0
# What the service gives at once: `past-range` by hours, and `history`, which a free token has too.
_DAYS_AT_ONCE = 10
_HISTORY_S = 23 * HOUR_S
# Values are revised for some days; those that are older are kept for good.
_SETTLED_S = 3 * DAY_S
_FRESH_S = 900.0
_ZONE = re.compile(r"[A-Z]{2}(-[A-Z0-9]+)*")
_KINDS = {"lifecycle": "average, hourly, life cycle", "direct": "average, hourly, direct"}


class ElectricityMaps(msgspec.Struct, frozen=True):
    """Intensities of one zone.

    Attributes
    ----------
    zone : str
        Such as ``DE`` or ``US-CAL-CISO``.
    emissions : str
        ``lifecycle``, or ``direct`` for those at the power plants alone.
    base : str
        Where the service is.
    """

    zone: str
    emissions: str = "lifecycle"
    base: str = BASE

    def __post_init__(self) -> None:
        """Refuse what can't be a zone, before anything is asked."""
        if not _ZONE.fullmatch(self.zone):
            raise PriceError(
                f"{self.zone!r} is no zone of {NAME}: write DE, FR, US-CAL-CISO ..., see "
                "https://app.electricitymaps.com"
            )

    def between(self, start_unix_s: float, end_unix_s: float) -> Found:
        """Return the intensities from one instant to a later one, in the past or the future."""
        service = self._service()
        entries: dict[float, dict[str, Any]] = {}
        for answer in self._answers(service, start_unix_s, end_unix_s):
            entries |= {_time(entry): entry for entry in _entries(answer)}
        points = [Point(t, _value(entry), t + HOUR_S) for t, entry in sorted(entries.items())]
        used = [
            entry for t, entry in entries.items() if t + HOUR_S > start_unix_s and t < end_unix_s
        ]
        n_estimated = sum(bool(entry.get("isEstimated")) for entry in used)
        estimated = f", {n_estimated} of {len(used)} values estimated" if n_estimated else ""
        about = Intensity(
            0, 0, 0, f"{NAME}{estimated}", region=self.zone, kind=_KINDS[self.emissions]
        )
        try:
            if not points:
                raise PriceError("has no intensities for this time")
            return summed_up(over(points, start_unix_s, end_unix_s), about)
        except PriceError as error:
            raise PriceError(f"{NAME}, {self.zone}: {error}") from None

    def _service(self) -> Service:
        token = os.environ.get(TOKEN, "").strip()
        if not token:
            raise PriceError(
                f"{NAME} wants a token: set the environment variable {TOKEN} (from "
                "https://portal.electricitymaps.com), or give --series FILE"
            )
        if not token.isascii() or not token.isprintable():
            raise PriceError(f"{TOKEN} holds characters that no token has")
        return Service(
            NAME,
            self.base,
            {"auth-token": token},
            denied=f"check {TOKEN}, and that it is valid for zone {self.zone} and this time",
            not_found=f"check zone {self.zone}, see https://app.electricitymaps.com",
        )

    def _answers(self, service: Service, start_unix_s: float, end_unix_s: float) -> Iterator[Any]:
        """Ask for what covers a time, and for a day more on both sides of a past one."""
        now_s = time.time()
        asked = {
            "zone": self.zone,
            "emissionFactorType": self.emissions,
            "temporalGranularity": "hourly",
        }
        if now_s - _HISTORY_S <= start_unix_s <= now_s:
            yield service.ask("/carbon-intensity/history", asked, _FRESH_S)
        elif start_unix_s < now_s:
            first_s = start_unix_s // DAY_S * DAY_S - DAY_S
            last_s = min(end_unix_s // DAY_S * DAY_S + 2 * DAY_S, now_s // HOUR_S * HOUR_S)
            while first_s < last_s:
                upto_s = min(first_s + _DAYS_AT_ONCE * DAY_S, last_s)
                limits = {"start": _iso(first_s), "end": _iso(upto_s)}
                max_age_s = None if upto_s < now_s - _SETTLED_S else _FRESH_S
                yield service.ask("/carbon-intensity/past-range", asked | limits, max_age_s)
                first_s = upto_s
        if start_unix_s <= now_s and end_unix_s > now_s // HOUR_S * HOUR_S - HOUR_S:
            yield [service.ask("/carbon-intensity/latest", asked, _FRESH_S)]
        if end_unix_s > now_s + HOUR_S:
            yield service.ask("/carbon-intensity/forecast", asked, _FRESH_S)


def _entries(answer: Any) -> Iterable[dict[str, Any]]:
    """Return the values of an answer: `past-range` has them as ``data``."""
    if isinstance(answer, dict):
        answer = next((answer[k] for k in ("data", "history", "forecast") if k in answer), None)
    if not isinstance(answer, list) or not all(isinstance(entry, dict) for entry in answer):
        raise PriceError(f"{NAME} answered in a shape that this nicarbon does not know")
    return answer


def _time(entry: dict[str, Any]) -> float:
    try:
        return datetime.fromisoformat(entry["datetime"]).timestamp()
    except (KeyError, TypeError, ValueError):
        raise PriceError(f"{NAME} answered with a value without its time") from None


def _value(entry: dict[str, Any]) -> float | None:
    value = entry.get("carbonIntensity")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PriceError(f"{NAME} answered with an intensity that is no number")
    return float(value)


def _iso(t_unix_s: float) -> str:
    return datetime.fromtimestamp(t_unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
