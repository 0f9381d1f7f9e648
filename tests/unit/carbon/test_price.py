# SPDX-License-Identifier: Apache-2.0
import math

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from nicarbon.carbon.intensity import Intensity, given
from nicarbon.carbon.price import Price, carbon_rows, grams, priced
from nicarbon.errors import PriceError

RANGED = Intensity(30.0, 20.0, 50.0, "a study")
JOULES = st.floats(0, 1e12)
FACTORS = st.floats(0, 1e3)


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


def test_ranges_are_joined(run_folders):
    spans = [run_folders.span("wf.strip", energy_j=3.6e6), run_folders.cached("wf.mask")]
    rows = run_folders.run(spans).summary("node").rows
    row, without = carbon_rows(rows, Price(RANGED, 2.0))
    assert (row.carbon_g, row.carbon_low_g, row.carbon_high_g) == pytest.approx(
        (60.0, 38.0, 105.0)
    )
    assert (without.carbon_g, without.carbon_low_g, without.carbon_high_g) == (None, None, None)


def test_a_row_gets_its_grams(run_folders):
    row = run_folders.run([run_folders.span("wf.strip", energy_j=3.6e6)]).summary().total
    assert priced(row, Price(RANGED)).carbon_g == pytest.approx(30.0)
    assert priced(row, None).carbon_g is None


@pytest.mark.parametrize("value", [-1, 3000.1, math.nan, math.inf, -math.inf])
def test_no_electricity_is_like_that(value):
    with pytest.raises(PriceError, match="from 0 to 3000"):
        given(value)


def test_an_intensity_lies_in_its_range():
    with pytest.raises(PriceError, match="30 g/kWh lies outside its own range, 40 to 50"):
        Intensity(30.0, 40.0, 50.0, "a slip")


@pytest.mark.parametrize("value", [0.99, 5.1, 0, math.nan, math.inf])
def test_no_site_is_like_that(value):
    with pytest.raises(PriceError, match=r"a PUE of .*: .* from 1 to 5"):
        Price(RANGED, value)


def test_a_price_says_itself():
    whole = Intensity(31.234, 31.234, 31.234, "tables", 2023, "CAN", "quebec", "average, yearly")
    line = "31.23 g/kWh, CAN, quebec, 2023, average, yearly (tables), PUE 1.2"
    assert str(Price(whole, 1.2)) == line
    assert str(given(30)) == "30 g/kWh (given by the user)"


def test_a_price_says_what_its_ranges_leave_out():
    assert Price(RANGED).range_note == "range: energy's, at 20 to 50 g/kWh"
    assert "intensity's own uncertainty is not known" in Price(given(30)).range_note
