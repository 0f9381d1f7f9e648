# SPDX-License-Identifier: Apache-2.0
"""Intensities from a file of the user's: CSV or JSON, as grid operators and services write them.

A column is found by its name and its unit by what the name says of it; nothing is guessed where
two columns would do.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from nicarbon.carbon.intensity import Intensity
from nicarbon.carbon.series import Point, over
from nicarbon.carbon.source import Found, summed_up
from nicarbon.carbon.tables import KG_PER_LB
from nicarbon.errors import PriceError
from nicarbon.printable import clean

# Grams a kilowatt-hour, by mass and energy.
FACTORS = {
    ("g", "kwh"): 1.0,
    ("kg", "mwh"): 1.0,
    ("kg", "kwh"): 1000.0,
    ("g", "mwh"): 0.001,
    ("t", "mwh"): 1000.0,
    ("lb", "mwh"): KG_PER_LB,
    ("lbs", "mwh"): KG_PER_LB,
}
_TIMES = ("time", "datetime", "timestamp", "date", "from", "start", "point_time", "t")
_ENDS = ("to", "until", "end")
_VALUES = ("intensity", "carbon intensity", "carbonintensity", "value", "actual")
_UNIT = re.compile(
    r"(?<![a-z])(g|kg|lbs?|t)\W*(?:co2)?(?:eq?|equiv(?:alent)?)?\W*(?:/|per|\W)\W*(kwh|mwh)"
)
_ANY_UNIT = re.compile(r"(?<![a-z])\w+\s*/\s*\w+|\bper\b")
_MISSING = ("", "null", "none", "n/a", "na", "-")
# Instants beyond are milliseconds, as pandas writes them: seconds of the year 5138.
_MS_FROM = 1e11
_LISTS = ("data", "history", "forecast", "points", "values")


class SeriesFile(msgspec.Struct, frozen=True):
    """The intensities of a file.

    Attributes
    ----------
    path : str
        The file.
    points : tuple of Point
        What it says, in order.
    about : Intensity
        Where it is from, and what was averaged and counted.
    """

    path: str
    points: tuple[Point, ...]
    about: Intensity

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        timezone: str | None = None,
        column: str | None = None,
        kind: str = "",
    ) -> SeriesFile:
        """Read a file.

        Parameters
        ----------
        path : path
            CSV with a header, or JSON: a list of objects, or an object that holds one.
        timezone : str, optional
            Of times that do not say theirs, such as ``Europe/Berlin``.
        column : str, optional
            The name of the column with the intensities, where several could be meant.
        kind : str
            What was averaged and counted, as its user says.

        Returns
        -------
        SeriesFile
            In grams of CO2 equivalent a kilowatt-hour.

        Raises
        ------
        PriceError
            If it cannot be read or understood: where, and what to do.
        """
        name = clean(str(path))
        try:
            content = Path(path).read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise PriceError(f"{name}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise PriceError(f"{name}: is no text: give CSV or JSON") from None
        is_json = content.lstrip()[:1] in ("[", "{")
        rows = _from_json(name, content) if is_json else _from_csv(name, content)
        zone = None if timezone is None else _zone(timezone)
        points = tuple(_points(name, rows, zone, column))
        if not points:
            raise PriceError(f"{name}: holds no intensities")
        about = Intensity(0.0, 0.0, 0.0, f"{Path(path).name}, given by the user", kind=kind)
        return cls(name, points, about)

    def between(self, start_unix_s: float, end_unix_s: float) -> Found:
        """Return its intensities from one instant to a later one."""
        try:
            return summed_up(over(self.points, start_unix_s, end_unix_s), self.about)
        except PriceError as error:
            raise PriceError(f"{self.path}: {error}") from None


# Where a row stands in the file, for complaints, and the row itself.
_Rows = Sequence[tuple[str, Mapping[str, Any]]]


def _from_csv(name: str, content: str) -> _Rows:
    header = content.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        columns = [column.strip() for column in next(reader, [])]
        if len(set(columns)) < len(columns):
            raise PriceError(f"{name}:1: two columns have the same name")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{name}:{reader.line_num}"
            if len(cells) != len(columns):
                raise PriceError(f"{where}: has {len(cells)} cells under {len(columns)} names")
            rows.append((where, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise PriceError(f"{name}:{reader.line_num}: is not valid CSV ({error})") from None
    return rows


def _from_json(name: str, content: str) -> _Rows:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PriceError(f"{name}: is not valid JSON ({error})") from None
    unit = ""
    if isinstance(document, dict):
        meta = document.get("meta")
        unit = str(meta.get("units", "")) if isinstance(meta, dict) else ""
        document = next((document[key] for key in _LISTS if key in document), None)
    if isinstance(document, dict):  # a region of the UK's, with its list inside
        document = next((document[key] for key in _LISTS if key in document), None)
    if not isinstance(document, list):
        raise PriceError(f"{name}: holds no list of intensities under {', '.join(_LISTS)}")
    rows = []
    for i, entry in enumerate(document):
        where = f"{name}: entry {i}"
        if isinstance(entry, list) and len(entry) == 2:
            entry = {"time": entry[0], "value": entry[1]}
        if not isinstance(entry, dict):
            raise PriceError(f"{where}: is no object with time and intensity")
        inner = entry.get("intensity")
        if isinstance(inner, dict):  # as the UK's service answers
            value = inner.get("actual")
            entry = entry | {"intensity": inner.get("forecast") if value is None else value}
        if unit and "value" in entry:
            entry = {key: value for key, value in entry.items() if key != "value"} | {
                f"value {unit.replace('_', ' ')}": entry["value"]
            }
        rows.append((where, entry))
    return rows


def _points(name: str, rows: _Rows, zone: ZoneInfo | None, column: str | None) -> Iterator[Point]:
    if not rows:
        return
    columns = list(rows[0][1])
    time = _column(name, columns, _TIMES, "times")
    end = next((found for found in columns if _plain(found) in _ENDS), None)
    value, factor = _value(name, columns, column)
    zone = zone or (ZoneInfo("UTC") if re.search(r"\butc\b", time, re.I) else None)
    before: float | None = None
    for where, row in rows:
        before = _instant(where, row.get(time), zone, before)
        until = row.get(end) if end is not None else None
        number = _number(where, value, row.get(value))
        yield Point(
            before,
            None if number is None else number * factor,
            None if until in (None, "") else _instant(where, until, zone, before),
        )


def _plain(column: str) -> str:
    """Write a column's name without what stands in brackets, small."""
    return re.sub(r"[\s_]+", " ", re.sub(r"\(.*?\)", "", column)).strip().casefold()


def _column(name: str, columns: Sequence[str], known: Sequence[str], what: str) -> str:
    plain = {_plain(column): column for column in reversed(columns)}
    for candidate in known:
        if candidate.replace("_", " ") in plain:
            return plain[candidate.replace("_", " ")]
    raise PriceError(
        f"{name}: no column of {what} among {_listed(columns)}: call it one of {', '.join(known)}"
    )


def _value(name: str, columns: Sequence[str], asked: str | None) -> tuple[str, float]:
    """Return the column of the intensities, and what makes them grams a kilowatt-hour."""
    if asked is not None:
        if asked not in columns:
            raise PriceError(f"{name}: there is no column {asked!r}; it has {_listed(columns)}")
        found = [asked]
    else:
        found = [c for c in columns if _unit(c) is not None]
        found = found or [c for c in columns if _plain(c) in _VALUES][:1]
    if not found:
        raise PriceError(
            f"{name}: no column of intensities among {_listed(columns)}: call it g_per_kwh, or "
            f"write one of these units: {', '.join(f'{m}/{e}' for m, e in FACTORS)}"
        )
    if len(found) > 1:
        raise PriceError(f"{name}: {_listed(found)} could all be meant: choose one with --column")
    unit = _unit(found[0])
    if unit is None and _ANY_UNIT.search(_spelled(found[0])):
        raise PriceError(
            f"{name}: column {found[0]!r} has a unit that is not known; give one of "
            f"{', '.join(f'{m}/{e}' for m, e in FACTORS)}"
        )
    return found[0], 1.0 if unit is None else FACTORS[unit]


def _spelled(column: str) -> str:
    return column.replace("₂", "2").replace("_", " ").casefold()


def _unit(column: str) -> tuple[str, str] | None:
    match = _UNIT.search(_spelled(column))
    if match is None:
        return None
    unit = (match[1], match[2])
    return unit if unit in FACTORS else None


def _number(where: str, column: str, cell: Any) -> float | None:
    """Return a number; None where there is none, which is a gap."""
    if cell is None or (isinstance(cell, str) and cell.strip().casefold() in _MISSING):
        return None
    try:
        number = float(cell)
    except (TypeError, ValueError):
        number = None
    if number is None or isinstance(cell, bool):
        raise PriceError(f"{where}: {_shown(cell)} in column {column!r} is no number")
    if not isfinite(number):
        raise PriceError(f"{where}: {_shown(cell)} in column {column!r}: leave a gap empty")
    return number


def _instant(where: str, cell: Any, zone: ZoneInfo | None, before: float | None) -> float:
    """Return an instant in seconds since 1970."""
    if isinstance(cell, str):
        try:
            cell = float(cell)
        except ValueError:
            return _date(where, cell.strip(), zone, before)
    if isinstance(cell, bool) or not isinstance(cell, int | float) or not isfinite(cell):
        raise PriceError(f"{where}: {_shown(cell)} is no time: write 2026-11-22T13:00Z")
    return cell / 1000 if abs(cell) >= _MS_FROM else float(cell)


def _date(where: str, text: str, zone: ZoneInfo | None, before: float | None) -> float:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise PriceError(f"{where}: {_shown(text)} is no time: write 2026-11-22T13:00Z") from None
    if date.tzinfo is not None:
        return date.timestamp()
    if zone is None:
        raise PriceError(
            f"{where}: {_shown(text)} does not say its zone: end it with Z or +01:00, or give "
            "--timezone Europe/Berlin"
        )
    first = date.replace(tzinfo=zone).timestamp()
    if datetime.fromtimestamp(first, UTC).astimezone(zone).replace(tzinfo=None) != date:
        raise PriceError(f"{where}: {_shown(text)} was skipped by the clocks of {zone.key}")
    # In autumn an hour is there twice: the second time is the one that comes later in the file.
    second = date.replace(tzinfo=zone, fold=1).timestamp()
    return second if before is not None and first <= before < second else first


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise PriceError(
            f"--timezone {clean(name)}: no such time zone is known here: give one such as "
            "Europe/Berlin, or write times with their offset"
        ) from None


def _shown(cell: Any) -> str:
    text = clean(repr(cell))
    return text if len(text) <= 40 else f"{text[:37]}..."


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(clean(repr(column)) for column in columns[:8])
    return shown + (" ..." if len(columns) > 8 else "")
