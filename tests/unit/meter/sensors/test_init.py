# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import msgspec

from nicarbon import records
from nicarbon.meter import sensors


def names(found):
    return [sensor.name for sensor in found]


def test_the_model_serves_where_nothing_is_measured(host):
    assert names(sensors.discover(host.path)) == ["virtual"]


def test_the_model_is_never_used_beside_a_measured_account(host):
    host.zone("intel-rapl:0", "package-0")
    assert names(sensors.discover(host.path)) == ["rapl"]
    assert names(sensors.survey(host.path)) == ["rapl", "virtual"]


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
    here = sensors.survey("/")[-1]
    assert there.domains == here.domains
