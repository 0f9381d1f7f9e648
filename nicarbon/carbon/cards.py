# SPDX-License-Identifier: Apache-2.0
"""What making a GPU emitted: Boavizta's formula of its dies, memory, board and cooler.

The area of a wafer that a die takes, with what is lost between dies, at the edge of the wafer and
to defects, is what counts: it grows faster than the die. Pure; the factors are in
`data/embodied.toml`, with their sources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import exp, pi, sqrt

import msgspec

from nicarbon.carbon.join import Three

_WORD = re.compile(r"[A-Z]+[0-9]*[A-Z]*|[0-9]+[A-Z]*")
# With one of these a name stands for another die.
_OTHERS = {"BLACKWELL", "LAPTOP", "MAX", "MOBILE"}


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product: its largest die and its memory.

    Attributes
    ----------
    die_mm2 : float
        Area of the die that computes.
    memory_gb : float
        Memory on the card.
    memory_dies : int
        Packages or stacks that it is in.
    """

    die_mm2: float
    memory_gb: float
    memory_dies: int


class Factors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Boavizta's factors of a GPU, in kg of CO2 equivalent; see the data file.

    Attributes
    ----------
    least : float
        The lowest figure of a source for a card, as a part of what the formula gives for it.
    """

    die_kg_per_mm2: float
    memory_kg_per_mm2: float
    memory_mm2_per_gb: float
    board_kg_per_cm2: float
    board_cm2: float
    heatsink_kg_per_kg: float
    heatsink_kg: float
    casing_kg_per_kg: float
    casing_kg: float
    transport_kg_per_kg: float
    mass_kg: float
    wafer_mm: float
    kerf_mm: float
    defects_per_cm2: float
    least: float
    unknown: Card
    cards: dict[str, Card]


def effective_mm2(die_mm2: float, factors: Factors) -> float:
    """Return the area of wafer that a working die takes, in square millimetres.

    So many squares fit in a circle as its area holds, less those that its edge cuts
    (de Vries 2005, IEEE Trans. Semicond. Manuf. 18, 136); of these work exp(-sqrt(A D)), by
    Seeds's model of defects (1967).
    """
    cut_mm2 = (sqrt(die_mm2) + factors.kerf_mm) ** 2
    wafer_mm2 = pi * (factors.wafer_mm / 2) ** 2
    n_dies = wafer_mm2 / cut_mm2 - pi * factors.wafer_mm / sqrt(2 * cut_mm2)
    return wafer_mm2 / n_dies / exp(-sqrt(cut_mm2 / 100 * factors.defects_per_cm2))


def of_card(card: Card, factors: Factors) -> float:
    """Return what making a card emitted, in kg of CO2 equivalent, without distribution and end."""
    memory_mm2 = card.memory_gb * factors.memory_mm2_per_gb / card.memory_dies
    return (
        effective_mm2(card.die_mm2, factors) * factors.die_kg_per_mm2
        + effective_mm2(memory_mm2, factors) * card.memory_dies * factors.memory_kg_per_mm2
        + factors.board_cm2 * factors.board_kg_per_cm2
        + factors.heatsink_kg * factors.heatsink_kg_per_kg
        + factors.casing_kg * factors.casing_kg_per_kg
        + factors.mass_kg * factors.transport_kg_per_kg
    )


def named(product: str, cards: Mapping[str, Card]) -> Card | None:
    """Return the card of a product's name; None where the table has none like it.

    All words of an entry are in the name; the entry with most of them is meant.

    Examples
    --------
    >>> table = {"RTX 6000": Card(754, 24, 12), "RTX 6000 ADA": Card(609, 48, 24)}
    >>> named("NVIDIA RTX 6000 Ada Generation", table).die_mm2, named("NVIDIA RTX 600", table)
    (609, None)
    """
    words = set(_WORD.findall(product.upper()))
    if words & _OTHERS:
        return None
    found = [name for name in cards if words.issuperset(name.split())]
    return cards[max(found, key=lambda name: len(name.split()))] if found else None


def made(product: str, factors: Factors) -> tuple[Three, bool]:
    """Return kilograms of a product with their range, and whether the table knows it.

    One that it does not know is taken for a large one, and is between the least of the smallest
    and the largest.
    """
    card = named(product, factors.cards)
    kg = of_card(card or factors.unknown, factors)
    if card is not None:
        return (kg, factors.least * kg, kg), True
    all_kg = [of_card(one, factors) for one in (*factors.cards.values(), factors.unknown)]
    return (kg, factors.least * min(all_kg), max(all_kg)), False
