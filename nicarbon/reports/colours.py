# SPDX-License-Identifier: Apache-2.0
"""The scale of colours that pictures show energy with: light is little, dark is much."""

from __future__ import annotations

# The nine-class sequential scheme YlGnBu of ColorBrewer 2.0 (Cynthia Brewer, Pennsylvania State
# University, Apache-2.0, https://colorbrewer2.org), of which it says that it is safe for the
# colour-blind. Its lightness falls from class to class, so that it is read in grey, too.
SCALE = (
    "#ffffd9",
    "#edf8b1",
    "#c7e9b4",
    "#7fcdbb",
    "#41b6c4",
    "#1d91c0",
    "#225ea8",
    "#253494",
    "#081d58",
)
NOTHING = "#ffffff"
DARK, LIGHT = "#000000", "#ffffff"


def fill_of(value: float | None, greatest: float) -> str:
    """Return the class of a value: nine of equal width from 0 to the greatest.

    Parameters
    ----------
    value : float or None
        At least 0, in any unit; None is white.
    greatest : float
        Of the picture, in the same unit.

    Returns
    -------
    str
        ``#rrggbb``.

    Examples
    --------
    >>> fill_of(0.0, 10.0), fill_of(10.0, 10.0), fill_of(None, 10.0)
    ('#ffffd9', '#081d58', '#ffffff')
    """
    if value is None:
        return NOTHING
    part = value / greatest if greatest > 0 else 0.0
    return SCALE[min(int(part * len(SCALE)), len(SCALE) - 1)]


def ink_on(fill: str) -> str:
    """Return black or white, whichever is read better on a fill.

    Examples
    --------
    >>> ink_on("#ffffd9"), ink_on("#081d58")
    ('#000000', '#ffffff')
    """
    return max((DARK, LIGHT), key=lambda ink: contrast(ink, fill))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21, as WCAG 2.2 defines it.

    Examples
    --------
    >>> contrast("#000000", "#ffffff")
    21.0
    """
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
