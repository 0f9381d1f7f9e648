# SPDX-License-Identifier: Apache-2.0
"""Open a run folder: its hosts, nodes, stages and graph, and their summary.

Everything is computed from the folder's facts when it is asked for; only `Run.price` writes, and
only the price.
pandas and networkx are loaded only by those who ask for tables and graphs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nicarbon.attribution import attribute
from nicarbon.carbon.choice import as_it_was, chosen, counted, find_intensity, kept
from nicarbon.carbon.embodied import Making, Share, Unit, scored, shares
from nicarbon.carbon.price import Price, Terms
from nicarbon.carbon.pricing import Pricing
from nicarbon.carbon.reserved import among
from nicarbon.carbon.source import Fixed, Source
from nicarbon.carbon.stored import read_price
from nicarbon.details import details
from nicarbon.earlier import Saved, saved
from nicarbon.energies import Attribution, SpanEnergy
from nicarbon.folding import Folding
from nicarbon.grouping import check
from nicarbon.history import queue, with_history
from nicarbon.marked import marked
from nicarbon.notes import ending
from nicarbon.planned import merged, missing
from nicarbon.pooled import taught
from nicarbon.programs import told
from nicarbon.reader import read_run
from nicarbon.reasons import Reasons
from nicarbon.records import Graph, Host, RunFacts
from nicarbon.rows import clock_offsets
from nicarbon.run_notes import price_notes, run_notes
from nicarbon.sightings import arguments
from nicarbon.staged import Staged
from nicarbon.stages import StageRules
from nicarbon.summary import Summary, coverage, host_labels, iso_utc
from nicarbon.units import NS_PER_S
from nicarbon.waste import waste
from nicarbon.watts import Watts

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from nicarbon.bottleneck import Bottlenecks

__all__ = ["Run", "Summary"]


class Run:
    """A run folder.

    Attributes
    ----------
    path : Path
        The folder.
    facts : RunFacts
        Its records.
    chosen_price : Price or None
        How its joules become grams; None until the run is priced.
    price_problem : str or None
        Why a price in the folder is not used.
    watts : dict or None
        What other runs taught, by which energy is shared; None where it is shared by CPU time.
    """

    def __init__(
        self, facts: RunFacts, path: str | Path = "", watts: Mapping[str, Watts] | None = None
    ) -> None:
        self.facts = facts
        self.path = Path(path)
        self.watts = watts
        self.chosen_price: Price | None = None
        self.price_problem: str | None = None
        self._pricing: Pricing | None = None
        self._staged: Staged | None = None
        self._executed: tuple[tuple[object, ...], nx.DiGraph] | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Open a run folder; the run may still be going on, or have been killed.

        Parameters
        ----------
        path : path
            The run folder.

        Returns
        -------
        Run
            As far as it was recorded.

        Raises
        ------
        RunFolderError
            If it is no run folder, or cannot be read.
        SchemaError
            If a newer nicarbon wrote it.
        """
        run = cls(read_run(Path(path)), Path(path))
        run.chosen_price, run.price_problem = read_price(run.path)
        return run

    def pooled(self, runs: Iterable[Run]) -> Run:
        """Return this run with its energy shared by what runs teach of their nodes' watts.

        Parameters
        ----------
        runs : iterable of Run
            Of pipelines with the same nodes on machines of the same type; this one may be among
            them. Of fewer than three, or where nothing can be foretold, nothing is learned, and
            shares are of CPU time: see `nicarbon.watts`.

        Returns
        -------
        Run
            Of the same facts and at the same price.
        """
        run = Run(self.facts, self.path, taught(other.facts for other in runs))
        run.chosen_price, run.price_problem = self.chosen_price, self.price_problem
        return run

    def __repr__(self) -> str:
        """Name the run."""
        return f"<nicarbon run {self.facts.info.run_id}>"

    @cached_property
    def attribution(self) -> Attribution:
        """Joules of every node execution, and the account of every host."""
        return with_history(attribute(self.facts, self.watts), self.facts)

    @cached_property
    def _graph(self) -> Graph:
        return merged(self.facts.graphs)

    @cached_property
    def _offsets(self) -> dict[str, float]:
        return clock_offsets(self.attribution.spans)

    @property
    def _applied(self) -> Pricing:
        """The price that is chosen now, applied to the executions."""
        if self._pricing is None or self._pricing.price is not self.chosen_price:
            self._pricing = Pricing(self.chosen_price, self.attribution.spans)
        return self._pricing

    def _by(self, rules: StageRules) -> Staged:
        """Return the stages by some rules: every table and graph of a run asks for the same."""
        if self._staged is None or self._staged.rules is not rules:
            self._staged = Staged(rules, self._graph, self.attribution.spans)
        return self._staged

    def _folding(self, stages_file: str | Path | None) -> Folding:
        def attributes() -> Mapping[str, Mapping[str, Any]]:
            return dict(self.executed(stages_file).nodes(data=True))

        return Folding(
            graph=self._graph,
            spans=self.attribution.spans,
            staged=self._by(self.rules(stages_file)),
            labels=host_labels(self.attribution.hosts),
            offsets=self._offsets,
            priced=self._applied.row,
            attributes=attributes,
        )

    @property
    def graph(self) -> nx.DiGraph:
        """The executed graph: see `nicarbon.graph.executed_graph`. Frozen; change a copy of it."""
        return self.executed()

    @property
    def footprint(self) -> nx.DiGraph:
        """The executed graph folded into stages: see `folded`."""
        return self.folded("stage")

    def executed(self, stages_file: str | Path | None = None) -> nx.DiGraph:
        """Return the executed graph, with stages by a rule file of the user: see `graph`.

        Parameters
        ----------
        stages_file : path, optional
            A rule file of the user, tried before the built-in rules.

        Returns
        -------
        networkx.DiGraph
            Frozen, the same object until the rules or the price are others.

        Raises
        ------
        StageRuleError
            If the rule file cannot be understood.
        """
        from nicarbon.graph import executed_graph, frozen

        rules, spans = self.rules(stages_file), self.attribution.spans
        state = (rules, self.chosen_price)
        if self._executed is None or self._executed[0] != state:
            staged, labels = self._by(rules), host_labels(self.attribution.hosts)
            graph = executed_graph(self._graph, staged.of_node, spans, labels, self._applied.row)
            for part in staged.parts:
                if part.part:
                    node = graph.nodes[part.node]
                    node["parts"] = (*node.get("parts", ()), part)
            self._executed = state, frozen(graph)
        return self._executed[1]

    def folded(self, by: str = "stage", stages_file: str | Path | None = None) -> nx.DiGraph:
        """Fold the executed graph into groups: see `nicarbon.graph.fold`.

        A group has energy and its range, grams where the run is priced, time, CPU time and node
        counts; an edge the number of dependencies that it stands for. Sums are those of the nodes.

        Parameters
        ----------
        by : str
            One of `nicarbon.grouping.BY`. Nodes without it are a group of their own
            (``no subject``).
        stages_file : path, optional
            A rule file of the user, tried before the built-in rules.

        Returns
        -------
        networkx.DiGraph
            One node a group.

        Raises
        ------
        NicarbonError
            If no node has such an attribute.
        StageRuleError
            If the rule file cannot be understood.
        """
        from nicarbon.graph import fold as fold_graph

        check(by)
        return fold_graph(self.executed(stages_file), by)

    def handed_on(self, stages_file: str | Path | None = None) -> nx.DiGraph:
        """Return the footprint with the arrows that a picture needs: see `nicarbon.links`.

        Parameters
        ----------
        stages_file : path, optional
            A rule file of the user, tried before the built-in rules.

        Returns
        -------
        networkx.DiGraph
            One node a stage.
        """
        from nicarbon.links import handed_on

        return handed_on(self.executed(stages_file), self.folded("stage", stages_file))

    @property
    def nodes(self) -> pd.DataFrame:
        """One row a node, indexed by its unique name: stage, energy, time, outcome."""
        from nicarbon.frames import nodes_frame

        return nodes_frame(self.graph)

    @property
    def stages(self) -> pd.DataFrame:
        """One row a stage, highest energy first."""
        from nicarbon.frames import rows_frame

        return rows_frame(self.summary("stage").rows)

    @property
    def programs(self) -> pd.DataFrame:
        """One row a program, highest energy first: see `nicarbon.programs`."""
        from nicarbon.frames import rows_frame

        return rows_frame(self.summary("program").rows)

    @property
    def steps(self) -> pd.DataFrame:
        """One row a step inside the nodes, highest energy first: see `nicarbon.marked`."""
        from nicarbon.frames import rows_frame

        return rows_frame(self.summary("step").rows)

    @property
    def hosts(self) -> pd.DataFrame:
        """One row a host: its account, indexed by its id."""
        from nicarbon.frames import hosts_frame

        return hosts_frame(self.attribution.hosts)

    def price(
        self,
        country: str | None = None,
        region: str | None = None,
        *,
        intensity: float | None = None,
        pue: float = 1.0,
    ) -> Price:
        """Choose how this run's joules become grams, and keep it in the run folder.

        It replaces the price before; the facts of the run are not touched.

        Parameters
        ----------
        country, region : str, optional
            Where the run used its electricity: see `nicarbon.carbon.tables.Tables.intensity`.
        intensity : float, optional
            Grams of CO2 equivalent a kilowatt-hour, instead of a country.
        pue : float, optional
            What the whole site draws for each joule of its computers.

        Returns
        -------
        Price
            As it was kept.

        Raises
        ------
        PriceError
            If the place is unknown, or a number is one that no electricity or site has.
        OutputError
            If the folder cannot be written.
        """
        self.choose(Fixed(find_intensity(country, region, intensity)), Terms(pue))
        return self.keep_price()

    def choose(
        self,
        source: Source,
        terms: Terms | None = None,
        making: Making | None = None,
        per: Unit | str | None = None,
    ) -> Price:
        """Choose a price for this object alone; `keep_price` writes it into the run folder.

        Parameters
        ----------
        source : Source
            Asked for the time in which the run's nodes used energy.
        terms : Terms, optional
            What else a price has.
        making : Making, optional
            What is declared of the making of the hosts.
        per : Unit or str, optional
            The functional unit of a score; ``subject`` and ``session`` alone are counted.

        Returns
        -------
        Price
            Of this run; not kept yet.

        Raises
        ------
        PriceError
            If the source has no intensity for that time, a host is not declared, or no node has
            such a unit.
        """
        if isinstance(per, str):
            per = counted(per, self.executed().nodes.values(), self.path)
        started_unix_s = self.facts.info.t_unix_ns / NS_PER_S
        self.chosen_price = chosen(
            source, terms, making, per, self.attribution, self._headers, started_unix_s
        )
        self.price_problem = None
        return self.chosen_price

    @property
    def _headers(self) -> dict[str, Host]:
        """What a sampler recorded of each host."""
        return {file.host.host: file.host for file in reversed(self.facts.sample_files)}

    def embodied(self) -> tuple[Share, ...]:
        """Return the run's share of the making of its hosts; empty where it is not declared."""
        price = self.chosen_price
        if price is None or price.embodied is None:
            return ()
        return shares(price.embodied, self.attribution.hosts, self._headers)

    def keep_price(self) -> Price:
        """Write the chosen price into the run folder, in place of the one before.

        Returns
        -------
        Price
            With the time at which it was kept.

        Raises
        ------
        PriceError
            If none is chosen.
        OutputError
            If the folder cannot be written.
        """
        self.chosen_price = kept(self.path, self.chosen_price)
        return self.chosen_price

    def rules(self, stages_file: str | Path | None = None) -> StageRules:
        """Return the stage rules, the same object as before where the user's file is the same.

        Rules remember what they matched: each table of a run asks for the same names again.

        Parameters
        ----------
        stages_file : path, optional
            A rule file of the user, tried before the built-in rules.

        Raises
        ------
        StageRuleError
            If the rule file cannot be understood.
        """
        rules = StageRules.load(stages_file)
        if self._staged is None or self._staged.rules.text != rules.text:
            return rules
        return self._staged.rules

    def stage_of(self, rules: StageRules) -> dict[str, str]:
        """Return the stage of every node, recorded or only planned, by its unique name.

        Parameters
        ----------
        rules : StageRules
            From `rules`.
        """
        return self._by(rules).of_node

    def reasons(self, stages_file: str | Path | None = None) -> Reasons:
        """Say which rule named each node, and how much of the run none did.

        Parameters
        ----------
        stages_file : path, optional
            A rule file of the user, tried before the built-in rules.

        Returns
        -------
        Reasons
            Of the nodes of the graph, planned only or executed, and of those that no graph has.
            An element of a MapNode has the reason of its MapNode.

        Raises
        ------
        StageRuleError
            If the rule file cannot be understood.
        """
        return self._by(self.rules(stages_file)).reasons(self._offsets)

    def saved(self, further: Iterable[str | Path] = ()) -> Saved | None:
        """Look up in the run folders beside this one what its cached nodes once cost.

        Parameters
        ----------
        further : iterable of path
            Run folders to look through as well, or folders that hold such.

        Returns
        -------
        Saved or None
            None where no node was found in the cache.

        Raises
        ------
        RunFolderError
            If one of them is no folder.
        """
        return saved(self.attribution.spans, self.path, self.facts.info.t_unix_ns, further)

    def summary(
        self,
        by: str = "stage",
        stages_file: str | Path | None = None,
        earlier: Iterable[str | Path] | None = None,
    ) -> Summary:
        """Say where the energy went.

        Parameters
        ----------
        by : str
            One of `nicarbon.grouping.BY`. A node's row holds all its executions; a host's row
            the nodes that ran on it, what else the host did is in its account.
        stages_file : path, optional
            A rule file of the user, tried before the built-in rules.
        earlier : iterable of path, optional
            Where to look up what cached nodes once cost, beside the folders next to this one,
            see `Run.saved`. By default it is not looked up.

        Returns
        -------
        Summary
            Rows, total and hosts, and what they lack.

        Raises
        ------
        NicarbonError
            If no node has such an attribute, or there is no such earlier folder.
        StageRuleError
            If the rule file cannot be understood.
        """
        check(by)
        cache = None if earlier is None else self.saved(earlier)
        attribution, info, folding = self.attribution, self.facts.info, self._folding(stages_file)
        spans, staged, price = attribution.spans, folding.staged, self.chosen_price
        rows, total, made = folding.rows(by), folding.total(), self.embodied()
        return Summary(
            schema_version=info.schema_version,
            run_id=info.run_id,
            path=str(self.path),
            started=iso_utc(info.t_unix_ns),
            duration_s=max((host.duration_s for host in attribution.hosts), default=0.0),
            hosts=attribution.hosts,
            labels=dict(folding.labels),
            by=by,
            coverage=coverage(attribution.hosts),
            rows=rows,
            total=total,
            missing=missing(self._graph, spans),
            notes=self._notes(staged.monoliths, staged.parts)
            + price_notes(price, self.price_problem, self._applied),
            price=price,
            details=details(self._graph, spans, cache.nodes if cache else {})
            if by == "node"
            else {},
            saved=cache,
            saved_g=None if cache is None else as_it_was(cache),
            waste=waste(spans, self._applied.row),
            queue=queue(spans),
            outcome=ending(self.facts),
            told=told(spans),
            programs=folding.programs() if by == "node" else {},
            embodied=made,
            embodied_g=among(made, folding.parts(by), folding.name_of(by)) if made else {},
            score=None if price is None or price.per is None else scored(price.per, total, made),
            marked=marked(spans),
            stages=staged.of_step if by == "step" else {},
            arguments=arguments(self.facts.sample_files) if by == "program" else {},
        )

    def _notes(
        self, monoliths: Sequence[str] = (), parts: Iterable[SpanEnergy] = ()
    ) -> tuple[str, ...]:
        without = missing(self._graph, self.attribution.spans)
        is_taught = self.watts is not None
        return run_notes(self.facts, self.attribution, without, monoliths, parts, taught=is_taught)

    def divided(
        self, among: Sequence[str], by: str = "stage", stages_file: str | Path | None = None
    ) -> dict[tuple[str | None, ...], Summary]:
        """Divide a summary of the run: one for each subject, say, or subject and session.

        Rows, total and details are those of a group's nodes, so that their sums over all groups
        are the whole run's. Hosts and notes are the whole run's in each, a score none has.

        Parameters
        ----------
        among : sequence of str
            Attributes of nodes, of `nicarbon.grouping.BY`.
        by, stages_file
            As in `summary`.

        Returns
        -------
        dict
            By the values of these attributes, in their order; None where a node has none.
        """
        for key in among:
            check(key)
        whole = self.summary(by, stages_file)
        return {
            values: msgspec.structs.replace(
                whole, rows=rows, total=total, embodied=(), embodied_g={}, score=None
            )
            for values, (rows, total) in self._folding(stages_file).divided(among, by).items()
        }

    def parts(
        self, by: str = "stage", stages_file: str | Path | None = None
    ) -> Sequence[SpanEnergy]:
        """Return the executions, cut into parts where programs or stages inside them are known.

        Parameters
        ----------
        by : str
            ``program`` cuts every execution whose programs were seen, ``step`` those whose tools
            marked their steps, ``hemisphere`` those of them that no name tells one of, ``stage``
            monoliths; by anything else they are whole.
        stages_file : path, optional
            A rule file of the user, tried before the built-in rules.

        Returns
        -------
        sequence of SpanEnergy
            `part` is a part's program, step, hemisphere or stage, empty for a whole execution.
        """
        return self._folding(stages_file).parts(by)

    def inside(
        self, stages_file: str | Path | None = None
    ) -> dict[str, dict[str, list[SpanEnergy]]]:
        """Return the programs in each node in each stage: see `nicarbon.programs.inside`.

        Of a monolith in which none was seen, the steps that it marked.

        Parameters
        ----------
        stages_file : path, optional
            A rule file of the user, tried before the built-in rules.

        Returns
        -------
        dict
            Parts of executions by node by stage.
        """
        return self._by(self.rules(stages_file)).inside()

    def bottlenecks(self, stages_file: str | Path | None = None) -> Bottlenecks:
        """Say what limited the run: see `nicarbon.bottleneck`.

        Parameters
        ----------
        stages_file : path, optional
            A rule file of the user, tried before the built-in rules.

        Returns
        -------
        Bottlenecks
            The critical path, the stages in groups, and what hosts used meanwhile.

        Raises
        ------
        StageRuleError
            If the rule file cannot be understood.
        NicarbonError
            If the graphs of the run contradict each other.
        """
        from nicarbon.bottleneck import bottlenecks

        graph, said = self.executed(stages_file), self._notes()
        return bottlenecks(self.facts, self.attribution, graph, path=str(self.path), notes=said)
