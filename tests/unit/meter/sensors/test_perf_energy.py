# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import time

import pytest

from nicarbon.meter import perf
from nicarbon.meter.sensors import perf_energy

UNIT = "sys/bus/event_source/devices/power"
JOULES = 2.3283064365386962890625e-10


def power_unit(host, events=("energy-pkg",), cpus="0\n", packages=None, event_type="20\n"):
    """Write the files of the kernel's power unit, as Linux 6 has them."""
    host.write(f"{UNIT}/type", event_type)
    host.write(f"{UNIT}/cpumask", cpus)
    for n, event in enumerate(events, 1):
        host.write(f"{UNIT}/events/{event}", f"event=0x0{n}\n")
        host.write(f"{UNIT}/events/{event}.scale", "2.3283064365386962890625e-10\n")
        host.write(f"{UNIT}/events/{event}.unit", "Joules\n")
    for cpu, (package, die) in (packages or {0: (0, 0)}).items():
        folder = f"sys/devices/system/cpu/cpu{cpu}/topology"
        host.write(f"{folder}/physical_package_id", f"{package}\n")
        host.write(f"{folder}/die_id", f"{die}\n")


class Kernel:
    """Opens and reads counters; what it was asked stays in `opened`."""

    def __init__(self, refuse=lambda config, cpu: None):
        self.refuse = refuse
        self.opened = {}
        self.shows = {}

    def open_counter(self, event_type, config, cpu):
        refused = self.refuse(config, cpu)
        if refused is not None:
            raise OSError(refused, "refused")
        # Far above any real one: the sensor closes them.
        fd = 900_000 + len(self.opened)
        self.opened[fd] = (event_type, config, cpu)
        self.shows[fd] = 0
        return fd

    def read_counter(self, fd):
        return self.shows[fd]

    def sensor(self, host):
        return perf_energy.PerfEnergy(host.path, self.open_counter, self.read_counter)


def account(sensor):
    return {domain["name"] for domain in sensor.domains if domain["account"]}


def test_package_and_memory_of_every_socket_are_the_account(host):
    events = ("energy-cores", "energy-pkg", "energy-ram", "energy-gpu", "energy-psys")
    power_unit(host, events, "0,18\n", {0: (0, 0), 18: (1, 0)})
    kernel = Kernel()
    sensor = kernel.sensor(host)
    assert account(sensor) == {f"perf/package-{n}{part}" for n in (0, 1) for part in ("", "/dram")}
    assert {d["name"] for d in sensor.domains} - account(sensor) == {
        *(f"perf/package-{n}/{part}" for n in (0, 1) for part in ("core", "uncore")),
        "perf/psys",
    }
    assert (20, 2, 18) in kernel.opened.values()
    assert {d["socket"] for d in sensor.domains if d["kind"] == "dram"} == {0, 1}
    assert {d["unit_j"] for d in sensor.domains} == {JOULES}
    assert all(d["since_open"] and d["range"] is None for d in sensor.domains)
    assert sensor.status().works
    assert sensor.note == ""


def test_each_die_of_a_package_has_a_counter(host):
    power_unit(host, cpus="0-1\n", packages={0: (0, 0), 1: (0, 1)})
    assert account(Kernel().sensor(host)) == {"perf/package-0-die-0", "perf/package-0-die-1"}


def test_packages_without_a_topology_are_still_told_apart(host):
    power_unit(host, cpus="0,8\n", packages={0: ("x", 0)})
    assert account(Kernel().sensor(host)) == {"perf/package-0", "perf/package-1"}


def test_it_reads_counts_and_what_cannot_be_read_is_none(host):
    power_unit(host)
    kernel = Kernel()
    sensor = kernel.sensor(host)
    (fd,) = kernel.opened
    kernel.shows[fd] = 2**32
    assert sensor.read() == {"perf/package-0": 2**32}
    kernel.shows[fd] = None
    assert sensor.read() == {"perf/package-0": None}


def test_amd_and_desktops_say_that_memory_is_missing(host):
    power_unit(host)
    assert "lower bound" in Kernel().sensor(host).note


def test_the_platform_alone_is_the_account_once(host):
    power_unit(host, ("energy-psys",), "0,18\n", {0: (0, 0), 18: (1, 0)})
    sensor = Kernel().sensor(host)
    assert account(sensor) == {"perf/psys"}
    assert "whole-platform" in sensor.note


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_refusal_says_what_allows_it(host, number):
    power_unit(host)
    host.write("proc/sys/kernel/perf_event_paranoid", "2\n")
    sensor = Kernel(lambda config, cpu: number).sensor(host)
    assert sensor.domains == []
    assert sensor.read() == {}
    assert "perf_event_paranoid is 2" in sensor.status().reason
    assert "sudo sysctl kernel.perf_event_paranoid=0" in sensor.status().commands


def test_another_error_is_told_as_it_is(host):
    power_unit(host)
    status = Kernel(lambda config, cpu: errno.EINVAL).sensor(host).status()
    assert not status.works
    assert status.reason == "1 of 1 energy events can't be opened: refused"


def test_one_closed_package_of_two_is_no_account(host):
    power_unit(host, cpus="0,8\n", packages={0: (0, 0), 8: (1, 0)})
    sensor = Kernel(lambda config, cpu: errno.EACCES if cpu == 8 else None).sensor(host)
    assert account(sensor) == set()
    assert not sensor.status().works
    assert [d["name"] for d in sensor.domains] == ["perf/package-0"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("type", "power\n"),
        ("cpumask", "all\n"),
        ("events/energy-pkg", "config=2\n"),
        ("events/energy-pkg.scale", "many\n"),
        ("events/energy-pkg.scale", "nan\n"),
        ("events/energy-pkg.scale", "-1\n"),
        ("events/energy-pkg.unit", "Watts\n"),
    ],
)
def test_garbage_is_no_counter(host, path, text):
    power_unit(host)
    host.write(f"{UNIT}/{path}", text)
    sensor = Kernel().sensor(host)
    assert sensor.domains == []
    assert not sensor.status().works


def test_a_kernel_without_the_unit_says_so_and_opens_nothing(host):
    kernel = Kernel()
    assert "no energy events" in kernel.sensor(host).status().reason
    assert kernel.opened == {}


def test_the_kernel_itself_counts_where_it_lets_us(host):
    """The power unit's part is played by the software unit's CPU clock, in nanoseconds."""
    power_unit(host, event_type="1\n")
    host.write(f"{UNIT}/events/energy-pkg", "event=0x00\n")
    sensor = perf_energy.PerfEnergy(host.path)
    if not sensor.status().works:
        pytest.skip(sensor.status().reason)
    before = sensor.read()["perf/package-0"]
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        pass
    after = sensor.read()["perf/package-0"]
    sensor.close()
    assert 0 <= before < after < 60e9
    assert sensor.read() == {}


def test_a_counter_of_nothing_is_refused():
    with pytest.raises(OSError, match=" "):
        perf.open_counter(1, 0, 1_000_000)
