# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os

import pytest

from nicarbon.meter.sensors import rapl


def domain(sensor, name):
    return {d["name"]: d for d in sensor.domains}[name]


def account(sensor):
    return {d["name"] for d in sensor.domains if d["account"]}


def two_sockets(host, dram=True):
    for n in (0, 1):
        host.zone(f"intel-rapl:{n}", f"package-{n}", 100 + n)
        host.zone(f"intel-rapl:{n}:0", "core", 50 + n)
        if dram:
            host.zone(f"intel-rapl:{n}:1", "dram", 10 + n)


@pytest.fixture
def deny(monkeypatch):
    """Make the kernel refuse counters, for root as well."""
    real = os.open
    refused = []

    def fake(path, flags, *args, **kwargs):
        if str(path).endswith("energy_uj") and any(part in str(path) for part in refused):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, flags, *args, **kwargs)

    monkeypatch.setattr(rapl.os, "open", fake)
    return refused


def test_package_and_dram_of_every_socket_are_the_account(host):
    two_sockets(host)
    host.zone("intel-rapl:2", "psys", 999)
    sensor = rapl.Rapl(host.path)
    assert account(sensor) == {"package-0", "package-0/dram", "package-1", "package-1/dram"}
    checks = {d["name"] for d in sensor.domains} - account(sensor)
    assert checks == {"package-0/core", "package-1/core", "psys"}
    assert sensor.read()["package-1/dram"] == 11
    assert domain(sensor, "package-1/dram")["socket"] == 1
    assert domain(sensor, "package-1/dram")["kind"] == "dram"
    assert domain(sensor, "psys")["socket"] is None
    assert sensor.status().works
    assert sensor.note == ""


def test_each_die_of_a_package_is_in_the_account(host):
    for n in (0, 1):
        host.zone(f"intel-rapl:{n}", f"package-0-die-{n}")
        host.zone(f"intel-rapl:{n}:0", "dram")
    sensor = rapl.Rapl(host.path)
    assert len(account(sensor)) == len(sensor.domains) == 4
    assert {d["socket"] for d in sensor.domains} == {0}


def test_psys_is_the_account_only_without_packages(host):
    host.zone("intel-rapl:0", "psys", 7)
    sensor = rapl.Rapl(host.path)
    assert account(sensor) == {"psys"}
    assert "psys" in sensor.note


def test_amd_has_package_and_core_and_says_that_memory_is_missing(host):
    host.zone("intel-rapl:0", "package-0")
    host.zone("intel-rapl:0:0", "core")
    sensor = rapl.Rapl(host.path)
    assert account(sensor) == {"package-0"}
    assert "lower bound" in sensor.note


def test_the_mmio_double_is_never_added(host):
    host.zone("intel-rapl-mmio:0", "package-0", 5555)
    host.zone("intel-rapl:0", "package-0", 1)
    sensor = rapl.Rapl(host.path)
    assert sensor.read() == {"package-0": 1}


def test_the_mmio_double_serves_where_the_first_is_closed(host, deny):
    host.zone("intel-rapl-mmio:0", "package-0", 5555)
    host.zone("intel-rapl:0", "package-0", 1)
    deny.append("intel-rapl:0")
    assert rapl.Rapl(host.path).read() == {"package-0": 5555}


def test_zones_inside_zones_are_found_as_in_a_container(host):
    host.zone("intel-rapl:0", "package-0", 1)
    host.zone("intel-rapl:0/intel-rapl:0:1", "dram", 2)
    assert rapl.Rapl(host.path).read() == {"package-0": 1, "package-0/dram": 2}


def test_zones_that_show_twice_count_once(host):
    host.zone("intel-rapl:0", "package-0", 1)
    host.zone("intel-rapl:0:1", "dram", 2)
    host.zone("intel-rapl:0/intel-rapl:0:1", "dram", 2)
    assert len(rapl.Rapl(host.path).domains) == 2


def test_the_tenth_socket_is_a_socket(host):
    for n in range(12):
        host.zone(f"intel-rapl:{n}", f"package-{n}", n)
    sensor = rapl.Rapl(host.path)
    assert sensor.read()["package-11"] == 11
    assert [d["socket"] for d in sensor.domains] == list(range(12))


def test_units_range_and_greatest_power(host):
    host.zone("intel-rapl:0", "package-0")
    host.zone("intel-rapl:0:0", "dram", constraint_0_max_power_uw=40_000_000)
    host.zone(
        "intel-rapl:1",
        "package-1",
        constraint_0_max_power_uw=125_000_000,
        constraint_1_max_power_uw=0,
        constraint_1_power_limit_uw=250_000_000,
    )
    sensor = rapl.Rapl(host.path)
    assert domain(sensor, "package-0")["unit_j"] == 1e-6
    assert domain(sensor, "package-0")["range"] == 262143328850
    assert domain(sensor, "package-0")["max_power_w"] == 1000
    assert domain(sensor, "package-1")["max_power_w"] == pytest.approx(500)
    assert domain(sensor, "package-0/dram")["max_power_w"] == pytest.approx(80)


@pytest.mark.parametrize("text", ["", "\n", "not a number\n", "-5\n", "1.5\n"])
def test_a_reading_that_is_no_number_is_none_and_the_next_one_counts(host, text):
    energy = host.zone("intel-rapl:0", "package-0", 7)
    sensor = rapl.Rapl(host.path)
    energy.write_text(text)
    assert sensor.read() == {"package-0": None}
    energy.write_text("9\n")
    assert sensor.read() == {"package-0": 9}


def test_a_read_error_is_none(host, monkeypatch):
    host.zone("intel-rapl:0", "package-0", 7)
    sensor = rapl.Rapl(host.path)

    def fail(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(rapl.os, "pread", fail)
    assert sensor.read() == {"package-0": None}


def test_a_denied_counter_says_why_and_what_to_type(host, deny):
    two_sockets(host)
    deny.append("intel-rapl:")
    status = rapl.Rapl(host.path).status()
    assert not status.works
    assert "2 of 2" in status.reason
    assert "root" in status.reason
    assert status.commands[0] == "sudo groupadd --system energy"
    assert "nicarbon doctor --print udev-rule | sudo tee" in status.commands[2]
    assert rapl.Rapl(host.path).domains == []


def test_one_closed_socket_of_two_is_no_account_but_a_check(host, deny):
    two_sockets(host)
    deny.append("intel-rapl:1/")
    sensor = rapl.Rapl(host.path)
    assert account(sensor) == set()
    assert "package-0" in sensor.read()
    assert "1 of 2" in sensor.status().reason
    assert not sensor.status().works


def test_a_closed_dram_leaves_a_lower_bound_that_says_so(host, deny):
    two_sockets(host)
    deny.append("intel-rapl:1:1")
    sensor = rapl.Rapl(host.path)
    assert account(sensor) == {"package-0", "package-0/dram", "package-1"}
    assert sensor.status().works
    assert "dram not readable" in sensor.note
    assert sensor.status().commands


def test_a_counter_that_opens_and_cannot_be_read_is_closed(host):
    host.zone("intel-rapl:0", "package-0", None)
    (host.root / "sys/class/powercap/intel-rapl:0/energy_uj").mkdir()
    status = rapl.Rapl(host.path).status()
    assert not status.works
    assert "energy_uj" in status.reason


def test_parts_without_a_package_are_no_account(host):
    host.zone("intel-rapl:0", "core")
    sensor = rapl.Rapl(host.path)
    assert account(sensor) == set()
    assert "no package" in sensor.status().reason


@pytest.mark.parametrize(
    ("vendor", "flags", "mark", "words", "command"),
    [
        ("GenuineIntel", "fpu hypervisor", None, "virtual machine", ""),
        ("", "fp asimd", None, "neither Intel", ""),
        ("AuthenticAMD", "fpu", ".dockerenv", "docker", "docker run -v"),
        ("AuthenticAMD", "fpu", ".singularity.d/x", "apptainer", "--bind"),
        ("GenuineIntel", "fpu", None, "intel_rapl_msr", "sudo modprobe intel_rapl_msr"),
    ],
)
def test_no_counters_at_all_has_a_reason(host, vendor, flags, mark, words, command):
    host.cpu(flags=flags, vendor_id=vendor)
    if mark:
        host.write(mark, "")
    status = rapl.Rapl(host.path).status()
    assert not status.works
    assert words in status.reason
    assert command in " ".join(status.commands)
    assert bool(command) == bool(status.commands)


def test_links_that_lead_nowhere_are_no_zones(host):
    folder = host.root / "sys/class/powercap"
    folder.mkdir(parents=True)
    (folder / "intel-rapl:0").symlink_to("../../devices/virtual/powercap/intel-rapl:0")
    host.cpu(vendor_id="GenuineIntel")
    host.write(".dockerenv", "")
    assert "docker" in rapl.Rapl(host.path).status().reason
