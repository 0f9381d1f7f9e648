# SPDX-License-Identifier: Apache-2.0
"""All that the report page shows of a run, gathered and written out; `html` only lays it out."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nicarbon.bottleneck import RULE, Bottlenecks
from nicarbon.critical import CriticalPath
from nicarbon.energies import SpanEnergy
from nicarbon.errors import NicarbonError, StageRuleError
from nicarbon.hosttime import HostTime, host_times
from nicarbon.marked import steps_of_programs
from nicarbon.notes import count, is_known, some
from nicarbon.printable import clean
from nicarbon.reports import page_charts as charts
from nicarbon.reports import page_host_tables, page_tables, page_time_tables
from nicarbon.reports.account_lines import sum_line
from nicarbon.reports.bottleneck import idle_lines
from nicarbon.reports.cells import format_range
from nicarbon.reports.colours import ink_on
from nicarbon.reports.page_answers import (
    Answer,
    Share,
    cost_most,
    how_sure,
    isolated,
    limited_time,
)
from nicarbon.reports.page_strips import Segment, energy_strip, time_strip
from nicarbon.reports.page_table import Table
from nicarbon.reports.palette import stage_colours
from nicarbon.reports.run_lines import (
    marked_line,
    pricing_command,
    saved_line,
    score_line,
    told_line,
    unclassified,
    waste_line,
)
from nicarbon.reports.turns import Turn, turns_of
from nicarbon.rows import FAILED, outcome, share_range
from nicarbon.run import Run
from nicarbon.summary import Summary
from nicarbon.units import (
    MARK,
    format_duration,
    format_energy_of,
    format_mass_of,
    format_mass_range,
)


class Page(msgspec.Struct, frozen=True):
    """The page, section by section; tables and charts are None where there is nothing to show."""

    run_id: str
    program: str
    path: str
    subtitle: tuple[str, ...]
    notices: tuple[str, ...]
    energy: str
    energy_range: str
    method: str
    marked: str
    of_hosts: str
    carbon: str
    carbon_range: str
    price: str
    pricing: str
    answers: tuple[Answer, ...]
    by_energy: tuple[Segment, ...]
    by_time: tuple[Segment, ...]
    stages: Table
    beside: tuple[str, ...]
    nodes: Table
    n_nodes: int
    by_node: str
    programs: Table | None
    told: str
    by_program: str
    steps: Table | None
    cut: str
    by_step: str
    by_slack: str
    path_table: Table | None
    time_table: Table | None
    group_table: Table | None
    phase_table: Table | None
    rule: str
    idle: tuple[str, ...]
    path_notes: tuple[str, ...]
    accounts: Table
    devices: Table
    sums: tuple[tuple[str, str], ...]
    sensors: Table
    hosts: Table
    software: tuple[tuple[str, str], ...]
    chart_data: dict[str, Any]
    ids: dict[str, str]
    time_bottlenecks: tuple[str, ...]


def gather(run: Run, stages_file: str | Path | None = None, command: str = "") -> Page:
    """Compute what the page shows.

    Parameters
    ----------
    run : Run
        The run; it may be going on, killed, empty, unpriced or without energy.
    stages_file : path, optional
        A rule file of the user, tried before the built-in rules.
    command : str, optional
        Arguments that commands on the page should repeat (``--stages FILE``).
    """
    summary, nodes = run.summary("stage", stages_file), run.summary("node", stages_file)
    found = _found(run, stages_file)
    spans = run.attribution.spans
    stage_of = run.stage_of(run.rules(stages_file))
    names = _stages(summary, found)
    colours = stage_colours(names)
    ids = {name: f"stage-{i}" for i, name in enumerate(names)}
    parts = run.parts("stage", stages_file)
    shares = _shares(summary, parts, stage_of)
    turns = turns_of(parts, stage_of)
    times = host_times(run.facts)
    of_node: dict[str, list[SpanEnergy]] = defaultdict(list)
    for span in spans:
        of_node[span.node].append(span)
    has_path = bool(found.critical_path.steps)
    carbon, carbon_range = _carbon(summary)
    total = summary.total
    where = shlex.quote(summary.path)
    told, marked = summary.told, summary.marked
    return Page(
        run_id=summary.run_id,
        program=run.facts.info.program or summary.run_id,
        path=summary.path,
        subtitle=_subtitle(run, summary),
        notices=(*_failed(of_node), *unclassified(summary), *summary.notes),
        energy=format_energy_of(total.energy_j, total.method),
        energy_range=format_range(total.energy_low_j, total.energy_high_j, of_j=total.energy_j),
        method=total.method or "",
        marked=MARK if total.method not in (None, "measured") else "",
        of_hosts=_of_hosts(summary),
        carbon=carbon,
        carbon_range=carbon_range,
        price=_price(summary),
        pricing=pricing_command(summary.path) if total.energy_j is not None else "",
        answers=(
            cost_most(summary.rows, total, shares),
            how_sure(summary),
            limited_time(found),
        ),
        by_energy=energy_strip(summary, shares, colours),
        by_time=time_strip(found.critical_path, _last(turns, spans), colours),
        stages=page_tables.stage_table(summary, shares, colours, ids),
        beside=_beside(summary),
        nodes=page_tables.node_table(nodes, of_node, stage_of, colours),
        n_nodes=len(nodes.rows),
        by_node=f"nicarbon summary {where} --by node --format tsv{command}",
        programs=page_tables.program_table(run.summary("program", stages_file)) if told else None,
        told=told_line(told) if told else "",
        by_program=f"nicarbon summary {where} --by program --format tsv{command}",
        steps=page_tables.step_table(run.summary("step", stages_file), colours)
        if marked
        else None,
        cut=marked_line(marked) if marked else "",
        by_step=f"nicarbon summary {where} --by step --format tsv{command}",
        by_slack=f"nicarbon bottleneck {where} --format json{command}",
        path_table=page_time_tables.path_table(found.critical_path, colours) if has_path else None,
        time_table=page_time_tables.time_table(found.critical_path) if has_path else None,
        group_table=page_time_tables.group_table(found, colours) if has_path else None,
        phase_table=page_time_tables.phase_table(found) if has_path else None,
        rule=found.rule,
        idle=tuple(idle_lines(found.critical_path)) if has_path else (),
        path_notes=tuple(note for note in found.notes if note not in summary.notes),
        accounts=page_host_tables.account_table(summary),
        devices=page_host_tables.device_table(summary),
        sums=tuple(
            (summary.labels[host.host], sum_line(host)) for host in summary.hosts if is_known(host)
        ),
        sensors=page_host_tables.sensor_table(summary),
        hosts=page_host_tables.host_table(
            summary, {h: t.header for h, t in times.items() if t.header}
        ),
        software=_software(run),
        chart_data=_chart_data(
            run, summary, found, times, stage_of, colours, run.inside(stages_file), turns
        ),
        ids=ids,
        time_bottlenecks=tuple(r.stage for r in found.stages if r.group in ("both", "time")),
    )


def _found(run: Run, stages_file: str | Path | None) -> Bottlenecks:
    """Return what limited the run; graphs that contradict each other have no longest path."""
    try:
        return run.bottlenecks(stages_file)
    except StageRuleError:
        raise
    except NicarbonError as error:
        nothing = CriticalPath((), *([0.0] * 9))
        info = run.facts.info
        return Bottlenecks(
            schema_version=info.schema_version,
            run_id=info.run_id,
            path=str(run.path),
            rule=RULE,
            critical_path=nothing,
            stages=(),
            nodes=(),
            phases=(),
            notes=(str(error),),
        )


def _stages(summary: Summary, found: Bottlenecks) -> list[str]:
    """Return every stage that is shown, highest energy first."""
    names = [row.name for row in summary.rows] + [row.stage for row in found.stages]
    return list(dict.fromkeys(names))


def _shares(
    summary: Summary, spans: Sequence[SpanEnergy], stage_of: Mapping[str, str]
) -> dict[str, Share]:
    of_stage: dict[str, list[SpanEnergy]] = defaultdict(list)
    for span in spans:
        of_stage[span.part or stage_of[span.node]].append(span)
    shares = {}
    for row in summary.rows:
        found = share_range(of_stage[row.name], spans) if row.energy_j is not None else None
        if found is not None:
            shares[row.name] = Share(*found)
    return shares


def _subtitle(run: Run, summary: Summary) -> tuple[str, ...]:
    graphs = run.facts.graphs
    workflows = some(tuple(dict.fromkeys(graph.workflow for graph in graphs)))
    plugins = some(tuple(dict.fromkeys(graph.plugin for graph in graphs)))
    started = summary.started.replace("T", " ").replace("Z", " UTC") if summary.started else ""
    parts = (
        f"workflow {isolated(workflows)}" if workflows else "",
        started,
        format_duration(summary.duration_s),
        count(summary.total.n_nodes, "node"),
        # A command has no plugin but itself.
        " ".join(
            isolated(word) for word in dict.fromkeys((run.facts.info.engine, plugins)) if word
        ),
        f"on {isolated(some(tuple(summary.labels.values())))}" if summary.hosts else "",
    )
    return tuple(part for part in parts if part)


def _beside(summary: Summary) -> tuple[str, ...]:
    """Say what no row shows: what was wasted, and what the cache saved."""
    wasted = (waste_line(summary.waste, summary.total),) if summary.waste else ()
    saved = (saved_line(summary.saved, summary.saved_g),) if summary.saved else ()
    return (*wasted, *saved)


def _failed(of_node: Mapping[str, Sequence[SpanEnergy]]) -> list[str]:
    """Name the nodes whose last attempt failed, and why; killed ones are in the notes."""
    failed = []
    for node, spans in of_node.items():
        if outcome(spans) == FAILED[0]:
            errors = sorted({span.error for span in spans if span.error})
            failed.append(f"{node} ({', '.join(errors)})" if errors else node)
    return [f"{count(len(failed), 'node')} failed: {some(failed)}"] if failed else []


def _of_hosts(summary: Summary) -> str:
    if summary.coverage is None or not summary.hosts:
        return ""
    hosts = f"host {isolated(next(iter(summary.labels.values())))}"
    if len(summary.hosts) > 1:
        hosts = f"{len(summary.hosts)} hosts"
    share = f"{100 * summary.coverage:.0f} %"
    return f"used by the nodes: {share} of what {hosts} used meanwhile"


def _price(summary: Summary) -> str:
    """Say at what the joules were priced, and what a functional unit of the run comes to."""
    if summary.price is None:
        return ""
    scored = f"; {score_line(summary.score)}" if summary.score is not None else ""
    return clean(f"{summary.price}{scored}")


def _carbon(summary: Summary) -> tuple[str, str]:
    if summary.price is None or summary.total.energy_j is None:
        return "", ""
    total = summary.total
    grams = format_mass_of(total.carbon_g, total.method)
    return f"{grams} CO2e", format_mass_range(total.carbon_low_g, total.carbon_high_g)


def _last(
    turns: Mapping[str, Sequence[Turn]], spans: Iterable[SpanEnergy]
) -> dict[str, Sequence[Turn]]:
    """Return the turns of each node's last execution: the one that the critical path is of."""
    ran = (span for span in spans if span.outcome != "cached")
    last = {span.node: span for span in sorted(ran, key=lambda span: span.start_unix_s)}
    return {node: turns[span.span] for node, span in last.items() if span.span in turns}


def _software(run: Run) -> tuple[tuple[str, str], ...]:
    info = run.facts.info
    graphs = run.facts.graphs
    told = (
        ("run", info.run_id),
        ("nicarbon", info.nicarbon_version),
        ("Python", info.python_version),
        ("engine", info.engine),
        ("plugin", some(tuple(dict.fromkeys(graph.plugin for graph in graphs)))),
        ("workflow", some(tuple(dict.fromkeys(graph.workflow for graph in graphs)))),
        ("program", info.program),
        ("file format", info.schema_version),
    )
    return tuple((name, value or "n/a") for name, value in told)


def _chart_data(
    run: Run,
    summary: Summary,
    found: Bottlenecks,
    times: Mapping[str, HostTime],
    stage_of: Mapping[str, str],
    colours: Mapping[str, str],
    inside: Mapping[str, Mapping[str, Sequence[SpanEnergy]]],
    turns: Mapping[str, Sequence[Turn]],
) -> dict[str, Any]:
    stages = list(colours)
    return {
        "stages": [
            {"name": clean(stage), "colour": colour, "ink": ink_on(colour)}
            for stage, colour in colours.items()
        ],
        "timeline": charts.timeline(
            summary, run.attribution.spans, times, found.critical_path, stage_of, stages, turns
        ),
        "tree": charts.energy_tree(summary, inside, steps_of_programs(run.attribution.spans)),
    }
