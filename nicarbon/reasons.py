# SPDX-License-Identifier: Apache-2.0
"""Say of every node of a graph which rule named its stage. No rule is known here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from nicarbon.flow import HINT, INPUTS, UNCLASSIFIED, USERS
from nicarbon.records import Graph
from nicarbon.rows import Row
from nicarbon.stages import StageRules, told


class Reason(msgspec.Struct, frozen=True):
    """A node's stage, and how it came by it.

    Attributes
    ----------
    name : str
        The node's unique name.
    stage : str
        Its stage.
    rule : str or None
        The rule that fits it: file, line, the patterns that fit, and what the rule says. None
        where none fits, or the node was given its stage.
    hint : str or None
        The same for the hint, where that decided.
    way : str
        ``given`` to the node in Python; ``rule``; of a generic node ``users``, ``inputs`` or
        ``hint``; ``none`` where it is unclassified and the rules say nothing else.
    near : tuple of str
        For ``users`` and ``inputs``, the nodes directly after or before it.
    whole : bool
        Whether it runs several stages.
    own_name, workflow, interface, program : str
        What rules ask for.
    """

    name: str
    stage: str
    rule: str | None
    hint: str | None
    way: str
    near: tuple[str, ...]
    whole: bool
    own_name: str
    workflow: str
    interface: str
    program: str


class Reasons(msgspec.Struct, frozen=True):
    """Every node's reason, and how much has none.

    Attributes
    ----------
    nodes : tuple of Reason
        In the order of the graph.
    unclassified, total : Row or None
        What the unclassified nodes, and all nodes, used; None where nothing was run.
    energy_share : tuple of float or None
        The part of the nodes' energy that is unclassified, low and high.
    """

    nodes: tuple[Reason, ...]
    unclassified: Row | None = None
    total: Row | None = None
    energy_share: tuple[float, float, float] | None = None

    @property
    def n_unclassified(self) -> int:
        """Number of nodes without a stage."""
        return sum(reason.stage == UNCLASSIFIED for reason in self.nodes)

    @property
    def node_share(self) -> float | None:
        """The part of the nodes that is unclassified; None where there are no nodes."""
        return self.n_unclassified / len(self.nodes) if self.nodes else None


def reasons(rules: StageRules, graph: Graph) -> tuple[Reason, ...]:
    """Return the reason of every node of a graph, in its order.

    Parameters
    ----------
    rules : StageRules
        The rules.
    graph : Graph
        The graph, run or not.

    Returns
    -------
    tuple of Reason
        One a node.
    """
    stages, ways = rules.trace(graph)
    around: dict[str, dict[str, list[str]]] = {USERS: defaultdict(list), INPUTS: defaultdict(list)}
    for source, target in sorted(set(graph.edges)):
        around[USERS][source].append(target)
        around[INPUTS][target].append(source)
    found = []
    for node in graph.nodes:
        stage, way = stages[node.name], ways.get(node.name, "")
        rule = None if node.stage else rules.rule_of(node)
        hint = rules.hint_of(node) if way == HINT else None
        if not way:
            way = "given" if node.stage else "none" if stage == UNCLASSIFIED else "rule"
        found.append(
            Reason(
                name=node.name,
                stage=stage,
                rule=told(rule, node) if rule else None,
                hint=told(hint, node) if hint else None,
                way=way,
                near=tuple(n for n in around.get(way, {}).get(node.name, ()) if n in stages),
                whole=rule is not None and rule.whole,
                own_name=node.own_name,
                workflow=node.workflow,
                interface=node.interface,
                program=node.program,
            )
        )
    return tuple(found)


def asked(found: Iterable[Reason], name: str) -> tuple[Reason, ...]:
    """Return the nodes that somebody means: by the whole name, or else by the own one.

    An element of a MapNode (``wf.smooth[3]``) has the reason of its MapNode.
    """
    found = tuple(found)
    for wanted in dict.fromkeys((name, name.partition("[")[0])):
        whole = tuple(reason for reason in found if reason.name == wanted)
        if whole:
            return whole
        own = tuple(reason for reason in found if reason.own_name == wanted)
        if own:
            return own
    return ()
