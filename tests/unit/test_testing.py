# SPDX-License-Identifier: Apache-2.0
"""The simulated host is a host: its counters, its /proc and its truth agree with each other."""

from __future__ import annotations

import json

import pytest

from nicarbon.attribution import attribute
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.sensors.rapl import Rapl
from nicarbon.reader import read_run
from nicarbon.testing import FakeClock, Phase, SimulatedHost, SimulatedRun


def test_a_clock_that_is_not_told_to_go_stands_still():
    clock = FakeClock(5, 100)
    assert (clock.monotonic_ns(), clock.unix_ns()) == (5, 100)
    clock.advance(7)
    assert (clock.monotonic_ns(), clock.unix_ns()) == (12, 107)
    clock.set_wall_clock(50)
    assert (clock.monotonic_ns(), clock.unix_ns()) == (12, 50)
    with pytest.raises(ValueError, match="can't go back"):
        clock.advance(-1)


def test_truth_adds_up_to_the_counters(tmp_path):
    host = SimulatedHost(tmp_path, idle_w=10, dram_idle_w=1)
    host.advance(1)
    first = host.spawn("first", cpus=2, watts=6, dram_watts=1)
    host.spawn("second", cpus=1, watts=3, socket=1)
    host.advance(2)
    host.end(first)
    host.advance(3)
    # Idle: 2 sockets x 11 W. By CPU time, 2 s of it are shared 2 : 1, 3 s are the second's.
    assert host.truth["first"].own_j == pytest.approx(2 * 2 * 7)
    assert host.truth["first"].idle_j == pytest.approx(22 * 2 * 2 / 3)
    assert host.truth["second"].idle_j == pytest.approx(22 * 2 / 3 + 22 * 3)
    assert host.unshared_idle_j == pytest.approx(22)
    assert host.energy_j("package-1/dram") == pytest.approx(6)
    everybody = sum(truth.energy_j for truth in host.truth.values()) + host.unshared_idle_j
    assert everybody == pytest.approx(sum(host.energy_j(name) for name in host.domains))


def test_counters_move_in_steps_and_wrap(tmp_path):
    host = SimulatedHost(tmp_path, n_sockets=1, idle_w=16, dram=False, range_j=100, start_j=90)
    host.show()
    rapl = Rapl(str(tmp_path))
    assert rapl.domains[0]["range"] == 100_000_000
    assert rapl.read() == {"package-0": 90_000_000}
    host.advance(0.0009)
    host.show()
    assert rapl.read() == {"package-0": 90_000_000}
    # 16 W for 1 ms, in whole steps of 2**-14 J.
    host.advance(0.0004)
    host.show()
    assert rapl.read() == {"package-0": int((90 + 262 * 2.0**-14) * 1e6)}
    host.advance(1)
    host.show()
    wrapped = rapl.read()["package-0"]
    assert 6_000_000 < wrapped < 6_100_000


def test_a_reading_may_be_missing(tmp_path):
    host = SimulatedHost(tmp_path, n_sockets=1, psys=True)
    host.show()
    rapl = Rapl(str(tmp_path))
    assert {d["name"]: d["account"] for d in rapl.domains} == {
        "package-0": True,
        "package-0/dram": True,
        "psys": False,
    }
    host.missing.add("package-0/dram")
    host.show()
    assert rapl.read() == {"package-0": 0, "package-0/dram": None, "psys": 0}


def test_proc_has_ticks_trees_and_zombies(tmp_path):
    host = SimulatedHost(tmp_path, n_sockets=1, cpus_per_socket=4)
    parent = host.spawn("python (x y)")
    child = host.spawn("bash", parent=parent, cpus=1)
    other = host.spawn("true", parent=parent, cpus=0.5)
    host.advance(1.239)
    host.end(other)
    host.show()
    proc = ProcFS(str(tmp_path))
    assert proc.n_cpus() == 4
    assert proc.tree(parent) == [parent, child]
    assert proc.stat(parent).comm == "python (x y)"
    assert proc.cpu_s(child) == 1.23
    assert proc.tree_cpu_s(parent) == pytest.approx(1.23 + 0.61)
    assert host.tree_cpu_s(parent) == pytest.approx(1.5 * 1.239)
    assert proc.busy_cpu_s(host.now_s()) == pytest.approx(1.5 * 1.239, abs=0.011)
    host.end(child, reaped=False)
    host.show()
    assert proc.stat(child).state == "Z"
    assert proc.cpu_s(child) == 1.23
    host.reap(child)
    host.show()
    assert proc.stat(child) is None
    assert proc.tree_cpu_s(parent) == pytest.approx(1.85)


def test_orphans_go_to_process_1(tmp_path):
    host = SimulatedHost(tmp_path)
    parent = host.spawn("parent")
    child = host.spawn("child", parent=parent)
    host.end(parent)
    host.show()
    assert ProcFS(str(tmp_path)).stat(child).ppid == 100


def test_programs_share_cpus_that_are_too_few(tmp_path):
    host = SimulatedHost(tmp_path, n_sockets=1, cpus_per_socket=2)
    host.spawn("a", cpus=3)
    host.spawn("b", cpus=1)
    host.advance(4)
    assert host.truth["a"].cpu_s == pytest.approx(6)
    assert host.truth["b"].cpu_s == pytest.approx(2)


def test_what_is_due_happens_at_its_moment(tmp_path):
    host = SimulatedHost(tmp_path)
    seen = []
    host.at(2, lambda: seen.append(("second", host.now_s())))
    host.at(1, lambda: seen.append(("first", host.now_s())))
    host.at(9, lambda: seen.append(("later", host.now_s())))
    host.advance(3)
    assert seen == [("first", 1001.0), ("second", 1002.0)]
    assert host.now_s() == 1003.0


def test_a_run_is_read_by_the_real_reader_and_says_that_it_is_simulated(tmp_path):
    host = SimulatedHost(tmp_path / "root", n_sockets=1)
    run = SimulatedRun(host, tmp_path / "run", engine_cpus=0.5, meter_cpus=0.1)
    worker = run.worker()
    span = run.begin(worker, "wf.map", cpus=1)
    host.advance(2)
    element = run.begin(worker, "wf.map[0]", cpus=2, parent=span, index=0)
    host.advance(3)
    run.end(element, cpus_after=1)
    host.advance(1)
    run.end(span)
    run.stop()
    facts = read_run(tmp_path / "run")
    assert facts.n_skipped_lines == 0
    assert facts.info.engine == "simulated"
    assert {file.process.hostname for file in facts.node_files} == {"simulated"}
    assert facts.sample_files[0].host.hostname == "simulated"
    assert "simulated" in facts.sample_files[0].host.cpu_model
    assert facts.sample_files[0].close.reason == "stopped"
    assert len(facts.sample_files[0].samples) == 8
    result = attribute(facts)
    assert [(s.node, s.cpu_s) for s in result.spans] == [
        ("wf.map", pytest.approx(3.0)),
        ("wf.map[0]", pytest.approx(6.0)),
    ]
    [h] = result.hosts
    # All programs cost the same, so that shares by CPU time are the truth.
    for s in result.spans:
        assert s.energy_j == pytest.approx(host.truth[s.span].energy_j, rel=0.01)
    assert h.engine_j == pytest.approx(host.truth["engine run"].energy_j, rel=0.02)
    assert h.meter_j == pytest.approx(host.truth["meter run"].energy_j, rel=0.05)


def test_the_real_sampler_beats_and_sees_the_end_of_a_killed_worker(tmp_path):
    host = SimulatedHost(tmp_path / "root")
    run = SimulatedRun(host, tmp_path / "run")
    worker = run.worker()
    span = run.begin(worker, "wf.node", cpus=2)
    host.advance(3.5)
    run.kill(worker)
    host.advance(1)
    run.kill_driver()
    lines = [
        json.loads(x) for x in next((tmp_path / "run").glob("samples-*")).read_text().splitlines()
    ]
    beats = [line["spans"].get(span) for line in lines if line["kind"] == "sample"]
    assert beats[:4] == [0.0, 2.0, 4.0, 6.0] or beats[:4] == [None, 2.0, 4.0, 6.0]
    assert [line["span"] for line in lines if line["kind"] == "gone"] == [span]
    assert lines[-1]["reason"] == "driver ended"
    [killed] = attribute(read_run(tmp_path / "run")).spans
    assert (killed.outcome, killed.cpu_s) == ("killed", 6.0)


def test_truth_adds_up_whatever_the_processor_does(tmp_path):
    host = SimulatedHost(
        tmp_path, cpus_per_socket=4, uncore_w=8, boost=0.4, shared_core=0.6, limit_w=40, n_gpus=1
    )
    phases = [Phase(0.7, 3, 6, 1), Phase(0.4, 1, 2, 5), Phase(0.5, 0.1, 4, 0, 0.9, 150)]
    host.play(host.spawn("a"), phases, gpu=0)
    host.spawn("b", cpus=3, watts=7, socket=1)
    host.advance(10)
    everybody = sum(truth.energy_j for truth in host.truth.values()) + host.unshared_idle_j
    assert everybody == pytest.approx(sum(host.energy_j(name) for name in host.domains))
    on_gpu = sum(truth.gpu_j + truth.gpu_idle_j for truth in host.truth.values())
    assert on_gpu + host.unheld_gpu_j == pytest.approx(host.energy_j("gpu-0"))
    # Six rounds of 1.6 s and 0.4 s of the first phase.
    assert host.truth["a"].cpu_s == pytest.approx(6 * (2.1 + 0.4 + 0.05) + 0.4 * 3)
    assert host.truth["a"].gpu_j == pytest.approx(6 * 0.5 * 0.9 * 150)


def test_a_program_that_is_given_other_work_leaves_its_phases(tmp_path):
    host = SimulatedHost(tmp_path)
    pid = host.spawn("a")
    host.play(pid, [Phase(1, 1, 5), Phase(1, 2, 5)])
    host.at(2.5, lambda: host.load(pid, 0.5))
    host.advance(10)
    assert host.truth["a"].cpu_s == pytest.approx(1 + 2 + 0.5 + 0.5 * 7.5)
    host.play(pid, [Phase(1, 1, 5)])
    host.end(pid)
    host.advance(5)
    assert host.truth["a"].cpu_s == pytest.approx(1 + 2 + 0.5 + 0.5 * 7.5)


def test_gpus_that_wait_belong_to_those_that_hold_memory_on_them(tmp_path):
    host = SimulatedHost(tmp_path, n_gpus=2, gpu_idle_w=30)
    host.load(host.spawn("first"), 1, gpu=0)
    second = host.spawn("second")
    host.load(second, 1, gpu=0)
    host.advance(2)
    host.load(second, 1, gpu=0, gpu_busy=1.0, gpu_watts=200)
    host.load(host.spawn("third"), 1, gpu=0, gpu_busy=1.0, gpu_watts=100)
    host.advance(2)
    assert host.truth["first"].gpu_idle_j == pytest.approx(30)
    assert host.truth["second"].gpu_idle_j == pytest.approx(30 + 30)
    assert host.truth["second"].gpu_j == pytest.approx(200)
    assert host.truth["third"].gpu_j == pytest.approx(100)
    assert host.unheld_gpu_j == pytest.approx(30 * 4)
