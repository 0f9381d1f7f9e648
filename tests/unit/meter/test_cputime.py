# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from nicarbon.meter import perf
from nicarbon.meter.cputime import TaskClocks, choose

BURN = "import time\nwhile time.process_time() < {}: pass"


def burn(cpu_s):
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        pass


def pick(rusage_s=1.0, perf_s=None, shared=False, certain=True, ignored=False):
    return choose(rusage_s, perf_s, 0.5, shared, certain, ignored)


def test_rusage_counts_where_the_clock_agrees():
    assert pick(perf_s=1.01) == (1.0, "rusage", None)


def test_the_clock_counts_what_nobody_reaped():
    assert pick(perf_s=1.5) == (1.5, "perf", None)
    # A fork costs as much as a short node: that is no lost child.
    assert pick(rusage_s=0.001, perf_s=0.0015) == (0.001, "rusage", None)


def test_the_clock_never_takes_away_what_older_threads_did():
    assert pick(perf_s=0.2) == (1.0, "rusage", None)


@pytest.mark.parametrize("why", [{"shared": True}, {"certain": False}])
def test_the_clock_tells_nodes_apart(why):
    assert pick(perf_s=0.4, **why) == (0.4, "perf", None)


@pytest.mark.parametrize(
    ("why", "cpu_s", "source", "reason"),
    [
        ({"shared": True}, 0.5, "thread", "several nodes ran in one process"),
        ({"certain": False}, 1.0, "rusage", "ran other nodes ended"),
        ({"ignored": True}, 1.0, "rusage", "ignores SIGCHLD"),
    ],
)
def test_without_a_clock_what_may_be_missing_is_said(why, cpu_s, source, reason):
    counted_s, by, incomplete = pick(**why)
    assert (counted_s, by) == (cpu_s, source)
    assert reason in incomplete
    assert pick(perf_s=0.7, **why)[2] is None


@pytest.fixture
def clocks():
    if (fd := perf.open_task_clock()) is None:
        pytest.skip(f"no task clock here: {perf.refusal()}")
    os.close(fd)
    made = TaskClocks()
    yield made
    made.close()


def test_a_clock_that_is_kept_counts_each_node_alone(clocks):
    thread = threading.get_ident()
    first = clocks.start(thread, alone=True)
    burn(0.1)
    assert clocks.stop(first, alone=True) == pytest.approx(0.1, abs=0.05)
    burn(0.2)
    second = clocks.start(thread, alone=True)
    assert second.fd == first.fd
    burn(0.05)
    subprocess.run([sys.executable, "-S", "-c", BURN.format(0.2)], check=True)
    assert clocks.stop(second, alone=True) == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize(("at_end", "at_start"), [(True, False), (False, True)])
def test_a_clock_that_counts_somebody_elses_child_is_not_used_again(clocks, at_end, at_start):
    thread = threading.get_ident()
    clock = clocks.start(thread, alone=True)
    child = subprocess.Popen([sys.executable, "-S", "-c", BURN.format(0.3)])
    clocks.stop(clock, alone=at_end)
    second = clocks.start(thread, alone=at_start)
    child.wait()
    assert clocks.stop(second, alone=True) < 0.1


def test_another_thread_gets_a_clock_of_its_own(clocks):
    clocks.stop(clocks.start(threading.get_ident(), alone=True), alone=True)
    counted = []

    def other():
        clock = clocks.start(threading.get_ident(), alone=True)
        burn(0.1)
        counted.append(clocks.stop(clock, alone=True))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert counted[0] == pytest.approx(0.1, abs=0.05)


def test_nothing_stays_open(clocks):
    before = len(os.listdir("/proc/self/fd"))
    thread = threading.get_ident()
    outer, inner = clocks.start(thread, True), clocks.start(thread, True)
    clocks.stop(inner, alone=True)
    clocks.stop(outer, alone=True)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    clocks.close()
    assert len(os.listdir("/proc/self/fd")) == before
