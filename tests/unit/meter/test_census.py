# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from nicarbon.meter import census, subreaper
from nicarbon.meter.census import Census, difference_s, new_peak_bytes, take
from nicarbon.meter.processes import ProcFS

PROC = ProcFS("/")
NONE = frozenset()


def burn(cpu_s):
    until = time.process_time() + cpu_s
    while time.process_time() < until:
        pass


@contextlib.contextmanager
def child(work, group_work=lambda: None):
    """Fork a child that does its work, says so, and waits to be told to end."""
    told, say = os.pipe()
    wait, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        work()
        os.write(say, b"x")
        os.read(wait, 1)
        group_work()
        os._exit(0)
    os.read(told, 1)

    def end():
        nonlocal tell
        if tell is not None:
            os.close(tell)
            tell = None

    try:
        yield pid, end
    finally:
        end()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        for fd in (told, say, wait):
            os.close(fd)


def key(pid):
    return pid, PROC.stat(pid).starttime


def zombie(pid):
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_own_and_reaped():
    before = take(PROC)
    burn(0.05)
    subprocess.run([sys.executable, "-I", "-S", "-c", "sum(range(2_000_000))"], check=True)
    after = take(PROC)
    assert after.living == {}
    assert after.own_s - before.own_s >= 0.05
    assert after.reaped_s > before.reaped_s
    used, certain = difference_s(before, after)
    assert used == pytest.approx(after.own_s + after.reaped_s - before.own_s - before.reaped_s)
    assert certain


def test_a_living_child_counts_as_it_goes():
    before = take(PROC)
    with child(lambda: burn(0.1)) as (pid, _):
        after = take(PROC)
        assert after.children == {pid}
        assert after.living[key(pid)] >= 0.1
        used, certain = difference_s(before, after)
        assert used >= 0.1
        assert certain


def test_an_unreaped_zombie_counts_exactly():
    before = take(PROC)
    with child(lambda: burn(0.1)) as (pid, end):
        end()
        zombie(pid)
        assert difference_s(before, take(PROC))[0] >= 0.1
        assert PROC.stat(pid).state == "Z"
        os.waitpid(pid, 0)
        # Reaped: the same seconds, now in another place.
        assert 0.1 <= difference_s(before, take(PROC))[0] < 0.2


def test_what_a_child_used_before_is_not_counted():
    for reap in (False, True):
        with child(lambda: burn(0.3)) as (pid, end):
            before = take(PROC)
            if reap:
                end()
                os.waitpid(pid, 0)
            used, certain = difference_s(before, take(PROC))
            assert used < 0.1
            assert certain


def test_a_grandchild_that_its_parent_reaped_counts_once():
    def parent():
        if os.fork() == 0:
            burn(0.1)
            os._exit(0)
        os.wait()

    before = take(PROC)
    with child(parent) as (pid, end):
        # In clock ticks: a parent's reaped children are not known better.
        assert 0.08 <= difference_s(before, take(PROC))[0] < 0.2
        end()
        os.waitpid(pid, 0)
        assert 0.1 <= difference_s(before, take(PROC))[0] < 0.2


def test_a_process_that_is_ignored_is_left_out():
    with child(lambda: burn(0.1)) as (pid, _):
        assert take(PROC, ignore=pid).living == {}


def test_workers_answer_for_themselves_with_all_below_them():
    def worker():
        if os.fork() == 0:
            burn(0.05)
            os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(0)
        burn(0.05)
        time.sleep(0.2)

    with child(worker, lambda: [os.kill(p, signal.SIGCONT) for p in PROC.children(os.getpid())]):
        (pid,) = PROC.children(os.getpid())
        name = key(pid)
        counted = take(PROC, is_worker=lambda *k: k == name)
        assert counted.living == {}
        assert set(counted.workers) == {name}
        assert counted.workers[name] >= 0.09
        assert counted.total_s() == counted.own_s + counted.reaped_s
        assert counted.whole_s() == counted.total_s() + counted.workers[name]


A, B, C = (1, 10), (2, 20), (3, 30)


def test_what_ended_was_reaped():
    before = Census(1.0, 2.0, {A: 5.0, B: 1.0}, {}, NONE)
    after = Census(1.5, 8.0, {B: 1.25}, {}, NONE)
    # A's whole life, 5.5 s, is in reaped_s now: half a second of it is new.
    assert difference_s(before, after) == (pytest.approx(0.5 + 6.0 + 0.25 - 5.0), True)


def test_a_process_number_used_again_is_another_process():
    before = Census(0.0, 0.0, {(1, 10): 5.0}, {}, NONE)
    after = Census(0.0, 5.0, {(1, 99): 0.5}, {}, NONE)
    assert difference_s(before, after) == (0.5, True)


def test_a_worker_that_works_costs_the_node_nothing():
    before = Census(0.0, 0.0, {}, {A: 5.0}, NONE)
    after = Census(0.5, 0.0, {}, {A: 9.0}, NONE)
    assert difference_s(before, after) == (0.5, True)


def test_a_worker_that_lost_a_child_of_its_own_costs_the_node_nothing():
    """The worker's tools come and go; the driver reaped none of them."""
    with child(lambda: None) as (pid, _):
        name = key(pid)
        is_worker = lambda *k: k == name  # noqa: E731
        real = take(PROC, is_worker=is_worker)
    assert set(real.workers) == {name}
    before = Census(0.0, 0.0, {}, {A: 5.0 + 3.0}, NONE)  # 3 s of them in a tool below it
    after = Census(0.5, 0.0, {}, {A: 5.0 + 3.5}, NONE)
    assert difference_s(before, after) == (0.5, True)


def test_a_worker_that_ended_makes_it_uncertain():
    before = Census(0.0, 0.0, {}, {A: 5.0}, NONE)
    after = Census(0.5, 6.0, {}, {}, NONE)
    assert difference_s(before, after) == (1.5, False)


def test_an_idle_process_that_became_a_worker():
    before = Census(0.0, 0.0, {A: 0.25}, {}, NONE)
    after = Census(0.5, 0.0, {}, {A: 3.0}, NONE)
    assert difference_s(before, after) == (0.5, True)


def test_an_idle_process_that_was_a_worker_in_between_makes_it_uncertain():
    before = Census(0.0, 0.0, {A: 0.25, B: 0.25}, {}, NONE)
    after = Census(0.5, 6.0, {B: 0.25}, {}, NONE)
    assert difference_s(before, after, lambda *k: k == A) == (6.25, False)
    assert difference_s(before, after, lambda *k: k == B) == (6.25, True)


def test_never_less_than_nothing():
    before = Census(1.0, 1.0, {A: 9.0}, {}, NONE)
    assert difference_s(before, Census(1.0, 1.0, {}, {}, NONE))[0] == 0.0


def test_looking_for_children_reaps_none():
    assert census._waitid(os.P_ALL, 0, None, census._LOOK) != 0
    with child(lambda: None) as (pid, end):
        assert census._waitid(os.P_ALL, 0, None, census._LOOK) == 0
        end()
        zombie(pid)
        assert census._waitid(os.P_ALL, 0, None, census._LOOK) == 0
        assert os.waitpid(pid, os.WNOHANG)[0] == pid


def test_an_adopted_orphan_counts():
    was = subreaper.get()
    subreaper.switch(True)
    try:
        before = take(PROC)
        pid = os.fork()
        if pid == 0:
            if os.fork() == 0:
                burn(0.1)
                os._exit(0)
            os._exit(0)
        os.waitpid(pid, 0)
        (orphan,) = PROC.children(os.getpid())
        zombie(orphan)
        assert difference_s(before, take(PROC))[0] >= 0.1
        os.waitpid(orphan, 0)
    finally:
        subreaper.switch(was)


@pytest.mark.parametrize(
    ("own_kb", "reaped_kb", "peak_kb"),
    [
        (50, 40, None),  # neither is new
        (60, 40, 60),
        (50, 90, 90),
        (60, 90, 90),
        # A child that was forked counts with what this process once held.
        (60, 60, 60),
        (50, 50, None),
    ],
)
def test_only_a_new_record_of_memory_is_the_nodes(own_kb, reaped_kb, peak_kb):
    before = Census(0.0, 0.0, {}, {}, NONE, 50, 40)
    after = Census(0.0, 0.0, {}, {}, NONE, own_kb, reaped_kb)
    peak_bytes = None if peak_kb is None else peak_kb * 1024
    assert new_peak_bytes(before, after) == peak_bytes


def test_memory_of_children_that_were_reaped_and_of_the_process_itself():
    """In a process of its own: this one's children may have held more already."""
    text = (
        "import subprocess, sys\n"
        "from nicarbon.meter.census import new_peak_bytes, take\n"
        "from nicarbon.meter.processes import ProcFS\n"
        "proc = ProcFS('/')\n"
        "one = take(proc)\n"
        # A process counts with what its parent held until it ran a program of its own.
        "size = one.own_peak_kb * 1024 + (40 << 20)\n"
        "subprocess.run([sys.executable, '-c', f'block = b\"x\" * {size}'], check=True)\n"
        "two = take(proc)\n"
        "subprocess.run(['true'], check=True)\n"
        "three = take(proc)\n"
        "own = b'x' * (2 * size)\n"
        "print(size, new_peak_bytes(one, two), new_peak_bytes(two, three), "
        "new_peak_bytes(three, take(proc)))\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    size, child, nothing, own = done.stdout.split()
    assert int(size) < int(child) < int(size) + (30 << 20)
    assert nothing == "None"
    assert 2 * int(size) < int(own) < 2 * int(size) + (60 << 20)
