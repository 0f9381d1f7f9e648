# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os

import pytest

from nicarbon.meter.node_file import NodeFile, Owner, Worked, owner, process_of
from nicarbon.meter.node_lines import end_line, start_line


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


NAMES = ("wf.n{}", "wf.m[{}]", 'wf."{}"', "wf.\\{}", "wf.ä{}", 'x,"t_monotonic_ns":{}')


@pytest.mark.parametrize("n_at_once", [1, 7, 1000])
def test_nodes_that_are_passed_over_leave_what_an_encoders_lines_leave(tmp_path, n_at_once):
    """The lines as they are written, against the same records as json.dumps() writes them."""
    lines = ['{"kind":"process","driver":"d"}']
    for k in range(300):
        node = NAMES[k % len(NAMES)].format(k)
        parent = "h-1-2-outer" if k % 3 else None
        lines.append(start_line(f"h-1-2-{k}", node, 10 * k, 0, 0.5, k % 5 > 0, parent))
        if k % 50 == 1:
            lines.append(f'{{"kind":"cached","node":"wf.cached{k}"}}')
        if k % 40:  # Of the others some never end, and some after those that began later.
            outcome = "failed" if k % 7 == 0 else "ran"
            lines.append(end_line(f"h-1-2-{k}", 10 * k + 5, outcome, 0.1, "rusage"))
        if k % 80 == 79:
            lines.append(end_line(f"h-1-2-{k - 39}", 10 * k + 6, "ran", 0.1, "rusage"))
            lines.append('{"kind":"end","span":"h-1-2-0","t_mono')  # Torn.
    found = []
    for rewritten in (False, True):
        path = tmp_path / f"{rewritten}.jsonl"
        path.touch()
        fd = os.open(path, os.O_RDONLY)
        file, done = NodeFile(fd, 1, 2), {}
        for at in range(0, len(lines), n_at_once):
            with path.open("a") as out:
                for line in lines[at : at + n_at_once]:
                    whole = rewritten and line.endswith("}")
                    out.write((json.dumps(json.loads(line)) if whole else line) + "\n")
            file.read(done)
        os.close(fd)
        found.append((file.driver, set(file.open.values()), list(file.ended), done))
    assert found[0] == found[1]
    assert len(found[0][1]) == 300 // 40 + 1 - 3
    assert len(found[0][3]) == 300 - 5 + 6
