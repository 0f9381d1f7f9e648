# SPDX-License-Identifier: Apache-2.0
"""The executed graph with what each node used, and its fold into stages. Home of networkx."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from math import fsum
from typing import Any, TypeAlias

import msgspec
import networkx as nx

from nicarbon.attribution import SpanEnergy
from nicarbon.records import Graph, Node
from nicarbon.rows import clock_offsets, fold_one, outcome

MISSING = "missing"
# What `executed_graph` and `fold` return, for annotations outside this home of networkx.
FootprintGraph: TypeAlias = nx.DiGraph


def executed_graph(
    graph: Graph, stages: Mapping[str, str], spans: Iterable[SpanEnergy]
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

    Returns
    -------
    networkx.DiGraph
        A node's attributes are those of `nicarbon.records.Node` and of `nicarbon.rows.Row`,
        `outcome` (``missing`` where nothing was recorded), `hosts` and `spans`. An element of a
        MapNode is a node between the MapNode's sources and the MapNode, which collects its
        result; these edges have ``element=True``, and their number depends on the data.
    """
    by_node: dict[str, list[SpanEnergy]] = defaultdict(list)
    for span in spans:
        by_node[span.node].append(span)
    offsets = clock_offsets(span for of_node in by_node.values() for span in of_node)
    described = {node.name: node for node in graph.nodes}
    result = nx.DiGraph(clock_offsets=offsets)
    for name in [*described, *(name for name in by_node if name not in described)]:
        node = described.get(name) or _undescribed(name, by_node[name], described)
        result.add_node(name, **_attributes(node, by_node.get(name, []), stages, offsets))
    result.add_edges_from(
        (a, b, {"element": False}) for a, b in graph.edges if a in described and b in described
    )
    for name, of_node in by_node.items():
        map_node = of_node[0].map_node
        if name not in described and map_node in described:
            sources = list(result.predecessors(map_node))
            planned = [s for s in sources if not result.edges[s, map_node]["element"]]
            result.add_edges_from(((s, name) for s in planned), element=True)
            result.add_edge(name, map_node, element=True)
    return result


def _undescribed(name: str, spans: list[SpanEnergy], described: Mapping[str, Node]) -> Node:
    """Describe a recorded node that the graph lacks: an element is described by its MapNode."""
    map_node = described.get(spans[0].map_node or "")
    if map_node is None:
        return Node(name)
    return msgspec.structs.replace(map_node, name=name, map_node=False)


def _attributes(
    node: Node, spans: list[SpanEnergy], stages: Mapping[str, str], offsets: Mapping[str, float]
) -> dict[str, Any]:
    attributes = msgspec.structs.asdict(node)
    attributes |= msgspec.structs.asdict(fold_one(node.name, spans, offsets))
    del attributes["name"]
    return attributes | {
        "stage": stages[node.name],
        "outcome": outcome(spans) if spans else MISSING,
        "hosts": tuple(sorted({span.host for span in spans})),
        "spans": tuple(spans),
        "n_missing": int(not spans),
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
        A node attribute whose value names the group, or a function of name and attributes.

    Returns
    -------
    networkx.DiGraph
        A node's attributes are those of `nicarbon.rows.Row`, with `n_missing` and `nodes`, the
        names folded into it. An edge has `n_dependencies`, the edges of the graph that it stands
        for; those inside a group, and those of MapNode elements, are in none.
    """
    group_of = {name: _group(name, data, key) for name, data in graph.nodes(data=True)}
    members: dict[str, list[str]] = defaultdict(list)
    for name, group in group_of.items():
        members[group].append(name)
    result = nx.DiGraph()
    for group, names in members.items():
        spans = [span for name in names for span in graph.nodes[name]["spans"]]
        row = msgspec.structs.asdict(fold_one(group, spans, graph.graph["clock_offsets"]))
        del row["name"]
        grams = [graph.nodes[name]["carbon_g"] for name in names]
        known = [value for value in grams if value is not None]
        row["carbon_g"] = fsum(known) if known else None
        n_missing = sum(graph.nodes[name]["n_missing"] for name in names)
        result.add_node(group, **row, n_missing=n_missing, nodes=tuple(sorted(names)))
    counts = Counter(
        (group_of[a], group_of[b])
        for a, b, element in graph.edges(data="element")
        if group_of[a] != group_of[b] and not element
    )
    result.add_edges_from((a, b, {"n_dependencies": n}) for (a, b), n in counts.items())
    return result


def _group(
    name: str, data: Mapping[str, Any], key: str | Callable[[str, Mapping[str, Any]], str]
) -> str:
    return str(data.get(key, "")) if isinstance(key, str) else key(name, data)
