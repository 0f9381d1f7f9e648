# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.meter.sensors import cray

FOLDER = "sys/cray/pm_counters"
# As a node of HPE Cray EX shows them.
LINES = {
    "cpu_energy": "601278 J 1795325786915315 us\n",
    "memory_energy": "112353 J 1795325786915315 us\n",
    "energy": "1166756 J 1795325786915315 us\n",
    "cpu_power": "127 W 1795325786915315 us\n",
    "power_cap": "0 W 1795324839685860 us\n",
    "freshness": "8606\n",
    "raw_scan_hz": "10\n",
}


def show(host, **lines):
    for name, line in lines.items():
        host.write(f"{FOLDER}/{name}", line)


def account(sensor):
    return {domain["name"] for domain in sensor.domains if domain["account"]}


def test_processors_and_memory_are_the_account_and_the_node_a_check(host):
    show(host, **LINES)
    sensor = cray.Cray(host.path)
    assert account(sensor) == {"cray/cpu", "cray/memory"}
    assert sensor.read() == {"cray/cpu": 601278, "cray/memory": 112353, "cray/node": 1166756}
    assert sensor.status().works
    assert {d["kind"] for d in sensor.domains} == {"package", "dram", "psys"}
    assert sensor.note == ""


def test_accelerators_stand_beside(host):
    show(host, **LINES, accel0_energy="900 J 5 us\n", accel3_energy="901 J 5 us\n")
    sensor = cray.Cray(host.path)
    assert account(sensor) == {"cray/cpu", "cray/memory"}
    assert sensor.read()["cray/accel3"] == 901
    assert {d["kind"] for d in sensor.domains if "accel" in d["name"]} == {"gpu"}
    assert "accelerators" in sensor.note


def test_without_parts_the_whole_node_is_the_account(host):
    show(host, energy="5 J 1 us\n", accel0_energy="3 J 1 us\n")
    sensor = cray.Cray(host.path)
    assert account(sensor) == {"cray/node"}
    assert "accelerators included" in sensor.note


def test_without_memory_it_is_a_lower_bound(host):
    show(host, cpu_energy="5 J 1 us\n", energy="9 J 1 us\n")
    assert account(cray.Cray(host.path)) == {"cray/cpu"}
    assert "lower bound" in cray.Cray(host.path).note


@pytest.mark.parametrize(
    "line", ["", "\n", "J\n", "-5 J 1 us\n", "5 W 1 us\n", "5.5 J 1 us\n", "5 J 1 us 7\n", "5\n"]
)
def test_garbage_is_no_reading_and_the_next_good_one_counts(host, clock, line):
    show(host, **LINES)
    sensor = cray.Cray(host.path, clock.monotonic_ns)
    show(host, cpu_energy=line)
    assert sensor.read()["cray/cpu"] is None
    show(host, cpu_energy="601300 J 1795325786915400 us\n")
    assert sensor.read()["cray/cpu"] == 601300


def test_a_file_that_vanishes_and_comes_back(host):
    show(host, **LINES)
    sensor = cray.Cray(host.path)
    (host.root / FOLDER / "memory_energy").unlink()
    assert sensor.read() == {"cray/cpu": 601278, "cray/memory": None, "cray/node": 1166756}
    show(host, memory_energy="112400 J 1795325786915400 us\n")
    assert sensor.read()["cray/memory"] == 112400


def test_a_value_that_is_not_renewed_is_no_reading(host, clock):
    show(host, **LINES)
    sensor = cray.Cray(host.path, clock.monotonic_ns)
    clock.now_ns += 4_000_000_000
    assert sensor.read()["cray/cpu"] == 601278
    clock.now_ns += 4_000_000_000
    assert sensor.read()["cray/cpu"] is None
    show(host, cpu_energy="601300 J 1795325786915400 us\n")
    assert sensor.read()["cray/cpu"] == 601300


def test_a_line_without_a_date_never_grows_old(host, clock):
    show(host, energy="7 J\n")
    sensor = cray.Cray(host.path, clock.monotonic_ns)
    clock.now_ns += 60_000_000_000
    assert sensor.read() == {"cray/node": 7}


def test_other_machines_have_none(host):
    sensor = cray.Cray(host.path)
    assert sensor.domains == []
    assert sensor.read() == {}
    assert "no counters of an HPE Cray EX" in sensor.status().reason
    show(host, accel0_energy="3 J 1 us\n")
    assert "accelerators alone" in cray.Cray(host.path).status().reason
