# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from nicarbon.meter.sensors.replay import Replay

SECOND = 1_000_000_000
SAMPLE = '{"kind":"sample","t_monotonic_ns":1,"readings":{}}\n'


def sensor_record(method="measured", account=True, model=None):
    domain = {"name": "package-0", "kind": "package", "account": account, "model": model}
    return {"name": "rapl", "method": method, "relative_error": 0.05, "domains": [domain]}


def recording(path, readings, sensors=None, tail=""):
    lines = [{"kind": "host", "sensors": sensors or [sensor_record()]}]
    lines += [
        {"kind": "sample", "t_monotonic_ns": t * SECOND, "readings": {"package-0": value}}
        for t, value in readings
    ]
    lines.append({"kind": "close", "t_monotonic_ns": 0, "reason": "end"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    return str(path)


def test_it_shows_the_last_reading_at_or_before_the_elapsed_time(tmp_path, clock):
    path = recording(tmp_path / "s.jsonl", [(100, 5), (101, 6), (103, None), (104, 9)])
    replay = Replay(path, clock.monotonic_ns)
    shown = []
    for _ in range(7):
        shown.append(replay.read()["package-0"])
        clock.now_ns += SECOND
    assert shown == [5, 6, 6, None, 9, 9, 9]


def test_a_long_step_skips_readings(tmp_path, clock):
    replay = Replay(recording(tmp_path / "s.jsonl", [(0, 1), (1, 2), (2, 3)]), clock.monotonic_ns)
    replay.read()
    clock.now_ns += 100 * SECOND
    assert replay.read() == {"package-0": 3}


def test_it_takes_over_the_recorded_domains_and_says_whose_energy_it_is(tmp_path):
    replay = Replay(recording(tmp_path / "s.jsonl", [(0, 1)]))
    assert replay.domains[0]["kind"] == "package"
    assert (replay.method, replay.relative_error) == ("measured", 0.05)
    assert "s.jsonl" in replay.note
    assert "replayed" in replay.note
    assert replay.status().works


def test_the_weakest_method_of_the_account_counts_and_checks_do_not(tmp_path):
    curve = {"idle_w": [1, 2, 3], "busy_w": [1, 2, 3]}
    sensors = [sensor_record("modelled", model=curve), sensor_record("assumed", account=False)]
    replay = Replay(recording(tmp_path / "s.jsonl", [(0, 1)], sensors))
    assert replay.method == "modelled"


def test_a_modelled_domain_has_no_reading(tmp_path):
    sensors = [sensor_record("modelled", model={"idle_w": [1, 2, 3], "busy_w": [1, 2, 3]})]
    assert Replay(recording(tmp_path / "s.jsonl", [(0, None)], sensors)).read() == {}


def test_a_torn_tail_is_no_error(tmp_path, clock):
    path = recording(tmp_path / "s.jsonl", [(0, 1)], tail='{"kind":"sample","t_mono')
    assert Replay(path, clock.monotonic_ns).read() == {"package-0": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense\n",
        "[1, 2]\n",
        '{"kind":"host"}\n',
        '{"kind":"host","sensors":[]}\n',
        '{"kind":"host","sensors":[{"domains":[{}],"method":"x"}]}\n' + SAMPLE,
        SAMPLE,
        '{"kind":"sample","t_monotonic_ns":"x","readings":{}}\n',
    ],
)
def test_a_file_that_is_no_recording_does_not_work_and_says_so(tmp_path, text):
    path = tmp_path / "s.jsonl"
    path.write_text(text)
    status = Replay(str(path)).status()
    assert not status.works
    assert status.reason


def test_a_missing_file_does_not_work(tmp_path):
    status = Replay(str(tmp_path / "no.jsonl")).status()
    assert not status.works
    assert "no.jsonl" in status.reason


def test_a_recording_without_an_account_does_not_work(tmp_path):
    path = recording(tmp_path / "s.jsonl", [(0, 1)], [sensor_record(account=False)])
    assert not Replay(path).status().works
