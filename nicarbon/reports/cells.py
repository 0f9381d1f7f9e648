# SPDX-License-Identifier: Apache-2.0
"""Figures and names as text, the same in a terminal and on a page.

Names come from pipelines: `clean` leaves nothing in them that a terminal would obey.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from math import log10
from typing import NamedTuple

from nicarbon.carbon.embodied import Score
from nicarbon.checks import Check
from nicarbon.devices import DeviceEnergy
from nicarbon.earlier import Saved
from nicarbon.energies import HostEnergy
from nicarbon.flow import UNCLASSIFIED
from nicarbon.marked import Marked
from nicarbon.notes import count
from nicarbon.printable import clean as clean
from nicarbon.programs import Told
from nicarbon.rows import Row
from nicarbon.summary import Summary
from nicarbon.units import (
    energy_unit,
    format_duration,
    format_energy,
    format_mass,
    format_mass_range,
)
from nicarbon.waste import Waste

# Marks an energy that no counter measured.
MARK = "~"
# What the energy of a device is made of.
_DEVICE_PARTS = ("nodes", "engine", "other", "unattributed")


def figure_titles(total: Row, is_priced: bool) -> list[str]:
    """Return the titles of the figures that `row_cells` writes, without name and method."""
    grams = ["CO2e"] if is_priced else []
    gpu = ["of GPUs"] if has_gpu(total) else []
    return ["energy", "range", *grams, "share", *gpu, "CPU time", "duration", "nodes"]


def has_gpu(total: Row) -> bool:
    """Tell whether the energy of any GPU is known: it then has a column."""
    return total.gpu_j is not None


def row_cells(row: Row, total: Row, is_priced: bool) -> list[str]:
    """Write a row: its name, the figures of `figure_titles`, its method.

    Parameters
    ----------
    row, total : Row
        The row, and the one that it is a share of.
    is_priced : bool
        Whether there is a cell for grams.
    """
    return [
        row.name,
        format_energy_of(row.energy_j, row.method),
        format_range(row.energy_low_j, row.energy_high_j),
        *([format_mass_of(row.carbon_g, row.method)] if is_priced else []),
        format_share(row.energy_j, total.energy_j),
        *([format_energy(row.gpu_j)] if has_gpu(total) else []),
        format_duration(row.cpu_s) + ("+" if row.cpu_incomplete else ""),
        format_duration(row.duration_s),
        _nodes(row),
        row.method or "n/a",
    ]


def _nodes(row: Row) -> str:
    parts = [f"{row.n_cached} cached"] if row.n_cached else []
    parts += [f"{row.n_failed} failed"] if row.n_failed else []
    return f"{row.n_nodes} ({', '.join(parts)})" if parts else str(row.n_nodes)


def format_energy_of(energy_j: float | None, method: str | None) -> str:
    """Write an energy, marked where no counter measured it.

    Examples
    --------
    >>> format_energy_of(2.0, "measured"), format_energy_of(2.0, "modelled")
    ('2 J', '~2 J')
    >>> format_energy_of(None, None)
    'n/a'
    """
    mark = MARK if energy_j is not None and method not in (None, "measured") else ""
    return mark + format_energy(energy_j)


def format_mass_of(carbon_g: float | None, method: str | None) -> str:
    """Write grams, marked where no counter measured their energy; nothing is nothing, unmarked.

    Examples
    --------
    >>> format_mass_of(2.0, "measured"), format_mass_of(2.0, "modelled")
    ('2 g', '~2 g')
    >>> format_mass_of(None, None)
    'n/a'
    """
    mark = MARK if carbon_g and method not in (None, "measured") else ""
    return mark + format_mass(carbon_g)


def format_share(energy_j: float | None, total_j: float | None) -> str:
    """Write a part of an energy in per cent; ``n/a`` where there is no whole.

    Examples
    --------
    >>> format_share(1.0, 3.0), format_share(None, 1.0), format_share(1.0, 0.0)
    ('33.3 %', 'n/a', 'n/a')
    """
    return percent(None if energy_j is None or not total_j else energy_j / total_j)


def percent(share: float | None) -> str:
    """Write a part of the whole in per cent.

    Examples
    --------
    >>> percent(0.3333), percent(1e-6), percent(0.0), percent(None)
    ('33.3 %', '<0.1 %', '0.0 %', 'n/a')
    """
    if share is None:
        return "n/a"
    return f"{100 * share:.1f} %" if share >= 0.0005 or not share else "<0.1 %"


def format_range(low_j: float | None, high_j: float | None, between: str = "-") -> str:
    """Write a range of energy, in the unit of its high end.

    Examples
    --------
    >>> format_range(8.4, 15.7), format_range(0, 7200), format_range(None, None)
    ('8.4-15.7 J', '0-2 Wh', 'n/a')
    """
    if low_j is None or high_j is None:
        return "n/a"
    high, unit = format_energy(high_j).split(" ")
    low = format_energy(low_j).split(" ")
    if low[1] != unit:
        scale = energy_unit(high_j)[0]
        low = [f"{low_j / scale:.2g}" if low_j else "0", unit]
    return f"{low[0]}{between}{high} {unit}"


def sensors_line(host: HostEnergy) -> str:
    """Name the sensors whose domains are a host's energy, each with its method."""
    sensors = [
        f"{sensor.name} {sensor.method} ("
        + ", ".join(d.name for d in sensor.domains if d.account)
        + ")"
        for sensor in host.sensors
        if any(domain.account for domain in sensor.domains)
    ]
    return ", ".join(sensors) if sensors else "no sensor"


_SEES = {"part": "a part of it", "whole": "more than it"}


def check_text(check: Check) -> str:
    """Say what a counter beside the account counted, and how that compares.

    Examples
    --------
    >>> check_text(Check("perf", "package", "same", 990.0, 1000.0, 60.0))
    'perf package 990 J (0.99 x what is counted)'
    """
    name = f"{check.sensor} {check.kind} {format_energy(check.energy_j)}"
    if check.sees != "same":
        return f"{name} ({_SEES[check.sees]})"
    return (
        f"{name} (n/a)" if check.ratio is None else f"{name} ({check.ratio:.2f} x what is counted)"
    )


def check_texts(host: HostEnergy, sensor: str | None = None) -> list[str]:
    """Say what counters beside the account say, or one sensor of them; jobs are told together."""
    found = [check for check in host.checks if sensor in (None, check.sensor)]
    said = [check_text(check) for check in found if not check.job]
    ratios = [check.ratio for check in found if check.job and check.ratio is not None]
    if ratios:
        low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
        between = low if low == high else f"{low} to {high}"
        said.append(f"{count(len(ratios), 'job')} by Slurm: {between} x what is counted")
    return said


def checks_line(host: HostEnergy) -> str:
    """Say what counters beside the account say; empty where there are none."""
    said = "; ".join(check_texts(host))
    return f"beside, not added: {said}" if said else ""


class Account(NamedTuple):
    """A host's sum as text, all in one unit and with as many decimals.

    Attributes
    ----------
    parts : tuple of (str, str)
        Names and numbers that add up to the total.
    source : str
        ``counter``, ``model`` or ``counter and model``.
    total, low, high, unit : str
        The host's energy and its range.
    """

    parts: tuple[tuple[str, str], ...]
    source: str
    total: str
    low: str
    high: str
    unit: str


def account(host: HostEnergy) -> Account:
    """Write a host's account so that the printed numbers can be added up by eye."""
    scale, unit = energy_unit(host.energy_j)
    decimals = _decimals(host.energy_j / scale)
    what = {"counter" if method == "measured" else "model" for method in account_methods([host])}

    def written(energy_j: float) -> str:
        return f"{energy_j / scale:.{decimals}f}"

    return Account(
        parts=tuple((name, written(energy_j)) for name, energy_j in sum_parts(host)),
        source=" and ".join(sorted(what)) or "model",
        total=written(host.energy_j),
        low=written(host.energy_low_j),
        high=written(host.energy_high_j),
        unit=unit,
    )


def _decimals(size: float) -> int:
    """Return the decimals of a sum that is to be added up by eye."""
    return max(0, 3 - int(log10(abs(size)))) if size else 1


def account_methods(hosts: Iterable[HostEnergy]) -> set[str]:
    """Return the methods of the sensors that gave the energy of hosts."""
    sensors = [sensor for host in hosts for sensor in host.sensors]
    return {s.method for s in sensors if any(domain.account for domain in s.domains)}


def sum_parts(host: HostEnergy) -> tuple[tuple[str, float], ...]:
    """Return the names and joules of the parts of a host's energy."""
    return (
        ("nodes", host.nodes_j),
        ("engine", host.engine_j),
        ("meter", host.meter_j),
        ("other", host.other_j),
        ("unattributed", host.unattributed_j),
    )


def sum_line(host: HostEnergy) -> str:
    """Write a host's account in one line."""
    told = account(host)
    parts = " + ".join(f"{name} {number}" for name, number in told.parts)
    share = f", {100 * host.nodes_j / host.energy_j:.0f} % in nodes" if host.energy_j else ""
    return f"{parts} = {told.source} {told.total} {told.unit} ({told.low}-{told.high}){share}"


def device_line(device: DeviceEnergy) -> str:
    """Write a device's account in one line."""
    _, unit = energy_unit(device.energy_j)
    numbers = device_numbers(device)
    total = " + ".join(f"{name} {numbers[name]}" for name in _DEVICE_PARTS)
    held = f", {numbers['held but idle']} of it held but idle" if device.held_j else ""
    card = f" ({device.card})" if device.card else ""
    return (
        f"{device.name}{card}: {total} = {numbers['total']} {unit}{held}; "
        f"nodes computed {format_duration(device.sm_s)} on it"
    )


def device_numbers(device: DeviceEnergy) -> dict[str, str]:
    """Write the parts of a device's energy in one unit, so that they can be added up by eye."""
    scale, _ = energy_unit(device.energy_j)
    decimals = _decimals(device.energy_j / scale)
    energies = {
        "nodes": device.nodes_j,
        "held but idle": device.held_j,
        "engine": device.engine_j,
        "other": device.other_j,
        "unattributed": device.unattributed_j,
        "total": device.energy_j,
    }
    return {name: f"{energy_j / scale:.{decimals}f}" for name, energy_j in energies.items()}


def saved_line(saved: Saved, carbon_g: float | None = None) -> str:
    """Say what the cache saved, as far as earlier runs know it; it is in no sum."""
    nodes = count(saved.n_cached, "cached node")
    if not saved.n_known:
        whose = "it" if saved.n_cached == 1 else "they"
        return f"{nodes}: no earlier run folder here knows what {whose} once cost (--earlier DIR)"
    cost = saved.cost
    energy = format_energy_of(cost.energy_j, cost.method)
    spread = format_range(cost.energy_low_j, cost.energy_high_j)
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
        f"({format_range(waste.energy_low_j, waste.energy_high_j)}){mass}, "
        f"{format_share(waste.energy_j, total.energy_j)} of the nodes: {kinds}"
    )


def told_line(told: Told) -> str:
    """Say how surely programs are told apart.

    Examples
    --------
    >>> told_line(Told(400, 0.052, 1, 3.0))
    'Programs are told apart by their clocks, short-lived ones by 400 looks: at most 5.2 % of the \
energy is with the wrong one. In 1 node none was seen at work (3 J)'
    >>> told_line(Told(0, None, 0, 0.0))
    'No program was seen at work'
    """
    if told.error is None:
        return "No program was seen at work"
    line = (
        f"Programs are told apart by their clocks, short-lived ones by {count(told.n, 'look')}: "
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
