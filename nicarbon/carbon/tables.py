# SPDX-License-Identifier: Apache-2.0
"""Yearly intensities of countries and regions, from the data files that CodeCarbon ships.

Only its files are read: importing CodeCarbon would load pandas and look the network up. A country
or region is never guessed, and a region that is unknown is never replaced by its country.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from nicarbon.carbon.intensity import MAX_G_PER_KWH, Intensity
from nicarbon.errors import PriceError

HINT = "pip install 'nicarbon[codecarbon]', or give grams a kWh yourself: --intensity 30"
KG_PER_LB = 0.45359237
# Shares of sources without a factor: below, they change no printed digit.
UNKNOWN_SHARE_LIMIT = 0.01
LIFE_CYCLE = "average, yearly, life cycle"
# No table states a range. What a run's own hours have is off the mean of their year by more than
# the mean itself is: by about a third, one standard deviation; an assumption, and said to be one.
YEAR_TO_HOUR = 0.35
RANGE_FROM = f"assumed: hours are about {100 * YEAR_TO_HOUR:.0f} % off the mean of their year"

_NORDIC = {"SWE": "SE", "NOR": "NO", "FIN": "FI"}
# The mixes of provinces name two sources otherwise than the table of sources does.
_SOURCE_NAMES = {"naturalGas": "natural_gas", "hydro": "hydroelectricity"}

_T = TypeVar("_T")


class _Country(msgspec.Struct, frozen=True):
    country_name: str
    year: int
    carbon_intensity: float | None = None


class _State(msgspec.Struct, frozen=True):
    emissions: float
    code: str = msgspec.field(name="regionCode")


class _Zone(msgspec.Struct, frozen=True):
    emission_factor: float
    year: int
    description: str = ""
    names: tuple[str, ...] = ()


class _Zones(msgspec.Struct, frozen=True):
    data: dict[str, _Zone]


class Tables:
    """CodeCarbon's intensities.

    Parameters
    ----------
    folder : Path
        Its ``data/private_infra``.
    version : str, optional
        Of the CodeCarbon that they come with.
    """

    def __init__(self, folder: Path, version: str = "") -> None:
        self.folder = folder
        self.name = f"CodeCarbon {version}".strip()

    @classmethod
    def find(cls) -> Tables:
        """Find the tables of the CodeCarbon that is installed, without importing it.

        Raises
        ------
        PriceError
            If none is.
        """
        spec = importlib.util.find_spec("codecarbon")
        places = (spec.submodule_search_locations or ()) if spec else ()
        for place in places:
            folder = Path(place) / "data" / "private_infra"
            if folder.is_dir():
                return cls(folder, _version())
        raise PriceError(f"the tables of countries come with CodeCarbon: {HINT}")

    def intensity(self, country: str, region: str | None = None) -> Intensity:
        """Return the yearly average of a country, or of a province, state or bidding zone.

        Parameters
        ----------
        country : str
            ISO 3166 code of three letters, or English name.
        region : str, optional
            Name or code.

        Returns
        -------
        Intensity
            In grams of CO2 equivalent a kilowatt-hour, with its source and year.

        Raises
        ------
        PriceError
            If the tables do not know it; close names are suggested.
        """
        countries = self._read("global_energy_mix.json", dict[str, _Country])
        names = {known.country_name: code for code, known in countries.items()}
        names |= {code: code for code in countries}
        code = _choose(country, names, "country", "give its ISO 3166 code of three letters")
        if region is not None:
            return self._region(code, region)
        known = countries[code]
        if not known.carbon_intensity:
            raise PriceError(
                f"{known.country_name}: {self.name} has no intensity for it; "
                "give grams a kWh yourself: --intensity 30"
            )
        return self._found(
            known.carbon_intensity, "Our World in Data", known.year, code, None, LIFE_CYCLE
        )

    def _region(self, country: str, region: str) -> Intensity:
        if country == "CAN":
            return self._province(region)
        if country == "USA":
            return self._state(region)
        if country == "CHN":
            return self._zone(
                country,
                region,
                "china_provincial_emissions.json",
                "CN-",
                "average, yearly, CO2 only",
            )
        if country in _NORDIC:
            return self._zone(
                country, region, "nordic_emissions.json", _NORDIC[country], LIFE_CYCLE
            )
        raise PriceError(
            f"{country}: {self.name} has no regions of it; leave --region out, or give grams a "
            "kWh yourself: --intensity 30"
        )

    def _province(self, region: str) -> Intensity:
        """Weigh a province's energy mix with CodeCarbon's factors of each source."""
        path = self._newest("canada_energy_mix.json")
        mixes = self._read(path, dict[str, dict[str, float]])
        name = _choose(region, {name: name for name in mixes}, "region of CAN")
        factors = self._read("carbon_intensity_per_source.json", dict[str, Any])
        g_per_kwh = _weighed(name, mixes[name], factors)
        what = "energy mix of the province and factors by source"
        return self._found(g_per_kwh, what, _year(path), "CAN", name, LIFE_CYCLE)

    def _state(self, region: str) -> Intensity:
        path = self._newest("usa_emissions.json")
        raw = self._read(path, dict[str, msgspec.Raw])
        states = {
            name: self._decode(path, value, _State)
            for name, value in raw.items()
            if not name.startswith("_") and name != "usa"
        }
        names = {state.code: name for name, state in states.items()}
        names |= {name: name for name in states}
        name = _choose(region, names, "region of USA")
        # EPA writes pounds a megawatt-hour.
        g_per_kwh = states[name].emissions * KG_PER_LB
        kind = "average, yearly, at the power plants"
        return self._found(g_per_kwh, "EPA eGRID", _year(path), "USA", name, kind)

    def _zone(self, country: str, region: str, file: str, prefix: str, kind: str) -> Intensity:
        path = self._newest(file)
        all_zones = self._read(path, _Zones).data
        zones = {code: zone for code, zone in all_zones.items() if code.startswith(prefix)}
        names = {name: code for code, zone in zones.items() for name in zone.names}
        names |= {code: code for code in zones}
        asked = re.sub(r"\s+(autonomous region|municipality|province)$", "", region, flags=re.I)
        code = _choose(asked, names, f"region of {country}")
        zone = zones[code]
        what = zone.description or code
        return self._found(zone.emission_factor, what, zone.year, country, code, kind)

    def _found(
        self,
        g_per_kwh: float,
        what: str,
        year: int | None,
        country: str,
        region: str | None,
        kind: str,
    ) -> Intensity:
        """Return an intensity, within what the hours of a year are assumed to differ by."""
        return Intensity(
            g_per_kwh=g_per_kwh,
            low_g_per_kwh=(1 - YEAR_TO_HOUR) * g_per_kwh,
            high_g_per_kwh=min((1 + YEAR_TO_HOUR) * g_per_kwh, MAX_G_PER_KWH),
            source=f"{self.name}: {what}",
            year=year,
            country=country,
            region=region,
            kind=kind,
            range_from=RANGE_FROM,
        )

    def _newest(self, name: str) -> Path:
        """Return a file of the newest year; those of regions may lie in a folder of their year."""
        found = [path for path in self.folder.glob(f"*/{name}") if path.parent.name.isdigit()]
        return max(found, default=self.folder / name, key=lambda path: int(path.parent.name))

    def _read(self, name: str | Path, kind: type[_T]) -> _T:
        path = self.folder / name
        try:
            return self._decode(path, path.read_bytes(), kind)
        except OSError as error:
            raise PriceError(
                f"{path}: cannot be read ({error.strerror}); use --intensity"
            ) from None

    def _decode(self, path: Path, content: bytes | msgspec.Raw, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.MsgspecError, ValueError) as error:
            raise PriceError(
                f"{path}: is not as this nicarbon knows it ({error}); use --intensity, or "
                "CodeCarbon 3.3"
            ) from None


def _version() -> str:
    try:
        return importlib.metadata.version("codecarbon")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _year(path: Path) -> int | None:
    return int(path.parent.name) if path.parent.name.isdigit() else None


def _weighed(name: str, mix: dict[str, float], factors: dict[str, Any]) -> float:
    """Return the mean of the factors of a mix's sources, weighted by their shares."""
    shares = {
        _SOURCE_NAMES.get(source, source): share
        for source, share in mix.items()
        if source != "total" and share > 0
    }
    known = {source: share for source, share in shares.items() if source in factors}
    unknown = sorted(shares.keys() - known.keys())
    whole = sum(shares.values())
    if not known or sum(shares[source] for source in unknown) > UNKNOWN_SHARE_LIMIT * whole:
        raise PriceError(
            f"{name}: CodeCarbon has no factor for {', '.join(unknown) or 'its mix'}; "
            "give grams a kWh yourself: --intensity 30"
        )
    weighted = sum(share * float(factors[source]) for source, share in known.items())
    return weighted / sum(known.values())


def _plain(text: str) -> str:
    """Write a name without case, accents and repeated blanks."""
    decomposed = unicodedata.normalize("NFKD", text)
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(letters.casefold().split())


def _choose(asked: str, names: dict[str, str], what: str, otherwise: str = "") -> str:
    """Return the key of a name, or suggest the close ones."""
    plain = {_plain(name): key for name, key in names.items()}
    if _plain(asked) in plain:
        return plain[_plain(asked)]
    close = get_close_matches(_plain(asked), plain, n=4, cutoff=0.6)
    original = {_plain(name): name for name in names}
    advice = otherwise or f"one of {_some(sorted(set(names.values())))}"
    if close:
        by_key = {plain[name]: _both(original[name], names) for name in reversed(close)}
        guess = f"did you mean {', '.join(reversed(by_key.values()))}?"
        advice = f"{guess} {otherwise}".strip()
    raise PriceError(f"{asked!r} is no known {what}; {advice}")


def _both(name: str, names: dict[str, str]) -> str:
    key = names[name]
    return name if key == name else f"{name} ({key})"


def _some(names: Iterable[str]) -> str:
    """Join names for a line, at most a screen's width of them."""
    names = list(names)
    return ", ".join(names[:15]) + (" ..." if len(names) > 15 else "")
