# SPDX-License-Identifier: Apache-2.0
from math import sqrt

import pytest

from nicarbon.spread import Spread, difference, spread, t_quantile, total_of

stats = pytest.importorskip("scipy.stats")  # nipype brings it


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 6, 9, 10, 31, 200, 1000])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.99])
def test_students_quantile_is_scipys(freedom, level):
    expected = stats.t.ppf(0.5 + level / 2, freedom)
    assert t_quantile(freedom, level) == pytest.approx(expected, rel=1e-9)


def test_of_many_runs_it_is_the_normal_one():
    assert t_quantile(1001) == pytest.approx(stats.t.ppf(0.975, 1001), rel=2e-3)


def test_welchs_interval_is_scipys_but_for_the_rounding_down():
    a, b = [10.0, 11.0, 12.5, 9.0], [14.0, 13.0, 15.5, 16.0, 15.0]
    found = difference(spread(a), spread(b))
    theirs = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert found.absolute == pytest.approx(14.7 - 10.625)
    assert found.low <= theirs.low < theirs.high <= found.high
    assert found.high - found.low == pytest.approx(theirs.high - theirs.low, rel=0.05)
    assert found.beyond_noise


def test_what_runs_differ_by_themselves_is_no_difference():
    found = difference(spread([10.0, 14.0, 12.0]), spread([11.0, 15.0, 13.0]))
    assert found.relative == pytest.approx(1 / 12)
    assert found.beyond_noise is False


def test_a_single_run_spreads_as_the_others_do():
    several = spread([10.0, 11.0, 12.0])
    half = stats.t.ppf(0.975, 2) * sqrt(1 + 1 / 3)
    assert difference(several, spread([15.0])).low == pytest.approx(4.0 - half)
    assert difference(spread([15.0]), several).high == pytest.approx(-4.0 + half)
    assert difference(several, spread([17.0])).beyond_noise
    assert difference(several, spread([15.0])).beyond_noise is False


def test_nobody_knows_the_noise_of_single_runs_and_of_an_unknown_number():
    for first in (spread([10.0]), Spread(10.0, 1.0, None)):
        found = difference(first, spread([20.0]))
        assert found.relative == 1.0
        assert found.beyond_noise is None
    assert difference(None, spread([1.0])) is None


def test_runs_that_never_differ():
    same = spread([2.0, 2.0])
    assert difference(same, same).beyond_noise is False
    assert difference(same, spread([2.1, 2.1])).beyond_noise
    assert difference(spread([0.0, 0.0]), same).relative is None


def test_a_total_is_no_surer_than_the_mean_and_the_further_runs():
    one = Spread(10.0, 2.0, 5)
    expected, low, high = total_of(one, 100.0)
    assert expected == 1000
    # The variance of 100 further runs, and of 100 times the mean of five.
    half = t_quantile(4) * sqrt(100 * 4 + 100**2 * 4 / 5)
    assert (low, high) == (pytest.approx(1000 - half), pytest.approx(1000 + half))
    assert total_of(Spread(10.0, 2.0, None), 100.0) is None
