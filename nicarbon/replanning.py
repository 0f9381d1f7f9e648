# SPDX-License-Identifier: Apache-2.0
"""A run's graph put in time again: what its engine would take, given how long nodes take.

The engine starts nodes as it was seen to do. No energy is known here.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nicarbon.critical import measured_times, ready_times
from nicarbon.errors import NicarbonError
from nicarbon.graph import FootprintGraph
from nicarbon.run import Run
from nicarbon.schedule import Engine, Task, observe, schedule
from nicarbon.units import NS_PER_S


class Plan(msgspec.Struct, frozen=True):
    """What a schedule needs to know of a run, beside how long its nodes take.

    Attributes
    ----------
    ranks : dict
        When each node that took time began: what began first goes first.
    wanted : dict
        Processors that each node holds.
    needs : dict
        What each node, and each look, waits for.
    delays, n_procs, engine
        As `nicarbon.schedule.observe` returns them.
    total_s, around_s : float
        The run's time, and what of it is before its first node and after its engine saw that
        the last had ended.
    """

    ranks: dict[str, float]
    wanted: dict[str, int]
    needs: dict[str, list[str]]
    delays: dict[str, float]
    n_procs: int
    engine: Engine
    total_s: float
    around_s: float


def observed(run: Run, stages_file: str | None = None) -> Plan:
    """Return the plan that a run followed.

    Parameters
    ----------
    run : Run
        The run.
    stages_file : str, optional
        The user's stage rules.

    Raises
    ------
    NicarbonError
        If none of its nodes took time.
    """
    graph = run.executed(stages_file)
    measured = measured_times(graph)
    if not measured:
        raise NicarbonError(
            f"{run.path}: no node took time: there is nothing to put in time again"
        )
    times = {name: (a / NS_PER_S, b / NS_PER_S) for name, (a, b) in measured.items()}
    ready = {
        name: None if at is None else at / NS_PER_S
        for name, at in ready_times(graph, measured).items()
    }
    wanted = {name: graph.nodes[name]["n_procs"] or 1 for name in graph}
    # Steps of a log begin on whole seconds, as if by looks; nipype alone looks.
    may_look = run.facts.info.engine in ("", "nipype")
    n_procs, engine, delays = observe(times, ready, wanted, may_look)
    needs = {name: list(graph.predecessors(name)) for name in graph}
    if engine.look_s:
        needs |= _expanded(graph, needs)
    nodes_s = max(end for _, end in times.values()) - min(start for start, _ in times.values())
    total_s = max(host.duration_s for host in run.attribution.hosts)
    return Plan(
        ranks={name: start for name, (start, _) in times.items()},
        wanted=wanted,
        needs=needs,
        delays=delays,
        n_procs=n_procs,
        engine=engine,
        total_s=total_s,
        around_s=max(total_s - engine.notices(nodes_s + engine.late_s), 0.0),
    )


def _expanded(graph: FootprintGraph, needs: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return what elements of MapNodes wait for: in one look they are made, in the next begun."""
    found: dict[str, list[str]] = {}
    for name, data in graph.nodes(data=True):
        span = data["spans"][0] if data["spans"] else None
        if span is not None and span.map_node in needs and span.parent is None:
            found[_look(span.map_node)] = needs[name]
            found[name] = [_look(span.map_node)]
    return found


def _look(map_node: str) -> str:
    # No node has a name with a blank.
    return f"make elements of {map_node}"


def makespan_s(plan: Plan, seconds: Mapping[str, float], n_procs: int) -> float:
    """Return how long a run would take.

    Parameters
    ----------
    plan : Plan
        What waits for what, and how nodes are started.
    seconds : mapping
        How long each node takes; one that is not there takes no time.
    n_procs : int
        Processors for its nodes.
    """
    tasks = {}
    for name in plan.needs:
        rank = plan.ranks.get(name, 0.0)
        # What is no node is a look of the engine's: it takes hardly any time, and no processor.
        tasks[name] = (
            Task(seconds.get(name, 0.0), plan.wanted[name], rank, plan.delays.get(name))
            if name in plan.wanted
            else Task(1e-6, 0, rank)
        )
    times = schedule(tasks, plan.needs, n_procs, plan.engine)
    return plan.around_s + plan.engine.notices(max(end for _, end in times.values()))
