# SPDX-License-Identifier: Apache-2.0
"""Which fonts a figure is written in: one for most of it, others for signs that it lacks.

Names of nodes and groups may be Chinese, Japanese or any other; the font that comes with
matplotlib has no signs for these, what the machine has installed may.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from nicarbon.errors import MissingExtraError

try:
    from matplotlib.font_manager import fontManager, get_font
except ModuleNotFoundError:
    raise MissingExtraError("matplotlib", "report") from None

USUAL = "DejaVu Sans"
# It has a box with a number for every sign that there is, which says nothing to a reader.
_NO_HELP = "Last Resort"


def families(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the fonts that texts need, the usual one first.

    Parameters
    ----------
    texts : iterable of str
        All that is written.

    Returns
    -------
    tuple of str
        Names of families. The others are those installed that have most of the signs still
        lacking, by name where several have as many.
    """
    chosen = [USUAL]
    lacking = unshown("".join(texts), chosen)
    while lacking:
        most, name = max(
            ((sum(_has(name, sign) for sign in lacking), name) for name in _installed()),
            key=lambda found: (found[0], [-ord(letter) for letter in found[1]]),
            default=(0, ""),
        )
        if not most:
            break
        chosen.append(name)
        lacking = unshown(lacking, chosen)
    return tuple(chosen)


def unshown(text: str, chosen: Iterable[str]) -> str:
    """Return the signs of a text that none of the fonts has, each once, in their order."""
    names = tuple(chosen)
    return "".join(
        sign for sign in dict.fromkeys(text) if not any(_has(name, sign) for name in names)
    )


@contextmanager
def hushed() -> Iterator[None]:
    """Keep to itself what matplotlib says of fonts that lack a weight or a sign.

    `unshown` tells of signs, once and in words; a name that is not bold is still the name.
    """
    log = logging.getLogger("matplotlib.font_manager")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            yield
    finally:
        log.setLevel(before)


def _installed() -> list[str]:
    names = {entry.name for entry in fontManager.ttflist}
    return sorted(name for name in names if not name.startswith((_NO_HELP, ".")))


def _has(name: str, sign: str) -> bool:
    font = _font(name)
    return font is not None and bool(font.get_char_index(ord(sign)))


@cache
def _font(name: str) -> Any:
    """Open a font; one that is broken, or gone since matplotlib listed it, helps nobody."""
    files = sorted(entry.fname for entry in fontManager.ttflist if entry.name == name)
    try:
        return get_font(files[0])
    except (IndexError, OSError, RuntimeError):
        return None
