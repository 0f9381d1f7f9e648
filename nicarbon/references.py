# SPDX-License-Identifier: Apache-2.0
"""Published figures of pipelines, to be set beside measured ones and never mixed with them.

They are data, with their source; nothing is computed from them but what their reader asks for.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources

import msgspec

from nicarbon.errors import NicarbonError

PREFIX = "published:"


class Printed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a publication itself makes of its figures for many scans.

    Attributes
    ----------
    scans : int
        For so many.
    days : float
        Days that one machine of this kind takes.
    carbon_kg : float
        Kilograms of CO2 equivalent.
    """

    scans: int
    days: float
    carbon_kg: float


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pipeline's published figures, each as mean and standard deviation of a run.

    Attributes
    ----------
    pipeline, device : str
        What ran, on ``CPU`` or ``GPU``.
    runtime_h, energy_wh, carbon_g : tuple of Decimal
        Hours, watt-hours and grams of CO2 equivalent, to the digits that were printed.
    source, conditions : str
        Who says so, and what they hold for.
    n : int or None
        Runs that the means are of; None where it is not published.
    printed : Printed or None
        What the source says of many scans.
    """

    pipeline: str
    device: str
    runtime_h: tuple[Decimal, Decimal]
    energy_wh: tuple[Decimal, Decimal]
    carbon_g: tuple[Decimal, Decimal]
    source: str
    conditions: str
    n: int | None = None
    printed: Printed | None = None

    @property
    def g_per_kwh(self) -> float:
        """Return the carbon intensity that its own figures imply.

        Examples
        --------
        >>> round(references()["freesurfer-cpu"].g_per_kwh, 2)
        30.05
        """
        return float(1000 * self.carbon_g[0] / self.energy_wh[0])


@cache
def references() -> dict[str, Reference]:
    """Return the published figures by their names."""
    text = resources.files("nicarbon").joinpath("data/references.toml").read_text("utf-8")
    # A float would forget how many digits there are: 0.80 is not 0.8.
    return msgspec.convert(tomllib.loads(text, parse_float=Decimal), dict[str, Reference])


def named(pattern: str) -> dict[str, Reference]:
    """Return the published figures of a name or a pattern such as ``published:fastsurfer*``.

    Raises
    ------
    NicarbonError
        If there are none; near names are offered.

    Examples
    --------
    >>> list(named("published:fastsurfer*"))
    ['fastsurfer-cpu', 'fastsurfer-gpu']
    """
    wanted = pattern.removeprefix(PREFIX)
    found = {name: one for name, one in references().items() if fnmatchcase(name, wanted)}
    if not found:
        near = get_close_matches(wanted, references(), n=1)
        meant = f" did you mean {near[0]}?" if near else ""
        known = ", ".join(references())
        raise NicarbonError(f"{pattern}: no such published figures;{meant} there are {known}")
    return found
