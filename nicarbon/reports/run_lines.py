# SPDX-License-Identifier: Apache-2.0
"""What is said of a run beside its table, a line each: the same in a terminal and on a page."""

from __future__ import annotations

import shlex

from nicarbon.carbon.embodied import Score
from nicarbon.earlier import Saved
from nicarbon.flow import UNCLASSIFIED
from nicarbon.marked import Marked
from nicarbon.notes import count
from nicarbon.printable import clean as clean
from nicarbon.programs import Told
from nicarbon.reports.cells import format_range, format_share, percent
from nicarbon.rows import Row
from nicarbon.summary import Summary
from nicarbon.units import (
    format_energy,
    format_energy_of,
    format_mass,
    format_mass_of,
    format_mass_range,
)
from nicarbon.waste import Waste

_NEARLY_ALL = 0.995


def saved_line(saved: Saved, carbon_g: float | None = None) -> str:
    """Say what the cache saved, as far as earlier runs know it; it is in no sum."""
    nodes = count(saved.n_cached, "cached node")
    if not saved.n_known:
        whose = "it" if saved.n_cached == 1 else "they"
        return f"{nodes}: no earlier run folder here knows what {whose} once cost (--earlier DIR)"
    cost = saved.cost
    energy = format_energy_of(cost.energy_j, cost.method)
    spread = format_range(cost.energy_low_j, cost.energy_high_j, of_j=cost.energy_j)
    known = f"{saved.n_known} of {nodes} known from {count(saved.n_runs, 'earlier run')}"
    mass = "" if carbon_g is None else f", {format_mass_of(carbon_g, cost.method)} as priced then"
    return f"the cache saved {energy} ({spread}, {cost.method}){mass}: {known}"


def waste_line(waste: Waste, total: Row) -> str:
    """Say what went into executions without a result; it is in the sum."""
    kinds = ", ".join(
        f"{count(n, 'execution')} {kind} ({format_energy(waste.energies_j[kind])})"
        for kind, n in waste.executions.items()
    )
    mass = "" if waste.carbon_g is None else f", {format_mass(waste.carbon_g)}"
    return (
        f"wasted: {format_energy(waste.energy_j)} "
        f"({format_range(waste.energy_low_j, waste.energy_high_j, of_j=waste.energy_j)}){mass}, "
        f"{format_share(waste.energy_j, total.energy_j)} of the nodes: {kinds}"
    )


def told_line(told: Told) -> str:
    """Say how surely programs are told apart.

    Examples
    --------
    >>> told_line(Told(400, 0.052, 1, 3.0))
    'Programs are told apart by their clocks, short-lived ones by 400 looks: at most 5.2 % of the \
energy is with the wrong one. In 1 node none was seen at work (3 J)'
    >>> told_line(Told(0, 0.005, 0, 0.0, traced=1.0))
    "Programs are told apart by the kernel's own account of each: at most 0.5 % of the energy is \
with the wrong one"
    >>> told_line(Told(0, None, 0, 0.0))
    'No program was seen at work'
    """
    if told.error is None:
        return "No program was seen at work"
    how = f"by their clocks, short-lived ones by {count(told.n, 'look')}"
    if told.traced > 0:
        how = "by the kernel's own account of each"
        how += f" ({percent(told.traced)} of the energy)" if told.traced < _NEARLY_ALL else ""
        how += f", what it can't name by {count(told.n, 'look')}" if told.n else ""
    line = (
        f"Programs are told apart {how}: "
        f"at most {percent(told.error)} of the energy is with the wrong one"
    )
    if told.n_not_seen:
        nodes = count(told.n_not_seen, "node")
        line += f". In {nodes} none was seen at work ({format_energy(told.not_seen_j)})"
    return line


def marked_line(marked: Marked) -> str:
    """Say how surely steps are told apart, and whether two counts of them agree.

    Examples
    --------
    >>> marked_line(Marked(0.028, 0.049, 0.012, 0.02, {}, ()))
    'Steps are told apart by the markers that tools wrote into their logs: at most 2.8 % of the \
energy is with the wrong one. Counted by the programs that were seen meanwhile (of these at most \
4.9 % has a wrong name), 1.2 % of the CPU time is in other steps; their errors allow for 2.0 %'
    """
    line = (
        "Steps are told apart by the markers that tools wrote into their logs: "
        f"at most {percent(marked.error)} of the energy is with the wrong one"
    )
    if marked.apart is None or marked.apart_error is None:
        return line
    names = (
        ""
        if marked.programs_error is None
        else (f" (of these at most {percent(marked.programs_error)} has a wrong name)")
    )
    return (
        f"{line}. Counted by the programs that were seen meanwhile{names}, "
        f"{percent(marked.apart)} of the CPU time is in other steps; their errors allow for "
        f"{percent(marked.apart_error)}"
    )


def unclassified(summary: Summary) -> list[str]:
    """Say how much of a run no stage rule fits."""
    rows = [row for row in summary.rows if summary.by == "stage" and row.name == UNCLASSIFIED]
    total_j = summary.total.energy_j
    return [
        f"{count(row.n_nodes, 'node')} unclassified, {format_share(row.energy_j, total_j)} of the "
        "nodes' energy: name a stage by node.stage or --stages FILE"
        for row in rows
    ]


def pricing_command(path: str) -> str:
    """Return the command that prices a run."""
    return f"nicarbon price {shlex.quote(path)} --country CODE (or --intensity G)"


def score_line(score: Score) -> str:
    """Say a score in a line."""
    made = "not declared" if score.embodied_g is None else format_mass(score.embodied_g)
    return (
        f"SCI: {format_mass(score.score_g)} "
        f"({format_mass_range(score.score_low_g, score.score_high_g)}) per {score.unit}: "
        f"O {format_mass(score.operational_g)}, M {made}, R {score.n}"
    )
