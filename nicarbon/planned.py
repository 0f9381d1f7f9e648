# SPDX-License-Identifier: Apache-2.0
"""What a run was to do, held against what it did: graphs without records, records without graph.

No figure is touched here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from nicarbon.energies import SpanEnergy
from nicarbon.records import Graph, Node


def merged(graphs: Iterable[Graph]) -> Graph:
    """Unite the executed graphs of a run; a node that several name is described by the first."""
    graphs = tuple(graphs)
    nodes: dict[str, Node] = {}
    for graph in graphs:
        for node in graph.nodes:
            nodes.setdefault(node.name, node)
    edges = dict.fromkeys(edge for graph in graphs for edge in graph.edges)
    workflow = ", ".join(dict.fromkeys(graph.workflow for graph in graphs))
    plugin = ", ".join(dict.fromkeys(graph.plugin for graph in graphs))
    return Graph(workflow, plugin, tuple(nodes.values()), tuple(edges))


def missing(graph: Graph, spans: Sequence[SpanEnergy]) -> tuple[str, ...]:
    """Return the nodes of a graph without any record; elements stand for their MapNode."""
    seen = {span.node for span in spans} | {span.map_node for span in spans}
    return tuple(
        sorted(node.name for node in graph.nodes if node.name not in seen and not node.collects)
    )


def unplanned(spans: Iterable[SpanEnergy], known: Container[str]) -> Graph:
    """Return the nodes that were recorded and are not among the known ones, as a graph."""
    unknown = {span.node for span in spans if span.node not in known}
    return Graph("", "", tuple(Node(name) for name in sorted(unknown)), ())
