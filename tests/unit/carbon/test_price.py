# SPDX-License-Identifier: Apache-2.0
import math

import msgspec
import pytest

from nicarbon.carbon.intensity import Intensity, given
from nicarbon.carbon.price import Price, Terms
from nicarbon.carbon.series import Series, Step
from nicarbon.carbon.source import Found
from nicarbon.errors import PriceError

RANGED = Intensity(30.0, 20.0, 50.0, "a study")
STEPS = (Step(0, 100, 100, 100), Step(60, 75, 50, 100, True), Step(120, 50, 50, 50))


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
    with pytest.raises(PriceError, match=r"a PUE of .*: .* from 1 to 5"):
        Price(RANGED, 1.2, pue_low=value, pue_high=1.3)


def test_a_pue_lies_in_its_range():
    with pytest.raises(PriceError, match=r"lies outside its own range, 1\.1 to 1\.3"):
        Price(RANGED, 1.5, pue_low=1.1, pue_high=1.3)


def test_a_price_says_itself():
    whole = Intensity(31.234, 31.234, 31.234, "tables", 2023, "CAN", "quebec", "average, yearly")
    line = "31.23 g/kWh, CAN, quebec, 2023, average, yearly (tables), PUE 1.2"
    assert str(Price(whole, 1.2)) == line
    assert str(given(30, kind="marginal")) == "30 g/kWh, marginal (given by the user)"
    in_time = Terms(1.2, 1.1, 1.3).price(Found(RANGED, Series(STEPS, 180)))
    assert str(in_time) == (
        "30 g/kWh (a study), by time (2 values of 50 to 100 g/kWh), PUE 1.2 (1.1-1.3)"
    )
    assert Price(RANGED, series=Series(STEPS[:1], 60)).values == "1 value"


def test_the_same_series_is_the_same_basis_whatever_the_run():
    first, second = (
        Price(
            Intensity(
                mean, mean, mean, f"Electricity Maps, {n} of 9 values estimated", region="DE"
            ),
            series=Series(STEPS, end),
        )
        for mean, n, end in ((30.0, 1, 180.0), (40.0, 2, 190.0))
    )
    assert str(first) != str(second)
    assert first.basis == second.basis == "by time: Electricity Maps, DE, PUE 1"
    assert Price(RANGED).basis == str(Price(RANGED))


def test_a_price_says_what_its_ranges_contain_and_leave_out():
    assert Price(RANGED).range_note == (
        "range: energy's and the intensity's (20 to 50 g/kWh), joined as independent"
    )
    assert "intensity's range is not stated by its source" in Price(given(30)).range_note
    assumed = msgspec.structs.replace(RANGED, range_from="assumed: half")
    assert Price(assumed).range_note == (
        "range: energy's and the intensity's (20 to 50 g/kWh, assumed: half), "
        "joined as independent"
    )
    gaps = Price(RANGED, series=Series(STEPS, 190.0)).range_note
    assert "(20 to 50 g/kWh, of gaps in its source alone)" in gaps
    assert gaps.endswith("the intensity's range is not stated by its source")
    with_pue = Price(given(30), 1.2, pue_low=1.1, pue_high=1.3).range_note
    assert with_pue == (
        "range: energy's and the PUE's (1.1 to 1.3), joined as independent; "
        "the intensity's range is not stated by its source"
    )


def test_a_price_says_what_was_bridged():
    assert Price(RANGED).bridged_note is None
    assert Price(RANGED, series=Series(STEPS[:1], 60)).bridged_note is None
    assert Price(RANGED, series=Series(STEPS, 180)).bridged_note.startswith(
        "the intensity is not known for 1 min 0 s from 1970-01-01 00:01 UTC on: there it is the"
    )
