# SPDX-License-Identifier: Apache-2.0
"""What is known of single nodes beside what they used: what they asked for, on which inputs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from nicarbon.attribution import SpanEnergy
from nicarbon.records import Graph, Node


class Detail(msgspec.Struct, frozen=True):
    """One node.

    Attributes
    ----------
    n_procs : int or None
        CPUs that it asked its engine for.
    mem_gb : float or None
        Memory that it asked for, in GB as its engine counts them.
    inputs_hash : str or None
        What its engine makes of its inputs: the same hash, the same result.
    """

    n_procs: int | None = None
    mem_gb: float | None = None
    inputs_hash: str | None = None


COLUMNS = Detail.__struct_fields__


def details(graph: Graph, spans: Iterable[SpanEnergy]) -> dict[str, Detail]:
    """Describe each node that was recorded, by its unique name.

    Parameters
    ----------
    graph : Graph
        The run's graph; elements of a MapNode ask for what the MapNode asks for.
    spans : iterable of SpanEnergy
        Its executions.
    """
    described = {node.name: node for node in graph.nodes}
    of_node: dict[str, list[SpanEnergy]] = {}
    for span in spans:
        of_node.setdefault(span.node, []).append(span)
    nothing = Node("")
    found = {}
    for name, executions in of_node.items():
        node = described.get(name) or described.get(executions[0].map_node or "", nothing)
        found[name] = Detail(node.n_procs, node.mem_gb, last_hash(executions))
    return found


def last_hash(spans: Iterable[SpanEnergy]) -> str | None:
    """Return the hash of a node's inputs when it ran last."""
    known = [span for span in spans if span.inputs_hash is not None]
    return max(known, key=lambda span: span.start_unix_s).inputs_hash if known else None
