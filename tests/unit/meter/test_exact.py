# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time

import pytest

from nicarbon.meter.exact import ExactPrograms
from nicarbon.meter.handover import Handed
from nicarbon.meter.node_file import Worked
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.procstat import Stat
from nicarbon.meter.programs import NODE, Programs
from nicarbon.meter.switches import COMM, EXIT, FORK, SWITCH, Record

MS = 1_000_000
ROOT, EVENT = 7, 70


class Kernel:
    """Tells of processes what a test says, in milliseconds; the root runs from 0 on."""

    def __init__(self, host, clock):
        clock.now_ns = 0
        self.clock = clock
        procfs = ProcFS(host.path)
        self.exact = ExactPrograms(procfs, Programs(procfs).whole, clock.monotonic_ns)
        self.exact.add(Handed(ROOT, ROOT, None, {}), [EVENT])
        self.worked = [Worked("a", None, 0, 10**15)]
        self.records = []

    def tell(self, t_ms, kind, pid, tid=None, event=EVENT, **more):
        self.records.append(Record(t_ms * MS, event, kind, pid, tid or pid, **more))

    def start(self, t_ms, pid, name=None, parent=ROOT, event=EVENT):
        """Start a process, and a program in it, that runs at once."""
        self.tell(t_ms, FORK, pid, parent=parent, event=event)
        if name is not None:
            self.tell(t_ms, COMM, pid, flag=True, name=name, event=event)
        self.tell(t_ms, SWITCH, pid, event=event)

    def stop(self, t_ms, pid):
        self.tell(t_ms, SWITCH, pid, flag=True)

    def end(self, t_ms, pid):
        self.tell(t_ms, EXIT, pid)

    def until(self, t_ms, n_lost=0):
        records, self.records = self.records, []
        self.clock.now_ns = t_ms * MS
        self.exact.follow(records, t_ms * MS, n_lost, lambda pid, now_ns: self.worked)

    def programs(self, span="a"):
        return self.exact.take()[span]["programs"]


@pytest.fixture
def kernel(host, clock):
    return Kernel(host, clock)


def test_each_program_gets_the_time_that_its_threads_ran(kernel):
    kernel.stop(10, ROOT)
    kernel.start(10, 8, "mri_convert")
    kernel.tell(15, FORK, 8, 9, parent=8)
    kernel.tell(15, SWITCH, 8, 9)
    kernel.tell(35, EXIT, 8, 9)
    kernel.stop(40, 8)
    kernel.tell(60, SWITCH, 8)
    kernel.end(70, 8)
    kernel.tell(70, SWITCH, ROOT)
    kernel.until(100)
    assert kernel.programs() == {NODE: 0.04, "mri_convert": 0.06}


def test_what_runs_on_is_counted_up_to_now(kernel):
    kernel.start(10, 8, "bet")
    kernel.until(30)
    assert kernel.programs() == {NODE: 0.03, "bet": 0.02}
    kernel.until(50)
    kernel.end(55, 8)
    kernel.until(60)
    assert kernel.programs() == {NODE: 0.03, "bet": 0.025}


def test_a_process_that_becomes_another_program_counts_for_each(kernel):
    kernel.start(0, 8, "first")
    kernel.tell(20, COMM, 8, flag=True, name="second")
    kernel.end(50, 8)
    kernel.until(50)
    assert kernel.programs() == {NODE: 0.05, "first": 0.02, "second": 0.03}


def test_a_thread_that_names_itself_is_no_other_program(kernel):
    kernel.start(0, 8, "wb_command")
    kernel.tell(20, COMM, 8, name="GC thread")
    kernel.end(50, 8)
    kernel.until(50)
    assert kernel.programs() == {NODE: 0.05, "wb_command": 0.05}


def test_a_fork_works_for_its_parents_program_and_starting_one_for_that(kernel):
    kernel.start(0, 8)
    kernel.tell(2, COMM, 8, flag=True, name="bet")
    kernel.end(30, 8)
    kernel.start(0, 9)
    kernel.end(90, 9)
    kernel.start(0, 10)
    kernel.end(5, 10)
    kernel.until(90)
    assert kernel.programs() == {NODE: 0.09 + 0.09 + 0.005, "bet": 0.03}


def test_a_script_that_no_look_met_has_only_its_interpreters_name(kernel):
    kernel.start(0, 8, "sh")
    kernel.end(20, 8)
    kernel.until(20)
    taken = kernel.exact.take()["a"]
    assert taken["unnamed"] == {"sh": {"cpu_s": 0.02, "met": {}}}
    assert list(taken["programs"]) == [NODE]


def test_a_script_that_lives_waits_for_a_look_and_stands_for_others_if_it_was_short(kernel):
    kernel.start(0, 8, "sh")
    kernel.until(10)
    taken = kernel.exact.take()["a"]
    assert (list(taken["programs"]), taken["unnamed"]) == ([NODE], {})
    image = kernel.exact.image(ROOT, Stat(8, "sh", "R", ROOT, 0, 0, 0, 0, 0, 0, 1, 0))
    kernel.exact.look("a", image, "step.sh", 0.08)
    kernel.end(20, 8)
    kernel.until(20)
    taken = kernel.exact.take()["a"]
    assert taken["programs"]["step.sh"] == 0.02
    # A look each 80 ms meets one of four that take 20 ms: this one stands for three others.
    assert taken["unnamed"] == {"sh": {"cpu_s": 0.0, "met": {"step.sh": [1, 0.06, 0.0036]}}}


def test_one_that_lives_longer_than_between_looks_stands_for_itself(kernel):
    kernel.start(0, 8, "sh")
    kernel.until(10)
    image = kernel.exact.image(ROOT, Stat(8, "sh", "R", ROOT, 0, 0, 0, 0, 0, 0, 1, 0))
    kernel.exact.look("a", image, "step.sh", 0.08)
    kernel.end(90, 8)
    kernel.until(90)
    taken = kernel.exact.take()["a"]
    assert (taken["programs"]["step.sh"], taken["unnamed"]) == (0.09, {})


def test_time_goes_to_the_node_that_ran_then(kernel):
    kernel.worked = [
        Worked("a", None, 0, 20 * MS),
        Worked("b", None, 30 * MS, 60 * MS),
        Worked("c", "b", 40 * MS, 50 * MS),
    ]
    kernel.until(70)
    taken = kernel.exact.take()
    assert {span: one["programs"] for span, one in taken.items()} == {
        "a": {NODE: 0.02},
        "b": {NODE: 0.02},
        "c": {NODE: 0.01},
    }


def test_nodes_side_by_side_in_one_process_are_not_told_apart(kernel):
    kernel.worked = [Worked("a", None, 0, 10**15), Worked("b", None, 0, 10**15)]
    kernel.until(70)
    assert kernel.exact.take() == {}


def test_what_a_worker_below_executes_is_told_by_its_own_events(kernel):
    kernel.start(0, 8)
    kernel.until(10)
    kernel.programs()
    kernel.exact.add(Handed(8, 8, None, {}), [80])
    kernel.start(20, 9, "bet", parent=8)
    kernel.start(20, 9, "bet", parent=8, event=80)
    kernel.until(50)
    taken = kernel.exact.take()["a"]["programs"]
    # The root runs on, the worker from when it handed itself over; bet is counted once.
    assert taken["bet"] == pytest.approx(0.03)
    assert taken[NODE] == pytest.approx(0.08)


def test_where_records_were_lost_nobody_is_thought_to_run_on(kernel):
    kernel.start(0, 8, "bet")
    kernel.until(20)
    kernel.programs()
    kernel.until(50, n_lost=3)
    kernel.tell(80, SWITCH, 8)
    kernel.end(90, 8)
    kernel.until(100)
    assert kernel.exact.take()["a"] == {"programs": {"bet": 0.01}, "unnamed": {}, "n_lost": 3}


def test_when_the_root_ends_all_of_it_is_forgotten(kernel, tmp_path):
    (tmp_path / "event").write_text("")
    fd = os.open(tmp_path / "event", os.O_RDONLY)
    kernel.exact.add(Handed(ROOT, ROOT, None, {0: fd}), [71])
    kernel.end(30, ROOT)
    kernel.until(40)
    assert kernel.programs() == {NODE: 0.03}
    assert kernel.exact.image(ROOT, Stat(ROOT, "x", "R", 1, 0, 0, 0, 0, 0, 0, 1, 0)) is None
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_threads_of_the_root_from_before_are_counted_by_its_clock(kernel):
    kernel.exact.clock("a", ROOT, 5.0)
    kernel.until(1000)
    kernel.exact.clock("a", ROOT, 6.0)
    assert kernel.programs() == {NODE: 1.0}
    kernel.until(2000)
    kernel.exact.clock("a", ROOT, 9.0)
    assert kernel.programs() == {NODE: pytest.approx(3.0)}


def test_a_process_that_has_just_begun_may_not_be_known_yet(kernel):
    now = round(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
    young = Stat(8, "sh", "R", ROOT, 0, 0, 0, 0, 0, 0, 1, now)
    assert kernel.exact.is_new(ROOT, young)
    assert not kernel.exact.is_new(ROOT, young._replace(starttime=now - 1000))
    assert not kernel.exact.is_new(99, young)


def test_names_that_the_kernel_cuts_are_completed_from_those_that_are_known(host, clock):
    host.process(8, ROOT, comm="mri_relabel_hyp", command=("mri_relabel_hypointensities",))
    kernel = Kernel(host, clock)
    programs = Programs(ProcFS(host.path))
    programs.name(Stat(8, "mri_relabel_hyp", "R", ROOT, 0, 0, 0, 0, 0, 0, 1, 50), (ROOT, 50))
    kernel.exact._whole_name = programs.whole
    kernel.start(0, 9, "mri_relabel_hyp")
    kernel.end(10, 9)
    kernel.until(10)
    assert kernel.programs()["mri_relabel_hypointensities"] == 0.01
