# SPDX-License-Identifier: Apache-2.0
"""Read dates as ``date`` prints them, in the language and time zone of whoever ran it.

Zone names are ambiguous (CST, IST): a log's times are first compared with each other, and their
place in UTC is known only where a zone says it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

# First letters of the months in languages that hospitals and clusters run in, without accents:
# en, de, fr, es, it, pt, ca, gl, nl, af, sv, da, nb, is, fi, et, lt, pl, cs, hu, ro, tr, el, ru,
# uk, sr (CLDR's and glibc's names). The longest that a word begins with counts.
_MONTHS = {
    1: "jan ene gen xan sty oca ian jaan tammi sau led янв січ јан ιαν",
    2: "feb fev lut sub vee helmi vas uno фев лют феб φεβ",
    3: "mar mrt maa mrz mae marz moz kov bre мар бер μαρ",
    4: "apr avr abr kwi nis huhti bal dub апр кві απρ",
    5: "may mai mei maj mag maggio touko geg kve мая май тра мај μαι",
    6: "jun juin giu cze haz iun juu xun kesa birz cerv cen июн чер јун ιουν",
    7: "jul juil jui lug lip tem iul juul xul heina liep cervenc cec июл лип јул ιουλ",
    8: "aug aou ago agu avg sie elo rugp srp авг сер αυγ",
    9: "sep set sze wrz eyl syy rugs zar сен вер сеп σεπ",
    10: "oct okt out ott paz eki loka spa rij окт жов οκτ",
    11: "nov lis kas noi marras lap ноя ное нов лис νοε",
    12: "dec dez dic gru ara des det joulu pro дек гру дец δεκ",
}
_MONTH_OF = {name: month for month, names in _MONTHS.items() for name in names.split()}
_LONGEST_MONTH = max(map(len, _MONTH_OF))

# Hours east of Greenwich of names that mean one zone wherever imaging is done.
_ZONES = {
    "UTC": 0,
    "GMT": 0,
    "Z": 0,
    "WET": 0,
    "WEST": 1,
    "CET": 1,
    "CEST": 2,
    "MEZ": 1,
    "MESZ": 2,
    "EET": 2,
    "EEST": 3,
    "MSK": 3,
    "EST": -5,
    "EDT": -4,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "AKST": -9,
    "AKDT": -8,
    "HST": -10,
    "JST": 9,
    "KST": 9,
    "HKT": 8,
    "SGT": 8,
    "AEST": 10,
    "AEDT": 11,
    "ACST": 9.5,
    "AWST": 8,
    "NZST": 12,
    "NZDT": 13,
}
# Names of several zones, told by the name that the other half of the year has in the same log.
_TOLD_BY = {("CST", "CDT"): -6, ("BST", "GMT"): 1, ("IST", "GMT"): 1}

# A time of day: with colons, points (fi) or the signs of Chinese, Japanese and Korean.
CLOCK = r"\d{1,2}(?:[:.]|[時时]|시 ?)\d{2}(?:[:.]|分|분 ?)\d{2}"
_AM, _PM = "a\\.? ?m\\b\\.?|上午|午前|오전|π\\.?μ\\.?", "p\\.? ?m\\b\\.?|下午|午後|오후|μ\\.?μ\\.?"
_TIME = re.compile(
    rf"(?:(?P<am>[Aa][Mm]|上午|午前|오전)|(?P<pm>[Pp][Mm]|下午|午後|오후))? ?(?<!\d)"
    rf"(?P<clock>{CLOCK})(?:[.,]\d+)?[秒초]?(?!:?\d)"
    rf"(?:\s*(?:(?P<later_am>{_AM})|(?P<later_pm>{_PM})))?",
    re.IGNORECASE,
)
_ISO = re.compile(r"(?<!\d)(\d{4})[-/](\d{2})[-/](\d{2})")
_HAN = re.compile(r"(\d{4})\s*[年년.]\s*(\d{1,2})\s*[月월.]\s*(\d{1,2})\s*[日일.]?")
# eu, and FastSurfer's own; years of two digits are this century's.
_SHORT = re.compile(r"(?<![\d-])(\d{2})-(\d{2})-(\d{2})(?![\d-])")
_DAY_FIRST = re.compile(r"(?<![\d.])(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?!\d)")
_HAN_MONTH = re.compile(r"(\d{1,2})\s*月\s*(\d{1,2})(?!\d)")
_YEAR = re.compile(r"(?<![\d:+-])((?:19|20)\d{2})(?![\d:])")
_DAY = re.compile(r"(?<![\w:+-])(\d{1,2})(?![\d:])")
_YEAR_FIRST = re.compile(r"\W*\d{4}\b")
_NUMBER = re.compile(r"\d+")
# A half of the day in a language that is not known here, or that has no word for it and leaves
# two blanks: the time may be twelve hours off.
_UNKNOWN_HALF = re.compile(r"\s*[a-zà-ÿ]{2,}|  +[A-Z]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_NUMERIC_ZONE = re.compile(r"(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})?(?!\d)")
_ZONE_WORD = re.compile(r"(?<![^\W\d_])([A-Z]{1,5})(?![^\W\d_])")
_NO_ZONE = frozenset({"AM", "PM", "A", "P", "M"})


class Stamp(msgspec.Struct, frozen=True):
    """An instant on somebody's clock on the wall.

    Attributes
    ----------
    local_s : float
        Seconds since 1970-01-01 00:00 on that clock.
    zone : str
        The zone's name or its ``+hhmm`` as written; empty where none is.
    """

    local_s: float
    zone: str = ""


@lru_cache(maxsize=4096)
def read_date(text: str) -> Stamp | None:
    """Read a date of ``date``; None where it is none.

    Parameters
    ----------
    text : str
        A line, or what follows a marker's title.

    Examples
    --------
    >>> read_date("Tue Jul 13 16:30:58 EDT 2021")
    Stamp(local_s=1626193858.0, zone='EDT')
    >>> read_date("mar 28 dic 2021 13:34:15 -03")
    Stamp(local_s=1640698455.0, zone='-03')
    >>> read_date("Mon 26 Sep 2022 09:28:53 PM CEST")
    Stamp(local_s=1664227733.0, zone='CEST')
    >>> read_date("sub-01 lh 224323") is None
    True
    """
    if len(text) > 80:
        return None
    time = _TIME.search(text)
    if time is None:
        return None
    before, after = text[: time.start()], text[time.end() :]
    day = _day_of(before, after)
    if day is None or _UNKNOWN_HALF.match(after):
        return None
    hour, minute, second = (int(part) for part in _NUMBER.findall(time["clock"]))
    is_pm = time["pm"] or time["later_pm"]
    if (is_pm or time["am"] or time["later_am"]) and 1 <= hour <= 12:
        hour = hour % 12 + (12 if is_pm else 0)
    try:
        instant = datetime(*day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    return Stamp(instant.timestamp(), _zone_of(after))


def _day_of(before: str, after: str) -> tuple[int, int, int] | None:
    """Return year, month and day, which may stand on either side of the time."""
    for pattern in (_ISO, _HAN):
        found = pattern.search(before)
        if found:
            return int(found[1]), int(found[2]), int(found[3])
    if found := _SHORT.search(before):
        return 2000 + int(found[1]), int(found[2]), int(found[3])
    if found := _DAY_FIRST.search(before):
        return int(found[3]), int(found[2]), int(found[1])
    year = _YEAR.search(before) or _YEAR.search(after)
    if year is None:
        return None
    if found := _HAN_MONTH.search(before):
        return int(year[1]), int(found[1]), int(found[2])
    # A weekday may look like a month (es: mar, martes): it stands farther from the year's end of
    # the date. A longer word that is no month is one of a language that is not known here.
    words = _WORD.findall(before)
    month = None
    for word in words if _YEAR_FIRST.match(before) else reversed(words):
        month = _month(_plain(word))
        if month or len(word) > 2:
            break
    day = next((int(d) for d in _DAY.findall(before) if 1 <= int(d) <= 31), None)
    if month is None or day is None:
        return None
    return int(year[1]), month, day


def _plain(word: str) -> str:
    """Return a word in lower case without its accents."""
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c)).replace("ł", "l")


def _month(word: str) -> int | None:
    lengths = range(min(len(word), _LONGEST_MONTH), 2, -1)
    return next((_MONTH_OF[word[:n]] for n in lengths if word[:n] in _MONTH_OF), None)


def _zone_of(after: str) -> str:
    numeric = _NUMERIC_ZONE.search(after)
    if numeric:
        return numeric[0]
    names = (name for name in _ZONE_WORD.findall(after) if name not in _NO_ZONE)
    return next(names, "")


def offset_s(zone: str, beside: Collection[str] = ()) -> float | None:
    """Return the seconds that a zone is ahead of UTC; None where its name does not tell.

    Parameters
    ----------
    zone : str
        As in `Stamp`.
    beside : collection of str
        The other zones in the same log: summer time tells which of its namesakes a zone is.

    Examples
    --------
    >>> offset_s("EDT"), offset_s("-03"), offset_s("CST"), offset_s("CST", ["CDT"])
    (-14400.0, -10800.0, None, -21600.0)
    """
    numeric = _NUMERIC_ZONE.fullmatch(zone)
    if numeric:
        sign = -1.0 if numeric[1] == "-" else 1.0
        return sign * (int(numeric[2]) * 3600 + int(numeric[3] or 0) * 60)
    hours = _ZONES.get(zone)
    if hours is None:
        hours = next(
            (h for (name, by), h in _TOLD_BY.items() if name == zone and by in beside), None
        )
    return None if hours is None else hours * 3600.0
