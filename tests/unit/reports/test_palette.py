# SPDX-License-Identifier: Apache-2.0
from itertools import combinations

from nicarbon.reports.colours import contrast, ink_on
from nicarbon.reports.palette import DISTINCT, REST, stage_colours

# Viénot, Brettel and Mollon 1999 (Color Research & Application 24(4)): linear RGB to what eyes
# without long- or middle-wavelength cones tell apart.
LMS = ((17.8824, 43.5161, 4.11935), (3.45565, 27.1554, 3.86714), (0.0299566, 0.184309, 1.46709))


def seen(colour, blind):
    """What is left of a colour: the two cone signals that a dichromat has, and lightness."""
    rgb = [(int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
    long, middle, short = (
        sum(a * b for a, b in zip(row, rgb, strict=True)) / sum(row) for row in LMS
    )
    kept = middle if blind == "protan" else long
    return (kept ** (1 / 3), short ** (1 / 3))


def test_the_colour_blind_tell_the_first_eight_apart():
    for blind in ("protan", "deutan"):
        for one, other in combinations(DISTINCT[:8], 2):
            apart = sum(
                (a - b) ** 2 for a, b in zip(seen(one, blind), seen(other, blind), strict=True)
            )
            assert apart**0.5 > 0.05, (blind, one, other)


def test_words_on_every_colour_can_be_read():
    assert all(contrast(ink_on(colour), colour) >= 4.5 for colour in (*DISTINCT, REST))


def test_the_first_stages_get_the_colours_that_differ_most():
    stages = [f"stage {i}" for i in range(12)]
    colours = stage_colours(stages)
    assert [colours[stage] for stage in stages[:10]] == list(DISTINCT)
    assert {colours[stage] for stage in stages[10:]} == {REST}
