# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import os
import time

import pytest

from nicarbon.loads import Load, Running, loads


def test_the_loads_are_as_many_as_cpus_and_take_a_part_of_memory():
    idle, one, memory, short, full = loads(4, 2_000_000_000)
    assert (idle.n_children, one.n_children) == (0, 1)
    assert [load.n_children for load in (memory, short, full)] == [4, 4, 4]
    assert 4 * memory.memory_bytes <= 0.1 * 2_000_000_000
    assert loads(4, None)[2].memory_bytes == 64 << 20
    assert loads(256, 1000)[2].memory_bytes == 1 << 20


def left_of(sessions):
    """Processes of these sessions, after a moment to die: a kill is not the end at once."""
    until = time.monotonic() + 30
    while at_work(sessions) and time.monotonic() < until:
        time.sleep(0.02)
    return at_work(sessions)


def at_work(sessions):
    """Processes of these sessions; what waits for process 1 to see that it ended is none."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
            state, _, _, session = file.read().rpartition(")")[2].split()[:4]
            if int(session) in sessions and state not in "ZX":
                found.append(int(name))
    return found


@pytest.mark.parametrize("load", loads(1, None), ids=lambda load: load.name)
def test_each_load_works_until_it_is_stopped_and_leaves_nothing(load):
    with Running(load) as running:
        pids = [child.pid for child in running._children]
        time.sleep(0.3)
        assert not running.failed
    assert len(pids) == load.n_children
    assert (running.cpu_s > 0.02) == (load.n_children > 0)
    assert running.cpu_s <= running.duration_s * max(load.n_children, 1) + 0.1
    assert left_of(pids) == []


def test_an_error_meanwhile_ends_it():
    pids = []

    def interrupted():
        with Running(loads(1, None)[1]) as running:
            pids.append(running._children[0].pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert left_of(pids) == []


def test_a_load_that_ends_by_itself_has_failed():
    with Running(Load("broken", "raise SystemExit(1)", 1)) as running:
        until = time.monotonic() + 30
        while not running.failed and time.monotonic() < until:
            time.sleep(0.02)
        assert running.failed
