# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nicarbon.intervals import length_s, union, without

some = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda p: tuple(sorted(p))))


def instants(intervals):
    return {t for first, last in intervals for t in range(first, last)}


@given(some, some)
def test_union_and_difference_are_those_of_sets(a, b):
    joined, holes = union(a), union(b)
    assert instants(joined) == instants(a)
    assert all(x[1] < y[0] for x, y in pairwise(joined))
    assert instants(without(joined, holes)) == instants(a) - instants(b)


def test_length():
    assert length_s([]) == 0.0
    assert length_s([(0, 1), (5, 2_000_000_004)]) == 2.0
