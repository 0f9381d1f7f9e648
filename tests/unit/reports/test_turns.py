# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import msgspec
import pytest

from nicarbon.reports.turns import N_CELLS, turns_of


@pytest.fixture
def part(run_folders):
    def make(stage, *pieces, cpu_s=1.0, node="recon-all", end_s=100.0):
        whole = run_folders.span(node, 0, end_s)
        return msgspec.structs.replace(whole, part=stage, pieces=pieces, cpu_s=cpu_s)

    return make


def shown(turns):
    return [(turn.stage, round(turn.start_s), round(turn.end_s)) for turn in turns]


def test_turns_are_the_stages_one_after_the_other(part):
    parts = [part("registration", (0, 60), (90, 100)), part("segmentation", (60, 90))]
    (turns,) = turns_of(parts, {"recon-all": "own"}).values()
    assert shown(turns) == [
        ("registration", 0, 60),
        ("segmentation", 60, 90),
        ("registration", 90, 100),
    ]
    assert turns[0].start_s == 0
    assert turns[-1].end_s == pytest.approx(100)


def test_of_what_ran_at_once_the_busier_is_shown(part):
    parts = [
        part("registration", (0, 100), cpu_s=20.0),
        part("segmentation", (50, 80), cpu_s=10.0),
    ]
    (turns,) = turns_of(parts, {"recon-all": "own"}).values()
    assert shown(turns) == [
        ("registration", 0, 50),
        ("segmentation", 50, 80),
        ("registration", 80, 100),
    ]


def test_a_gap_is_the_stage_before_it_and_at_the_start_the_nodes_own(part):
    parts = [part("registration", (10, 40)), part("segmentation", (60, 90))]
    (turns,) = turns_of(parts, {"recon-all": "own"}).values()
    assert shown(turns) == [
        ("own", 0, 10),
        ("registration", 10, 60),
        ("segmentation", 60, 100),
    ]


def test_thousands_of_pieces_are_few_turns(part):
    pieces = [(i / 50, i / 50 + 0.01) for i in range(5000)]
    parts = [part("a", *pieces[::2]), part("b", *pieces[1::2], cpu_s=1.01)]
    (turns,) = turns_of([*parts, part("c", (99, 100), cpu_s=9.0)], {"recon-all": "a"}).values()
    assert len(turns) <= N_CELLS
    assert all(x.end_s == y.start_s for x, y in pairwise(turns))


def test_a_part_without_pieces_was_at_work_throughout(part):
    parts = [part("a", cpu_s=1.0), part("b", (0, 10), cpu_s=1.0)]
    (turns,) = turns_of(parts, {"recon-all": "own"}).values()
    assert shown(turns) == [("b", 0, 10), ("a", 10, 100)]


def test_whole_executions_single_stages_and_no_time_have_no_turns(part):
    nodes = {"recon-all": "own", "b": "own", "c": "own"}
    parts = [part("", node="recon-all"), part("x", (0, 100), node="b")]
    parts += [part("x", node="c", end_s=0.0), part("y", node="c", end_s=0.0)]
    assert turns_of(parts, nodes) == {}
