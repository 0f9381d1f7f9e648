# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os

import pytest

from nicarbon.meter.node_file import NodeFile, Owner, Worked, owner, process_of


@pytest.fixture
def written(tmp_path):
    """A file, and what appends to it."""
    path = tmp_path / "nodes-a-7-50.jsonl"
    path.touch()
    fd = os.open(path, os.O_RDONLY)

    def write(*records):
        with path.open("a") as out:
            out.writelines(r if isinstance(r, str) else json.dumps(r) + "\n" for r in records)

    yield NodeFile(fd, 7, 50), write
    os.close(fd)


def start(span, parent=None):
    return {"kind": "start", "span": span, "node": f"wf.{span}", "parent": parent, "cpu_base_s": 1}


def test_what_began_is_open_until_it_ends(written):
    file, write = written
    done = {}
    write({"kind": "process", "driver": "d"}, start("a"), start("b", "a"))
    file.read(done)
    assert (file.driver, list(file.open), done) == ("d", ["a", "b"], {})
    assert (file.open["b"].node, file.open["b"].cpu_base_s, file.open["b"].perf) == (
        "wf.b",
        1,
        True,
    )
    write({"kind": "end", "span": "b", "outcome": "failed"}, {"kind": "cached", "node": "wf.c"})
    file.read(done)
    assert (list(file.open), done) == (["a"], {"wf.b": "failed", "wf.c": "cached"})


def test_a_line_is_read_once_it_is_whole_and_a_torn_one_is_skipped(written):
    file, write = written
    line = json.dumps(start("a"))
    write('{"kind":"start","span":\n', "[1]\n", line[:20])
    file.read({})
    assert file.open == {}
    write(line[20:] + "\n")
    file.read({})
    assert list(file.open) == ["a"]


def test_spans_inside_each_other_are_one_tree_and_others_are_not(written):
    file, write = written
    write(start("a"), start("b", "a"))
    file.read({})
    assert file.is_one_tree()
    write(start("c"))
    file.read({})
    assert not file.is_one_tree()


def test_the_name_says_which_process_writes_it():
    assert process_of("nodes-h-7-50.jsonl", "nodes-h-") == (7, 50)
    for name in (
        "nodes-x-7-50.jsonl",
        "nodes-h-7-50.json",
        "nodes-h-7.jsonl",
        "nodes-h-a-5.jsonl",
    ):
        assert process_of(name, "nodes-h-") is None


def test_nodes_that_ended_are_remembered_for_a_while(written):
    file, write = written
    write(start("a") | {"t_monotonic_ns": 5}, start("b", "a") | {"t_monotonic_ns": 6})
    write({"kind": "end", "span": "b", "outcome": "ran", "t_monotonic_ns": 8})
    file.read({})
    assert file.worked(9) == [Worked("b", "a", 6, 8), Worked("a", None, 5, 9)]
    for n in range(1000):
        write(start(f"c{n}"), {"kind": "end", "span": f"c{n}", "outcome": "ran"})
    file.read({})
    assert len(file.ended) == 64


@pytest.mark.parametrize(
    ("worked", "parts", "is_told_apart"),
    [
        ([], (), True),
        ([Worked("a", None, 0, 100)], (("a", 1.0),), True),
        ([Worked("a", None, 0, 12), Worked("b", None, 15, 100)], (("a", 0.2), ("b", 0.5)), True),
        ([Worked("a", None, 0, 9), Worked("b", None, 21, 30)], (), True),
        # An element has its time, and the node around it the rest.
        ([Worked("e", "a", 12, 17), Worked("a", None, 0, 99)], (("e", 0.5), ("a", 0.5)), True),
        ([Worked("a", None, 0, 99), Worked("b", None, 0, 99)], (("a", 0.5), ("b", 0.5)), False),
    ],
)
def test_whose_the_work_of_a_process_was_from_10_to_20(worked, parts, is_told_apart):
    assert owner(worked, 10, 20) == Owner(parts, is_told_apart)
