# SPDX-License-Identifier: Apache-2.0
"""The trackers' parts are played by packages of their names, in their own processes."""

from __future__ import annotations

import importlib.util
import sys
import textwrap

import pytest

from nicarbon.trials.compare import Bench
from nicarbon.trials.environments import TRACKERS

MACHINE, PROCESS, CARBONTRACKER, IMPACT = TRACKERS
# It counts the CPU time of its own children: 10 W for each, and 5 W for memory.
CODECARBON = """
    import os, time
    from types import SimpleNamespace
    def used():
        times = os.times()
        return times.children_user + times.children_system
    class EmissionsTracker:
        def __init__(self, tracking_mode, output_dir, **options):
            self.mode, self.folder = tracking_mode, output_dir
            {new}
        def start(self):
            {start}
            self.began, self.before = time.monotonic(), used()
            {started}
        def stop(self):
            lasted = time.monotonic() - self.began
            cpu = 10 * (used() - self.before) if self.mode == "process" else 40 * lasted
            {stop}
            self.final_emissions_data = SimpleNamespace(
                cpu_energy=cpu / 3.6e6, ram_energy=5 * lasted / 3.6e6, gpu_energy=0.0
            )
"""
IMPACT_TRACKER = """
    class ImpactTracker:
        def __init__(self, folder):
            raise TypeError("float() argument must be a string\\nsecond line")
"""
CARBON_TRACKER = """
    from types import SimpleNamespace
    class CarbonTracker:
        def __init__(self, **options):
            self.tracker = SimpleNamespace(total_energy_per_epoch=lambda: [2.0 * 72 / 3.6e6])
        def epoch_start(self): pass
        def epoch_end(self): pass
        def stop(self): pass
"""


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Write packages that this interpreter and its children find first."""
    folder = tmp_path / "site"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(str(folder))

    def write(**modules):
        for name, code in modules.items():
            path = folder / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(code))
        importlib.invalidate_caches()

    return write


@pytest.fixture
def codecarbon(packages):
    def write(new="pass", start="pass", started="pass", stop="pass"):
        packages(codecarbon=CODECARBON.format(new=new, start=start, started=started, stop=stop))

    return write


@pytest.fixture
def bench(tmp_path):
    def make(*load, seconds=0.2, limit_s=30.0):
        folder = tmp_path / "trials"
        folder.mkdir()
        return Bench(folder, load, seconds, limit_s, lambda text: None)

    return make


def test_a_tracker_that_counts_its_process_adds_up_and_sees_all(codecarbon, bench, monkeypatch):
    monkeypatch.setattr("nicarbon.trials.results.LONG_S", 0.0)
    codecarbon()
    row = bench("children").row(PROCESS)
    assert row.load.problem == ""
    assert row.load.true_cpu_s > 0.2
    # The load says what it used before it ends: its end is a hundredth or a few of a second, and
    # more on a busy machine.
    beyond_s = row.load.energy_j["cpu"] / 10 - row.load.true_cpu_s
    assert -0.05 < beyond_s < 0.25
    assert row.seen == pytest.approx(1, abs=0.5)
    # Its memory's 5 W; how long an interpreter takes to start is the sleep's, too.
    assert row.idle_w > 4
    # Its memory's watts are each tracker's, but its CPU time is not the machine's. The one around
    # four also counts what these take to start: on a busy machine more than so short loads.
    assert 0 < row.over_count < 4
    assert (row.load.asked, row.load.n_left) == ((), 0)
    assert row.own_cpu_s > 0
    assert row.own_duration_s > 0


def test_one_that_counts_the_machine_charges_a_sleep_and_each_of_four(codecarbon, bench):
    codecarbon()
    row = bench("cpu", seconds=0.5).row(MACHINE)
    assert row.one is row.load
    assert row.seen is None
    # All of the time that starting it took is the sleep's: on a busy machine that may be seconds.
    assert row.idle_w > 40
    # Four that counted their own would come to 1 at most.
    assert row.over_count > 1.2


def test_a_kill_loses_what_is_written_at_the_end_alone(codecarbon, bench):
    codecarbon()
    killed = bench("cpu").kill(MACHINE)
    assert (killed.kept, killed.n_left, killed.problem) == ("", 0, "")


def test_a_kill_leaves_what_was_written_before_and_what_works_beside(codecarbon, bench):
    leave = "import subprocess; subprocess.Popen(['sleep', '60'])"
    write = "open(f'{self.folder}/emissions.csv', 'w').write('timestamp\\n2026-11-22T1,5\\n')"
    codecarbon(started=f"{write}; {leave}")
    tried = bench("cpu")
    killed = tried.kill(MACHINE)
    assert (killed.kept, killed.n_left) == ("1 result", 1)
    assert tried.trial(MACHINE, ["cpu", "0.1"], "").n_left == 1


@pytest.mark.parametrize("where", ["new", "start", "stop"])
def test_one_that_fails_says_why_in_its_own_words(codecarbon, bench, where):
    codecarbon(**{where: "raise RuntimeError('no sensor here')"})
    row = bench("cpu").row(MACHINE)
    assert row.load.problem == "RuntimeError: no sensor here"
    assert (row.load.energy_j, row.kill) == ({}, None)


def test_one_that_ends_its_process_says_so(codecarbon, bench):
    codecarbon(start="import os, sys; print('gave up', file=sys.stderr); os._exit(70)")
    assert bench("cpu").row(MACHINE).load.problem == "exit code 70: gave up"


def test_one_that_hangs_is_ended(codecarbon, bench, monkeypatch):
    monkeypatch.setattr("nicarbon.trials.compare._PATIENCE_S", 0.0)
    codecarbon(start="time.sleep(60)")
    assert bench("cpu", limit_s=0.5).row(MACHINE).load.problem == "ran out of time: 0.5 s"


def test_what_it_asks_of_the_network_is_refused_and_named(codecarbon, bench):
    ask = "socket.create_connection(('example.org', 80), 1)"
    codecarbon(
        new=f"import contextlib, socket\n            with contextlib.suppress(OSError): {ask}"
    )
    assert bench("cpu").trial(MACHINE, ["cpu", "0.1"], "").asked == ("example.org",)


def test_one_that_needs_the_network_fails_without_it(codecarbon, bench):
    codecarbon(new="import socket; socket.create_connection(('192.0.2.1', 80), 1)")
    load = bench("cpu").row(MACHINE).load
    assert load.asked == ("192.0.2.1",)
    assert "Network is unreachable" in load.problem


def test_the_pue_of_carbontracker_is_taken_out(packages, bench):
    packages(
        carbontracker____init__="",
        carbontracker__tracker=CARBON_TRACKER,
        carbontracker__constants="PUE_2023 = 2.0",
    )
    assert bench("cpu").trial(CARBONTRACKER, ["cpu", "0.1"], "").energy_j == {
        "all": pytest.approx(72.0)
    }


def test_where_the_impact_tracker_fails_is_named(packages, bench):
    name = "experiment_impact_tracker"
    packages(
        **{
            f"{name}____init__": "",
            f"{name}__compute_tracker": IMPACT_TRACKER,
            f"{name}__utils": "",
            f"{name}__emissions____init__": "",
            f"{name}__emissions__constants": "PUE = 1.58",
        }
    )
    problem = bench("cpu").row(IMPACT).load.problem
    assert problem == "TypeError: float() argument must be a string"


def test_one_that_is_not_installed_says_how(packages, bench, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert bench("cpu").row(IMPACT).load.problem == "not installed: nicarbon trackers --install"


def test_a_command_of_the_user_that_fails_is_told(codecarbon, bench):
    codecarbon()
    row = bench("--", sys.executable, "-c", "raise SystemExit(4)").row(MACHINE)
    assert row.load.problem == "the load failed, exit code 4"


def test_nicarbon_sees_all_and_gives_a_sleep_little(bench):
    row = bench("cpu", seconds=0.5).row(None)
    assert row.load.problem == ""
    assert row.load.total_j > 0
    assert row.seen == pytest.approx(1, abs=0.25)
    assert row.load.asked == ()
    assert row.over_count < 1.3
    assert row.idle.seen_cpu_s < row.load.seen_cpu_s / 2
    # A sleep keeps the host on for as long as the load does: on a small host
    # most of the energy of both is that, and only the order can be asked for.
    assert row.idle.total_j < row.load.total_j


def test_where_there_are_no_counters_each_sensor_says_why(bench, monkeypatch):
    monkeypatch.setattr("nicarbon.trials.compare.choose", lambda known: [])
    row = bench("cpu").counters()
    assert "rapl: " in row.load.problem


def test_real_codecarbon_where_it_is_installed(bench, tmp_path, monkeypatch):
    pytest.importorskip("codecarbon")
    row = bench("cpu", seconds=1.0).trial(MACHINE, ["cpu", "1.0"], "the load")
    assert row.problem == ""
    assert row.total_j > 0
