# SPDX-License-Identifier: Apache-2.0
import importlib.util

import pytest

from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.cli.grid import price_of
from nicarbon.errors import NicarbonError


@pytest.fixture
def run(run_folders):
    return run_folders.run([])


def test_grams_with_the_runs_own_pue(run):
    assert price_of("30", run).pue == 1
    run.chosen_price = Price(given(100.0), 1.4)
    price = price_of("30", run)
    assert (price.intensity.g_per_kwh, price.pue) == (30, 1.4)


@pytest.mark.parametrize("grid", ["-1", "nan", "1e9"])
def test_what_no_electricity_has(run, grid):
    with pytest.raises(NicarbonError, match="an intensity of"):
        price_of(grid, run)


def test_a_country_wants_its_table(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NicarbonError, match="codecarbon"):
        price_of("CAN:quebec", run)
