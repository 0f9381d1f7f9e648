# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import msgspec

from nicarbon import records
from nicarbon.meter import perf, sensors
from nicarbon.meter.sensors import perf_energy, rapl


def names(found):
    return [sensor.name for sensor in found]


def test_the_model_serves_where_nothing_is_measured(host):
    assert names(sensors.discover(host.path)) == ["virtual"]


def test_the_model_is_never_used_beside_a_measured_account(host):
    host.zone("intel-rapl:0", "package-0")
    assert names(sensors.discover(host.path)) == ["rapl"]
    assert names(sensors.survey(host.path)) == ["rapl", "perf", "nvml", "cray", "virtual"]


class Sensor:
    """One that works, with a counter of each kind that is given, all of its account."""

    relative_error = 0.01
    note = ""

    def __init__(self, name, *kinds, method="measured", works=True):
        self.name, self.method, self.works = name, method, works
        self.domains = [
            {"name": f"{name}/{kind}", "kind": kind, "account": True, "unit_j": 1.0}
            for kind in kinds
        ]

    def status(self):
        if self.works is None:
            raise RuntimeError("no such thing")
        return sensors.Status(self.works)


def chosen(*known):
    return {
        sensor.name: [domain["kind"] for domain in sensor.domains if domain["account"]]
        for sensor in sensors.choose(known)
    }


def test_what_sees_joules_that_are_counted_is_a_check():
    rapl, perf = Sensor("rapl", "package", "dram"), Sensor("perf", "package")
    assert chosen(rapl, perf) == {"rapl": ["package", "dram"], "perf": []}
    assert chosen(Sensor("perf", "package"), Sensor("cray", "psys")) == {
        "perf": ["package"],
        "cray": [],
    }


def test_gpus_are_counted_beside_processors_and_each_once():
    known = (
        Sensor("rapl", "package"),
        Sensor("nvml", "gpu"),
        Sensor("cray", "package", "gpu"),
        Sensor("virtual", "host", method="modelled"),
    )
    assert chosen(*known) == {"rapl": ["package"], "nvml": ["gpu"], "cray": []}
    alone = (Sensor("nvml", "gpu"), Sensor("virtual", "host", method="modelled"))
    assert chosen(*alone) == {"nvml": ["gpu"], "virtual": ["host"]}


def test_a_sensor_that_does_not_work_or_fails_is_no_account():
    broken, failing = Sensor("a", "package", works=False), Sensor("b", "package", works=None)
    assert chosen(broken, failing, Sensor("c", "psys")) == {"a": [], "b": [], "c": ["psys"]}


def test_closed_counters_give_way_to_perf_and_open_ones_have_it_as_a_check(host, monkeypatch):
    opened = iter(range(100, 200))
    monkeypatch.setattr(perf, "open_counter", lambda *args: next(opened))
    monkeypatch.setattr(perf, "read_counter", lambda fd: fd)
    power_unit(host)
    found = {s.name: s for s in sensors.choose([rapl.Rapl(host.path), fake_perf(host)])}
    assert [d["account"] for d in found["perf"].domains] == [True]
    host.zone("intel-rapl:0", "package-0")
    found = {s.name: s for s in sensors.choose([rapl.Rapl(host.path), fake_perf(host)])}
    assert [d["account"] for d in found["rapl"].domains] == [True]
    assert [d["account"] for d in found["perf"].domains] == [False]


def power_unit(host):
    unit = "sys/bus/event_source/devices/power"
    for path, text in {
        "type": "20\n",
        "cpumask": "0\n",
        "events/energy-pkg": "event=0x02\n",
        "events/energy-pkg.scale": "2.3283064365386962890625e-10\n",
        "events/energy-pkg.unit": "Joules\n",
    }.items():
        host.write(f"{unit}/{path}", text)
    host.write("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n")


def fake_perf(host):
    return perf_energy.PerfEnergy(host.path, perf.open_counter, perf.read_counter)


def test_counters_that_give_no_account_stay_as_checks_beside_the_model(host):
    host.zone("intel-rapl:0", "core")
    found = sensors.discover(host.path)
    assert names(found) == ["rapl", "virtual"]
    accounts = [[domain["account"] for domain in sensor.domains] for sensor in found]
    assert accounts == [[False], [True]]


def test_a_replayed_run_is_used_alone(host, tmp_path):
    host.zone("intel-rapl:0", "package-0")
    path = tmp_path / "samples.jsonl"
    lines = [
        {"kind": "host", "sensors": [sensors.describe(sensors.discover(host.path)[0])]},
        {"kind": "sample", "t_monotonic_ns": 1, "readings": {"package-0": 5}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert names(sensors.discover(host.path, str(path))) == ["replay"]


def test_a_recording_that_cannot_be_played_back_gives_way(host, tmp_path):
    assert names(sensors.discover(host.path, str(tmp_path / "none"))) == ["virtual"]


def test_descriptions_are_what_the_reader_expects(host):
    host.zone("intel-rapl:0", "core")
    for sensor in sensors.discover(host.path):
        described = sensors.describe(sensor)
        decoded = msgspec.convert(described, records.Sensor)
        assert set(described) <= set(records.Sensor.__struct_fields__)
        for domain in described["domains"]:
            assert set(domain) <= set(records.Domain.__struct_fields__)
        assert decoded.domains


def test_a_root_with_sensors_only_is_modelled_from_this_hosts_proc(tmp_path):
    (tmp_path / "sys").mkdir()
    there = sensors.discover(str(tmp_path))[0]
    here = next(sensor for sensor in sensors.survey("/") if sensor.name == "virtual")
    assert there.domains == here.domains
