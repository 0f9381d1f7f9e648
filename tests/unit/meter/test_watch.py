# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import shutil

import pytest

from nicarbon.meter import watch as watch_module
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.watch import NodeWatch

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Nodes:
    """A run folder in which processes of the fake host write."""

    def __init__(self, folder, host):
        self.folder = folder
        self.folder.mkdir()
        self.watch = NodeWatch(str(folder), ProcFS(host.path), own_pid=999)

    def path(self, pid, starttime=50, host="aaaabbbbcccc"):
        return self.folder / f"nodes-{host}-{pid}-{starttime}.jsonl"

    def write(self, pid, *records, **name):
        with self.path(pid, **name).open("a") as file:
            for record in records:
                file.write(record if isinstance(record, str) else json.dumps(record) + "\n")


def start(span, node="n", base_s=0.0, parent=None, perf=True):
    return {
        "perf": perf,
        "kind": "start",
        "span": span,
        "node": node,
        "cpu_base_s": base_s,
        "parent": parent,
        "t_monotonic_ns": 1,
        "t_unix_ns": 1,
    }


def end(span, outcome="ran"):
    return {"kind": "end", "span": span, "outcome": outcome, "cpu_s": 1, "t_monotonic_ns": 2}


@pytest.fixture
def nodes(tmp_path, host):
    return Nodes(tmp_path / "run", host)


def test_a_running_node_beats_what_its_tree_used_since_it_began(nodes, host):
    host.process(7, own=100, reaped=20, children="8")
    host.process(8, 7, own=30)
    nodes.write(7, {"kind": "process"}, start("a", base_s=0.4))
    look = nodes.watch.look()
    assert look.cpu_s == {"a": pytest.approx(150 * TICK_S - 0.4)}
    assert look.gone == []
    nodes.write(7, end("a"))
    assert nodes.watch.look().cpu_s == {}
    assert nodes.watch.done == {"n": "ran"}


def test_the_most_memory_of_a_running_node_is_kept_until_it_ends(nodes, host):
    host.process(7, rss_pages=100, children="8")
    host.process(8, 7, rss_pages=20)
    nodes.write(7, start("a"))
    assert nodes.watch.look().memory_bytes == {"a": 120 * PAGE_BYTES}
    host.process(7, rss_pages=30, children="8")
    nodes.write(7, start("b", parent="a"))
    assert nodes.watch.look().memory_bytes == {"a": 120 * PAGE_BYTES, "b": 50 * PAGE_BYTES}
    nodes.write(7, end("b"), end("a"), start("c"))
    assert nodes.watch.look().memory_bytes == {"c": 50 * PAGE_BYTES}
    host.end_process(7)
    assert nodes.watch.look().memory_bytes == {"c": 50 * PAGE_BYTES}
    assert nodes.watch.look().memory_bytes == {}


def test_what_is_below_another_driver_is_looked_at_by_that_ones_sampler(nodes, host, tmp_path):
    for pid in (7, 8, 9):
        host.process(pid, own=100, rss_pages=1)
    nodes.write(7, {"kind": "process", "driver": "aaaabbbbcccc-7-50"}, start("mine"))
    nodes.write(8, {"kind": "process", "driver": "aaaabbbbcccc-8-50"}, start("other"))
    nodes.write(9, {"kind": "process", "driver": None}, start("nobodys"))
    watch = NodeWatch(str(nodes.folder), ProcFS(host.path), 999, "aaaabbbbcccc-7-50")
    look = watch.look()
    assert look.cpu_s.keys() == look.memory_bytes.keys() == {"mine", "nobodys"}
    # That it is gone is told all the same: its own sampler may have been killed with it.
    host.end_process(8)
    assert watch.look().gone == ["other"]
    assert {span.span for span in watch.running()} == {"mine", "nobodys"}
    watch.close()
    # Who begins to look later opens no file of what has ended before.
    later = NodeWatch(str(nodes.folder), ProcFS(host.path), 998, "aaaabbbbcccc-9-50")
    look = later.look()
    assert (look.cpu_s.keys(), look.gone) == ({"nobodys"}, [])
    later.close()


def test_memory_of_nodes_side_by_side_in_one_process_is_nobodys(nodes, host):
    host.process(7, rss_pages=100)
    nodes.write(7, start("a"), start("b"))
    assert nodes.watch.look().memory_bytes == {}


def test_a_beat_never_goes_back_nor_below_zero(nodes, host):
    host.process(7, own=100)
    nodes.write(7, start("a", base_s=0.5), start("b", base_s=9, parent="a"))
    before = nodes.watch.look().cpu_s
    host.process(7, own=60)
    assert nodes.watch.look().cpu_s == before == {"a": pytest.approx(100 * TICK_S - 0.5), "b": 0}


def test_the_next_node_of_a_process_starts_anew(nodes, host):
    host.process(7, own=100)
    nodes.write(7, start("a"))
    nodes.watch.look()
    nodes.write(7, end("a"), start("b", base_s=100 * TICK_S))
    host.process(7, own=110)
    assert nodes.watch.look().cpu_s == {"b": pytest.approx(10 * TICK_S)}


def test_two_nodes_side_by_side_in_one_process_cannot_be_told_apart(nodes, host):
    host.process(7, own=100)
    nodes.write(7, start("a"), start("b"))
    assert nodes.watch.look().cpu_s == {}
    nodes.write(7, end("b"))
    assert nodes.watch.look().cpu_s == {"a": pytest.approx(100 * TICK_S)}


def test_two_elements_side_by_side_cannot_be_told_apart(nodes, host):
    host.process(7, own=100)
    nodes.write(7, start("m"), start("e0", parent="m"), start("e1", parent="m"))
    assert nodes.watch.look().cpu_s == {}


def test_workers_below_a_process_and_the_sampler_answer_for_themselves(nodes, host):
    host.process(7, own=100, children="8 999")
    host.process(8, 7, own=30)
    host.process(999, 7, own=5000)
    nodes.write(7, start("a"))
    nodes.write(8, start("b"))
    look = nodes.watch.look()
    assert look.cpu_s == {"a": pytest.approx(100 * TICK_S), "b": pytest.approx(30 * TICK_S)}


@pytest.mark.parametrize("how", ["ended", "zombie", "number used again"])
def test_a_node_whose_process_is_gone_is_named_once_with_its_last_beat(nodes, host, how):
    host.process(7, own=100)
    nodes.write(7, start("a", "killed"), start("b", parent="a"))
    nodes.watch.look()
    if how == "ended":
        host.end_process(7)
    elif how == "zombie":
        host.process(7, own=120, state="Z")
    else:
        host.process(7, own=0, starttime=51)
    look = nodes.watch.look()
    assert sorted(look.gone) == ["a", "b"]
    assert look.cpu_s["a"] == pytest.approx((120 if how == "zombie" else 100) * TICK_S)
    assert nodes.watch.look() == ({}, [], (), {})
    assert nodes.watch.running() == []


@pytest.mark.parametrize(("perf", "ignored", "named"), [(False, 9, True), (True, 9, False)])
def test_a_node_that_may_lose_children_is_named(nodes, host, perf, ignored, named):
    host.process(7, children="8")
    host.process(8, 7, children="9")
    host.process(9, 8)
    nodes.write(7, start("a", perf=perf))
    assert nodes.watch.look().sigchld_ignored == ()
    host.write(f"proc/{ignored}/status", "SigIgn:\t0000000000010000\n")
    assert nodes.watch.look().sigchld_ignored == (("a",) if named else ())


def test_an_end_written_just_before_the_process_ended_counts(nodes, host):
    host.process(7, own=100)
    nodes.write(7, start("a"))
    nodes.watch.look()
    nodes.write(7, end("a", "failed"))
    host.end_process(7)
    assert nodes.watch.look() == ({}, [], (), {})
    assert nodes.watch.done == {"n": "failed"}


def test_files_of_ended_processes_are_closed_and_never_read_again(nodes, host):
    fds = set(os.listdir("/proc/self/fd"))
    for pid in range(100, 140):
        nodes.write(pid, start(f"s{pid}"), end(f"s{pid}"))
    nodes.watch.look()
    nodes.write(100, start("late"))
    assert nodes.watch.look() == ({}, [], (), {})
    assert set(os.listdir("/proc/self/fd")) == fds


def test_a_line_that_is_not_whole_yet_is_read_when_it_is(nodes, host):
    host.process(7, own=100)
    line = json.dumps(start("a"))
    nodes.write(7, line[:20])
    assert nodes.watch.look().cpu_s == {}
    nodes.write(7, line[20:] + "\n")
    assert list(nodes.watch.look().cpu_s) == ["a"]


@pytest.mark.parametrize("line", ["{torn\n", "[]\n", "7\n", '{"kind":"start"}\n', "\n", "\xff\n"])
def test_a_line_that_is_no_record_is_skipped(nodes, host, line):
    host.process(7, own=100)
    nodes.write(7, line, start("a"))
    assert list(nodes.watch.look().cpu_s) == ["a"]


def test_a_long_file_is_read_whole(nodes, host):
    host.process(7, own=100)
    many = [record for n in range(2000) for record in (start(f"s{n}", f"n{n}"), end(f"s{n}"))]
    nodes.write(7, *many, start("a"))
    assert list(nodes.watch.look().cpu_s) == ["a"]
    assert len(nodes.watch.done) == 2000


def test_other_hosts_and_other_files_are_left_alone(nodes, host):
    host.process(7, own=100)
    nodes.write(7, start("a"), host="999999999999")
    (nodes.folder / "nodes-aaaabbbbcccc-x-y.jsonl").write_text(json.dumps(start("b")) + "\n")
    (nodes.folder / "samples-aaaabbbbcccc-7-50.jsonl").write_text(json.dumps(start("c")) + "\n")
    assert nodes.watch.look() == ({}, [], (), {})


def test_files_that_appear_later_are_found(nodes, host):
    for pid in range(10, 20):
        nodes.watch.look()
        host.process(pid, own=pid)
        nodes.write(pid, start(f"s{pid}"))
        assert f"s{pid}" in nodes.watch.look().cpu_s


def test_a_file_made_within_the_clock_tick_of_the_last_look_is_found(nodes, host):
    now_ns = os.stat(nodes.folder).st_mtime_ns
    for pid in (7, 8):
        host.process(pid, own=pid)
        nodes.write(pid, start(f"s{pid}"))
        os.utime(nodes.folder, ns=(now_ns, now_ns))
        assert f"s{pid}" in nodes.watch.look().cpu_s


def test_a_folder_at_rest_is_not_listed_again(nodes, host, monkeypatch):
    old_ns = os.stat(nodes.folder).st_mtime_ns - 10**10
    os.utime(nodes.folder, ns=(old_ns, old_ns))
    nodes.watch.look()

    def listed(path):
        raise AssertionError(f"{path} was listed")

    monkeypatch.setattr(watch_module.os, "listdir", listed)
    nodes.watch.look()


def test_a_folder_that_vanishes_is_no_error(nodes, host):
    host.process(7, own=100)
    nodes.write(7, start("a"))
    nodes.watch.look()
    shutil.rmtree(nodes.folder)
    assert list(nodes.watch.look().cpu_s) == ["a"]


def test_running_shows_outer_nodes_and_following_looks_at_no_process(nodes, host, monkeypatch):
    host.process(7)
    monkeypatch.setattr(nodes.watch._procfs, "stat", None)
    nodes.write(7, start("a", "wf.map"), start("e", "wf.map[0]", parent="a"))
    nodes.write(8, {"kind": "cached", "node": "old", "t_monotonic_ns": 1, "t_unix_ns": 1})
    nodes.watch.follow()
    assert [span.node for span in nodes.watch.running()] == ["wf.map"]
    assert nodes.watch.done == {"old": "cached"}


def process(driver):
    return {"kind": "process", "driver": driver}


def test_a_tree_is_that_of_the_innermost_node_of_this_driver(nodes, host):
    host.process(7)
    host.process(8)
    host.process(9)
    nodes.write(7, process("d"), start("a"), start("b", parent="a"))
    nodes.write(8, process(None), start("c"))
    nodes.write(9, process("a job"), start("d"))
    watch = NodeWatch(str(nodes.folder), ProcFS(host.path), 999, "d")
    watch.follow()
    trees = watch.trees()
    assert sorted((tree.span, tree.pid, tree.starttime) for tree in trees) == [
        ("b", 7, 50),
        ("c", 8, 50),
    ]
    assert {tree.began_ns for tree in trees} == {1}
    assert [set(tree.exclude) for tree in trees if tree.pid == 7] == [{8, 9, 999}]
    nodes.write(7, end("b"))
    watch.follow()
    assert {tree.span for tree in watch.trees()} == {"a", "c"}
    watch.close()


def test_nodes_side_by_side_in_one_process_have_no_tree_of_their_own(nodes, host):
    host.process(7)
    nodes.write(7, start("a"), start("b"))
    nodes.watch.follow()
    assert nodes.watch.trees() == []


def test_whose_the_work_of_a_process_was_is_told_a_while_after_its_end(nodes, host):
    host.process(7)
    nodes.write(7, {"kind": "process"}, start("a"), end("a") | {"t_monotonic_ns": 11})
    nodes.write(7, start("b") | {"t_monotonic_ns": 16})
    nodes.watch.look()
    assert [(s, p) for s, p in nodes.watch.owners(6, 26)[7].parts] == [("a", 0.25), ("b", 0.5)]
    nodes.write(7, end("b") | {"t_monotonic_ns": 20})
    host.end_process(7)
    nodes.watch.look()
    assert dict(nodes.watch.owners(6, 26)[7].parts) == {"a": 0.25, "b": 0.2}
    assert nodes.watch.owners(26, 36) == {}


def test_another_jobs_work_is_left_to_its_sampler(nodes, host):
    watch = NodeWatch(str(nodes.folder), ProcFS(host.path), own_pid=999, driver="ours")
    host.process(7)
    nodes.write(7, {"kind": "process", "driver": "theirs"}, start("a"))
    watch.look()
    assert watch.owners(0, 10) == {7: None}


def test_what_a_process_executed_is_known_while_it_lives_and_shortly_after(nodes, host):
    host.process(7)
    nodes.write(7, {"kind": "process"}, start("a"), end("a"), start("b"))
    nodes.watch.look()
    assert [(w.span, w.ended_ns) for w in nodes.watch.executions(7, 9)] == [("a", 2), ("b", 9)]
    assert nodes.watch.executions(8, 9) == []
    host.end_process(7)
    nodes.watch.look()
    assert [w.span for w in nodes.watch.executions(7, 9)] == ["a", "b"]


def test_another_drivers_process_is_not_asked_what_it_executes(nodes, host):
    nodes.watch = NodeWatch(str(nodes.folder), ProcFS(host.path), 999, "aaaabbbbcccc-1-1")
    host.process(7)
    nodes.write(7, {"kind": "process", "driver": "aaaabbbbcccc-2-2"}, start("a"))
    nodes.watch.look()
    assert nodes.watch.executions(7, 9) == []
