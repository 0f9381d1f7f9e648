# SPDX-License-Identifier: Apache-2.0
"""What limited a run's time: the critical path of the executed graph, slack and waiting.

Times are whole nanoseconds on the run's common clock, so that sums and ties are exact. A node's
time is that of its last execution: one that was found in the cache or never ran takes none, and
an element that ran inside its MapNode's process takes none of its own: it is in the MapNode's.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import networkx as nx

from nicarbon.errors import NicarbonError
from nicarbon.intervals import Interval, length_s, union, without
from nicarbon.units import NS_PER_S

Times = Mapping[str, Interval]
"""Start and end by node: only of nodes that took time."""


class Step(msgspec.Struct, frozen=True):
    """A node on the critical path.

    Attributes
    ----------
    node, stage : str
        Its unique name, and its stage.
    start_s, duration_s : float
        Seconds since the run began, and of its execution.
    blocked_s : float
        From the end of the node before it on the path until the last of its inputs was there.
    waiting_s : float
        From then until it started: polling, and queueing for a processor. Negative where it
        started before an input had ended, by clocks of several hosts or when executed again.
    queue_wait_s : float
        The part of that in which its batch job waited for its scheduler.
    """

    node: str
    stage: str
    start_s: float
    duration_s: float
    blocked_s: float
    waiting_s: float
    queue_wait_s: float = 0.0


class CriticalPath(msgspec.Struct, frozen=True):
    """The path, and where the run's time went beside it.

    ``total = before + busy + blocked + waiting - overlap + after``.

    Attributes
    ----------
    steps : tuple of Step
        Its nodes, in the order in which they ran.
    total_s : float
        From the start to the end of the run, `before_s` and `after_s` the path included.
    before_s, after_s : float
        From the start of the run to that of the path, and from the end of the path to that of the
        run.
    busy_s : float
        Time of the nodes on the path: the shortest that this run could have taken.
    blocked_s, waiting_s, overlap_s : float
        Sums over the steps; `overlap_s` of the negative waiting.
    queued_s, idle_s : float
        The time of the run in which no node of the path ran, divided into that in which other
        nodes did and that in which none did.
    queue_wait_s : float
        The part of the waiting that was in a scheduler's queue: a sum over the steps.
    """

    steps: tuple[Step, ...]
    total_s: float
    before_s: float
    busy_s: float
    blocked_s: float
    waiting_s: float
    overlap_s: float
    after_s: float
    queued_s: float
    idle_s: float
    queue_wait_s: float = 0.0


def measured_times(graph: nx.DiGraph) -> dict[str, Interval]:
    """Return when the nodes of an executed graph ran.

    Parameters
    ----------
    graph : networkx.DiGraph
        From `nicarbon.graph.executed_graph`.
    """
    offsets: Mapping[str, float] = graph.graph["clock_offsets"]
    times = {}
    for name, data in graph.nodes(data=True):
        ran = [
            (s.start_s + offsets[s.host], s.end_s + offsets[s.host])
            for s in data["spans"]
            if s.outcome != "cached" and s.parent is None
        ]
        if ran:
            start_s, end_s = max(ran)
            times[name] = (round(start_s * NS_PER_S), round(max(start_s, end_s) * NS_PER_S))
    return times


def longest(graph: nx.DiGraph, times: Times) -> tuple[dict[str, int], dict[str, int]]:
    """Return the length of the longest path that ends at each node, and that starts at it.

    Raises
    ------
    NicarbonError
        If the graph has a cycle.
    """
    order = _order(graph)
    heads: dict[str, int] = {}
    tails: dict[str, int] = {}
    for name in order:
        before = max((heads[p] for p in graph.predecessors(name)), default=0)
        heads[name] = before + _length(times, name)
    for name in reversed(order):
        after = max((tails[s] for s in graph.successors(name)), default=0)
        tails[name] = after + _length(times, name)
    return heads, tails


def longest_path(graph: nx.DiGraph, times: Times) -> tuple[str, ...]:
    """Return the longest path by measured time; of equal ones, the first by name from its end.

    Only nodes that took time are named.
    """
    heads, _ = longest(graph, times)
    path: list[str] = []
    ends = list(heads)
    while ends:
        name = min(ends, key=lambda name: (-heads[name], name))
        path.append(name)
        ends = list(graph.predecessors(name))
    return tuple(name for name in reversed(path) if name in times)


def slacks(graph: nx.DiGraph, times: Times) -> dict[str, int]:
    """Return by how much each node could take longer, alone, before the critical path does.

    It takes a processor to be free for every node whose inputs are there.
    """
    heads, tails = longest(graph, times)
    length = max(heads.values(), default=0)
    return {name: length - heads[name] - tails[name] + _length(times, name) for name in heads}


def ready_times(graph: nx.DiGraph, times: Times) -> dict[str, int | None]:
    """Return when the last input of each node was there; None where it needs nothing that ran.

    What took no time has its results when its own inputs are there.
    """
    ready: dict[str, int | None] = {}
    for name in _order(graph):
        ends = [times[p][1] if p in times else ready[p] for p in graph.predecessors(name)]
        ready[name] = max((end for end in ends if end is not None), default=None)
    return ready


def critical_path(graph: nx.DiGraph, times: Times, window: Interval | None) -> CriticalPath:
    """Say where the time of a run went, along its critical path.

    Parameters
    ----------
    graph : networkx.DiGraph
        The executed graph.
    times : mapping
        From `measured_times`.
    window : (int, int) or None
        When the run began and ended; nodes outside it widen it.
    """
    path = longest_path(graph, times)
    known = [*times.values(), *([window] if window else [])]
    first = min((start for start, _ in known), default=0)
    last = max((end for _, end in known), default=0)
    ready = ready_times(graph, times)
    steps = []
    for i, name in enumerate(path):
        start, end = times[name]
        done = times[path[i - 1]][1] if i else start
        # The node before on the path is among those that it waits for: done <= inputs.
        inputs = max(ready[name] or done, done) if i else start
        queue_wait_s = min(_queue_wait_s(graph, name), max(start - inputs, 0) / NS_PER_S)
        lengths = (start - first, end - start, inputs - done, start - inputs)
        at_s, for_s, blocked_s, waiting_s = (length / NS_PER_S for length in lengths)
        stage = graph.nodes[name]["stage"]
        steps.append(Step(name, stage, at_s, for_s, blocked_s, waiting_s, queue_wait_s))
    on_path = union(times[name] for name in path)
    gaps = without([(first, last)], on_path)
    idle = without(gaps, union(times.values()))
    return CriticalPath(
        steps=tuple(steps),
        total_s=(last - first) / NS_PER_S,
        before_s=(times[path[0]][0] - first) / NS_PER_S if path else (last - first) / NS_PER_S,
        busy_s=sum(_length(times, name) for name in path) / NS_PER_S,
        blocked_s=sum(step.blocked_s for step in steps),
        waiting_s=sum(max(step.waiting_s, 0.0) for step in steps),
        overlap_s=sum(max(-step.waiting_s, 0.0) for step in steps),
        after_s=(last - times[path[-1]][1]) / NS_PER_S if path else 0.0,
        queued_s=length_s(gaps) - length_s(idle),
        idle_s=length_s(idle),
        queue_wait_s=sum(step.queue_wait_s for step in steps),
    )


def _queue_wait_s(graph: nx.DiGraph, name: str) -> float:
    """Return how long the job of a node's last execution waited; 0 where that is not known."""
    spans = [span for span in graph.nodes[name].get("spans", ()) if span.outcome != "cached"]
    last = max(spans, key=lambda span: span.attempt, default=None)
    return (last.queue_wait_s or 0.0) if last is not None else 0.0


def _length(times: Times, name: str) -> int:
    start, end = times.get(name, (0, 0))
    return end - start


def _order(graph: nx.DiGraph) -> list[str]:
    try:
        return list(nx.lexicographical_topological_sort(graph))
    except nx.NetworkXUnfeasible:
        raise NicarbonError(
            "the graphs of this run contradict each other: they go round in a circle"
        ) from None
