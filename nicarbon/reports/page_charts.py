# SPDX-License-Identifier: Apache-2.0
"""Data of the report page's charts, as plain and compact JSON: what a script draws, no more.

Texts are written here, so that a chart says the same as the tables.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import Any

import msgspec
import numpy as np

from nicarbon.accounts import weakest_of
from nicarbon.critical import CriticalPath
from nicarbon.energies import SpanEnergy
from nicarbon.hosttime import HostTime
from nicarbon.notes import count
from nicarbon.power import Power, power_over_time
from nicarbon.printable import clean
from nicarbon.reports.cells import format_range, format_share
from nicarbon.reports.turns import Turn
from nicarbon.rows import clock_offsets, energy_range
from nicarbon.steps import NO_STEP
from nicarbon.summary import Summary
from nicarbon.units import NS_PER_S, format_duration, format_energy_of

OUTCOMES = ("ran", "cached", "failed", "killed", "running")
# More leaves in a branch nobody tells apart: the smallest are one leaf together.
N_LEAVES = 60
MS_PER_S = 1000
_NS_PER_MS = 1_000_000


def timeline(
    summary: Summary,
    spans: Sequence[SpanEnergy],
    times: Mapping[str, HostTime],
    path: CriticalPath,
    stage_of: Mapping[str, str],
    stages: Sequence[str],
    turns: Mapping[str, Sequence[Turn]],
) -> dict[str, Any]:
    """Return the node executions in lanes, and the power of each host, in milliseconds.

    Time 0 is the start of the run. An execution inside another's process lies in its lane.

    Parameters
    ----------
    summary : Summary
        The run.
    spans : sequence of SpanEnergy
        All executions.
    times : mapping
        From `nicarbon.hosttime.host_times`.
    path : CriticalPath
        Of the run.
    stage_of : mapping
        Stage by node.
    stages : sequence of str
        The names that a bar's stage is a position of.
    turns : mapping
        Which stage of a monolith was at work when, by span: `nicarbon.reports.turns.turns_of`.
    """
    offsets = clock_offsets(spans)
    if not offsets and len(times) == 1:
        offsets = dict.fromkeys(times, 0.0)
    first_s = _first_s(spans, times, offsets)
    hosts = [host.host for host in summary.hosts]
    spans = sorted(spans, key=lambda span: (hosts.index(span.host), span.start_s, span.span))
    lanes, titles, n_lanes = _lanes(spans, hosts)
    place = {stage: i for i, stage in enumerate(stages)}

    def ms(span_s: float, host: str) -> int:
        return round((span_s + offsets[host] - first_s) * MS_PER_S)

    return {
        "total": round(path.total_s * MS_PER_S),
        "hosts": [clean(summary.labels[host]) for host in hosts],
        "lanes": n_lanes,
        "titles": titles,
        "bars": {
            **_names(span.node for span in spans),
            "stage": [place[stage_of[span.node]] for span in spans],
            "turns": {
                i: [[place[turn.stage], round(turn.end_s * MS_PER_S)] for turn in turns[span.span]]
                for i, span in enumerate(spans)
                if span.span in turns
            },
            "host": [hosts.index(span.host) for span in spans],
            "lane": lanes,
            "start": [ms(span.start_s, span.host) for span in spans],
            "end": [ms(span.end_s, span.host) for span in spans],
            "outcome": [OUTCOMES.index(span.outcome) for span in spans],
            "inside": [int(span.parent is not None) for span in spans],
            "energy": [format_energy_of(span.energy_j, span.method) for span in spans],
            "range": [
                format_range(*energy_range([span])[1:], of_j=span.energy_j) for span in spans
            ],
            "took": [format_duration(span.end_s - span.start_s) for span in spans],
            "error": {i: clean(span.error) for i, span in enumerate(spans) if span.error},
        },
        "path": _on_path(spans, path),
        "power": [
            _power(hosts.index(host), power, offsets[host] - first_s)
            for host, time in times.items()
            if host in offsets and (power := _of_host(time)) is not None
        ],
    }


def _of_host(time: HostTime) -> Power | None:
    return power_over_time(time.accounts, devices=time.devices.values())


def _first_s(
    spans: Iterable[SpanEnergy], times: Mapping[str, HostTime], offsets: Mapping[str, float]
) -> float:
    """Return when the run began, on the common clock."""
    starts = [span.start_s + offsets[span.host] for span in spans]
    starts += [
        first / NS_PER_S + offsets[host]
        for host, time in times.items()
        if host in offsets
        for first, _ in time.window
    ]
    return min(starts, default=0.0)


def _lanes(
    spans: Sequence[SpanEnergy], hosts: Sequence[str]
) -> tuple[list[int], list[tuple[int, int]], int]:
    """Pack executions into as few lanes as ran at once, host by host.

    Returns
    -------
    tuple
        The lane of each execution; lane and host of each title, none for a single host; and the
        number of lanes.
    """
    lanes: dict[str, int] = {}
    titles = []
    n_lanes = 0
    for position, host in enumerate(hosts):
        if len(hosts) > 1:
            titles.append((n_lanes, position))
            n_lanes += 1
        free: list[int] = []
        busy: list[tuple[float, int]] = []
        for span in spans:
            if span.host != host or span.parent is not None:
                continue
            while busy and busy[0][0] <= span.start_s:
                heapq.heappush(free, heapq.heappop(busy)[1])
            if not free:
                heapq.heappush(free, n_lanes)
                n_lanes += 1
            lanes[span.span] = heapq.heappop(free)
            heapq.heappush(busy, (span.end_s, lanes[span.span]))
    # One whose parent was lost is drawn in the first lane rather than nowhere.
    return [lanes.get(_outermost(span, lanes), 0) for span in spans], titles, max(n_lanes, 1)


def _outermost(span: SpanEnergy, lanes: Mapping[str, int]) -> str:
    return span.span if span.span in lanes else span.parent or ""


def _names(nodes: Iterable[str]) -> dict[str, list[Any]]:
    """Write names as positions in a table of the words between their dots: they repeat a lot."""
    words: dict[str, int] = {}
    names = [
        [words.setdefault(word, len(words)) for word in clean(node).split(".")] for node in nodes
    ]
    return {"words": list(words), "name": names}


def _on_path(spans: Sequence[SpanEnergy], path: CriticalPath) -> list[int]:
    """Return the positions of the executions that the critical path consists of."""
    last: dict[str, int] = {}
    for i, span in enumerate(spans):
        if span.outcome != "cached":
            best = last.get(span.node)
            if best is None or _place(spans[best]) <= _place(span):
                last[span.node] = i
    return [last[step.node] for step in path.steps if step.node in last]


def _place(span: SpanEnergy) -> tuple[float, str]:
    return span.start_unix_s, span.span


def _power(host: int, power: Power, shift_s: float) -> dict[str, Any]:
    t_ms = np.round(power.t_ns / _NS_PER_MS + shift_s * MS_PER_S).astype(int).tolist()
    watts = {
        name: [None if value != value else float(f"{value:.4g}") for value in values.tolist()]
        for name, values in (("w", power.power_w), ("low", power.low_w), ("high", power.high_w))
    }
    joined = None if power.joined_s is None else format_duration(power.joined_s)
    return {"host": host, "t": t_ms, **watts, "joined": joined}


def energy_tree(
    summary: Summary,
    inside: Mapping[str, Mapping[str, Sequence[SpanEnergy]]],
    steps: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> list[dict[str, Any]]:
    """Return stages, their nodes, and the steps and programs in these as a tree for a treemap.

    A leaf or branch has ``name``, ``value`` in joules and ``text``, a branch ``children``.

    Parameters
    ----------
    summary : Summary
        Of the run by stage.
    inside : mapping
        Programs by node by stage, from `nicarbon.run.Run.inside`.
    steps : mapping
        In which steps a node's programs were seen: `nicarbon.marked.steps_of_programs`.
    """
    total_j = summary.total.energy_j
    return [
        _branch(row.name, row.energy_j, row.method, total_j)
        | {"stage": place, "children": _nodes(inside.get(row.name, {}), steps, total_j)}
        for place, row in enumerate(summary.rows)
        if row.energy_j
    ]


def _nodes(
    nodes: Mapping[str, Sequence[SpanEnergy]],
    steps: Mapping[str, Mapping[str, Mapping[str, float]]],
    total_j: float | None,
) -> list[dict[str, Any]]:
    leaves = _leaves(nodes, "node", total_j)
    for leaf, (node, parts) in zip(leaves, _largest(nodes), strict=False):
        if steps.get(node):
            leaf["children"] = _steps(parts, steps[node], total_j)
            continue
        programs: dict[str, list[SpanEnergy]] = defaultdict(list)
        for part in parts:
            programs[part.part].append(part)
        if len(programs) > 1:
            leaf["children"] = _leaves(programs, "program", total_j)
    return leaves


def _steps(
    parts: Sequence[SpanEnergy],
    steps_of: Mapping[str, Mapping[str, float]],
    total_j: float | None,
) -> list[dict[str, Any]]:
    """Return the steps of a node, and in each the programs that were seen in it."""
    by_step: dict[str, list[SpanEnergy]] = defaultdict(list)
    for part in parts:
        for step, share in steps_of.get(part.part, {NO_STEP: 1.0}).items():
            energy_j = None if part.energy_j is None else share * part.energy_j
            by_step[step].append(msgspec.structs.replace(part, energy_j=energy_j))
    leaves = _leaves(by_step, "step", total_j)
    for leaf, (_, of_step) in zip(leaves, _largest(by_step), strict=False):
        programs: dict[str, list[SpanEnergy]] = defaultdict(list)
        for part in of_step:
            programs[part.part].append(part)
        if len(programs) > 1:
            leaf["children"] = _leaves(programs, "program", total_j)
    return leaves


def _largest(
    groups: Mapping[str, Sequence[SpanEnergy]],
) -> list[tuple[str, Sequence[SpanEnergy]]]:
    """Return the groups that have energy, the most first."""
    found = ((name, _energy_j(parts), parts) for name, parts in groups.items())
    largest = sorted((-energy_j, name, parts) for name, energy_j, parts in found if energy_j)
    return [(name, parts) for _, name, parts in largest]


def _energy_j(parts: Iterable[SpanEnergy]) -> float:
    return fsum(part.energy_j or 0.0 for part in parts)


def _leaves(
    groups: Mapping[str, Sequence[SpanEnergy]], what: str, total_j: float | None
) -> list[dict[str, Any]]:
    shown = _largest(groups)
    rest = [part for _, parts in shown[N_LEAVES:] for part in parts]
    named = shown[:N_LEAVES]
    if rest:
        named.append((count(len(shown) - N_LEAVES, f"smaller {what}"), rest))
    return [
        _branch(
            name,
            _energy_j(parts),
            weakest_of(part.method for part in parts if part.energy_j is not None),
            total_j,
        )
        for name, parts in named
    ]


def _branch(
    name: str, energy_j: float | None, method: str | None, total_j: float | None
) -> dict[str, Any]:
    energy = f"{format_energy_of(energy_j, method)}, {format_share(energy_j, total_j)}"
    return {"name": clean(name), "value": float(f"{energy_j or 0.0:.4g}"), "text": energy}
