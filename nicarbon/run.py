# SPDX-License-Identifier: Apache-2.0
"""Open a run folder: its hosts, nodes, stages and graph, and their summary.

Everything is computed from the folder's facts when it is asked for; only `Run.price` writes, and
only the price.
pandas and networkx are loaded only by those who ask for tables and graphs.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nicarbon.attribution import Attribution, HostEnergy, SpanEnergy, attribute
from nicarbon.batch_notes import batch_notes, explained
from nicarbon.carbon.embodied import Making, Score, Share, Unit, scored, shares
from nicarbon.carbon.intensity import Intensity, given
from nicarbon.carbon.price import Price, Terms
from nicarbon.carbon.pricing import Pricing, grams, weighed, window
from nicarbon.carbon.source import Fixed, Source
from nicarbon.carbon.stored import read_price, write_price
from nicarbon.carbon.tables import Tables
from nicarbon.details import Detail, details
from nicarbon.earlier import Saved, saved
from nicarbon.errors import PriceError
from nicarbon.flow import UNCLASSIFIED
from nicarbon.grouping import check, label
from nicarbon.history import Queue, queue, with_history
from nicarbon.logs.names import interface, safe
from nicarbon.marked import Marked, by_hemisphere, by_step, marked, step_of
from nicarbon.marked import by_stage as by_stage_of_steps
from nicarbon.notes import apart_notes, count, divided_notes, ending, is_known, notes, taught_notes
from nicarbon.pooled import taught
from nicarbon.programs import Told, by_program, by_stage, inside, told
from nicarbon.reader import read_run
from nicarbon.reasons import Reasons, reasons
from nicarbon.records import Graph, Host, Node, RunFacts
from nicarbon.rows import Priced, Row, clock_offsets, fold, fold_one, share_range
from nicarbon.sightings import arguments
from nicarbon.stages import StageRules
from nicarbon.units import NS_PER_S
from nicarbon.waste import Waste, waste
from nicarbon.watts import Watts

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from nicarbon.bottleneck import Bottlenecks

TOTAL = "total"
# Functional units that nodes tell.
_COUNTED = ("subject", "session")


class Summary(msgspec.Struct, frozen=True):
    """Where the energy of a run went.

    Attributes
    ----------
    started : str or None
        UTC, ISO 8601; None where no record says it.
    duration_s : float
        The longest time that a host served the run.
    hosts : tuple of HostEnergy
        The account of each host.
    labels : dict
        Name of each host, by its id: its hostname, made unique.
    coverage : float or None
        The part of the hosts' energy that the rows account for.
    rows : tuple of Row
        Highest energy first.
    missing : tuple of str
        Nodes of the graph without any record.
    notes : tuple of str
        What the figures lack, a sentence each.
    price : Price or None
        What the grams rest on; None where the run is not priced.
    details : dict
        What else is known of each node, by its name; empty unless a row is a node.
    saved : Saved or None
        What the cached nodes once cost; None where there are none, or it was not looked up.
    saved_g : float or None
        The same in grams, each earlier run at the price that it has; None where one has none.
    waste : Waste or None
        What executions without a result used; None where each had one.
    queue : Queue or None
        How long jobs waited for their scheduler; None where no node ran as a job.
    outcome : str
        How the run ended: see `nicarbon.notes.ending`.
    told : Told or None
        How surely programs are told apart; None where nobody looked at them.
    programs : dict
        The programs of each node as rows, by its name; empty unless a row is a node.
    embodied : tuple of Share
        The run's share of the making of its hosts; empty where it is not declared.
    score : Score or None
        Of a functional unit; None where none was named.
    marked : Marked or None
        How surely the steps are told apart that tools inside the nodes marked; None where none
        did.
    stages : dict
        The stage of each step, by its name; empty unless a row is a step.
    arguments : dict
        Command lines of each program, where they were kept; empty unless a row is a program.
    """

    schema_version: str
    run_id: str
    path: str
    started: str | None
    duration_s: float
    hosts: tuple[HostEnergy, ...]
    labels: dict[str, str]
    by: str
    coverage: float | None
    rows: tuple[Row, ...]
    total: Row
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    price: Price | None = None
    details: dict[str, Detail] = {}
    saved: Saved | None = None
    saved_g: float | None = None
    waste: Waste | None = None
    queue: Queue | None = None
    outcome: str = "ok"
    told: Told | None = None
    programs: dict[str, tuple[Row, ...]] = {}
    embodied: tuple[Share, ...] = ()
    score: Score | None = None
    marked: Marked | None = None
    stages: dict[str, str] = {}
    arguments: dict[str, tuple[str, ...]] = {}

    @property
    def n_missing(self) -> int:
        """Number of nodes of the graph without any record."""
        return len(self.missing)


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
        self._executed: tuple[tuple[object, ...], nx.DiGraph] | None = None
        self._rules: StageRules | None = None
        self._staged: tuple[StageRules, dict[str, str]] | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Open a run folder; the run may still be going on, or have been killed.

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
    def _priced(self) -> Priced:
        """What gives rows their grams, by the price that is chosen now."""
        if self._pricing is None or self._pricing.price is not self.chosen_price:
            self._pricing = Pricing(self.chosen_price, self.attribution.spans)
        return self._pricing.row

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

        Raises
        ------
        StageRuleError
            If the rule file cannot be understood.
        """
        from nicarbon.graph import executed_graph, frozen

        state = (stages_file, self.chosen_price)
        if self._executed is None or self._executed[0] != state or stages_file is not None:
            stages = self.stage_of(self.rules(stages_file))
            labels = host_labels(self.attribution.hosts)
            graph = executed_graph(
                self._graph, stages, self.attribution.spans, labels, self._priced
            )
            for part in self.parts("stage", stages_file):
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
        """Return the footprint with the arrows that a picture needs: see `nicarbon.links`."""
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

        Raises
        ------
        PriceError
            If the source has no intensity for that time, a host is not declared, or no node has
            such a unit.
        """
        started_s = self.facts.info.t_unix_ns / NS_PER_S
        spans = self.attribution.spans
        found = weighed(source.between(*(window(spans) or (started_s, started_s + 1.0))), spans)
        embodied = None
        if making is not None:
            embodied = making.of(self.attribution.hosts, self._headers)
        unit = self._unit(per) if isinstance(per, str) else per
        self.chosen_price = (terms or Terms()).price(found, embodied, unit)
        self.price_problem = None
        return self.chosen_price

    @property
    def _headers(self) -> dict[str, Host]:
        """What a sampler recorded of each host."""
        return {file.host.host: file.host for file in reversed(self.facts.sample_files)}

    def _unit(self, name: str) -> Unit:
        """Count a unit that nodes tell: subjects, sessions."""
        values = {data.get(name) for data in self.executed().nodes.values() if name in _COUNTED}
        n = len(values - {None, ""})
        if not n:
            raise PriceError(f"{self.path}: no node has a {name}; give their number: {name}=12")
        return Unit(name, n)

    def embodied(self) -> tuple[Share, ...]:
        """Return the run's share of the making of its hosts; empty where it is not declared."""
        price = self.chosen_price
        if price is None or price.embodied is None:
            return ()
        return shares(price.embodied, self.attribution.hosts, self._headers)

    def keep_price(self) -> Price:
        """Write the chosen price into the run folder, in place of the one before.

        Raises
        ------
        PriceError
            If none is chosen.
        OutputError
            If the folder cannot be written.
        """
        if self.chosen_price is None:
            raise PriceError(f"{self.path}: no price is chosen")
        now = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
        self.chosen_price = msgspec.structs.replace(self.chosen_price, priced=now)
        write_price(self.path, self.chosen_price)
        return self.chosen_price

    def rules(self, stages_file: str | Path | None = None) -> StageRules:
        """Return the stage rules, the same object as before where the user's file is the same.

        Rules remember what they matched: each table of a run asks for the same names again.

        Raises
        ------
        StageRuleError
            If the rule file cannot be understood.
        """
        rules = StageRules.load(stages_file)
        if self._rules is None or self._rules.text != rules.text:
            self._rules = rules
        return self._rules

    def stage_of(self, rules: StageRules) -> dict[str, str]:
        """Return the stage of every node, recorded or only planned, by its unique name."""
        if self._staged is None or self._staged[0] is not rules:
            self._staged = rules, self._classified(rules)
        return self._staged[1]

    def _classified(self, rules: StageRules) -> dict[str, str]:
        stages = rules.classify(self._graph)
        for span in self.attribution.spans:
            if span.node not in stages and span.map_node in stages:
                stages[span.node] = stages[span.map_node]
        return stages | rules.classify(self._lost(stages))

    def _lost(self, known: Container[str]) -> Graph:
        """Return the nodes that were recorded and that no graph has."""
        unknown = {span.node for span in self.attribution.spans if span.node not in known}
        return Graph("", "", tuple(Node(name) for name in sorted(unknown)), ())

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
        rules = self.rules(stages_file)
        stages, parts = self.stage_of(rules), self.parts("stage", stages_file)
        mapped = {s.node for s in self.attribution.spans if s.map_node in stages}
        known = {node.name for node in self._graph.nodes} | mapped
        unnamed = [p for p in parts if (p.part or stages[p.node]) == UNCLASSIFIED]
        return Reasons(
            nodes=reasons(rules, self._graph) + reasons(rules, self._lost(known)),
            unclassified=fold_one(UNCLASSIFIED, unnamed, self._offsets),
            total=fold_one(TOTAL, self.attribution.spans, self._offsets),
            energy_share=share_range(unnamed, parts),
        )

    def saved(self, further: Iterable[str | Path] = ()) -> Saved | None:
        """Look up in the run folders beside this one what its cached nodes once cost.

        Parameters
        ----------
        further : iterable of path
            Run folders to look through as well, or folders that hold such.

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

        Raises
        ------
        NicarbonError
            If no node has such an attribute, or there is no such earlier folder.
        StageRuleError
            If the rule file cannot be understood.
        """
        check(by)
        cache = None if earlier is None else self.saved(earlier)
        costs = cache.nodes if cache else {}
        rules = self.rules(stages_file)
        attribution, info = self.attribution, self.facts.info
        labels = host_labels(attribution.hosts)
        name_of = self._naming(by, rules, labels, stages_file)
        missing = self._missing()
        rows = fold(self.parts(by, stages_file), name_of, self._offsets, self._priced)
        total = fold_one(TOTAL, attribution.spans, self._offsets, self._priced)
        made, price = self.embodied(), self.chosen_price
        per = None if price is None else price.per
        return Summary(
            schema_version=info.schema_version,
            run_id=info.run_id,
            path=str(self.path),
            started=_utc(info.t_unix_ns),
            duration_s=max((host.duration_s for host in attribution.hosts), default=0.0),
            hosts=attribution.hosts,
            labels=labels,
            by=by,
            coverage=coverage(attribution.hosts),
            rows=tuple(rows),
            total=total,
            missing=missing,
            notes=self._notes(missing, self._wholes(rules), self.parts("stage", stages_file))
            + self._price_notes(),
            price=self.chosen_price,
            details=details(self._graph, attribution.spans, costs) if by == "node" else {},
            saved=cache,
            saved_g=None if cache is None else _priced_as_it_was(cache),
            waste=waste(attribution.spans, self._priced),
            queue=queue(attribution.spans),
            outcome=ending(self.facts),
            told=told(attribution.spans),
            programs=self._programs() if by == "node" else {},
            embodied=made,
            score=None if per is None else scored(per, total, made),
            marked=marked(attribution.spans),
            stages=self._stages_of_steps(rules) if by == "step" else {},
            arguments=arguments(self.facts.sample_files) if by == "program" else {},
        )

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
        name_of = self._naming(by, self.rules(stages_file), whole.labels, stages_file)
        nodes = self.executed(stages_file).nodes
        groups: dict[tuple[str | None, ...], list[SpanEnergy]] = defaultdict(list)
        parts: dict[tuple[str | None, ...], list[SpanEnergy]] = defaultdict(list)
        for all_of_them, spans in (
            (groups, self.attribution.spans),
            (parts, self.parts(by, stages_file)),
        ):
            for span in spans:
                all_of_them[tuple(nodes[span.node][key] for key in among)].append(span)
        return {
            values: msgspec.structs.replace(
                whole,
                rows=tuple(fold(parts[values], name_of, self._offsets, self._priced)),
                total=fold_one(TOTAL, groups[values], self._offsets, self._priced),
                embodied=(),
                score=None,
            )
            for values in sorted(groups, key=lambda values: [value or "" for value in values])
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
        spans = self.attribution.spans
        if by == "step":
            return by_step(spans, self._steps())
        if by == "hemisphere" and any(span.steps for span in spans):
            nodes = self.executed(stages_file).nodes(data=by)
            return by_hemisphere(spans, dict(nodes))
        if by == "program" and told(spans) is not None:
            return by_program(spans)
        if by == "stage" and any(span.split or span.steps for span in spans):
            rules = self.rules(stages_file)
            wholes, stage_of = set(rules.wholes(self._graph)), self.stage_of(rules)
            of_steps = self._stages_of_steps(rules)
            return [
                part
                for whole in by_stage(spans, stage_of, wholes, rules.of_program)
                for part in (
                    by_stage_of_steps(whole, of_steps, stage_of[whole.node])
                    if whole.node in wholes or whole.map_node in wholes
                    else [whole]
                )
            ]
        return spans

    def inside(
        self, stages_file: str | Path | None = None
    ) -> dict[str, dict[str, list[SpanEnergy]]]:
        """Return the programs in each node in each stage: see `nicarbon.programs.inside`.

        Of a monolith in which none was seen, the steps that it marked.
        """
        rules = self.rules(stages_file)
        wholes, stage_of = set(rules.wholes(self._graph)), self.stage_of(rules)
        spans = self.attribution.spans
        marked_only = [
            span
            for span in spans
            if span.split is None
            and span.steps is not None
            and (span.node in wholes or span.map_node in wholes)
        ]
        whole = {span.span for span in marked_only}
        rest = [span for span in spans if span.span not in whole]
        found = inside(rest, stage_of, wholes, rules.of_program)
        of_steps = self._stages_of_steps(rules)
        for part in by_step(marked_only, {}):
            stage = of_steps.get(part.part, stage_of[part.node])
            found.setdefault(stage, {}).setdefault(part.node, []).append(part)
        return found

    def _steps(self) -> dict[str, str | None]:
        """Return the step of each node that is one as a whole, as of an imported log."""
        return {node.name: step_of(node) for node in self._graph.nodes}

    def _stages_of_steps(self, rules: StageRules) -> dict[str, str]:
        """Return the stage of each step: by its title, where no program of it is looked at."""
        found = marked(self.attribution.spans)
        steps = found.steps if found is not None else {}
        nodes = tuple(
            Node(name, safe(step.command), interface(step.command))
            for name, step in steps.items()
            if step.command
        )
        return rules.classify(Graph("", "", nodes, ()))

    def _programs(self) -> dict[str, tuple[Row, ...]]:
        """Return the programs of each node in which some were seen."""
        of_node: dict[str, list[SpanEnergy]] = {}
        for span in self.attribution.spans:
            if span.split is not None:
                of_node.setdefault(span.node, []).append(span)
        return {
            node: tuple(
                fold(by_program(spans), lambda part: part.part, self._offsets, self._priced)
            )
            for node, spans in of_node.items()
        }

    def bottlenecks(self, stages_file: str | Path | None = None) -> Bottlenecks:
        """Say what limited the run: see `nicarbon.bottleneck`.

        Raises
        ------
        StageRuleError
            If the rule file cannot be understood.
        NicarbonError
            If the graphs of the run contradict each other.
        """
        from nicarbon.bottleneck import bottlenecks

        graph = self.executed(stages_file)
        said = self._notes(self._missing(), ())
        return bottlenecks(self.facts, self.attribution, graph, path=str(self.path), notes=said)

    def _naming(
        self, by: str, rules: StageRules, labels: dict[str, str], stages_file: str | Path | None
    ) -> Callable[[SpanEnergy], str]:
        if by == "node":
            return lambda span: span.node
        if by == "host":
            return lambda span: labels[span.host]
        if by == "stage":  # without networkx: what `nicarbon run` shows at its end
            stages = self.stage_of(rules)
            return lambda span: span.part or stages[span.node]
        if by == "step" or (by == "program" and told(self.attribution.spans) is not None):
            return lambda span: span.part
        nodes = self.executed(stages_file).nodes
        names = {name: label(by, data[by]) for name, data in nodes(data=True)}
        return lambda span: span.part or names[span.node]

    def _notes(
        self, missing: Sequence[str], wholes: Sequence[str], parts: Iterable[SpanEnergy] = ()
    ) -> tuple[str, ...]:
        of_jobs = explained(self.facts)
        rest = [name for name in missing if name not in of_jobs]
        cut = {part.node for part in parts if part.part and part.split is None}
        return (
            *notes(self.facts, self.attribution, rest, [n for n in wholes if n not in cut]),
            *divided_notes(self.attribution.spans, sorted(cut)),
            *apart_notes(marked(self.attribution.spans)),
            *batch_notes(self.facts, self.attribution.spans),
            *(taught_notes(self.attribution.hosts) if self.watts is not None else ()),
        )

    def _price_notes(self) -> tuple[str, ...]:
        """Say what is wrong with the price, and what its intensities lack."""
        said = [self.price_problem] if self.price_problem else []
        if self.chosen_price is not None and self.chosen_price.bridged_note is not None:
            said.append(self.chosen_price.bridged_note)
        if self._pricing is not None and self._pricing.n_uncovered:
            said.append(
                f"{count(self._pricing.n_uncovered, 'execution')} lie outside the time that the "
                "run was priced for, and have no grams: price it again with 'nicarbon price'"
            )
        return tuple(said)

    def _missing(self) -> tuple[str, ...]:
        spans = self.attribution.spans
        seen = {span.node for span in spans} | {span.map_node for span in spans}
        return tuple(
            sorted(n.name for n in self._graph.nodes if n.name not in seen and not n.collects)
        )

    def _wholes(self, rules: StageRules) -> tuple[str, ...]:
        ran = {span.node for span in self.attribution.spans if span.outcome != "cached"}
        return tuple(sorted(name for name in rules.wholes(self._graph) if name in ran))


def find_intensity(
    country: str | None = None, region: str | None = None, g_per_kwh: float | None = None
) -> Intensity:
    """Return a given intensity, or a country's or region's: one of both, as none is assumed."""
    if g_per_kwh is not None:
        if country is not None or region is not None:
            raise PriceError("give a country (and region) or an intensity, not both")
        return given(g_per_kwh)
    if country is None:
        raise PriceError("give a country (and region), or an intensity; none is assumed")
    return Tables.find().intensity(country, region)


def _priced_as_it_was(cache: Saved) -> float | None:
    """Return the grams of what a cache saved, at the prices of the runs that it cost."""
    parts = []
    for folder, energy_j in cache.runs.items():
        price, _ = read_price(Path(folder))
        if price is None:
            return None
        parts.append(grams(energy_j, price.intensity.g_per_kwh, price.pue) or 0.0)
    return fsum(parts) if parts else None


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


def host_labels(hosts: Iterable[HostEnergy]) -> dict[str, str]:
    """Name each host by its hostname, with its id where several have the same."""
    hosts = tuple(hosts)
    counts = Counter(host.hostname for host in hosts)
    return {
        host.host: host.hostname
        if host.hostname and counts[host.hostname] == 1
        else f"{host.hostname} ({host.host})".strip()
        for host in hosts
    }


def coverage(hosts: Iterable[HostEnergy]) -> float | None:
    """Return the part of the hosts' energy that nodes account for; None without energy."""
    known = [host for host in hosts if is_known(host)]
    energy_j = fsum(host.energy_j for host in known)
    return fsum(host.nodes_j for host in known) / energy_j if energy_j else None


def _utc(t_unix_ns: int) -> str | None:
    if not t_unix_ns:
        return None
    time = datetime.fromtimestamp(t_unix_ns // NS_PER_S, UTC)
    return time.isoformat().replace("+00:00", "Z")
