# SPDX-License-Identifier: Apache-2.0
from math import hypot

import pytest

from nicarbon.cohort import Side, published
from nicarbon.projection import project
from nicarbon.references import references
from nicarbon.spread import Spread, t_quantile


def made(n=5, sd=360.0, n_scans=1.0, **more):
    sd = None if n == 1 else sd
    total = {
        "runtime": Spread(3600.0, sd, n),
        "cpu": Spread(7200.0, sd, n),
        "energy": Spread(36_000.0, sd, n),
        "carbon": None,
    }
    given = {"pipeline": "wf", "device": "CPU", "stages": {}, "method": "measured"} | more
    return Side("a", total=total, energy_range=(34_000.0, 40_000.0), n=n, n_scans=n_scans, **given)


@pytest.mark.parametrize(
    ("name", "days", "kg"),
    [("freesurfer-cpu", 3471, 32), ("fastsurfer-cpu", 4107, 38), ("fastsurfer-gpu", 671, 8)],
)
def test_ten_thousand_scans_as_published_within_two_per_cent(name, days, kg):
    found = project(published(references()[name]), 10_000)
    assert found.machine_days.value == pytest.approx(days, rel=0.02)
    assert found.carbon_kg.value == pytest.approx(kg, rel=0.02)
    assert found.printed["machine_days"][0] == days
    assert found.printed["machine_days"][1] == pytest.approx(found.machine_days.value / days - 1)
    assert found.printed["carbon_kg"][0] == kg
    assert found.machine_days.low is None
    assert "does not say how many runs" in found.notes[-1]


def test_nothing_is_printed_for_another_number_of_scans():
    assert project(published(references()["freesurfer-cpu"]), 500).printed == {}


def test_a_gpu_lowers_the_experiment_and_raises_the_day():
    cpu, gpu = (
        project(published(references()[f"fastsurfer-{device}"]), 10_000, machines=4, researchers=8)
        for device in ("cpu", "gpu")
    )
    assert gpu.energy_kwh.value < 0.25 * cpu.energy_kwh.value
    assert gpu.machine_day_kwh > 1.25 * cpu.machine_day_kwh
    assert gpu.researcher_day_kg > cpu.researcher_day_kg
    assert cpu.machine_day_kwh == pytest.approx(24 * 126.4 / 9.8 / 1000)
    assert cpu.researcher_day_kwh == pytest.approx(cpu.machine_day_kwh / 2)
    assert cpu.elapsed_days == pytest.approx(10_000 * 9.8 / 24 / 4)


def test_the_range_joins_runs_and_metering():
    found = project(made(), 100, price_per_kwh=0.5)
    among_runs = t_quantile(4) * 360 * (100 + 100**2 / 5) ** 0.5
    assert found.energy_kwh.value == pytest.approx(1.0)
    expected = hypot(among_runs, 100 * 2_000) / 3.6e6
    assert found.energy_kwh.low == pytest.approx(1.0 - expected)
    expected = hypot(among_runs, 100 * 4_000) / 3.6e6
    assert found.energy_kwh.high == pytest.approx(1.0 + expected)
    assert found.money.high == pytest.approx(0.5 * found.energy_kwh.high)
    assert found.machine_days.value == pytest.approx(100 / 24)
    assert found.core_days.high == pytest.approx((100 * 7200 + among_runs) / 86400)
    assert found.carbon_kg is None
    assert found.notes == ()


def test_the_range_of_grams_is_that_of_their_price_too():
    side = made(1, carbon_range=(20.0, 60.0))
    side.total["carbon"] = Spread(40.0, None, 1)
    found = project(side, 100)
    assert (found.carbon_kg.low, found.carbon_kg.value, found.carbon_kg.high) == (2, 4, 6)


def test_one_run_says_so():
    found = project(made(1), 100)
    assert found.machine_days.low is None
    assert (found.energy_kwh.low, found.energy_kwh.high) == pytest.approx((34 / 36, 40 / 36))
    assert "one run" in found.notes[0]


def test_a_run_of_several_scans_counts_as_so_many():
    assert project(made(n_scans=4.0), 100).energy_kwh.value == pytest.approx(0.25)


def test_twice_the_scans_are_twice_the_figure():
    one, two = project(made(), 50), project(made(), 100)
    assert two.energy_kwh.value == pytest.approx(2 * one.energy_kwh.value)
    assert two.machine_day_kwh == pytest.approx(one.machine_day_kwh)
