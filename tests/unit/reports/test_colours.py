# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.reports.colours import NOTHING, SCALE, contrast, fill_of, ink_on


@pytest.mark.parametrize("fill", [*SCALE, NOTHING])
def test_every_fill_can_be_written_on(fill):
    assert contrast(ink_on(fill), fill) >= 4.5


def test_the_scale_darkens_from_class_to_class():
    on_white = [contrast(fill, "#ffffff") for fill in SCALE]
    assert on_white == sorted(on_white)
    assert on_white[-1] > 10 * on_white[0]


def test_classes_are_of_equal_width():
    fills = [fill_of(value, 9.0) for value in (0.0, 0.99, 1.0, 4.5, 8.01, 9.0)]
    assert fills == [SCALE[i] for i in (0, 0, 1, 4, 8, 8)]


def test_a_missing_value_is_not_little():
    assert fill_of(None, 9.0) == NOTHING
    assert fill_of(0.0, 0.0) == SCALE[0]
