# SPDX-License-Identifier: Apache-2.0
"""CodeCarbon's part is played by a module of its name, in its own process as the real one."""

from __future__ import annotations

import sys
import textwrap
import time

import pytest

from nicarbon.trackers import CodeCarbon

STAND_IN = """
    import socket, time
    from types import SimpleNamespace
    class EmissionsTracker:
        def __init__(self, **options):
            try:
                socket.create_connection(("192.0.2.1", 80), 1)
            except OSError as error:
                self.offline = error.errno == 101
            assert self.offline and not options["save_to_file"]
            print("noise on stdout")
        def start_task(self, name):
            # The real one looks at the machine first, and counts that as energy alone.
            self.looked_s = 0.0 if name != "first" else 5.0
            if name != "first":
                {start}
            self.began = time.monotonic()
        def stop_task(self, name):
            ran = time.monotonic() - self.began
            joules = 100.0 * (ran + self.looked_s)
            return SimpleNamespace(
                duration=ran, cpu_energy=joules / 3.6e6, ram_energy=1e-6 * ran, gpu_energy=0.0
            )
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    def write(start="pass"):
        (tmp_path / "codecarbon.py").write_text(textwrap.dedent(STAND_IN.format(start=start)))
        about = tmp_path / "codecarbon-9.9.dist-info" / "METADATA"
        about.parent.mkdir(exist_ok=True)
        about.write_text("Metadata-Version: 2.1\nName: codecarbon\nVersion: 9.9\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "codecarbon")
        tracker = CodeCarbon()
        tracker.start()
        return tracker

    return write


def test_its_watts_of_each_load_come_from_a_process_that_reaches_no_network(stand_in):
    tracker = stand_in()
    assert (tracker.version, tracker.problem) == ("9.9", "")
    for _ in range(2):
        tracker.begin("idle")
        assert tracker.end() == pytest.approx({"cpu": 100.0, "ram": 3.6, "gpu": 0.0})
    tracker.stop()
    assert "codecarbon" not in sys.modules


def test_what_it_takes_to_begin_is_in_no_load(stand_in):
    tracker = stand_in("time.sleep(0.5)")
    before = time.monotonic()
    tracker.begin("idle")
    assert time.monotonic() - before > 0.4
    assert tracker.end()["cpu"] == pytest.approx(100.0)
    tracker.stop()


def test_one_that_fails_is_told_and_the_rest_goes_on(stand_in):
    tracker = stand_in("raise RuntimeError('no licence')")
    tracker.begin("idle")
    assert tracker.end() is None
    assert tracker.problem == "it failed"
    tracker.begin("one core")
    assert tracker.end() is None
    tracker.stop()


def test_where_it_is_missing_nothing_is_started(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    tracker = CodeCarbon()
    tracker.start()
    tracker.begin("idle")
    assert (tracker.version, tracker.problem, tracker.end()) == (None, "not installed", None)
