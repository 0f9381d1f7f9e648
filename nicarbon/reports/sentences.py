# SPDX-License-Identifier: Apache-2.0
"""Sentences that know what they cite, and the grammar of one and many."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Sentence(msgspec.Struct, frozen=True):
    """A sentence without its full stop, and the keys of the works that it cites."""

    text: str
    cites: tuple[str, ...] = ()


def begun(text: str) -> str:
    """Begin a sentence: its first letter is a capital, the others stay.

    Examples
    --------
    >>> begun("the GPU"), begun("")
    ('The GPU', '')
    """
    return text[:1].upper() + text[1:]


def were(n: int) -> str:
    """Return the verb for a number of things.

    Examples
    --------
    >>> were(1), were(2)
    ('was', 'were')
    """
    return "was" if n == 1 else "were"


def joined(parts: Sequence[str]) -> str:
    """Join parts for a sentence.

    Examples
    --------
    >>> joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
