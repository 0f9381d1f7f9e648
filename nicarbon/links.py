# SPDX-License-Identifier: Apache-2.0
"""What stages hand on to each other: the arrows of a picture of the footprint graph.

No energy is computed or changed here, and files keep every dependency: this is for eyes.
"""

from __future__ import annotations

from collections import Counter

import networkx as nx

from nicarbon.flow import ENGINE, FILES

NOTE = "arrows lead through nodes that only hand results on, and to none that only files them"


def handed_on(graph: nx.DiGraph, footprint: nx.DiGraph) -> nx.DiGraph:
    """Return the footprint graph with arrows from where a result is made to where it is used.

    Nodes of the stage ``engine`` only hand results on: whatever leads through them leads from the
    stage before to the stage after. Every stage files its results, so arrows to nodes that file
    them and are used by no other would say nothing and hide the rest: they are left out.

    Parameters
    ----------
    graph : networkx.DiGraph
        From `nicarbon.graph.executed_graph`.
    footprint : networkx.DiGraph
        The same, folded by ``stage``.

    Returns
    -------
    networkx.DiGraph
        The stages of the footprint, each with its attributes. `n_dependencies` of an edge counts
        the dependencies that lead there. The graph's attribute `note` says so, where that leaves
        any arrow out. The footprint itself where nodes that hand on form a circle.
    """
    stage = footprint.graph["group_of"]
    passing = graph.subgraph(name for name in graph if stage[name] == ENGINE)
    if not nx.is_directed_acyclic_graph(passing):
        return footprint
    ends = {name for name in graph if stage[name] == FILES and not graph.out_degree(name)}
    behind: dict[str, set[str]] = {}  # the stages that a node's result reaches

    def reached(name: str) -> set[str]:
        if name in behind:
            return behind[name]
        return set() if name in ends else {stage[name]}

    for name in reversed(list(nx.topological_sort(passing))):
        behind[name] = {s for after in graph.successors(name) for s in reached(after)}
    counts = Counter(
        (stage[source], used)
        for source, target, element in graph.edges(data="element")
        if source not in behind and not element
        for used in reached(target)
        if used != stage[source]
    )
    result = footprint.copy()
    result.remove_edges_from(list(footprint.edges))
    result.add_edges_from((a, b, {"n_dependencies": n}) for (a, b), n in counts.items())
    if behind or ends:
        result.graph["note"] = NOTE
    return result
