# SPDX-License-Identifier: Apache-2.0
"""The paragraphs for a paper that say how a run's energy was metered.

Every sentence rests on the record of the run: what was not recorded is not said. Names come from
pipelines: nothing in them is taken as markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from nicarbon._version import __version__
from nicarbon.flow import UNCLASSIFIED
from nicarbon.notes import count
from nicarbon.records import IMPORTED, Host
from nicarbon.reports import methods_energy, methods_imports
from nicarbon.reports.cells import format_share
from nicarbon.reports.citations import Citation, works
from nicarbon.reports.sentences import Sentence, begun, joined, were
from nicarbon.run import Run
from nicarbon.summary import Summary
from nicarbon.units import format_duration

# What each engine calls that which executes its nodes.
_ENGINES = {"nipype": "plugin", "pydra": "worker"}


class Methods(msgspec.Struct, frozen=True):
    """Paragraphs, and the works that they cite by their keys, in order of appearance."""

    paragraphs: tuple[tuple[Sentence, ...], ...]
    citations: dict[str, Citation]


def methods_of(run: Run, stages_file: str | None = None) -> Methods:
    """Say how a run was metered, and what its energy and grams rest on.

    Parameters
    ----------
    run : Run
        A run, priced or not.
    stages_file : str, optional
        The user's own stage rules.

    Raises
    ------
    StageRuleError
        If the rule file cannot be understood.
    """
    summary = run.summary("stage", stages_file)
    paragraphs = (
        (*_what_ran(run, summary), *_where(run, summary)),
        (*methods_energy.sensors(summary), *methods_energy.sampling(run)),
        (*_division(run, summary), *_stages(run, summary, stages_file)),
        tuple(methods_energy.result(summary)),
        tuple(methods_energy.emissions(summary)),
        tuple(_limits(summary)),
    )
    cited = dict.fromkeys(
        key for part in paragraphs for sentence in part for key in sentence.cites
    )
    tables = methods_energy.tables_version(summary.price)
    versions = {"nicarbon": run.facts.info.nicarbon_version, "codecarbon": tables}
    return Methods(
        paragraphs=tuple(part for part in paragraphs if part),
        citations={
            key: msgspec.structs.replace(works()[key], version=versions.get(key) or "")
            for key in cited
        },
    )


def _division(run: Run, summary: Summary) -> Iterator[Sentence]:
    if run.facts.info.engine == IMPORTED:
        return methods_imports.division(summary)
    return methods_energy.division(summary)


# What ran, and where ------------------------------------------------------------------------


def _what_ran(run: Run, summary: Summary) -> Iterator[Sentence]:
    info, total = run.facts.info, summary.total
    version = f" {info.nicarbon_version}" if info.nicarbon_version else ""
    day = f" of {summary.started[:10]}" if summary.started else ""
    how = "was metered with" if info.engine != IMPORTED else "was estimated from its logs by"
    yield Sentence(
        f"The energy of the run {summary.run_id}{day} {how} nicarbon{version}", ("nicarbon",)
    )
    if info.nicarbon_version and info.nicarbon_version != __version__:
        yield Sentence(f"These figures were computed from its record with nicarbon {__version__}")
    yield from _engine(run)
    n_ran = total.n_nodes - total.n_cached
    if n_ran or total.n_cached:
        yield _nodes(run, n_ran, total.n_cached, total.n_failed)
    if total.duration_s:
        yield Sentence(
            f"Together the nodes ran for {format_duration(total.duration_s)} and used "
            f"{format_duration(total.cpu_s)} of CPU time{methods_imports.cpu_time(run)}"
        )


def _nodes(run: Run, n_ran: int, n_cached: int, n_failed: int) -> Sentence:
    n_executions = sum(span.outcome != "cached" for span in run.attribution.spans)
    text = f"The run executed {count(n_ran, 'node')}"
    if n_executions != n_ran:
        text += f" in {n_executions} executions"
    if n_cached:
        text += f"; {n_cached} more {were(n_cached)} found in the cache and executed nothing"
    if n_failed:
        who = "it" if n_ran == 1 else f"{n_failed} of them"
        text += f"; {who} failed or {were(n_failed)} killed"
    return Sentence(text)


def _engine(run: Run) -> Iterator[Sentence]:
    graphs = run.facts.graphs
    names = tuple(dict.fromkeys(graph.workflow for graph in graphs if graph.workflow))
    plugins = tuple(dict.fromkeys(graph.plugin for graph in graphs if graph.plugin))
    if run.facts.info.engine == IMPORTED:
        yield from methods_imports.what_ran(names)
    elif plugins == ("command",):
        yield Sentence(f"The command {joined(names)} was metered as one node")
    elif names and run.facts.info.engine in _ENGINES:
        part, engine = _ENGINES[run.facts.info.engine], run.facts.info.engine
        what = "workflow" if len(names) == 1 else "workflows"
        how = f" and its {part if len(plugins) == 1 else part + 's'} {joined(plugins)}"
        text = f"The {what} {joined(names)} {were(len(names))} executed by {engine}"
        yield Sentence(text + (how if plugins else ""), (engine,))


def _where(run: Run, summary: Summary) -> Iterator[Sentence]:
    headers: dict[str, Host] = {}
    for file in run.facts.sample_files:
        headers.setdefault(file.host.host, file.host)
    kinds = Counter(_machine(headers.get(host.host)) for host in summary.hosts)
    if not kinds:
        return
    parts = [f"{count(n, 'host')} {kind}" for kind, n in kinds.items()]
    taken = " (as taken for the model)" if run.facts.info.engine == IMPORTED else ""
    yield Sentence(f"The run used {joined(parts)}{taken}")


def _machine(host: Host | None) -> str:
    if host is None:
        return "of unknown kind"
    parts = [host.cpu_model] if host.cpu_model else []
    parts += [f"{host.memory_bytes / 1e9:.0f} GB of memory"] if host.memory_bytes else []
    about = f" ({', '.join(parts)})" if parts else ""
    return f"with {count(host.n_cpus, 'CPU')}{about}"


def _stages(run: Run, summary: Summary, stages_file: str | None) -> Iterator[Sentence]:
    rows = [row for row in summary.rows if row.name != UNCLASSIFIED]
    if rows:
        by = _named_by(run, summary.total.n_nodes, stages_file)
        yield Sentence(f"Nodes were grouped into {count(len(rows), 'stage')}{by}")
    for row in summary.rows:
        if row.name == UNCLASSIFIED:
            share = format_share(row.energy_j, summary.total.energy_j)
            of_energy = "" if share == "n/a" else f" ({share} of the energy)"
            yield Sentence(f"{count(row.n_nodes, 'node')}{of_energy} belonged to no stage")


def _named_by(run: Run, n_nodes: int, stages_file: str | None) -> str:
    """Say who named the stages: the workflow itself, the user's rules, or nicarbon's."""
    given = {node.name for graph in run.facts.graphs for node in graph.nodes if node.stage}
    spans = run.attribution.spans
    n_given = len({s.node for s in spans if s.node in given or s.map_node in given})
    if n_given == n_nodes:
        return ", as the workflow itself says"
    own = "rules of our own and then " if stages_file else ""
    rules = (
        f" by {own}the rules of nicarbon, which go by names of nodes, workflows, interfaces and "
        "programs"
    )
    if not n_given:
        return rules
    return f", {count(n_given, 'node')} as the workflow itself says, the others{rules}"


def _limits(summary: Summary) -> Iterator[Sentence]:
    """Say what the record lacks, as the summary does."""
    for note in summary.notes:
        yield Sentence(begun(note))
