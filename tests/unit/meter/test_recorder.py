# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from nicarbon.meter import handover, messages, perf, span, subreaper
from nicarbon.meter.processes import ProcFS

PROC = ProcFS("/")


def burn(cpu_s):
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        pass


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "_failed", False)
    monkeypatch.setattr(span, "_meters", {})
    was = subreaper.get()
    yield span.RunContext(str(tmp_path), PROC.key(os.getpid()), None)
    assert subreaper.get() is was, "the process went on adopting orphans"
    while True:
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break


@pytest.fixture
def records(context):
    def read(kind):
        found = []
        for name in sorted(os.listdir(context.run_dir)):
            with open(os.path.join(context.run_dir, name)) as file:
                found += [r for r in map(json.loads, file) if r["kind"] == kind]
        return found

    return read


@pytest.fixture
def no_perf(monkeypatch):
    monkeypatch.setattr(perf, "_refused", "refused by the test")


@pytest.fixture
def with_perf(monkeypatch):
    monkeypatch.setattr(perf, "_refused", None)
    fd = perf.open_task_clock()
    if fd is None:
        pytest.skip(f"the kernel refuses task clocks here: {perf.refusal()}")
    os.close(fd)


def ended(records, started):
    (end,) = [r for r in records("end") if r["span"] == started.name]
    return end


def test_a_node_has_a_start_and_an_end(context, records):
    started = span.begin(context, "wf.node", "wf.map", 3)
    burn(0.05)
    span.end(context, started, "failed", "ValueError")
    (process,) = records("process")
    (start,) = records("start")
    (end,) = records("end")
    assert process["key"] == PROC.key(os.getpid())
    assert (process["pid"], process["driver"]) == (os.getpid(), process["key"])
    assert start["span"] == end["span"] == f"{process['key']}-0"
    assert (start["node"], start["map_node"], start["index"]) == ("wf.node", "wf.map", 3)
    assert "parent" not in start
    assert end["t_monotonic_ns"] > start["t_monotonic_ns"]
    assert abs(start["t_unix_ns"] - time.time_ns()) < 60e9
    assert (end["outcome"], end["error"]) == ("failed", "ValueError")
    assert 0.05 <= end["cpu_s"] < 0.2
    assert "cpu_incomplete" not in end


def test_the_start_is_on_disk_before_the_node_runs(context, records):
    started = span.begin(context, "node")
    assert len(records("start")) == 1
    assert not records("end")
    span.end(context, started, "ran")


def test_what_nested_nodes_use_is_in_both_and_they_say_so(context, records):
    outer = span.begin(context, "map")
    inner = span.begin(context, "map[0]")
    burn(0.05)
    span.end(context, inner, "ran")
    burn(0.05)
    span.end(context, outer, "ran")
    starts = {r["node"]: r for r in records("start")}
    assert starts["map[0]"]["parent"] == starts["map"]["span"]
    assert 0.05 <= ended(records, inner)["cpu_s"] < 0.09
    assert 0.1 <= ended(records, outer)["cpu_s"] < 0.2


def two_threads(context):
    """Run two nodes side by side in two threads; one works twice as long."""
    barrier = threading.Barrier(2)
    spans = {}

    def node(name, cpu_s):
        spans[name] = span.begin(context, name)
        barrier.wait()
        burn(cpu_s)
        barrier.wait()
        span.end(context, spans[name], "ran")

    threads = [threading.Thread(target=node, args=a) for a in (("one", 0.1), ("two", 0.2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return spans


def test_perf_separates_two_nodes_of_one_process(context, records, with_perf):
    spans = two_threads(context)
    ends = {name: ended(records, started) for name, started in spans.items()}
    assert {end["cpu_source"] for end in ends.values()} == {"perf"}
    assert ends["one"]["cpu_s"] == pytest.approx(0.1, abs=0.04)
    assert ends["two"]["cpu_s"] == pytest.approx(0.2, abs=0.04)
    assert all("cpu_incomplete" not in end for end in ends.values())


def test_without_perf_two_nodes_of_one_process_are_flagged(context, records, no_perf):
    spans = two_threads(context)
    ends = {name: ended(records, started) for name, started in spans.items()}
    assert {end["cpu_source"] for end in ends.values()} == {"thread"}
    assert ends["one"]["cpu_s"] == pytest.approx(0.1, abs=0.04)
    assert all("several nodes" in end["cpu_incomplete"] for end in ends.values())


def test_threads_that_begin_first_share_one_meter(context, records, no_perf):
    barrier = threading.Barrier(8)

    def node(k):
        barrier.wait()
        span.end(context, span.begin(context, f"node{k}"), "ran")

    threads = [threading.Thread(target=node, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({r["span"] for r in records("start")}) == 8
    assert len(records("end")) == 8
    assert len(records("process")) == 1


def test_a_forked_child_writes_a_file_of_its_own(context, records):
    span.end(context, span.begin(context, "before"), "ran")
    pid = os.fork()
    if pid == 0:
        span.end(context, span.begin(context, "in the child"), "ran")
        os._exit(0)
    os.waitpid(pid, 0)
    assert {r["pid"] for r in records("process")} == {os.getpid(), pid}
    assert len({r["driver"] for r in records("process")}) == 1
    (start,) = [r for r in records("start") if r["node"] == "in the child"]
    assert start["span"].split("-")[1] == str(pid)


def test_a_child_that_leaves_by_the_nodes_door_ends_nothing(context, records, capfd):
    started = span.begin(context, "node")
    pid = os.fork()
    if pid == 0:
        span.end(context, started, "failed", "SystemExit")
        os._exit(0)
    os.waitpid(pid, 0)
    assert not records("end")
    span.end(context, started, "ran")
    assert [end["outcome"] for end in records("end")] == ["ran"]
    assert capfd.readouterr().err == ""


def test_a_node_ends_once(context, records):
    started = span.begin(context, "node")
    span.end(context, started, "ran")
    span.end(context, started, "ran")
    assert len(records("end")) == 1


def test_inside_a_node_its_forked_children_are_inside_too(context):
    assert not span.inside_node()
    started = span.begin(context, "node")
    assert span.inside_node()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if span.inside_node() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    seen = []
    thread = threading.Thread(target=lambda: seen.append(span.inside_node()))
    thread.start()
    thread.join()
    assert seen == [False]
    span.end(context, started, "ran")
    assert not span.inside_node()


def wait_for_zombie(pid):
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def daemon(work_s, new_session=True, until=None):
    """Start a double-forked daemon that burns CPU time; return its process number."""
    told, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        if new_session:
            os.setsid()
        if os.fork() == 0:
            burn(work_s)
            os.write(say, b"%d" % os.getpid())
            if until is not None:
                os.close(until[1])
                os.read(until[0], 1)
            os._exit(0)
        os._exit(0)
    os.waitpid(pid, 0)
    number = int(os.read(told, 16))
    os.close(told)
    os.close(say)
    return number


@pytest.mark.parametrize("new_session", [True, False])
def test_an_orphan_counts_and_its_zombie_goes_if_it_was_proven_adopted(
    context, records, no_perf, new_session
):
    started = span.begin(context, "node")
    pid = daemon(0.1, new_session)
    wait_for_zombie(pid)
    span.end(context, started, "ran")
    assert 0.1 <= ended(records, started)["cpu_s"] < 0.2
    assert (PROC.stat(pid) is None) is new_session


def test_a_nodes_own_zombie_is_left_to_it(context):
    started = span.begin(context, "node")
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "raise SystemExit(3)"])
    wait_for_zombie(child.pid)
    daemon(0.0)
    span.end(context, started, "ran")
    assert child.wait() == 3


def test_a_daemon_that_outlives_its_node_is_not_the_next_nodes(context, records, no_perf):
    until = os.pipe()
    first = span.begin(context, "first")
    pid = daemon(0.3, until=until)
    span.end(context, first, "ran")
    assert ended(records, first)["cpu_s"] >= 0.3
    second = span.begin(context, "second")
    os.close(until[1])
    wait_for_zombie(pid)
    span.end(context, second, "ran")
    # Its 0.3 s were the first node's; dying is no work.
    assert ended(records, second)["cpu_s"] < 0.1
    os.close(until[0])
    # It was adopted, in a session of its own: it is reaped though an earlier node started it.
    assert PROC.stat(pid) is None


def test_children_that_were_there_before_count_only_as_they_go(context, records, no_perf):
    until = os.pipe()
    told, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        burn(0.3)
        os.write(say, b"x")
        os.close(until[1])
        os.read(until[0], 1)
        burn(0.1)
        os._exit(0)
    os.read(told, 1)
    started = span.begin(context, "node")
    os.close(until[1])
    os.waitpid(pid, 0)
    span.end(context, started, "ran")
    end = ended(records, started)
    assert 0.1 <= end["cpu_s"] < 0.2
    assert "cpu_incomplete" not in end
    for fd in (until[0], told, say):
        os.close(fd)


def test_a_node_in_the_driver_leaves_busy_workers_to_themselves(context, records, no_perf):
    """run_without_submitting: the driver's children are a pool at work."""
    told, say = os.pipe()
    workers = []
    for k in range(2):
        pid = os.fork()
        if pid == 0:
            started = span.begin(context, f"worker{k}")
            os.write(say, b"x")
            burn(0.3)
            span.end(context, started, "ran")
            os.write(say, b"y")
            signal.pause()
        workers.append(pid)
    while len(records("start")) < 2:
        os.read(told, 1)
    here = span.begin(context, "here")
    burn(0.1)
    while len(records("end")) < 2:
        os.read(told, 1)
    span.end(context, here, "ran")
    end = ended(records, here)
    assert 0.1 <= end["cpu_s"] < 0.2
    assert "cpu_incomplete" not in end
    later = span.begin(context, "later")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    span.end(context, later, "ran")
    # What they used before is taken away; what they used since is in the sum: said so.
    end = ended(records, later)
    assert end["cpu_s"] < 0.1
    assert "ran other nodes ended" in end["cpu_incomplete"]
    os.close(told)
    os.close(say)


@pytest.fixture
def sigchld_ignored():
    was = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, was)


def lost_child():
    pid = os.fork()
    if pid == 0:
        burn(0.2)
        os._exit(0)
    with contextlib.suppress(ProcessLookupError):  # The kernel keeps no zombie of it.
        while True:
            os.kill(pid, 0)
            time.sleep(0.01)


def test_children_of_who_ignores_sigchld_are_seen_by_perf(
    context, records, with_perf, sigchld_ignored
):
    started = span.begin(context, "node")
    lost_child()
    span.end(context, started, "ran")
    end = ended(records, started)
    assert end["cpu_source"] == "perf"
    assert end["cpu_s"] >= 0.19
    assert end["cpu_rusage_s"] < 0.1
    assert "cpu_incomplete" not in end


def test_without_perf_a_process_that_ignores_sigchld_is_flagged(
    context, records, no_perf, sigchld_ignored
):
    started = span.begin(context, "node")
    lost_child()
    span.end(context, started, "ran")
    assert "SIGCHLD" in ended(records, started)["cpu_incomplete"]


def test_without_perf_a_node_that_ignored_sigchld_for_a_while_is_flagged(
    context, records, no_perf, sigchld_ignored
):
    started = span.begin(context, "node")
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    span.end(context, started, "ran")
    assert "SIGCHLD" in ended(records, started)["cpu_incomplete"]


def test_a_forkserver_that_outlives_its_node_counts_as_it_goes(context, records, no_perf):
    code = """
import multiprocessing as mp, os, sys, time
from nicarbon.meter import perf, span
perf._refused = "refused by the test"
context = span.RunContext(sys.argv[1], "none", None)

def burn(cpu_s):
    until = time.process_time() + cpu_s
    while time.process_time() < until:
        pass

def node(name, ctx):
    started = span.begin(context, name)
    child = ctx.Process(target=burn, args=(0.3,))
    child.start()
    child.join()
    span.end(context, started, "ran")

if __name__ == "__main__":
    for name in ("first", "second"):
        node(name, mp.get_context("forkserver"))
    started = span.begin(context, "third")
    span.end(context, started, "ran")
"""
    path = os.path.join(context.run_dir, "program.py")
    with open(path, "w") as file:
        file.write(code)
    done = subprocess.run(
        [sys.executable, path, context.run_dir],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
    )
    os.remove(path)
    assert done.returncode == 0, done.stderr
    nodes = {r["span"]: r["node"] for r in records("start")}
    cpu_s = {nodes[r["span"]]: r["cpu_s"] for r in records("end")}
    assert cpu_s["first"] >= 0.29
    # The forkserver reaped its child; it is counted in clock ticks.
    assert 0.28 <= cpu_s["second"] <= cpu_s["first"]
    assert cpu_s["third"] < 0.1


def test_a_cached_node(context, records):
    span.cached(context, "wf.node")
    (cached,) = records("cached")
    assert cached["node"] == "wf.node"


def test_a_process_elsewhere_belongs_to_no_driver(context, records):
    other = context._replace(driver=f"{PROC.host_id()}-999999-1")
    span.end(other, span.begin(other, "node"), "ran")
    assert records("process")[0]["driver"] is None


def test_no_file_stays_open_after_a_node(context):
    span.end(context, span.begin(context, "warm"), "ran")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        span.end(context, span.begin(context, "node"), "ran")
    assert len(os.listdir("/proc/self/fd")) == before


def test_only_who_asked_for_exact_programs_hands_events_over_once_a_thread(context, monkeypatch):
    offered = []
    monkeypatch.setattr(handover, "offer", lambda *given: offered.append(given))
    span.end(context, span.begin(context, "plain"), "ran")
    asked = context._replace(sampler_args=("--programs", "exact"), sampler_pid=4711)
    monkeypatch.setattr(span, "_meters", {})
    for name in "ab":
        span.end(asked, span.begin(asked, name), "ran")
    thread = threading.Thread(target=lambda: span.end(asked, span.begin(asked, "c"), "ran"))
    thread.start()
    thread.join()
    assert offered == [(4711, PROC.pid_namespace())] * 2


def test_without_a_sampler_there_is_nobody_to_hand_them_to(context, monkeypatch):
    monkeypatch.setattr(handover, "offer", lambda *given: pytest.fail("offered"))
    asked = context._replace(sampler_args=("--programs", "exact"))
    span.end(asked, span.begin(asked, "a"), "ran")
