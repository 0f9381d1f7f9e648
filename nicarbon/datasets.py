# SPDX-License-Identifier: Apache-2.0
"""Sizes of well-known collections of brain images, each with its source."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from functools import cache
from importlib import resources

import msgspec

from nicarbon.errors import NicarbonError


class Dataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A collection of images.

    Attributes
    ----------
    title, what : str
        What it is, and what is counted.
    scans : int
        How many.
    source, checked : str
        Who says so, and what the number was checked against.
    """

    title: str
    scans: int
    what: str
    source: str
    checked: str


@cache
def datasets() -> dict[str, Dataset]:
    """Return the collections by their names, the smallest first."""
    text = resources.files("nicarbon").joinpath("data/datasets.toml").read_text("utf-8")
    found = msgspec.convert(tomllib.loads(text), dict[str, Dataset])
    return dict(sorted(found.items(), key=lambda item: item[1].scans))


def dataset(name: str) -> Dataset:
    """Return a collection.

    Raises
    ------
    NicarbonError
        If it is not known; near names are offered.

    Examples
    --------
    >>> dataset("ukbiobank").scans
    100000
    """
    found = datasets().get(name)
    if found is None:
        near = get_close_matches(name, datasets(), n=1)
        meant = f" did you mean {near[0]}?" if near else ""
        known = ", ".join(datasets())
        raise NicarbonError(f"--dataset {name}: is not known;{meant} there is {known}")
    return found
