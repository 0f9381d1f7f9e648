# SPDX-License-Identifier: Apache-2.0
import importlib.util

import pytest

from nicarbon.carbon.tables import LIFE_CYCLE, Tables
from nicarbon.errors import PriceError


@pytest.fixture
def tables(codecarbon):
    return Tables.find()


@pytest.mark.parametrize("asked", ["CAN", "can", "Canada", " canada "])
def test_a_country_by_code_or_name(tables, asked):
    found = tables.intensity(asked)
    assert found.g_per_kwh == 170.0
    assert (found.low_g_per_kwh, found.high_g_per_kwh) == pytest.approx((110.5, 229.5))
    assert found.range_from.startswith("assumed: hours are about 35 %")
    assert (found.country, found.region, found.year) == ("CAN", None, 2023)
    assert (found.source, found.kind) == ("CodeCarbon 3.3.9: Our World in Data", LIFE_CYCLE)


@pytest.mark.parametrize("asked", ["quebec", "Québec", "QUEBEC"])
def test_a_province_is_its_mix_weighted_by_source(tables, asked):
    found = tables.intensity("CAN", asked)
    assert found.g_per_kwh == pytest.approx((10 * 743 + 80 * 26 + 10 * 26) / 100)
    assert (found.country, found.region, found.year) == ("CAN", "quebec", 2023)


def test_a_mix_without_factors_is_refused(tables):
    with pytest.raises(PriceError, match="nunavut: CodeCarbon has no factor for petroleum"):
        tables.intensity("CAN", "nunavut")


@pytest.mark.parametrize("asked", ["TX", "Texas"])
def test_a_state_in_pounds_a_megawatt_hour_of_the_newest_year(tables, asked):
    found = tables.intensity("USA", asked)
    assert found.g_per_kwh == pytest.approx(771.179 * 453.59237 / 1000)
    assert (found.region, found.year) == ("texas", 2023)


@pytest.mark.parametrize(
    ("country", "asked", "region", "g_per_kwh", "year"),
    [
        ("CHN", "Inner Mongolia Autonomous Region", "CN-NM", 647.9, 2023),
        ("CHN", "cn-nm", "CN-NM", 647.9, 2023),
        ("SWE", "se3", "SE3", 27.0, 2025),
        ("Norway", "NO4", "NO4", 51.7, 2025),
    ],
)
def test_provinces_and_zones(tables, country, asked, region, g_per_kwh, year):
    found = tables.intensity(country, asked)
    assert (found.region, found.g_per_kwh, found.year) == (region, g_per_kwh, year)


@pytest.mark.parametrize(
    ("country", "region", "message"),
    [
        ("Frnace", None, r"'Frnace' is no known country; did you mean France \(FRA\)\? give its"),
        ("XQ", None, "'XQ' is no known country; give its ISO 3166 code of three letters"),
        ("CAN", "quebek", "'quebek' is no known region of CAN; did you mean quebec\\?"),
        ("CAN", "x", "'x' is no known region of CAN; one of nunavut, quebec"),
        ("USA", "usa", "'usa' is no known region of USA"),
        ("NOR", "SE3", "'SE3' is no known region of NOR; one of NO4"),
        ("FRA", "paris", "FRA: CodeCarbon 3.3.9 has no regions of it; leave --region out"),
        ("CAF", None, "Central African Republic: .* has no intensity for it"),
    ],
)
def test_what_is_unknown_is_said_and_never_replaced(tables, country, region, message):
    with pytest.raises(PriceError, match=message) as caught:
        tables.intensity(country, region)
    assert "\n" not in str(caught.value)


def test_without_codecarbon(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PriceError, match=r"pip install 'nicarbon\[codecarbon\]'.*--intensity"):
        Tables.find()


@pytest.mark.parametrize("content", ["{", '{"CAN": {"year": "now"}}', "[]", "\xff"])
def test_tables_of_another_shape(tables, codecarbon, content):
    (codecarbon / "global_energy_mix.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(PriceError, match=r"global_energy_mix\.json: is not as this nicarbon"):
        tables.intensity("CAN")


def test_a_table_that_is_missing(tables, codecarbon):
    (codecarbon / "nordic_emissions.json").unlink()
    with pytest.raises(PriceError, match=r"nordic_emissions\.json: cannot be read"):
        tables.intensity("SWE", "SE3")


def test_the_real_tables():
    if importlib.util.find_spec("codecarbon") is None:
        pytest.skip("codecarbon is not installed: pip install 'nicarbon[codecarbon]'")
    tables = Tables.find()
    assert tables.name.startswith("CodeCarbon 3.")
    assert 100 < tables.intensity("CAN").g_per_kwh < 250
    # Hydropower, and nearly nothing else: the factor of hydropower is 26.
    assert 25 < tables.intensity("CAN", "quebec").g_per_kwh < 40
    assert 200 < tables.intensity("USA", "TX").g_per_kwh < 500
    assert tables.intensity("SWE", "SE3").g_per_kwh < 60
    assert tables.intensity("CHN", "beijing").year >= 2023
