# SPDX-License-Identifier: Apache-2.0
"""Bottlenecks of a run: which stages cost it time, which energy, and which could go slower.

A stage is a time bottleneck when it holds at least a tenth (`SHARE`) of the node time on the
critical path, an energy bottleneck when it holds at least a tenth of the nodes' energy. Of the
others, a stage is free to slow down when every node of it could take at least a tenth longer
before the critical path does; what is left is minor: little time, little energy, little slack.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import fsum

import msgspec
import networkx as nx

from nicarbon.critical import CriticalPath, Times, critical_path, measured_times, slacks
from nicarbon.energies import Attribution
from nicarbon.graph import fold
from nicarbon.hosttime import HostTime, host_times
from nicarbon.intervals import Interval
from nicarbon.notes import count, some
from nicarbon.phases import Phase, phases
from nicarbon.records import RunFacts
from nicarbon.units import NS_PER_S

SHARE = 0.1
GROUPS = ("both", "time", "energy", "free", "minor")
RULE = (
    f"time: at least {100 * SHARE:g} % of the node time on the critical path; "
    f"energy: at least {100 * SHARE:g} % of the nodes' energy; "
    f"free: neither, and every node could take {100 * SHARE:g} % longer"
)


class NodeSlack(msgspec.Struct, frozen=True):
    """A node that took time.

    Attributes
    ----------
    node, stage : str
        Its unique name, and its stage.
    start_s, duration_s : float
        Seconds since the run began, and of its execution.
    slack_s : float or None
        How much longer it could have taken without the run taking longer; None where nothing is
        known of what depends on it.
    critical : bool
        Whether it is on the critical path.
    energy_j : float or None
        Joules; None where none are known.
    """

    node: str
    stage: str
    start_s: float
    duration_s: float
    slack_s: float | None
    critical: bool
    energy_j: float | None


class StageGroup(msgspec.Struct, frozen=True):
    """A stage and its group.

    Attributes
    ----------
    stage : str
        Its name.
    group : str
        One of `GROUPS`.
    path_s, path_share : float, float or None
        Time of its nodes on the critical path, and its part of that of all nodes there. A node
        that runs several stages is divided among them by the CPU time of the programs seen.
    duration_s : float
        Length of the union of its nodes' intervals.
    slack_s : float or None
        The least slack of its nodes, each taken alone.
    energy_j, energy_low_j, energy_high_j : float or None
        Joules of its nodes, and their range; None where none are known.
    energy_share : float or None
        Its part of the nodes' energy.
    method : str or None
        The weakest method that they rest on.
    n_nodes : int
        Its nodes.
    """

    stage: str
    group: str
    path_s: float
    path_share: float | None
    duration_s: float
    slack_s: float | None
    energy_j: float | None
    energy_low_j: float | None
    energy_high_j: float | None
    energy_share: float | None
    method: str | None
    n_nodes: int


class Bottlenecks(msgspec.Struct, frozen=True):
    """What limited a run, and where it could save.

    Attributes
    ----------
    schema_version, run_id, path : str
        The version of the format of this record, the run's name, and its folder.
    rule : str
        The rule of the groups, in words.
    critical_path : CriticalPath
        The path; of a run without a graph its longest node, as no chain is known.
    stages : tuple of StageGroup
        In the order of the groups, the longest on the path first.
    nodes : tuple of NodeSlack
        In the order of their starts.
    phases : tuple of Phase
        The run's time in three parts, by `nicarbon.phases.PHASES`.
    notes : tuple of str
        What the figures lack, a sentence each.
    """

    schema_version: str
    run_id: str
    path: str
    rule: str
    critical_path: CriticalPath
    stages: tuple[StageGroup, ...]
    nodes: tuple[NodeSlack, ...]
    phases: tuple[Phase, ...]
    notes: tuple[str, ...] = ()


def bottlenecks(
    facts: RunFacts,
    attribution: Attribution,
    graph: nx.DiGraph,
    *,
    path: str = "",
    notes: Sequence[str] = (),
) -> Bottlenecks:
    """Say what limited a run.

    Parameters
    ----------
    facts : RunFacts
        The run.
    attribution : Attribution
        Its energies.
    graph : networkx.DiGraph
        From `nicarbon.graph.executed_graph`.
    path : str, optional
        The run folder.
    notes : sequence of str, optional
        What is already known to be lacking.

    Raises
    ------
    NicarbonError
        If the graph has a cycle.
    """
    times = measured_times(graph)
    hosts = host_times(facts)
    offsets = graph.graph["clock_offsets"]
    found = critical_path(graph, times, _window(hosts, offsets))
    on_path = {step.node for step in found.steps}
    # Where a node may stand between any others, that one may take longer would be a guess.
    known = len(times) <= 1 or not _lost(facts, graph, times)
    nodes = _nodes(graph, times, on_path, found, known)
    first = _first(times, found)
    whole = [(first, first + round(found.total_s * NS_PER_S))] if times else []
    used = phases(times, on_path, hosts, offsets, whole)
    return Bottlenecks(
        schema_version=facts.info.schema_version,
        run_id=facts.info.run_id,
        path=path,
        rule=RULE,
        critical_path=found,
        stages=_stages(graph, nodes),
        nodes=nodes,
        phases=used,
        notes=(*notes, *_notes(graph, times, found, used, known)),
    )


def _window(hosts: Mapping[str, HostTime], offsets: Mapping[str, float]) -> Interval | None:
    """Return when the run began and ended, on the common clock."""
    known = [
        tuple(t + round(offsets[host] * NS_PER_S) for t in stretch)
        for host, time in hosts.items()
        for stretch in time.window
        if host in offsets
    ]
    return (min(k[0] for k in known), max(k[1] for k in known)) if known else None


def _lost(facts: RunFacts, graph: nx.DiGraph, times: Times) -> list[str]:
    """Return the nodes that took time and that no recorded graph names, nor their MapNode."""
    described = {node.name for of_run in facts.graphs for node in of_run.nodes}
    return [
        name
        for name in times
        if name not in described and graph.nodes[name]["spans"][0].map_node not in described
    ]


def _nodes(
    graph: nx.DiGraph, times: Times, on_path: set[str], found: CriticalPath, known: bool
) -> tuple[NodeSlack, ...]:
    slack_ns = slacks(graph, times)
    first = _first(times, found)
    return tuple(
        NodeSlack(
            node=name,
            stage=graph.nodes[name]["stage"],
            start_s=(start - first) / NS_PER_S,
            duration_s=(end - start) / NS_PER_S,
            slack_s=slack_ns[name] / NS_PER_S if known else None,
            critical=name in on_path,
            energy_j=graph.nodes[name]["energy_j"],
        )
        for name, (start, end) in sorted(times.items(), key=lambda item: (item[1], item[0]))
    )


def _first(times: Times, found: CriticalPath) -> int:
    """Return the run's start on the common clock: the path knows it as a distance."""
    if not found.steps:
        return 0
    return times[found.steps[0].node][0] - round(found.before_s * NS_PER_S)


def _stages(graph: nx.DiGraph, nodes: Sequence[NodeSlack]) -> tuple[StageGroup, ...]:
    """Put the stages whose nodes took time into groups."""
    stages = fold(graph, "stage")
    path_s = fsum(node.duration_s for node in nodes if node.critical)
    held_s = _held_s(graph, nodes)
    energy_j = fsum(data["energy_j"] or 0.0 for _, data in stages.nodes(data=True))
    groups = []
    for stage, data in stages.nodes(data=True):
        # Of a monolith that runs several stages, each has a part.
        named = set(data["nodes"])
        held = [node for node in nodes if node.node in named]
        if not held:
            continue
        on_path_s = fsum(held_s.get(stage, ()))
        path_share = on_path_s / path_s if path_s else None
        has_energy = data["energy_j"] is not None and energy_j > 0
        energy_share = data["energy_j"] / energy_j if has_energy else None
        slack = [node.slack_s for node in held if node.slack_s is not None]
        groups.append(
            StageGroup(
                stage=stage,
                group=_group(path_share, energy_share, held),
                path_s=on_path_s,
                path_share=path_share,
                duration_s=data["duration_s"],
                slack_s=min(slack, default=None),
                energy_j=data["energy_j"],
                energy_low_j=data["energy_low_j"],
                energy_high_j=data["energy_high_j"],
                energy_share=energy_share,
                method=data["method"],
                n_nodes=len(held),
            )
        )
    return tuple(sorted(groups, key=_rank))


def _held_s(graph: nx.DiGraph, nodes: Sequence[NodeSlack]) -> dict[str, list[float]]:
    """Return the seconds on the path, by stage; of a monolith by the CPU time of its parts."""
    held_s: dict[str, list[float]] = defaultdict(list)
    for node in nodes:
        if not node.critical:
            continue
        cpu_s: dict[str, float] = defaultdict(float)
        for part in graph.nodes[node.node].get("parts") or ():
            cpu_s[part.part or node.stage] += part.cpu_s
        whole_s = fsum(cpu_s.values())
        for stage, of_stage_s in cpu_s.items() if whole_s else ():
            held_s[stage].append(node.duration_s * of_stage_s / whole_s)
        if not whole_s:
            held_s[node.stage].append(node.duration_s)
    return held_s


def _rank(row: StageGroup) -> tuple[int, float, float, str]:
    return GROUPS.index(row.group), -row.path_s, -(row.energy_j or 0.0), row.stage


def _group(
    path_share: float | None, energy_share: float | None, nodes: Sequence[NodeSlack]
) -> str:
    is_time = (path_share or 0.0) >= SHARE
    is_energy = (energy_share or 0.0) >= SHARE
    if is_time or is_energy:
        return "both" if is_time and is_energy else "time" if is_time else "energy"
    free = all(n.slack_s and n.slack_s >= SHARE * n.duration_s for n in nodes)
    return "free" if free else "minor"


def _notes(
    graph: nx.DiGraph, times: Times, found: CriticalPath, used: Sequence[Phase], known: bool
) -> tuple[str, ...]:
    """Say what a run does not tell of its bottlenecks."""
    lines = []
    if not times:
        lines.append("no node took time: there is no path")
    elif not known:
        lines.append(
            "no graph was recorded, or not of all nodes: what waits for what is not known; the "
            "path is the longest chain that is, and there is no slack to tell"
        )
    elif len(times) == 1:
        lines.append("one node took time: it is the whole path, and has no slack")
    divided = [step.node for step in found.steps if graph.nodes[step.node].get("parts")]
    if divided:
        lines.append(
            "time on the path of a node that runs several stages is divided among them by the CPU "
            f"time of their programs: {some(divided)}"
        )
    untimed = graph.number_of_nodes() - len(times)
    if untimed and times:
        lines.append(f"{count(untimed, 'node')} took no time (cached, not run, or in a MapNode)")
    again = sorted(
        name
        for name, data in graph.nodes(data=True)
        if sum(s.outcome != "cached" and s.parent is None for s in data["spans"]) > 1
    )
    if again:
        lines.append(f"executed several times, the last counts for time: {some(again)}")
    if found.overlap_s > 0:
        lines.append(
            f"nodes on the path began {found.overlap_s:.3g} s before an input had ended: the "
            "hosts' clocks differ, or something was executed again"
        )
    if times and any(phase.energy_j is None for phase in used):
        lines.append(
            "what the hosts used meanwhile is not known: one has no reading, or ran no node to "
            "place it in time"
        )
    return tuple(lines)
