# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import random
import statistics

import pytest

from nicarbon.meter import sightings as sightings_module
from nicarbon.meter.exact import Image
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.programs import NODE, Programs
from nicarbon.meter.sightings import Sightings, Tree

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SECOND = 1_000_000_000


class Looks:
    """A node's tree on the fake host, looked at whenever a test says so."""

    def __init__(self, host, clock):
        self.clock = clock
        self.sightings = Sightings(ProcFS(host.path), clock.monotonic_ns)
        self.began_ns = clock.now_ns

    def tree(self, span="a", pid=7, **more):
        given = {"starttime": 50, "began_ns": self.began_ns} | more
        return Tree(span, pid, **given)

    def after(self, seconds, *trees):
        self.clock.now_ns += round(seconds * SECOND)
        self.sightings.look(trees or [self.tree()])

    def programs(self, span="a"):
        found = self.sightings.take()
        return found[span]["n"], found[span]["programs"]


@pytest.fixture
def looks(host, clock):
    host.process(7, comm="python", command=("python", "run.py"))
    return Looks(host, clock)


def tool(host, pid=8, name="bet", **more):
    host.process(7, comm="python", command=("python", "run.py"), children=f"{pid}")
    host.process(pid, 7, comm=name, command=(name,), **more)


def test_a_process_that_is_there_twice_is_counted_by_its_clock(host, looks):
    tool(host, own=100)
    looks.after(0.1)
    tool(host, own=130)
    looks.after(0.2)
    assert looks.programs() == (0, {"bet": [0, 0.0, pytest.approx(30 * TICK_S)]})


def test_one_that_is_met_running_stands_for_the_time_since_the_look_before(host, looks):
    looks.after(0.3)
    tool(host, state="R", own=1)
    looks.after(0.1)
    host.end_process(8)
    tool(host, 9, "fast", state="R", own=1)
    looks.after(0.2)
    assert looks.programs() == (2, {"bet": [1, 0.1, 0.0], "fast": [1, 0.2, 0.0]})


def test_one_that_waits_for_a_processor_counts_as_far_as_it_has_had_one(host, looks):
    tool(host, state="R", schedstat="300 100 5\n")
    looks.after(0.4)
    assert looks.programs() == (1, {"bet": [1, 0.3, 0.0]})
    tool(host, 9, "fast", state="R", schedstat="0 100 5\n")
    looks.after(0.4)
    assert looks.sightings.take() == {}


def test_one_that_sleeps_when_it_is_met_is_counted_from_then_on(host, looks):
    tool(host, own=100)
    looks.after(0.4)
    assert looks.sightings.take() == {}


@pytest.mark.parametrize(("n_running", "n_threads"), [(0, 3), (2, 3), (20, 40)])
def test_threads_are_asked_one_by_one(host, looks, n_running, n_threads):
    tool(host, n_threads=n_threads)
    host.thread(8, 8, "R" if n_running else "S")
    for thread in range(1, n_threads):
        host.thread(8, 100 + thread, "R" if thread < n_running else "S")
    looks.after(0.5)
    n, found = looks.programs() if n_running else (0, {"bet": [0, 0.0, 0.0]})
    # Of many threads only some are asked.
    assert found["bet"][1] == pytest.approx(0.5 * n_running, abs=0.5 * (n_threads > 32) * 8)
    assert n == bool(n_running)


def test_nothing_is_carried_from_one_node_to_the_next(host, looks):
    tool(host, own=100)
    looks.after(0.1)
    tool(host, own=500, state="R")
    looks.after(0.5, looks.tree("b", began_ns=looks.clock.now_ns + SECOND // 4))
    assert looks.programs("b") == (1, {"bet": [1, 0.25, 0.0]})


def test_the_nodes_own_python_is_a_program(host, looks):
    host.process(7, comm="python", command=("python", "run.py"), state="R")
    looks.after(0.1)
    assert looks.programs() == (1, {NODE: [1, 0.1, 0.0]})


def test_another_process_with_the_number_of_one_that_ended_is_not_looked_at(host, looks):
    host.process(7, starttime=51, state="R")
    looks.after(0.1)
    assert looks.sightings.take() == {}


def test_trees_of_other_workers_are_left_out(host, looks):
    tool(host, state="R")
    looks.after(0.1, looks.tree(exclude={8}))
    assert looks.sightings.take() == {}


@pytest.mark.parametrize(("age_s", "pause_s"), [(300, 0.5), (600, 1.0), (86400, 1.0)])
def test_an_older_node_is_looked_at_less_often(host, looks, age_s, pause_s):
    tool(host, own=100)
    times_ns = []
    looks.after(age_s)
    for i in range(100):
        tool(host, own=101 + i)
        looks.after(0.1)
        if looks.sightings.take():
            times_ns.append(looks.clock.now_ns)
    assert 10 / (1.5 * pause_s + 0.2) - 1 <= len(times_ns) <= 10 / (0.5 * pause_s) + 1


def test_no_look_stands_for_much_more_than_others_soon_after_the_first_minute(looks, clock):
    # The looks that would do as well if each stood for as long as any other: of those that were
    # taken, more than half are worth one of these, however long the node runs.
    for lasts_s in (150, 600, 3600):
        clock.now_ns, pauses_s = looks.began_ns, []
        while clock.now_ns < looks.began_ns + lasts_s * SECOND:
            pauses_s.append(looks.sightings.wait_s([looks.tree()], 0.0))
            clock.now_ns += round(pauses_s[-1] * SECOND)
        worth = sum(pauses_s) ** 2 / sum(s**2 for s in pauses_s)
        assert worth > 0.5 * len(pauses_s), lasts_s


def test_looks_are_random_and_rarer_where_they_cost_more(looks, clock):
    tree = looks.tree()
    waits_s = [looks.sightings.wait_s([tree], 0.0) for _ in range(200)]
    assert 0.075 <= min(waits_s) < 0.085
    assert 0.115 < max(waits_s) <= 0.125
    assert looks.sightings.wait_s([tree], 0.01) > 2.0
    clock.now_ns += 120 * SECOND
    assert 0.1 <= looks.sightings.wait_s([tree], 0.0) <= 0.3
    clock.now_ns += 480 * SECOND
    assert 0.5 <= looks.sightings.wait_s([tree], 0.0) <= 1.5
    assert 0.05 <= looks.sightings.wait_s([looks.tree(began_ns=clock.now_ns)], 0.0) <= 0.15


def test_programs_that_live_shortly_are_looked_for_more_often(host, looks):
    looks.after(0.1)
    assert max(looks.sightings.wait_s([looks.tree()], 0.0) for _ in range(50)) > 0.08
    tool(host, state="R")
    looks.after(0.1)
    assert max(looks.sightings.wait_s([looks.tree()], 0.0) for _ in range(50)) <= 0.05


def test_short_programs_get_what_they_used_on_average(host, looks, monkeypatch):
    # 3 s of two programs that take turns and are never there twice, looked at 60 times: twenty
    # such nodes. One uses twice as much.
    monkeypatch.setattr(sightings_module, "_FIRST_S", 1e9)
    chance = random.Random(5)
    shares = []
    for node in range(20):
        for _ in range(60):
            name = "long" if chance.random() < 2 / 3 else "short"
            tool(host, chance.randrange(100, 10**6), name, state="R")
            looks.after(0.05, looks.tree(f"{node}"))
        n, found = looks.programs(f"{node}")
        assert n == 60
        shares.append(found["long"][1] / (found["long"][1] + found["short"][1]))
    assert statistics.mean(shares) == pytest.approx(2 / 3, abs=4 * (2 / 9 / 60 / 20) ** 0.5)
    assert statistics.stdev(shares) < 0.75 / 60**0.5


def test_command_lines_are_kept_once_and_only_where_they_are_asked_for(host, looks):
    asked = Looks(host, looks.clock)
    procfs = ProcFS(host.path)
    programs = Programs(procfs, keep_arguments=True)
    asked.sightings = Sightings(procfs, looks.clock.monotonic_ns, programs=programs)
    host.process(7, comm="python", command=("python", "run.py"), children="8")
    host.process(8, 7, comm="bet", command=("bet", "sub 01.nii", "-f"), state="R", own=1)
    asked.after(0.1)
    found = asked.sightings.take()["a"]
    assert found["arguments"] == {"bet": ["bet 'sub 01.nii' -f"]}
    host.process(8, 7, comm="bet", command=("bet", "sub 01.nii", "-f"), state="R", own=9)
    asked.after(0.1)
    assert "arguments" not in asked.sightings.take()["a"]
    looks.after(0.1)
    assert "arguments" not in looks.sightings.take()["a"]


def test_a_hemisphere_is_told_by_the_command_line(host, looks):
    host.process(7, comm="python", command=("python", "run.py"), children="8 9 10")
    for pid, words in ((8, "../surf/lh.orig"), (9, "-hemi rh"), (10, "lh.white rh.white")):
        host.process(pid, 7, comm="tool", command=("tool", *words.split()), state="R", own=1)
    looks.after(0.5)
    assert looks.sightings.take()["a"]["sides"] == {"lh": 0.5, "rh": 0.5}


def test_orphans_that_ended_are_counted_to_their_end_and_passed_over_then(
    host, looks, monkeypatch
):
    tool(host, own=100)
    looks.after(0.1)
    tool(host, own=130, state="Z")
    looks.after(0.2)
    looks.after(1.1)
    assert looks.programs() == (0, {"bet": [0, 0.0, pytest.approx(30 * TICK_S)]})
    read = []
    stat = ProcFS.stat
    monkeypatch.setattr(ProcFS, "stat", lambda self, pid: read.append(pid) or stat(self, pid))
    looks.after(1.1)
    assert 7 in read
    assert 8 not in read
    # Its number may be another process's after a while.
    tool(host, own=10, starttime=999)
    looks.after(30)
    tool(host, own=20, starttime=999)
    looks.after(0.1)
    assert looks.programs() == (0, {"bet": [0, 0.0, pytest.approx(10 * TICK_S)]})


class Told:
    """What the kernel tells, as the tests need it: of process 8, not of 9; 10 is too young."""

    def __init__(self):
        self.image8 = Image("sh", 0)
        self.looks = []
        self.clocks = []

    def image(self, root_pid, stat):
        return {7: Image("", 0, NODE), 8: self.image8}.get(stat.pid)

    def is_new(self, root_pid, stat):
        return stat.pid == 10

    def look(self, span, image, name, gap_s):
        image.name = name
        self.looks.append((span, name, gap_s))

    def clock(self, span, root_pid, cpu_s):
        self.clocks.append((span, root_pid, cpu_s))

    def take(self):
        return {"a": {"programs": {"told": 1.0}, "unnamed": {}, "n_lost": 0}}


def test_what_the_kernel_tells_of_is_named_by_looks_and_not_counted_by_them(host, looks):
    looks.sightings._exact = told = Told()
    host.process(7, comm="python", command=("python", "run.py"), children="8 9 10", own=100)
    host.process(8, 7, comm="sh", command=("sh", "step.sh", "lh"), state="R", own=1)
    host.process(9, 7, comm="sudo", command=("sudo",), state="R", own=1)
    host.process(10, 7, comm="young", command=("young",), state="R", own=1)
    looks.after(0.4)
    found = looks.sightings.take()["a"]
    assert found["programs"] == {"sudo": [1, 0.4, 0.0]}
    assert found["traced"] == {"programs": {"told": 1.0}, "unnamed": {}, "n_lost": 0}
    assert told.looks == [("a", "step.sh", 0.4)]
    assert told.clocks == [("a", 7, pytest.approx(100 * TICK_S))]
    looks.after(0.4)
    assert len(told.looks) == 1


def test_a_program_that_took_another_ones_place_is_looked_at_again(host, looks):
    looks.sightings._exact = told = Told()
    host.process(7, comm="python", command=("python", "run.py"), children="8")
    # The kernel told that it executes sh, which has become bash since.
    host.process(8, 7, comm="bash", command=("bash", "step.sh"), state="R", own=1)
    looks.after(0.4)
    assert told.looks == []
    assert looks.sightings.take()["a"]["programs"] == {}
