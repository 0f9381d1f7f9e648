# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import msgspec
import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from nicarbon.carbon.intensity import Intensity, given
from nicarbon.carbon.price import Price
from nicarbon.carbon.pricing import Pricing, grams, join, mean, of_spans, weighed, window
from nicarbon.carbon.series import Point, Series, Step, over
from nicarbon.carbon.source import Found
from nicarbon.rows import fold_one

KWH_J = 3.6e6
RANGED = Intensity(30.0, 20.0, 50.0, "a study")
JOULES = st.floats(0, 1e12)
FACTORS = st.floats(0, 1e3)
# 10 min of 100, 50 min of 200, then 50: uneven by nature.
POINTS = [Point(0, 100), Point(600, 200), Point(3600, 50), Point(10800, 80), Point(12000, 10)]


@pytest.fixture
def series(run_folders):
    t = run_folders.UNIX_S
    return over([Point(t + p.t_unix_s, p.g_per_kwh) for p in POINTS], t, t + 12000)


def priced(spans, price):
    return fold_one("row", spans, {}, Pricing(price, spans).row)


def in_time(series):
    return Price(Intensity(0, 0, 0, "grid.csv"), series=series)


def test_a_worked_example():
    assert grams(108.5 * 3600, 30) == pytest.approx(3.255)
    assert f"{grams(108.5 * 3600, 30) + 1e-9:.2f}" == "3.26"
    assert grams(3.6e6, 30, 1.2) == pytest.approx(36.0)
    assert grams(None, 30) is None


@examples(a=JOULES, b=JOULES, k=FACTORS, g=st.floats(0, 2000), pue=st.floats(1, 5))
def test_pricing_is_linear(a, b, k, g, pue):
    def price(energy_j):
        return grams(energy_j, g, pue)

    assert price(a + b) == pytest.approx(price(a) + price(b), rel=1e-12, abs=1e-300)
    assert price(k * a) == pytest.approx(k * price(a), rel=1e-12, abs=1e-300)
    assert grams(a, g, pue) == pytest.approx(grams(a, g) * pue, rel=1e-12, abs=1e-300)


def test_ranges_are_joined_as_independent(run_folders):
    spans = [run_folders.span("wf.strip", energy_j=KWH_J), run_folders.cached("wf.mask")]
    row = priced(spans, Price(RANGED, 2.0, pue_low=1.8, pue_high=2.2))
    below, above = (0.05**2 + (1 / 3) ** 2 + 0.1**2) ** 0.5, (0.05**2 + (2 / 3) ** 2 + 0.01) ** 0.5
    assert (row.carbon_g, row.carbon_low_g, row.carbon_high_g) == pytest.approx(
        (60.0, 60 * (1 - below), 60 * (1 + above))
    )
    assert row.carbon_range_from == "intensity"
    row = priced(spans[1:], Price(RANGED))
    assert (row.carbon_g, row.carbon_low_g, row.carbon_high_g) == (None, None, None)
    assert priced(spans, None).carbon_g is None


@examples(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 1), st.floats(1, 9)), max_size=4))
def test_a_joined_range_is_within_the_extremes_and_wider_than_each(rows):
    factors = {str(i): (c, low * c, high * c) for i, (c, low, high) in enumerate(rows)}
    low, high, most = join(1.0, {"none": (1.0, 1.0, 1.0), **factors})
    lowest, highest = 1.0, 1.0
    for _, below, above in rows:
        lowest, highest = lowest * below, highest * above
    assert lowest - 1e-9 <= low <= min((b for _, b, _ in rows), default=1.0) + 1e-9
    assert max((a for _, _, a in rows), default=1.0) - 1e-9 <= high <= highest * (1 + 1e-9)
    assert (most is None) == all(a == b == 1.0 for _, b, a in rows)


def test_nothing_may_have_been_something(run_folders):
    span = run_folders.span("wf.strip", energy_j=0.0, sensor_high_j=KWH_J)
    row = priced([span], Price(RANGED))
    assert (row.carbon_g, row.carbon_low_g, row.carbon_high_g) == (0.0, 0.0, pytest.approx(50.0))


def test_each_node_has_the_intensity_of_its_time(run_folders, series):
    spans = [
        run_folders.span("wf.strip", 0, 600, KWH_J),  # 100
        run_folders.span("wf.mask", 300, 900, KWH_J),  # half 100, half 200
        run_folders.span("wf.fast", 3000, 4200, 2 * KWH_J),  # half 200, half 50
    ]
    found = of_spans(series, spans)
    assert [found[s.span][0] for s in spans] == pytest.approx([100, 150, 125], rel=1e-12)
    assert priced(spans, in_time(series)).carbon_g == pytest.approx(500, rel=1e-12)


def test_the_course_of_a_node_is_followed(run_folders, series):
    # Nine tenths of it within the first ten minutes, the rest not known when.
    course = ((0.0, 300.0, 0.5 * KWH_J), (300.0, 600.0, 0.4 * KWH_J))
    span = run_folders.span("wf.strip", 0, 1200, KWH_J, course=course)
    assert priced([span], in_time(series)).carbon_g == pytest.approx(0.9 * 100 + 0.1 * 150)
    # A part of it has the same intensity, so that parts add up to the whole.
    part = msgspec.structs.replace(span, part="bet", energy_j=0.25 * KWH_J)
    pricing = Pricing(in_time(series), [span])
    assert fold_one("bet", [part], {}, pricing.row).carbon_g == pytest.approx(0.25 * 105)


def test_a_host_whose_clock_began_at_boot(run_folders, series):
    course = ((90000.0, 90600.0, 3.0), (90600.0, 91200.0, 1.0))
    span = run_folders.span(
        "wf.strip", 90000, 91200, 4.0, start_unix_s=run_folders.UNIX_S, course=course
    )
    assert of_spans(series, [span])[span.span][0] == pytest.approx(0.75 * 100 + 0.25 * 200)


def test_what_a_series_does_not_cover_has_no_grams(run_folders, series):
    inside = run_folders.span("wf.strip", 0, 60, 1.0)
    later = run_folders.span("wf.mask", 11000, 13000, 1.0)
    pricing = Pricing(in_time(series), [inside, later])
    assert pricing.n_uncovered == 1
    assert fold_one("x", [inside], {}, pricing.row).carbon_g == pytest.approx(100 / KWH_J)
    assert fold_one("x", [inside, later], {}, pricing.row).carbon_g is None


def test_a_gap_widens_the_range(run_folders):
    t = run_folders.UNIX_S
    steps = (Step(t, 100, 100, 100), Step(t + 60, 100, 40, 300, True))
    sure, unsure = (run_folders.span(n, a, a + 60, KWH_J) for n, a in (("wf.strip", 0), ("b", 60)))
    price = in_time(Series(steps, t + 120))
    assert priced([sure], price).carbon_range_from == "energy"
    row = priced([unsure], price)
    assert row.carbon_range_from == "intensity"
    assert row.carbon_low_g < 41
    assert row.carbon_high_g > 300


def test_an_instant_has_the_value_of_its_time(run_folders, series):
    span = run_folders.span("wf.strip", 700, 700, KWH_J)
    assert of_spans(series, [span])[span.span] == (200, 200, 200)


STEP_ROWS = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 3000)), min_size=1, max_size=9)


@st.composite
def spans_and_series(draw, run_folders):
    rows = draw(STEP_ROWS)
    t, steps = float(run_folders.UNIX_S), []
    for length, value in rows:
        steps.append(Step(t, value, value, value))
        t += length
    end_s = t - run_folders.UNIX_S
    a, b = sorted(draw(st.floats(0, 1)) * end_s for _ in range(2))
    cut = a + draw(st.floats(0, 1)) * (b - a)
    return Series(tuple(steps), t), a, cut, b


@examples(st.data(), st.floats(1e-3, 1e9))
def test_laws(run_folders, data, energy_j):
    series, a, cut, b = data.draw(spans_and_series(run_folders))
    price = in_time(series)

    def emitted(spans):
        return priced(spans, price).carbon_g

    whole = run_folders.span("wf.strip", a, b, energy_j)
    # Linear in energy.
    twice = run_folders.span("wf.strip", a, b, 2 * energy_j)
    assert emitted([twice]) == pytest.approx(2 * emitted([whole]), rel=1e-9)
    if b - a < 1e-3:
        return
    # Additive in time: an execution is worth what its two parts are.
    part = energy_j * (cut - a) / (b - a)
    split = [
        run_folders.span("wf.strip", a, cut, part),
        run_folders.span("wf.mask", cut, b, energy_j - part),
    ]
    assert emitted(split) == pytest.approx(emitted([whole]), rel=1e-6, abs=1e-9)
    # Unchanged by splitting the interval in its course.
    course = ((a, cut, part), (cut, b, energy_j - part))
    cut_up = msgspec.structs.replace(whole, course=course)
    assert emitted([cut_up]) == pytest.approx(emitted([whole]), rel=1e-6, abs=1e-9)


def test_the_mean_is_weighted_by_energy(run_folders, series):
    spans = [run_folders.span("wf.strip", 0, 600, 1.0), run_folders.span("wf.mask", 600, 900, 3.0)]
    found = weighed(Found(RANGED, series), spans)
    assert found.intensity.g_per_kwh == pytest.approx(175)
    assert found.intensity.source == "a study"
    assert weighed(Found(RANGED), spans) == Found(RANGED)
    assert weighed(Found(RANGED, series), []) == Found(RANGED, series)
    idle = [run_folders.span("wf.strip", 0, 600, 0.0), run_folders.span("wf.mask", 600, 900, 0.0)]
    assert mean(idle, of_spans(series, idle))[0] == pytest.approx(150)


def test_the_window_is_that_of_executions_with_energy(run_folders):
    t = run_folders.UNIX_S
    spans = [
        run_folders.span("wf.strip", 5, 7),
        run_folders.span("wf.mask", 6, 20),
        run_folders.cached("wf.fast", 99),
    ]
    assert window(spans) == (t + 5, t + 20)
    assert window(spans[2:]) is None
    assert window([run_folders.span("wf.strip", 5, 5)]) == (t + 5, t + 6)


def test_given_is_exact():
    assert given(30, 25, 40).has_range
    assert not given(30).has_range
