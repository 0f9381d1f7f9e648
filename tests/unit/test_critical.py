# SPDX-License-Identifier: Apache-2.0
import networkx as nx
import pytest

from nicarbon.critical import critical_path, longest_path, measured_times, ready_times, slacks
from nicarbon.errors import NicarbonError
from nicarbon.graph import executed_graph
from nicarbon.records import Graph, Node

S = 1_000_000_000


@pytest.fixture
def make(run_folders):
    """Return an executed graph of given edges and executions; every node is its own stage."""

    def made(names, edges, spans):
        graph = Graph("wf", "Linear", tuple(Node(n) for n in names), tuple(edges))
        stages = dict.fromkeys([*names, *(span.node for span in spans)], "any")
        return executed_graph(graph, stages, spans)

    return made


@pytest.fixture
def diamond(make, run_folders):
    """A run from 0 to 20: a, then b beside c, then d.

    a 1-3; b 4-10 (6 s) and c 8-13 (5 s, it queued for a processor); d 15-17.
    By their lengths the path is a b d, 10 s; c could take 1 s longer. d waits for c until 13.
    """
    span = run_folders.span
    return make(
        "abcd",
        [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")],
        [span("a", 1, 3), span("b", 4, 10), span("c", 8, 13), span("d", 15, 17)],
    )


def test_a_case_by_hand(diamond):
    times = measured_times(diamond)
    origin = times["a"][0] - 1 * S
    found = critical_path(diamond, times, (origin, origin + 20 * S))
    assert [step.node for step in found.steps] == ["a", "b", "d"]
    assert [step.start_s for step in found.steps] == [1, 4, 15]
    assert [step.duration_s for step in found.steps] == [2, 6, 2]
    assert [step.blocked_s for step in found.steps] == [0, 0, 3]
    assert [step.waiting_s for step in found.steps] == [0, 1, 2]
    assert (found.before_s, found.busy_s, found.after_s) == (1, 10, 3)
    assert (found.blocked_s, found.waiting_s, found.overlap_s) == (3, 3, 0)
    # No node of the path ran in 0-1, 3-4, 10-15 and 17-20; c did in 10-13.
    assert (found.queued_s, found.idle_s, found.total_s) == (3, 7, 20)
    assert slacks(diamond, times) == {"a": 0, "b": 0, "c": 1 * S, "d": 0}


def test_cached_and_missing_nodes_take_no_time_and_pass_waiting_on(make, run_folders):
    spans = [run_folders.span("a", 0, 2), run_folders.cached("b", 3), run_folders.span("d", 5, 6)]
    graph = make("abcd", [("a", "b"), ("b", "c"), ("c", "d")], spans)
    times = measured_times(graph)
    assert set(times) == {"a", "d"}
    assert ready_times(graph, times)["d"] == times["a"][1]
    found = critical_path(graph, times, None)
    assert [(s.node, s.waiting_s) for s in found.steps] == [("a", 0), ("d", 3)]
    assert slacks(graph, times)["b"] == 0


def test_elements_are_nodes_unless_they_ran_inside_their_mapnode(make, run_folders):
    def run(parent):
        element = {"map_node": "m", "parent": parent}
        spans = [
            run_folders.span("m", 0, 5),
            run_folders.span("m[0]", 1, 2, index=0, **element),
            run_folders.span("m[1]", 2, 4, index=1, **element),
        ]
        graph = make("m", [], spans)
        return longest_path(graph, measured_times(graph))

    assert run(None) == ("m[1]", "m")
    assert run("the span of m") == ("m",)


def test_the_last_execution_counts(make, run_folders):
    spans = [run_folders.span("a", 0, 9, outcome="failed"), run_folders.span("a", 10, 12)]
    spans.append(run_folders.cached("a", 13))
    times = measured_times(make("a", [], spans))
    assert times["a"][1] - times["a"][0] == 2 * S


def test_ties_are_settled_by_name(make, run_folders):
    spans = [run_folders.span(n, 0, 1) for n in "dcba"]
    graph = make("dcba", [("c", "b"), ("d", "b"), ("c", "a"), ("d", "a")], spans)
    assert longest_path(graph, measured_times(graph)) == ("c", "a")


def test_hosts_share_a_clock_and_overlap_is_said(make, run_folders):
    spans = [
        run_folders.span("a", 0, 4),
        run_folders.span("b", 100, 103, host="h2", start_unix_s=1_790_000_000 + 3),
    ]
    graph = make("ab", [("a", "b")], spans)
    found = critical_path(graph, measured_times(graph), None)
    assert (found.total_s, found.busy_s, found.overlap_s) == (6, 7, 1)
    assert found.steps[1].waiting_s == -1


def test_nothing_ran(make):
    graph = make("ab", [("a", "b")], [])
    found = critical_path(graph, measured_times(graph), (0, 5 * S))
    assert (found.steps, found.total_s, found.before_s, found.idle_s) == ((), 5, 5, 5)


def test_a_circle_is_one_line(make):
    graph = make("ab", [("a", "b"), ("b", "a")], [])
    assert not nx.is_directed_acyclic_graph(graph)
    with pytest.raises(NicarbonError, match="circle"):
        longest_path(graph, {})


def test_waiting_in_a_queue_is_a_part_of_waiting_and_no_more(make, run_folders):
    span = run_folders.span
    graph = make(
        "abc",
        [("a", "b"), ("b", "c")],
        [
            span("a", 1, 3, queue_wait_s=1.0),  # Nothing is waited for before the first.
            span("b", 6, 7, outcome="failed", queue_wait_s=9.0),
            span("b", 8, 10, attempt=2, queue_wait_s=2.0),
            span("c", 11, 12, queue_wait_s=5.0),  # It began to wait before its input was there.
        ],
    )
    times = measured_times(graph)
    found = critical_path(graph, times, None)
    assert [step.node for step in found.steps] == ["a", "b", "c"]
    assert [step.waiting_s for step in found.steps] == [0, 5, 1]
    assert [step.queue_wait_s for step in found.steps] == [0, 2, 1]
    assert found.queue_wait_s == 3
