# SPDX-License-Identifier: Apache-2.0
"""The deep check on a simulated host, whose watts are known; and for a moment on the real one."""

from __future__ import annotations

import json
import os

import pytest

from nicarbon.attribution import attribute
from nicarbon.cli import deep, main
from nicarbon.loads import Load
from nicarbon.meter import profile, sensors
from nicarbon.meter.processes import ProcFS
from nicarbon.reader import read_run
from nicarbon.testing import SimulatedHost, SimulatedRun

WATTS = {"one core": 6.0, "memory-bound": 5.0, "short children": 4.5, "all cores": 4.0}
N_CPUS = 4


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "nicarbon" / "hosts"


@pytest.fixture
def simulated(tmp_path, monkeypatch):
    """A host of 2 x 23 W idle, whose loads have `WATTS`; time passes when somebody sleeps."""
    host = SimulatedHost(tmp_path / "root", cpus_per_socket=N_CPUS // 2, psys=True)

    class Running:
        failed = False

        def __init__(self, load):
            self.load = load
            self.duration_s, self.cpu_s = 1.0, float(load.n_children)

        def __enter__(self):
            if self.load.n_children:
                self.pid = host.spawn(
                    "load", cpus=self.load.n_children, watts=WATTS[self.load.name]
                )
            return self

        def __exit__(self, *error):
            if self.load.n_children:
                host.end(self.pid)

    def sleep(seconds):
        host.advance(seconds)
        host.show()

    monkeypatch.setattr(deep, "Running", Running)
    monkeypatch.setattr(deep.time, "sleep", sleep)
    monkeypatch.setattr(deep, "CodeCarbon", NoCodeCarbon)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(N_CPUS)))
    host.show()
    return host


class NoCodeCarbon:
    version, problem = None, "not installed"

    def start(self):
        pass

    stop = end = start

    def begin(self, name):
        pass


def examine(host):
    procfs = ProcFS(str(host.root))
    known = sensors.survey(str(host.root))
    used = sensors.choose(known)

    def read():
        t_ns = host.clock.monotonic_ns()
        return {
            "t_monotonic_ns": t_ns,
            "busy_cpu_s": procfs.busy_cpu_s(t_ns / 1e9),
            "readings": {name: v for sensor in known for name, v in sensor.read().items()},
        }

    said = []
    found = deep.examine(known, used, procfs, str(host.root), 100.0, read, said.append)
    assert len(said) == 5
    return found


def test_idle_power_and_curve_are_measured_and_later_runs_use_them(simulated, tmp_path):
    found = examine(simulated)
    result = found["calibration"]
    assert result["idle_w"][1] == pytest.approx(46.0, rel=0.01)
    assert result["busy_w"] == pytest.approx((4.0 * 0.95, 4.51, 6.0 * 1.05), rel=0.01)
    one = found["loads"][1]
    assert one["power_w"]["rapl"]["package-0"] == pytest.approx(26.0, rel=0.01)
    assert one["power_w"]["rapl"]["psys"] == pytest.approx(46 + 30 + 6, rel=0.01)
    assert one["busy_cpus"] == pytest.approx(1.0, abs=0.02)

    run = SimulatedRun(simulated, tmp_path / "run")
    span = run.begin(run.worker(), "node", cpus=2, watts=4.0)
    simulated.advance(20)
    run.end(span)
    run.stop()
    attribution = attribute(read_run(run.run_dir))
    assert attribution.hosts[0].idle_power_w == pytest.approx(46.0, rel=0.01)
    assert attribution.spans[0].active_j == pytest.approx(2 * 4.0 * 20, rel=0.05)


def test_where_the_counters_are_closed_later_the_model_has_this_machines_watts(
    simulated, tmp_path
):
    examine(simulated)
    closed = simulated.view([], tmp_path / "closed")
    (model,) = sensors.discover(str(closed))
    assert model.name == "virtual"
    assert model.domains[0]["model"]["idle_w"][1] == pytest.approx(46.0, rel=0.01)


def test_a_machine_that_is_not_idle_is_not_calibrated(simulated, config):
    simulated.spawn("stranger", cpus=1.0, watts=5.0)
    found = examine(simulated)
    assert "1 of 4 CPUs were busy" in found["calibration"]["problem"]
    assert not config.exists()
    text = "\n".join(deep.lines(found, N_CPUS))
    assert "Other work kept up to 1 CPUs busy" in text
    assert "Not calibrated: the machine was not idle" in text


def test_without_a_counter_it_says_what_could_not_be_calibrated(simulated, tmp_path, config):
    simulated.view([], tmp_path / "closed")
    simulated.missing |= set(simulated.domains)
    for zone in (simulated.root / "sys/class/powercap").iterdir():
        (zone / "energy_uj").unlink()
    found = examine(simulated)
    assert "a model can't calibrate itself" in found["calibration"]["problem"]
    assert "--idle-watts W --full-watts W" in deep.lines(found, N_CPUS)[-1]
    assert not config.exists()


def test_a_counter_that_does_not_move_gives_no_curve(simulated, monkeypatch, config):
    monkeypatch.setattr(simulated._files, "write_counter", lambda *args: None)
    assert "did not rise" in examine(simulated)["calibration"]["problem"]
    assert not config.exists()


# By the command -------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "machine"
    for path, text in {
        "proc/stat": "cpu 1 1 1 100 1 0 0 0\n" + "".join(f"cpu{n} 1\n" for n in range(8)),
        "proc/meminfo": "MemTotal: 64000000 kB\n",
        "proc/cpuinfo": "vendor_id : AuthenticAMD\nmodel name : AMD EPYC\nflags : fpu\n\n",
        "etc/machine-id": "abc\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def doctor(root, *options):
    return main(["doctor", "--root", str(root), *options])


def test_the_plugs_watts_are_kept_and_shown_ever_after(root, capsys):
    assert doctor(root, "--idle-watts", "40", "--full-watts", "200") == 0
    out = capsys.readouterr().out
    assert "Calibrated: 40 W idle (36.4 to 44) and 20 W for each busy CPU (15.4 to 26)" in out
    path = profile.path(str(root), ProcFS(str(root)))
    assert f"Kept for later runs on this machine: {path}" in out
    assert doctor(root) == 0
    out = capsys.readouterr().out
    assert "by a meter at the plug, 40 W idle and 200 W under load" in out
    assert "Here, energy would be modelled from CPU use, calibrated on this machine." in out
    assert doctor(root, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["profile"]["plug"]["idle_w"][1] == 40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--idle-watts", "40"], "belong together"),
        (["--full-watts", "40"], "belong together"),
        (["--idle-watts", "40", "--full-watts", "30"], "more than that under load"),
        (["--idle-watts", "nan", "--full-watts", "30"], "more than 0 W"),
        (["--seconds", "60"], "--deep"),
        (["--deep", "--seconds", "1"], "at least 5 s"),
        (["--deep", "--seconds", "nan"], "at least 5 s"),
    ],
)
def test_what_cannot_be_meant_is_one_line(root, capsys, options, words):
    assert doctor(root, *options) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_a_profile_that_cannot_be_written_is_one_line(root, capsys, config):
    config.parent.mkdir(parents=True)
    config.write_text("a file where a folder should be")
    assert doctor(root, "--idle-watts", "40", "--full-watts", "200") == 2
    assert "XDG_CONFIG_HOME" in capsys.readouterr().err


def test_it_runs_on_this_very_machine(root, capsys, monkeypatch):
    # The loads themselves are tested apart: here none disturbs other tests.
    monkeypatch.setattr(deep, "loads", lambda n, memory: [Load("idle"), Load("all cores", "", 0)])
    monkeypatch.setattr(deep, "CodeCarbon", NoCodeCarbon)
    monkeypatch.setattr(deep.time, "sleep", lambda seconds: None)
    assert doctor(root, "--deep", "--seconds", "5") == 0
    out, err = capsys.readouterr()
    assert "all cores" in out
    assert "Not calibrated" in out
    assert err.splitlines() == ["idle: 2.5 s ...", "all cores: 2.5 s ..."]
