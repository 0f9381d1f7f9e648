# SPDX-License-Identifier: Apache-2.0
"""Write footprint graphs for other programs: GraphML, and networkx's node-link JSON.

Both hold the graph that `exported` returns, and networkx reads it back equal.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import networkx as nx

from nicarbon.printable import clean

Scalar: TypeAlias = str | int | float | bool
# Records of executions: `nicarbon.open(...).graph` has them, other programs have the rest.
_LEFT_OUT = ("spans", "parts")


def exported(graph: nx.DiGraph, about: Mapping[str, Scalar | None] | None = None) -> nx.DiGraph:
    """Return a graph as other programs can hold it: every attribute is one text, number or truth.

    What is not known (None, an empty text) is left out, so that no program takes it for 0. Names
    of hosts, nodes and iterables are joined by commas; records of executions are left out. Of
    names, what XML cannot hold is replaced (`nicarbon.printable.clean`), and names that become
    equal by that get a number.

    Parameters
    ----------
    graph : networkx.DiGraph
        From `nicarbon.graph.executed_graph` or `nicarbon.graph.fold`.
    about : mapping, optional
        Attributes of the whole graph.

    Returns
    -------
    networkx.DiGraph
        A new graph.
    """
    names = _unique(graph)
    result = nx.DiGraph(**_scalars(about or {}))
    result.add_nodes_from((names[node], _scalars(data)) for node, data in graph.nodes(data=True))
    result.add_edges_from(
        (names[a], names[b], _scalars(data)) for a, b, data in graph.edges(data=True)
    )
    return result


def _unique(names: Iterable[str]) -> dict[str, str]:
    """Return the clean name by name; of several that are equal the later ones have ``#2`` ..."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        shown = kept = clean(name)
        number = 1
        while kept in taken:
            number += 1
            kept = f"{shown}#{number}"
        taken.add(kept)
        found[name] = kept
    return found


def _scalars(attributes: Mapping[str, Any]) -> dict[str, Scalar]:
    values = {
        key: ", ".join(value) if isinstance(value, tuple) else value
        for key, value in attributes.items()
        if key not in _LEFT_OUT
    }
    return {
        key: clean(value) if isinstance(value, str) else value
        for key, value in values.items()
        if value is not None and value != ""
    }


def to_graphml(graph: nx.DiGraph) -> bytes:
    """Write an exported graph as GraphML, which Gephi, yEd, Cytoscape and igraph read.

    Parameters
    ----------
    graph : networkx.DiGraph
        From `exported`.

    Returns
    -------
    bytes
        The file's content; the same for the same graph.
    """
    file = io.BytesIO()
    # The writer of the standard library: the same bytes whether or not lxml is installed.
    nx.write_graphml_xml(graph, file, infer_numeric_types=True)
    return file.getvalue()


def to_json(graph: nx.DiGraph) -> str:
    """Write an exported graph as node-link JSON: see `networkx.node_link_graph`.

    Parameters
    ----------
    graph : networkx.DiGraph
        From `exported`.

    Returns
    -------
    str
        The file's content; the same for the same graph.
    """
    document = nx.node_link_data(graph, edges="edges")
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
