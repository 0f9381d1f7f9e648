# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.records import Domain, Sensor
from nicarbon.reports.account_lines import account, device_line, sensors_line, sum_line


def test_an_account_adds_up_in_one_unit(run_folders):
    big = run_folders.host(nodes_j=7.2e6, energy_j=7.2e6 + 40.0, energy_high_j=7.56e6)
    told = account(big)
    assert told.unit == "kWh"
    assert sum(float(number) for _, number in told.parts) == pytest.approx(float(told.total))
    assert sum_line(big).endswith("= counter 2.000 kWh (0.000-2.100), 100 % in nodes")


def test_only_sensors_of_the_account_are_named(run_folders):
    check = Sensor("psys", "measured", (Domain("psys", "psys", account=False),))
    host = run_folders.host(sensors=(run_folders.RAPL, check))
    assert sensors_line(host) == "rapl measured (package-0)"
    assert sensors_line(run_folders.host(sensors=(check,))) == "no sensor"


def test_a_gpus_sum_can_be_added_up_by_eye(run_folders):
    assert device_line(run_folders.device()) == (
        "gpu-0 (NVIDIA H100): nodes 50.00 + engine 5.00 + other 15.00 + unattributed 10.00 = "
        "80.00 J, 20.00 of it held but idle; nodes computed 3 s on it"
    )
    assert device_line(run_folders.device(card="", held_j=0.0)).startswith("gpu-0: nodes 50.00")
    assert "held" not in device_line(run_folders.device(held_j=0.0))
