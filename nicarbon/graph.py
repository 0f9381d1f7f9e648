# SPDX-License-Identifier: Apache-2.0
"""The executed graph with what each node used, and its fold into groups. Home of networkx."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum, inf
from typing import Any, TypeAlias

import msgspec
import networkx as nx

from nicarbon.details import GIVEN, detail
from nicarbon.energies import SpanEnergy
from nicarbon.entities import entities
from nicarbon.grouping import BY, check, label
from nicarbon.marked import by_hemisphere, by_step, step_of
from nicarbon.programs import by_program
from nicarbon.records import Graph, Node
from nicarbon.rows import Priced, Row, clock_offsets, fold_one, outcome, unpriced

MISSING = "missing"
# What `executed_graph` and `fold` return, for annotations outside this home of networkx.
FootprintGraph: TypeAlias = nx.DiGraph
# A node's name and attributes, and those of its executions that belong to a group.
_Part: TypeAlias = tuple[str, Mapping[str, Any], Sequence[SpanEnergy]]


def executed_graph(
    graph: Graph,
    stages: Mapping[str, str],
    spans: Iterable[SpanEnergy],
    hosts: Mapping[str, str] | None = None,
    priced: Priced = unpriced,
) -> nx.DiGraph:
    """Return the executed graph with what each node used.

    Parameters
    ----------
    graph : Graph
        The run's graph.
    stages : mapping
        Stage by node name, elements of MapNodes included.
    spans : iterable of SpanEnergy
        Node executions.
    hosts : mapping, optional
        Name by host id; the ids themselves by default.
    priced : callable, optional
        What gives nodes and groups of them their grams.

    Returns
    -------
    networkx.DiGraph
        A node's attributes are those of `nicarbon.records.Node`, of `nicarbon.rows.Row`, of
        `nicarbon.details.Detail` and of `nicarbon.entities.Entities`, `step` (which step of an
        imported log it is), `outcome` (``missing`` where nothing was recorded), `hosts` (names)
        and `spans`. Where stages inside a node are
        known, `parts` are its executions cut by them (`nicarbon.run.Run.executed`). An element of
        a MapNode is a node between the MapNode's sources and the MapNode, which collects its
        result; these edges have ``element=True``, and their number depends on the data.
    """
    by_node: dict[str, list[SpanEnergy]] = defaultdict(list)
    for span in spans:
        by_node[span.node].append(span)
    offsets = clock_offsets(span for of_node in by_node.values() for span in of_node)
    described = {node.name: node for node in graph.nodes}
    names = {span.host: span.host for of_node in by_node.values() for span in of_node}
    names |= dict(hosts or {})
    result = nx.DiGraph(clock_offsets=offsets, host_names=names, priced=priced)
    for name in [*described, *(name for name in by_node if name not in described)]:
        node = described.get(name) or _undescribed(name, by_node[name], described)
        attributes = _attributes(node, by_node.get(name, []), stages, result)
        hosts_of = {result.graph["host_names"][span.host] for span in attributes["spans"]}
        result.add_node(name, **attributes, hosts=tuple(sorted(hosts_of)))
    result.add_edges_from(
        (a, b, {"element": False}) for a, b in graph.edges if a in described and b in described
    )
    planned: dict[str, list[str]] = {}
    for name, of_node in by_node.items():
        map_node = of_node[0].map_node
        if name not in described and map_node in described:
            # Before its elements are among them: looking through those again for each takes long.
            if map_node not in planned:
                planned[map_node] = list(result.predecessors(map_node))
            result.add_edges_from(((s, name) for s in planned[map_node]), element=True)
            result.add_edge(name, map_node, element=True)
    return result


def frozen(graph: nx.DiGraph) -> nx.DiGraph:
    """Return the graph, which takes no more nodes and edges: many may hold it. A copy is free."""
    return nx.freeze(graph)


def _undescribed(name: str, spans: list[SpanEnergy], described: Mapping[str, Node]) -> Node:
    """Describe a recorded node that the graph lacks: an element is described by its MapNode."""
    map_node = described.get(spans[0].map_node or "")
    if map_node is None:
        return Node(name)
    return msgspec.structs.replace(map_node, name=name, map_node=False)


def _attributes(
    node: Node, spans: list[SpanEnergy], stages: Mapping[str, str], graph: nx.DiGraph
) -> dict[str, Any]:
    attributes = msgspec.structs.asdict(node)
    attributes |= msgspec.structs.asdict(_row(node.name, spans, graph))
    described = detail(node, spans)
    attributes |= {key: getattr(described, key) for key in GIVEN}
    attributes |= msgspec.structs.asdict(entities(node.name, node.iterables))
    del attributes["name"]
    return attributes | {
        "stage": stages[node.name],
        "step": step_of(node),
        # What only stands for the elements of a split has nothing of its own to be missed.
        "outcome": outcome(spans) if spans else "ran" if node.collects else MISSING,
        "spans": tuple(spans),
        "n_missing": int(not spans and not node.collects),
    }


def fold(
    graph: nx.DiGraph, key: str | Callable[[str, Mapping[str, Any]], str] = "stage"
) -> nx.DiGraph:
    """Fold the nodes of an executed graph into groups; the sum of energies is kept.

    Parameters
    ----------
    graph : networkx.DiGraph
        From `executed_graph`.
    key : str or callable
        A node attribute whose value names the group, ``node``, or ``host``; or a function of name
        and attributes. A node that was executed on several hosts counts in each, with what it
        used there; its dependencies are those of the last. So does a monolith in the stages of
        its programs, and any node in its programs or steps, or in the hemispheres of these; its
        dependencies are those of its own stage, or of the program or step that used most.

    Returns
    -------
    networkx.DiGraph
        Groups in the order in which their nodes began. A group's attributes are those of
        `nicarbon.rows.Row`, with `n_missing` and `nodes`, the names folded into it. An edge has
        `n_dependencies`, the edges of the graph that it stands for; those inside a group, and
        those of MapNode elements, are in none. The graph's attribute `group_of` has the group of
        each node's dependencies.

    Raises
    ------
    NicarbonError
        If no node has such an attribute.
    """
    if isinstance(key, str):
        _check_key(graph, key)
    offsets = graph.graph["clock_offsets"]
    groups: dict[str, list[_Part]] = defaultdict(list)
    group_of: dict[str, str] = {}
    for name, data in graph.nodes(data=True):
        for group, spans in _parts(graph, name, data, key):
            groups[group].append((name, data, spans))
            group_of[name] = group  # of several hosts the last, which made the result
    result = nx.DiGraph(group_of=group_of)
    for group, parts in sorted(groups.items(), key=lambda item: _began(item[1], offsets)):
        result.add_node(group, **_group(group, parts, graph))
    counts = Counter(
        (group_of[a], group_of[b])
        for a, b, element in graph.edges(data="element")
        if group_of[a] != group_of[b] and not element
    )
    result.add_edges_from((a, b, {"n_dependencies": n}) for (a, b), n in counts.items())
    return result


def _check_key(graph: nx.DiGraph, key: str) -> None:
    known = dict.fromkeys(BY)
    for data in graph.nodes.values():
        known |= dict.fromkeys(data)
    check(key, known)


def _parts(
    graph: nx.DiGraph,
    name: str,
    data: Mapping[str, Any],
    key: str | Callable[[str, Mapping[str, Any]], str],
) -> list[tuple[str, Sequence[SpanEnergy]]]:
    """Return the groups of a node, and its executions in each."""
    if callable(key):
        return [(key(name, data), data["spans"])]
    if key == "node":
        return [(name, data["spans"])]
    if key == "stage" and data.get("parts"):
        return _grouped(data["parts"], data["stage"])
    if key == "program" and any(span.split for span in data["spans"]):
        return _grouped(by_program(data["spans"]), "")
    if key == "step" and any(span.steps for span in data["spans"]):
        return _grouped(by_step(data["spans"], {name: data["step"]}), "")
    if key == "hemisphere" and data.get(key) is None and any(s.steps for s in data["spans"]):
        return _grouped(by_hemisphere(data["spans"], {}), label(key, None))
    if key != "host" or not data["spans"]:
        return [(label(key, data.get(key)), data["spans"])]
    by_host: dict[str, list[SpanEnergy]] = defaultdict(list)
    offsets = graph.graph["clock_offsets"]
    for span in sorted(data["spans"], key=lambda s: s.start_s + offsets.get(s.host, 0.0)):
        # Taken out and put back, so that the host of the last execution comes last.
        by_host[span.host] = [*by_host.pop(span.host, []), span]
    return [(graph.graph["host_names"][host], spans) for host, spans in by_host.items()]


def _grouped(parts: Iterable[SpanEnergy], own: str) -> list[tuple[str, Sequence[SpanEnergy]]]:
    """Return parts of executions by what they are part of: a node's own group is the last."""
    groups: dict[str, list[SpanEnergy]] = defaultdict(list)
    for part in parts:
        groups[part.part or own].append(part)
    return sorted(
        groups.items(),
        key=lambda item: (item[0] == own, fsum(part.energy_j or 0.0 for part in item[1])),
    )


def _began(parts: Sequence[_Part], offsets: Mapping[str, float]) -> float:
    """Return when the first execution began, on the common clock; what never ran comes last."""
    starts = (s.start_s + offsets.get(s.host, 0.0) for _, _, spans in parts for s in spans)
    return min(starts, default=inf)


def _row(name: str, spans: Sequence[SpanEnergy], graph: nx.DiGraph) -> Row:
    return fold_one(name, spans, graph.graph["clock_offsets"], graph.graph.get("priced", unpriced))


def _group(group: str, parts: Sequence[_Part], graph: nx.DiGraph) -> dict[str, Any]:
    spans = [span for _, _, of_node in parts for span in of_node]
    row = msgspec.structs.asdict(_row(group, spans, graph))
    del row["name"]
    return row | {
        "n_missing": sum(data["n_missing"] for _, data, _ in parts),
        "nodes": tuple(sorted(name for name, _, _ in parts)),
    }
