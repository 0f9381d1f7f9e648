# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from nicarbon.meter import attend
from nicarbon.meter.processes import ProcFS


def sleeper():
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_a_driver_is_sampled_under_its_own_name_until_it_ends(tmp_path):
    driver = sleeper()
    key = ProcFS("/").key(driver.pid)
    (tmp_path / f"nodes-{key}.jsonl").touch()
    child = os.fork()
    if child == 0:
        os._exit(attend.attend(str(tmp_path), ["--interval", "0.05"]) is not None)
    try:
        assert attend.attended(str(tmp_path), 30)
    finally:
        driver.kill()
        driver.wait()
    assert os.waitpid(child, 0)[1] == 0
    (path,) = tmp_path.glob("samples-*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["driver"] == key
    assert lines[-1] == {**lines[-1], "kind": "close", "reason": "driver ended"}


def test_where_nothing_begins(tmp_path):
    why = attend.attend(str(tmp_path), goes_on=lambda: False)
    assert why == "nothing began a run in the container"
    missing = attend.attend(str(tmp_path / "nowhere"), goes_on=lambda: False)
    assert missing == "nothing began a run in the container"


def test_a_driver_that_can_not_be_seen(tmp_path):
    host = ProcFS("/").host_id()
    (tmp_path / f"nodes-{host}-{os.getpid()}-1.jsonl").touch()
    assert attend.attend(str(tmp_path)) == "the container's processes cannot be seen from here"


def test_a_driver_on_another_host(tmp_path):
    (tmp_path / "nodes-0123456789ab-1-1.jsonl").touch()
    assert "another host" in attend.attend(str(tmp_path))


def test_waiting_for_a_sample_ends(tmp_path):
    began_s = time.monotonic()
    (tmp_path / "samples-a-1-1.jsonl").write_text('{"kind":"host"}\n')
    assert not attend.attended(str(tmp_path), 0.2)
    assert time.monotonic() - began_s < 10
    (tmp_path / "samples-a-1-1.jsonl").write_text('{"kind":"host"}\n{"kind":"sample"}\n')
    assert attend.attended(str(tmp_path), 0.0)


def test_a_sampler_is_told_where_the_library_for_cards_lies_where_there_are_any(tmp_path):
    def sensor_path(*options):
        command = attend.command("run", 7, options)
        return command[command.index("--sensor-path") + 1] if "--sensor-path" in command else ""

    (tmp_path / "dev").mkdir()
    assert sensor_path("--host-root", str(tmp_path)) == sensor_path()
    (tmp_path / "dev/nvidia0").touch()
    pynvml = pytest.importorskip("pynvml")
    assert os.path.dirname(pynvml.__file__) in sensor_path("--host-root", str(tmp_path))
