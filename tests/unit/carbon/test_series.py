# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.carbon.series import Point, Series, Step, over, step
from nicarbon.errors import PriceError

HOUR_S = 3600.0
# Uneven by nature: 10 min of 100, 50 min of 200, 2 h of 50, and then 80.
UNEVEN = [Point(0, 100), Point(600, 200), Point(3600, 50), Point(10800, 80), Point(12000, 10)]


def mean(series, first, last):
    return series.means([first], [last])[:, 0].tolist()


def test_an_uneven_series_is_integrated_by_hand():
    series = over(UNEVEN, 0, 12000)
    assert series.bridged_s == 0
    # 10 min x 100 + 20 min x 200, in half an hour.
    assert mean(series, 0, 1800) == pytest.approx([5000 / 30] * 3, rel=1e-12)
    # 55 min x 200 + 1 h x 50 from 00:05 on: 5 x 100 + 50 x 200 + 65 x 50 in 120 min.
    assert mean(series, 300, 7500) == pytest.approx([(500 + 10000 + 3250) / 120] * 3, rel=1e-12)
    assert mean(series, 0, 12000)[0] == pytest.approx(
        (600 * 100 + 3000 * 200 + 7200 * 50 + 1200 * 80) / 12000, rel=1e-12
    )
    # The mean of the points, as others take it, is 35 % beside it.
    assert 107.5 / mean(series, 0, 10800)[0] == pytest.approx(1.14, abs=0.01)


def test_within_a_step_its_value_is_exact():
    series = over(UNEVEN, 0, 12000)
    assert mean(series, 700, 700.001) == [200, 200, 200]
    assert mean(series, 600, 600) == [200, 200, 200]
    assert mean(series, 600, 3600) == [200, 200, 200]


def test_an_instant_far_from_1970_loses_nothing():
    far = 1_795_340_085.0
    series = over([Point(far + p.t_unix_s, p.g_per_kwh) for p in UNEVEN], far, far + 12000)
    assert mean(series, far, far + 1800) == pytest.approx([5000 / 30] * 3, rel=1e-9)


def test_only_what_is_needed_is_kept():
    points = [Point(HOUR_S * i, i) for i in range(24)]
    series = over(points, 1.5 * HOUR_S, 3.25 * HOUR_S)
    assert [(s.t_unix_s / HOUR_S, s.g_per_kwh) for s in series.steps] == [(1.5, 1), (2, 2), (3, 3)]
    assert series.end_unix_s == 3.25 * HOUR_S
    # The last holds for the series' own step.
    assert over(points, 23 * HOUR_S, 24 * HOUR_S).steps == (Step(23 * HOUR_S, 23, 23, 23),)


def test_a_gap_has_the_mean_of_its_sides_and_the_range_of_two_days():
    points = [Point(HOUR_S * i, 100 + i) for i in range(48) if i not in (20, 21)]
    series = over(points, 19 * HOUR_S, 23 * HOUR_S)
    gap = series.steps[1]
    assert (gap.t_unix_s, gap.g_per_kwh, gap.is_bridged) == (20 * HOUR_S, 120.5, True)
    # From a day before the gap to a day after it: hours 0 to 45.
    assert (gap.low_g_per_kwh, gap.high_g_per_kwh) == (100, 145)
    assert series.bridged_s == 2 * HOUR_S
    low, central, high = sorted(mean(series, 19.5 * HOUR_S, 20.5 * HOUR_S))
    assert (low, central, high) == (109.5, 119.75, 132)


def test_a_missing_value_is_a_gap_even_in_an_uneven_series():
    points = [Point(0, 100), Point(600, None), Point(3600, 50), Point(3700, 60), Point(9999, 1)]
    series = over(points, 0, 3600)
    assert [(s.t_unix_s, s.g_per_kwh, s.is_bridged) for s in series.steps] == [
        (0, 100, False),
        (600, 75, True),
    ]


def test_a_gap_that_starts_or_ends_outside_of_what_is_needed():
    points = [Point(0, 100, 600), Point(3600, 50, 4200)]
    assert [s.t_unix_s for s in over(points, 1000, 2000).steps] == [1000]
    assert [s.t_unix_s for s in over(points, 1000, 4000).steps] == [1000, 3600]
    assert [s.t_unix_s for s in over(points, 300, 2000).steps] == [300, 600]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([Point(0, 1), Point(0, 2)], "times do not rise"),
        ([Point(0, 1), Point(60, 2), Point(30, 2)], "times do not rise: 1970-01-01 00:00 UTC"),
        ([Point(0, 1, 100), Point(60, 2, 120)], "times overlap"),
        ([Point(0, 1, 0)], "holds for no time"),
        ([Point(0, 1)], "one point is no series"),
        ([], "has no intensity"),
        ([Point(0, None), Point(60, None)], "has no intensity"),
        ([Point(0, -1), Point(60, 2)], "it has -1 g/kWh"),
        ([Point(0, 3001), Point(60, 2)], "it has 3001 g/kWh"),
        ([Point(0, float("nan")), Point(60, 2)], "it has nan g/kWh"),
        ([Point(float("nan"), 1), Point(60, 2)], "times do not rise"),
        ([Point(0, 1), Point(60, 2)], "covers 1970-01-01 00:00 UTC to 1970-01-01 00:02 UTC"),
        ([Point(7200, 1), Point(9000, 2)], "and is needed from 1970-01-01 01:00 UTC"),
        ([Point(0, 1, 60), Point(90061, 2, 90062)], "a gap of 25 h 0 min is too long"),
    ],
)
def test_what_is_no_series(points, message):
    with pytest.raises(PriceError) as caught:
        over(points, 3600, 3660)
    assert message in str(caught.value)


def test_more_than_half_make_a_step():
    assert step([0, 60, 120, 300]) == 60
    assert step([0, 60, 180]) is None
    assert step([0]) is None


@pytest.mark.parametrize(
    ("steps", "end"),
    [((), 1), ((Step(0, 1, 1, 1),), 0), ((Step(0, 1, 2, 3),), 1), ((Step(0, 1, 1, 1e9),), 1)],
)
def test_an_edited_file_is_refused(steps, end):
    with pytest.raises(PriceError, match="a series"):
        Series(steps, end)


SERIES = st.lists(
    st.tuples(st.integers(1, 7200), st.integers(0, 3000)), min_size=2, max_size=12
).map(lambda rows: over(*_rising(rows)))


def _rising(rows):
    t, points = 0, []
    for length, value in rows:
        points.append(Point(t, value, t + length))
        t += length
    return points, 0.0, float(t)


@given(SERIES, st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_additive_in_time_and_unchanged_by_splitting(series, where):
    first, cut, last = sorted(part * series.end_unix_s for part in where)
    whole = series.means([first], [last])[0] * (last - first)
    parts = series.means([first, cut], [cut, last])[0] * [cut - first, last - cut]
    assert parts.sum() == pytest.approx(whole, rel=1e-9, abs=1e-6)


@given(SERIES, st.floats(0, 1), st.floats(0, 1))
def test_a_mean_is_within_the_values(series, a, b):
    first, last = sorted((a * series.end_unix_s, b * series.end_unix_s))
    values = [s.g_per_kwh for s in series.steps]
    central, low, high = series.means([first], [last])[:, 0]
    assert min(values) - 1e-6 <= low <= central <= high <= max(values) + 1e-6
