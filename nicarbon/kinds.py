# SPDX-License-Identifier: Apache-2.0
"""Which executions run the same kind of program, so that a CPU second of theirs costs alike."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

import msgspec

from nicarbon.curves import Execution
from nicarbon.records import Graph, Node
from nicarbon.sightings import Stretch
from nicarbon.watts import Watts

# A node's program of at least this part of what was seen makes it one kind.
_ONE_PROGRAM = 0.8


class Kinds(msgspec.Struct, frozen=True):
    """What executions run.

    Attributes
    ----------
    of : dict
        Kind by span.
    several : set of str
        Spans of those that change what they do as they go: they are unlike any other, those of
        their kind too.
    measured : bool
        Whether a counter says what they use; a model knows nothing of how unlike they are.
    watts : Watts or None
        What other runs taught of how unlike they are: shares follow it.
    """

    of: Mapping[str, str]
    several: Container[str] = ()
    measured: bool = True
    watts: Watts | None = None


def kinds_of(
    ran: Mapping[str, Execution],
    graphs: Iterable[Graph],
    seen: Mapping[str, Sequence[Stretch]],
) -> Kinds:
    """Return the kind of each execution.

    A kind is a node's own name, whatever subject, session or element it is for.

    Parameters
    ----------
    ran : mapping
        Executions by span.
    graphs : iterable of Graph
        For the workflows and iterables in nodes' names.
    seen : mapping
        By span, which programs were seen.
    """
    names = {node.name: node.own_name for graph in graphs for node in graph.nodes}
    found = {}
    for span, execution in ran.items():
        node = execution.start.map_node or execution.start.node
        found[span] = names.get(node) or Node(node).own_name.rpartition(".")[2]
    return Kinds(found, {span for span, parts in seen.items() if _has_several(parts)})


def _has_several(stretches: Sequence[Stretch]) -> bool:
    total_s: dict[str, float] = {}
    for stretch in stretches:
        for program, (_, met_s, counted_s) in stretch.programs.items():
            total_s[program] = total_s.get(program, 0.0) + met_s + counted_s
    return max(total_s.values(), default=0.0) < _ONE_PROGRAM * sum(total_s.values())
