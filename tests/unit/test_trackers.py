# SPDX-License-Identifier: Apache-2.0
"""CodeCarbon's part is played by a module of its name, in its own process as the real one."""

from __future__ import annotations

import sys
import textwrap

import pytest

from nicarbon.trackers import CodeCarbon

REQUESTS = """
    class exceptions:
        class ConnectionError(Exception): pass
    class sessions:
        class Session: request = "the network"
"""
STAND_IN = """
    from types import SimpleNamespace
    import requests
    __version__ = "9.9"
    class OfflineEmissionsTracker:
        def __init__(self, **options):
            try:
                requests.sessions.Session.request("a", "b")
            except requests.exceptions.ConnectionError:
                self.offline = True
            assert self.offline and not options["save_to_file"]
            print("noise on stdout")
        def start_task(self, name):
            {start}
        def stop_task(self, name):
            return SimpleNamespace(
                duration=10.0, cpu_energy=36e3 / 3.6e6, ram_energy=3600 / 3.6e6, gpu_energy=0.0
            )
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    def write(start="pass"):
        for name, code in (("codecarbon", STAND_IN.format(start=start)), ("requests", REQUESTS)):
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
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
        assert tracker.end() == pytest.approx({"cpu": 3600.0, "ram": 360.0, "gpu": 0.0})
    tracker.stop()
    assert "codecarbon" not in sys.modules


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
