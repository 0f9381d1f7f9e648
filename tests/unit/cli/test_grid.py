# SPDX-License-Identifier: Apache-2.0
import importlib.util
from datetime import UTC, datetime

import pytest

from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.carbon.series import utc
from nicarbon.cli.grid import cleaner, price_of
from nicarbon.errors import NicarbonError


@pytest.fixture
def run(run_folders):
    return run_folders.run([])


def test_grams_with_the_runs_own_pue(run):
    assert price_of("30", run).pue == 1
    run.chosen_price = Price(given(100.0), 1.4)
    price = price_of("30", run)
    assert (price.intensity.g_per_kwh, price.pue) == (30, 1.4)


@pytest.fixture
def hours(run_folders, tmp_path):
    """A file of three days: 300 g/kWh, but for the second hour after the run's begin."""
    begin = run_folders.UNIX_S
    rows = [f"{begin + 3600 * h},{50 if h == 2 else 300}\n" for h in range(-24, 48)]
    path = tmp_path / "hours.csv"
    path.write_text("time,g_per_kwh\n" + "".join(rows))
    return str(path)


def test_a_file_of_hours(run, hours, run_folders):
    assert price_of(hours, run, None, 60.0).intensity.g_per_kwh == pytest.approx(300)
    begin = datetime.fromtimestamp(run_folders.UNIX_S + 7200, UTC).isoformat()
    assert price_of(hours, run, begin, 60.0).intensity.g_per_kwh == pytest.approx(50)
    # Half of it in the clean hour.
    assert price_of(hours, run, begin, 7200.0).intensity.g_per_kwh == pytest.approx(175)
    naive = begin.removesuffix("+00:00")
    assert price_of(hours, run, naive, 60.0).intensity.g_per_kwh == pytest.approx(50)


def test_the_cleanest_hour(run, hours, run_folders):
    ((name, price),) = cleaner(hours, run, 1800.0).items()
    assert price.intensity.g_per_kwh == pytest.approx(50)
    assert name == f"{hours}, begun at {utc(run_folders.UNIX_S + 7200)}"
    assert list(cleaner("30", run, 60.0)) == ["30"]


def test_what_the_hours_do_not_cover(run, hours):
    with pytest.raises(NicarbonError, match="covers"):
        price_of(hours, run, "2020-01-01T00:00Z", 60.0)
    with pytest.raises(NicarbonError, match="give a time"):
        price_of(hours, run, "tomorrow", 60.0)
    with pytest.raises(NicarbonError, match="the same at all times"):
        price_of("30", run, "2026-01-01", 60.0)
    with pytest.raises(NicarbonError, match="covers no day"):
        cleaner(hours, run, 1e7)


@pytest.mark.parametrize("grid", ["-1", "nan", "1e9"])
def test_what_no_electricity_has(run, grid):
    with pytest.raises(NicarbonError, match="an intensity of"):
        price_of(grid, run)


def test_a_country_wants_its_table(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NicarbonError, match="codecarbon"):
        price_of("CAN:quebec", run)
