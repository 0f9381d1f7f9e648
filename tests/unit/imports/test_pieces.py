# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from nicarbon.imports.pieces import cut
from nicarbon.logs.steps import Command, Step


def step(*commands, first_s=100.0, last_s=200.0, **more):
    elapsed_s = None if last_s is None else last_s - first_s
    return Step("Sphere", "lh", first_s, last_s, elapsed_s, commands=commands, **more)


def test_counted_cpu_time_is_kept_and_the_gaps_are_only_possible():
    parts = cut(step(Command("a", 100, 30, 60.0), Command("b", 150, 40, 40.0)))
    assert [(p.program, p.start_s, p.end_s, p.cpu_s) for p in parts.pieces] == [
        ("a", 100, 130, 60.0),
        ("b", 150, 190, 40.0),
    ]
    assert all(p.counted and p.least_s == p.cpu_s == p.most_s for p in parts.pieces)
    assert parts.hidden_s == 30


def test_without_a_count_the_root_of_the_threads_is_assumed():
    (piece,) = cut(step(threads=8)).pieces
    assert not piece.counted
    assert piece.cpu_s == pytest.approx(100 * math.sqrt(8))
    assert (piece.least_s, piece.most_s) == (50, 800)
    (alone,) = cut(step()).pieces
    assert alone.cpu_s == alone.most_s == 100


def test_programs_that_time_themselves_follow_one_another_and_the_rest_is_the_step_s():
    told = Command("mris_sphere", None, 60.0, threads=4)
    first, rest = cut(step(told)).pieces
    assert (first.program, first.start_s, first.end_s) == ("mris_sphere", 100, 160)
    assert first.cpu_s == pytest.approx(120)
    assert (rest.program, rest.start_s, rest.end_s) == ("", 160, 200)


def test_a_hemisphere_that_ended_first_waits_for_the_other():
    parts = cut(step(Command("mris_sphere", None, 60.0, threads=1), at_once=True))
    (piece,) = parts.pieces
    assert piece.end_s == 160
    assert parts.hidden_s == 40


def test_nothing_leaves_its_step():
    parts = cut(step(Command("a", 90, 500, 5.0), Command("b", 300, 5, 1.0)))
    assert all(100 <= p.start_s <= p.end_s <= 200 for p in parts.pieces)


def test_a_step_without_a_time_has_no_piece():
    assert cut(step(last_s=None)).pieces == ()
