# SPDX-License-Identifier: Apache-2.0
"""A table of the report page: cells with their text, and what they are sorted by."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Bar(msgspec.Struct, frozen=True):
    """A bar and its range, in per cent of the widest of its column."""

    width: float
    low: float
    high: float
    colour: str


class Cell(msgspec.Struct, frozen=True):
    """One cell.

    Attributes
    ----------
    text : str
        What it shows.
    key : float or None
        What a column of numbers is sorted by; None comes last.
    colour : str
        Of the swatch before the text; may be empty.
    bar : Bar or None
        Drawn below the text.
    """

    text: str
    key: float | None = None
    colour: str = ""
    bar: Bar | None = None


class Column(msgspec.Struct, frozen=True):
    """A column: `kind` is ``name``, ``number``, ``text``, ``note`` or ``word``."""

    title: str
    kind: str = "number"


class Table(msgspec.Struct, frozen=True):
    """A table, whose first column holds the rows' headers.

    Attributes
    ----------
    ids : tuple of str
        Anchors: none, or one for each row.
    total : tuple of Cell
        The last row; may be empty.
    is_sortable : bool
        Whether its headers are buttons where scripts run.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] = ()
    ids: tuple[str, ...] = ()
    is_sortable: bool = False


def columns(titles: Sequence[str]) -> tuple[Column, ...]:
    """Return columns of numbers, but for the first, which names the rows."""
    return (Column(titles[0], "name"), *(Column(title) for title in titles[1:]))


BYTES_PER_GIB = 2**30


def memory(memory_bytes: int | None) -> str:
    """Write an amount of memory.

    Examples
    --------
    >>> memory(3 * 2**29), memory(None)
    ('1.5 GiB', 'n/a')
    """
    return "n/a" if not memory_bytes else f"{memory_bytes / BYTES_PER_GIB:.3g} GiB"
