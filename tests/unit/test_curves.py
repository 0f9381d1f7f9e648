# SPDX-License-Identifier: Apache-2.0
"""Curves of CPU seconds; what is made of them is tested with attribution."""

from __future__ import annotations

import numpy as np
import pytest

from nicarbon.curves import executions, on_grid, own_cpu_s, own_on_grid, rising, rising_on_grid
from nicarbon.records import Driver, End, Gone, Host, NodeFile, Process, Sample, SampleFile, Start
from nicarbon.timeline import merge

S = 1_000_000_000
GRID = np.arange(0, 11, dtype=np.int64) * S


def run(lines, beats=(), gone=(), driver=None):
    """Beats are (seconds, {span: CPU seconds})."""
    samples = tuple(Sample(int(t * S), 0, 0.0, {}, spans=spans) for t, spans in beats)
    file = SampleFile(Host("h", "h", "b", 1, 4, 0, 0, ()), samples, tuple(gone))
    nodes = NodeFile(Process("h", "h", 1, 1, "h-1-1", driver), tuple(lines))
    return executions([nodes], [file], merge([file]))


def start(span, t, **more):
    return Start(span, "wf." + span, int(t * S), 0, more.pop("base", 0.0), **more)


def end(span, t, cpu_s, outcome="ran"):
    return End(span, int(t * S), outcome, cpu_s)


def used(execution):
    """CPU seconds in each second of the grid."""
    piece = on_grid(execution.points, GRID)
    whole = np.zeros(len(GRID) - 1)
    whole[piece.where] = piece.cpu_s
    return whole.tolist()


def test_without_beats_cpu_time_is_spread_evenly():
    [a] = run([start("a", 2, base=7.0), end("a", 4.5, 5.0)]).values()
    assert used(a) == pytest.approx([0, 0, 2, 2, 1, 0, 0, 0, 0, 0])


def test_beats_say_when_and_the_end_says_how_much():
    # The second beat falls, the third exceeds the total: neither can be.
    beats = [(3, {"a": 4.0}), (4, {"a": 3.0}), (5, {"a": 9.0}), (8, {"a": 9.0})]
    [a] = run([start("a", 2), end("a", 6, 5.0)], beats).values()
    assert used(a) == pytest.approx([0, 0, 4, 0, 1, 0, 0, 0, 0, 0])


def test_an_execution_without_an_end_is_known_up_to_its_last_beat():
    beats = [(3, {"a": 2.0}), (4, {"a": 3.0})]
    [a] = run([start("a", 2)], beats, [Gone("a", 6 * S)]).values()
    assert (a.outcome, a.total_s, a.end_ns) == ("killed", 3.0, 6 * S)
    assert used(a) == pytest.approx([0, 0, 2, 1, 0, 0, 0, 0, 0, 0])
    [b] = run([start("a", 2)], beats).values()
    assert (b.outcome, b.total_s, b.end_ns) == ("running", 3.0, 4 * S)


def test_a_process_that_belongs_to_no_driver_ends_with_the_run():
    mark = Driver("end", 9 * S, 0, 0.0, "ok")
    [a] = run([start("a", 2), mark]).values()
    assert a.outcome == "killed"
    assert a.driver == "h-1-1"


def test_an_end_whose_start_was_torn_is_nobodys():
    assert run([end("a", 4, 1.0)]) == {}


def test_elements_tell_when_their_parent_used_its_own():
    # 2 s of its own at first, then an element of 6 s, then nothing more.
    found = run(
        [
            start("m", 0),
            start("e", 4, base=2.0, parent="m"),
            end("e", 8, 6.0),
            end("m", 10, 8.0),
        ]
    )
    assert used(found["m"]) == pytest.approx([0.5] * 4 + [1.5] * 4 + [0, 0])
    assert own_cpu_s(found["m"], found) == 2.0
    pieces = {span: on_grid(e.points, GRID) for span, e in found.items()}
    own = own_on_grid(found["m"], pieces, 2.0)
    assert own.cpu_s == pytest.approx([0.5] * 4 + [0] * 6)


def test_an_element_that_used_more_than_its_parent_leaves_it_nothing():
    lines = [start("m", 0), start("e", 0, parent="m"), end("e", 4, 6.0), end("m", 4, 5.0)]
    found = run(lines)
    assert own_cpu_s(found["m"], found) == 0.0


@pytest.mark.parametrize("parent", ["m", "unknown"])
def test_a_parent_that_is_not_there_or_itself_is_none(parent):
    found = run([start("m", 0, parent=parent), end("m", 4, 5.0)])
    assert found["m"].elements == ()


def test_a_grid_may_begin_and_end_anywhere():
    points = [(-5 * S, 0.0), (15 * S, 20.0)]
    assert on_grid(points, GRID).cpu_s == pytest.approx([1.0] * 10)
    assert len(on_grid([(-5 * S, 0.0), (-1 * S, 3.0)], GRID).cpu_s) == 0
    assert len(on_grid([(11 * S, 0.0), (12 * S, 3.0)], GRID).cpu_s) == 0


def test_a_long_uptime_costs_no_digits():
    boot = 10**16
    points = [(boot, 0.0), (boot + 1000, 1.0)]
    grid = np.array([boot - 500, boot + 500, boot + 1500], dtype=np.int64)
    assert on_grid(points, grid).cpu_s.tolist() == [0.5, 0.5]


def test_differences_of_curves_rise_and_keep_their_total():
    assert rising(np.array([2.0, -1.0, 0.5]), 1.5).tolist() == [1.5, 0.0, 0.0]
    assert rising(np.array([-1.0, 2.0]), 1.0).tolist() == [0.0, 1.0]
    assert rising(np.array([-1.0, 0.5]), -0.5).tolist() == [0.0, 0.0]


def test_a_curve_read_by_two_samplers_rises():
    points = [(0, 0.0), (4 * S, 4.0), (4 * S, 3.0), (6 * S, 3.5), (8 * S, 8.0)]
    used_s = rising_on_grid(points, GRID).cpu_s
    assert used_s == pytest.approx([1, 1, 1, 1, 0, 0, 2, 2])


def test_a_sampler_that_came_later_does_not_know_when_a_process_ended():
    """The next attempt's sampler finds the file of an attempt that was killed long before."""
    beats = [(3, {"a": 2.0})]
    samples = tuple(Sample(int(t * S), 0, 0.0, {}, spans=spans) for t, spans in beats)
    first = SampleFile(Host("h", "h", "b", 1, 4, 0, 0, ()), samples)
    later = SampleFile(Host("h", "h", "b", 2, 4, 8 * S, 0, ()), (), (Gone("a", 9 * S),))
    nodes = NodeFile(Process("h", "h", 1, 1, "h-1-1"), (start("a", 2),))
    files = [first, later]
    [a] = executions([nodes], files, merge(files)).values()
    assert (a.outcome, a.end_ns) == ("killed", 3 * S)
    # Of two that looked all the time, the one that saw it first is right.
    beside = SampleFile(Host("h", "h", "b", 3, 4, 0, 0, ()), (), (Gone("a", 4 * S),))
    again = SampleFile(Host("h", "h", "b", 3, 4, 0, 0, ()), (), (Gone("a", 5 * S),))
    files = [first, again, beside, later]
    [a] = executions([nodes], files, merge(files)).values()
    assert a.end_ns == 4 * S


def test_a_driver_that_is_known_to_be_over_ends_what_it_ran():
    lines = [Driver("start", 0, 0, 0.0), start("a", 2)]
    nodes = NodeFile(Process("h", "h", 1, 1, "h-1-1", "h-1-1"), tuple(lines))
    assert executions([nodes], [], [])["a"].outcome == "running"
    assert executions([nodes], [], [], {"h-1-1"})["a"].outcome == "killed"
