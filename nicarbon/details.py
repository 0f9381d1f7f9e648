# SPDX-License-Identifier: Apache-2.0
"""What is known of single nodes beside what they used: what they asked for, on which inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from nicarbon.earlier import Cost
from nicarbon.energies import SpanEnergy
from nicarbon.records import Graph, Node
from nicarbon.rows import last_hash


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
    n_attempts : int
        How often it was executed; 0 where it was only found in the cache.
    ended_by : str or None
        What ended the batch job of its last execution, where that was not its own end.
    earlier_energy_j, earlier_energy_low_j, earlier_energy_high_j : float or None
        What a node that was only found in the cache once used, with its range; None where no
        earlier run was looked up, or none knows it.
    earlier_method : str or None
        The weakest method that this rests on.
    """

    n_procs: int | None = None
    mem_gb: float | None = None
    inputs_hash: str | None = None
    n_attempts: int = 0
    ended_by: str | None = None
    earlier_energy_j: float | None = None
    earlier_energy_low_j: float | None = None
    earlier_energy_high_j: float | None = None
    earlier_method: str | None = None


COLUMNS = Detail.__struct_fields__
# What the run itself says; the rest comes from earlier runs.
GIVEN = COLUMNS[:5]


def details(
    graph: Graph, spans: Iterable[SpanEnergy], earlier: Mapping[str, Cost]
) -> dict[str, Detail]:
    """Describe each node that was recorded, by its unique name.

    Parameters
    ----------
    graph : Graph
        The run's graph; elements of a MapNode ask for what the MapNode asks for.
    spans : iterable of SpanEnergy
        Its executions.
    earlier : mapping
        What cached nodes once cost, by their names, as far as it is known.
    """
    described = {node.name: node for node in graph.nodes}
    of_node: dict[str, list[SpanEnergy]] = {}
    for span in spans:
        of_node.setdefault(span.node, []).append(span)
    nothing = Node("")
    found = {}
    for name, executions in of_node.items():
        node = described.get(name) or described.get(executions[0].map_node or "", nothing)
        found[name] = detail(node, executions, earlier.get(name, Cost()))
    return found


def detail(node: Node, spans: Sequence[SpanEnergy], earlier: Cost | None = None) -> Detail:
    """Describe one node by its executions, if any."""
    ran = [span for span in spans if span.outcome != "cached"]
    last = max(ran, key=lambda span: span.attempt, default=None)
    return Detail(
        node.n_procs,
        node.mem_gb,
        last_hash(spans),
        len(ran),
        last.ended_by if last is not None else None,
        *msgspec.structs.astuple(earlier or Cost()),
    )
