# SPDX-License-Identifier: Apache-2.0
"""Seconds of the host that executions got too much, against a division instant by instant."""

from __future__ import annotations

from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timelines import line

from nicarbon.curves import Piece, on_grid
from nicarbon.instants import host_s_too_much

S = 1_000_000_000


def seconds(n, covered=None):
    return line([10.0] * n, covered)


def found(lives, n, others=0.0, covered=None):
    """For executions given as (start, end, CPUs) in seconds after the first sample."""
    one = seconds(n, covered)
    lives_ns = {
        span: (round(start * S), round(end * S)) for span, (start, end, _) in lives.items()
    }
    pieces = {
        span: on_grid([(a, 0.0), (b, lives[span][2] * (b - a) / S)], one.t_ns)
        for span, (a, b) in lives_ns.items()
    }
    busy = np.full(n, float(others))
    for piece in pieces.values():
        busy[piece.where] += piece.cpu_s
    return host_s_too_much(one, busy, pieces, lives_ns)


def test_who_ran_beside_another_all_the_time_got_its_part():
    both = found({"a": (0, 2, 4), "b": (0, 2, 1)}, 2, others=1.0)
    assert both == {"a": pytest.approx(0.0, abs=1e-9), "b": pytest.approx(0.0, abs=1e-9)}


def test_four_threads_for_half_a_second_pay_four_fifths_of_it():
    both = found({"a": (0, 0.5, 4), "b": (0.5, 1, 1)}, 1)
    assert both == {"a": pytest.approx(0.3), "b": pytest.approx(-0.3)}


def test_what_is_not_covered_counts_nowhere():
    both = found({"a": (0, 0.5, 4), "b": (0.5, 1, 1)}, 1, covered=[False])
    assert both == {"a": 0.0, "b": 0.0}
    assert host_s_too_much(seconds(1), np.zeros(1), {}, {}) == {}


def test_a_life_that_its_cpu_seconds_contradict_is_taken_as_the_whole_interval():
    pieces = {"a": Piece(0, np.array([1.0])), "b": Piece(0, np.array([1.0]))}
    lives_ns = {"a": (9 * S, 9 * S + 1), "b": (0, S)}
    too_much = host_s_too_much(seconds(1), np.array([2.0]), pieces, lives_ns)
    assert too_much == {"a": pytest.approx(0.0), "b": pytest.approx(0.0)}


lives = st.tuples(st.integers(0, 39), st.integers(1, 30), st.integers(1, 8))


@settings(max_examples=100)
@given(st.lists(lives, min_size=1, max_size=6), st.sampled_from([0.0, 0.7, 3.0]))
def test_it_is_what_a_division_instant_by_instant_says(drawn, others):
    n = 4
    tenths = {str(i): (a, min(a + b, 40), c) for i, (a, b, c) in enumerate(drawn)}
    too_much = found({k: (a / 10, b / 10, c) for k, (a, b, c) in tenths.items()}, n, others)
    expected = dict.fromkeys(tenths, 0.0)
    for second in range(n):
        steps = range(10 * second, 10 * second + 10)
        used_s = {k: sum(c / 10 for t in steps if a <= t < b) for k, (a, b, c) in tenths.items()}
        busy_s = fsum(used_s.values()) + others
        for k, (a, b, c) in tenths.items():
            expected[k] += used_s[k] / busy_s if used_s[k] else 0.0
            for t in steps:
                if a <= t < b:
                    at_once = sum(cc for aa, bb, cc in tenths.values() if aa <= t < bb) + others
                    expected[k] -= 0.1 * c / at_once
    assert too_much == {k: pytest.approx(v, abs=1e-6) for k, v in expected.items()}
