# SPDX-License-Identifier: Apache-2.0
"""The executions of a run by the stages of one set of rules; monoliths by those inside them.

A monolith's executions are cut by the stages of its programs, or of the steps that it marked
where none was seen. The sum is kept, and the rules themselves are not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from nicarbon.energies import SpanEnergy
from nicarbon.flow import UNCLASSIFIED
from nicarbon.logs.names import interface, safe
from nicarbon.marked import by_stage as by_stage_of_steps
from nicarbon.marked import by_step, marked
from nicarbon.planned import unplanned
from nicarbon.programs import by_stage, inside
from nicarbon.reasons import Reasons, reasons
from nicarbon.records import Graph, Node
from nicarbon.rows import TOTAL, fold_one, share_range
from nicarbon.stages import StageRules


class Staged:
    """The stages of a run.

    Parameters
    ----------
    rules : StageRules
        What names them.
    graph : Graph
        The run's graph.
    spans : sequence of SpanEnergy
        Its executions.
    """

    def __init__(self, rules: StageRules, graph: Graph, spans: Sequence[SpanEnergy]) -> None:
        self.rules = rules
        self._graph = graph
        self._spans = spans

    @cached_property
    def of_node(self) -> dict[str, str]:
        """Stage of every node, recorded or only planned, by its unique name."""
        stages = self.rules.classify(self._graph)
        for span in self._spans:
            if span.node not in stages and span.map_node in stages:
                stages[span.node] = stages[span.map_node]
        return stages | self.rules.classify(unplanned(self._spans, stages))

    @cached_property
    def of_step(self) -> dict[str, str]:
        """Stage of each step: by its title, where no program of it is looked at."""
        found = marked(self._spans)
        steps = found.steps if found is not None else {}
        nodes = tuple(
            Node(name, safe(step.command), interface(step.command))
            for name, step in steps.items()
            if step.command
        )
        return self.rules.classify(Graph("", "", nodes, ()))

    @cached_property
    def _wholes(self) -> frozenset[str]:
        return frozenset(self.rules.wholes(self._graph))

    def _is_whole(self, span: SpanEnergy) -> bool:
        return span.node in self._wholes or span.map_node in self._wholes

    @property
    def monoliths(self) -> tuple[str, ...]:
        """Nodes that ran and run several stages."""
        ran = {span.node for span in self._spans if span.outcome != "cached"}
        return tuple(sorted(self._wholes & ran))

    @cached_property
    def parts(self) -> Sequence[SpanEnergy]:
        """The executions; those of monoliths are cut, `part` is the stage of each part then."""
        if not any(span.split or span.steps for span in self._spans):
            return self._spans
        cut = by_stage(self._spans, self.of_node, self._wholes, self.rules.of_program)
        return [
            part
            for whole in cut
            for part in (
                by_stage_of_steps(whole, self.of_step, self.of_node[whole.node])
                if self._is_whole(whole)
                else [whole]
            )
        ]

    def inside(self) -> dict[str, dict[str, list[SpanEnergy]]]:
        """Return the programs in each node in each stage: see `nicarbon.programs.inside`.

        Of a monolith in which none was seen, the steps that it marked.
        """
        marked_only = [
            span
            for span in self._spans
            if span.split is None and span.steps is not None and self._is_whole(span)
        ]
        whole = {span.span for span in marked_only}
        rest = [span for span in self._spans if span.span not in whole]
        found = inside(rest, self.of_node, self._wholes, self.rules.of_program)
        for part in by_step(marked_only, {}):
            stage = self.of_step.get(part.part, self.of_node[part.node])
            found.setdefault(stage, {}).setdefault(part.node, []).append(part)
        return found

    def reasons(self, offsets: Mapping[str, float]) -> Reasons:
        """Say which rule named each node, and how much of the run none did.

        Parameters
        ----------
        offsets : mapping
            Seconds by host, from `nicarbon.rows.clock_offsets`.
        """
        mapped = {span.node for span in self._spans if span.map_node in self.of_node}
        known = {node.name for node in self._graph.nodes} | mapped
        unnamed = [p for p in self.parts if (p.part or self.of_node[p.node]) == UNCLASSIFIED]
        return Reasons(
            nodes=reasons(self.rules, self._graph)
            + reasons(self.rules, unplanned(self._spans, known)),
            unclassified=fold_one(UNCLASSIFIED, unnamed, offsets),
            total=fold_one(TOTAL, self._spans, offsets),
            energy_share=share_range(unnamed, self.parts),
        )
