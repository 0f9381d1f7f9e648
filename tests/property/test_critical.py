# SPDX-License-Identifier: Apache-2.0
"""Critical path and slack against networkx's longest path and against brute force."""

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicarbon.critical import critical_path, longest_path, slacks


@st.composite
def executed(draw):
    """A graph and times in which every node starts after its inputs, unless a clock is off."""
    n = draw(st.integers(1, 9))
    names = draw(st.permutations([f"n{i}" for i in range(n)]))
    graph = nx.DiGraph()
    times = {}
    skewed = draw(st.booleans())
    for i, name in enumerate(names):
        graph.add_node(name, stage="any")
        sources = draw(st.sets(st.sampled_from(names[:i]))) if i else set()
        graph.add_edges_from((source, name) for source in sources)
        if draw(st.integers(0, 3)):
            earliest = max(
                (times[a][1] for a in nx.ancestors(graph, name) if a in times), default=0
            )
            start = draw(st.integers(0 if skewed else earliest, earliest + 5))
            times[name] = (start, start + draw(st.integers(0, 10)))
    return graph, times, skewed


def networkx_length(graph, times):
    """The longest path by networkx: a node's time is the weight of the edges into it."""
    weighted = nx.DiGraph()
    lengths = {name: times[name][1] - times[name][0] if name in times else 0 for name in graph}
    weighted.add_weighted_edges_from((a, b, lengths[b]) for a, b in graph.edges)
    weighted.add_weighted_edges_from(("source", name, lengths[name]) for name in graph)
    return nx.dag_longest_path_length(weighted)


@settings(max_examples=300, deadline=None)
@given(executed())
def test_the_path_is_the_longest(made):
    graph, times, _ = made
    path = longest_path(graph, times)
    assert sum(times[n][1] - times[n][0] for n in path) == networkx_length(graph, times)
    for a, b in pairwise(path):
        assert nx.has_path(graph, a, b)


@settings(max_examples=150, deadline=None)
@given(executed(), st.integers(1, 5))
def test_slack_is_what_a_node_may_take_longer(made, more):
    graph, times, _ = made
    length = networkx_length(graph, times)
    for name, slack in slacks(graph, times).items():
        start, end = times.get(name, (0, 0))
        longer = times | {name: (start, end + slack)}
        assert slack >= 0
        assert networkx_length(graph, longer) == length
        longer[name] = (start, end + slack + more)
        assert networkx_length(graph, longer) == length + more


@settings(max_examples=300, deadline=None)
@given(executed(), st.integers(0, 9), st.integers(0, 9))
def test_the_run_time_is_the_sum_of_its_parts(made, before, after):
    graph, times, skewed = made
    ends = [end for _, end in times.values()]
    window = (-before, max(ends, default=0) + after)
    found = critical_path(graph, times, window)
    total = found.before_s + found.busy_s + found.blocked_s + found.waiting_s + found.after_s
    assert total - found.overlap_s == pytest.approx(found.total_s, abs=1e-12)
    assert found.total_s == (window[1] - window[0]) / 1e9
    assert min(found.before_s, found.after_s, found.blocked_s) >= 0
    if not skewed:
        assert found.overlap_s == 0
        outside = found.queued_s + found.idle_s
        assert outside == pytest.approx(found.total_s - found.busy_s, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(executed(), st.randoms(use_true_random=False))
def test_the_order_of_records_changes_nothing(made, random):
    graph, times, _ = made
    shuffled = nx.DiGraph()
    nodes, edges = list(graph.nodes(data=True)), list(graph.edges)
    random.shuffle(nodes)
    random.shuffle(edges)
    shuffled.add_nodes_from(nodes)
    shuffled.add_edges_from(edges)
    assert critical_path(shuffled, times, None) == critical_path(graph, times, None)
