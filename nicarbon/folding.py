# SPDX-License-Identifier: Apache-2.0
"""Fold the executions of a run by any attribute of its nodes, or of what runs inside them.

Which parts an execution is cut into, and the name of the row that each belongs to. How a row is
added up is the business of `nicarbon.rows`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from nicarbon.energies import SpanEnergy
from nicarbon.grouping import label
from nicarbon.marked import by_hemisphere, by_step, step_of
from nicarbon.programs import by_program, told
from nicarbon.records import Graph
from nicarbon.rows import TOTAL, Priced, Row, fold, fold_one
from nicarbon.staged import Staged

# The values of some attributes that a group of nodes shares; None where they have none.
Values: TypeAlias = tuple[str | None, ...]


class Folding(msgspec.Struct, frozen=True):
    """What rows of a run are folded of.

    Attributes
    ----------
    graph : Graph
        The run's graph.
    spans : sequence of SpanEnergy
        Its executions.
    staged : Staged
        Their stages.
    labels : dict
        Name of each host, by its id.
    offsets : dict
        Seconds by host, from `nicarbon.rows.clock_offsets`.
    priced : callable
        What gives each row its grams.
    attributes : callable
        Returns the attributes of each node of the executed graph, by its name. Called only for
        what the executions themselves do not say: it loads networkx.
    """

    graph: Graph
    spans: Sequence[SpanEnergy]
    staged: Staged
    labels: Mapping[str, str]
    offsets: Mapping[str, float]
    priced: Priced
    attributes: Callable[[], Mapping[str, Mapping[str, Any]]]

    def parts(self, by: str) -> Sequence[SpanEnergy]:
        """Return the executions, cut where what is inside them is asked for and known.

        ``program`` cuts every execution whose programs were seen, ``step`` those whose tools
        marked their steps, ``hemisphere`` those of them that no name tells one of, ``stage``
        monoliths; by anything else they are whole.
        """
        if by == "step":
            return by_step(self.spans, {node.name: step_of(node) for node in self.graph.nodes})
        if by == "hemisphere" and any(span.steps for span in self.spans):
            of_node = {name: data[by] for name, data in self.attributes().items()}
            return by_hemisphere(self.spans, of_node)
        if by == "program" and told(self.spans) is not None:
            return by_program(self.spans)
        if by == "stage":
            return self.staged.parts
        return self.spans

    def name_of(self, by: str) -> Callable[[SpanEnergy], str]:
        """Return what names the row that an execution, or a part of one, belongs to."""
        if by == "node":
            return lambda span: span.node
        if by == "host":
            return lambda span: self.labels[span.host]
        if by == "stage":
            stages = self.staged.of_node
            return lambda span: span.part or stages[span.node]
        if by == "step" or (by == "program" and told(self.spans) is not None):
            return lambda span: span.part
        names = {name: label(by, data[by]) for name, data in self.attributes().items()}
        return lambda span: span.part or names[span.node]

    def rows(self, by: str) -> tuple[Row, ...]:
        """Return one row for each group, highest energy first."""
        return tuple(fold(self.parts(by), self.name_of(by), self.offsets, self.priced))

    def total(self) -> Row:
        """Return all executions as one row."""
        return fold_one(TOTAL, self.spans, self.offsets, self.priced)

    def programs(self) -> dict[str, tuple[Row, ...]]:
        """Return the programs of each node in which some were seen, as rows."""
        of_node: dict[str, list[SpanEnergy]] = defaultdict(list)
        for span in self.spans:
            if span.split is not None:
                of_node[span.node].append(span)
        return {
            node: tuple(fold(by_program(spans), lambda part: part.part, self.offsets, self.priced))
            for node, spans in of_node.items()
        }

    def divided(self, among: Sequence[str], by: str) -> dict[Values, tuple[tuple[Row, ...], Row]]:
        """Return rows and total of each group of nodes that share values of some attributes."""
        nodes = self.attributes()

        def grouped(spans: Sequence[SpanEnergy]) -> dict[Values, list[SpanEnergy]]:
            groups: dict[Values, list[SpanEnergy]] = defaultdict(list)
            for span in spans:
                groups[tuple(nodes[span.node][key] for key in among)].append(span)
            return groups

        name_of, parts, whole = self.name_of(by), grouped(self.parts(by)), grouped(self.spans)
        return {
            values: (
                tuple(fold(parts[values], name_of, self.offsets, self.priced)),
                fold_one(TOTAL, whole[values], self.offsets, self.priced),
            )
            for values in sorted(whole, key=lambda values: [value or "" for value in values])
        }
