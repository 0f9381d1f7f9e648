# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.carbon.hours import best_begin
from nicarbon.carbon.series import Point, over

HOUR_S = 3600.0
DAY = [Point(h * HOUR_S, g) for h, g in enumerate((300, 300, 200, 50, 60, 200, 300, 300))]


def test_the_cleanest_hours():
    assert best_begin(DAY, 0, HOUR_S) == 3 * HOUR_S
    assert best_begin(DAY, 0, 2 * HOUR_S) == 3 * HOUR_S
    # An hour and a half: all of the cleanest, and half of the next.
    assert best_begin(DAY, 0, 1.5 * HOUR_S) == 3 * HOUR_S


def test_an_end_on_an_edge_may_be_best():
    points = [Point(0, 100), Point(HOUR_S, 60), Point(2 * HOUR_S, 50), Point(3 * HOUR_S, 300)]
    assert best_begin([*points, Point(4 * HOUR_S, 0)], 0, 1.5 * HOUR_S) == 1.5 * HOUR_S


def test_no_earlier_and_no_later_than_allowed():
    assert best_begin(DAY, 4.5 * HOUR_S, HOUR_S) == 4.5 * HOUR_S
    assert best_begin(DAY, 0, HOUR_S, within_s=2 * HOUR_S) == 2 * HOUR_S
    assert best_begin(DAY, 6.5 * HOUR_S, HOUR_S) is None
    assert best_begin(DAY, -100 * HOUR_S, HOUR_S) is None


@given(
    st.lists(st.integers(0, 500), min_size=3, max_size=24),
    st.floats(0.1, 5.0),
    st.floats(0.0, 1.0),
)
def test_no_other_begin_is_better(values, hours, where):
    points = [Point(i * HOUR_S, float(g)) for i, g in enumerate(values)]
    duration_s = min(hours, len(values) - 1) * HOUR_S
    best = best_begin(points, 0.0, duration_s)
    end_s = points[-1].t_unix_s
    series = over(points, 0.0, end_s)
    other = where * (end_s - duration_s)
    of_best, of_other = series.means([best, other], [best + duration_s, other + duration_s])[0]
    assert of_best <= of_other + 1e-6
    assert best == pytest.approx(best_begin(points, 0.0, duration_s))
