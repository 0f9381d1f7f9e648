# SPDX-License-Identifier: Apache-2.0
"""What a figure of a run shows: its bars, the figures beside them, and the lines below.

Nothing here draws. Names come from pipelines: all of them pass `clean`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from math import fsum

import msgspec

from nicarbon.accounts import METHODS, weakest_of
from nicarbon.energies import HostEnergy
from nicarbon.errors import NicarbonError
from nicarbon.notes import count, is_known
from nicarbon.printable import clean
from nicarbon.reports.account_lines import account_methods, sum_parts
from nicarbon.reports.cells import format_range, format_share
from nicarbon.rows import Row
from nicarbon.summary import Summary
from nicarbon.units import MARK, energy_unit, format_duration, format_energy_of, format_mass_of

# More bars than this are no figure but a table: the smallest become one.
N_BARS = 12
# A range narrower than this part of the axis can't be seen. Where that is so for half of the bars,
# the axis is logarithmic.
VISIBLE = 0.01
# Of more notes the figure names the number.
N_NOTES = 4
# The parts of a host's energy, for people who don't know nicarbon's words.
PARTS = {
    "nodes": "nodes",
    "gpu": "nodes' GPUs",
    "engine": "workflow engine",
    "meter": "nicarbon",
    "other": "other processes",
    "unattributed": "idle, nothing ran",
}


class Bar(msgspec.Struct, frozen=True):
    """One bar: energies in joules, and the cells beside it under `Bars.headers`.

    `gpu_j` is the part of the energy that is GPUs'.
    """

    label: str
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    method: str | None
    cells: tuple[str, ...]
    gpu_j: float = 0.0


class Part(msgspec.Struct, frozen=True):
    """A part of the hosts' energy: its key in `PARTS`, its part of the whole, its words."""

    key: str
    share: float
    text: str


class Bars(msgspec.Struct, frozen=True):
    """The contents of a figure.

    Attributes
    ----------
    title : str
        What is drawn.
    bars : tuple of Bar
        Highest energy first, the sum of the small ones last.
    total : Bar
        All nodes.
    headers : tuple of str
        Names of the cells.
    axis : str
        What the axis shows.
    scale_j, unit : float, str
        The unit of the axis: its joules and its name.
    is_log : bool
        Whether the axis is logarithmic.
    host : str
        Whose account `parts` is, with its energy and range.
    parts : tuple of Part
        Where it went; the nodes first, and nothing that is 0.
    lines : tuple of str
        What the figures rest on and how to read them, a sentence or two each.
    """

    title: str
    bars: tuple[Bar, ...]
    total: Bar
    headers: tuple[str, ...]
    axis: str
    scale_j: float
    unit: str
    is_log: bool
    host: str
    parts: tuple[Part, ...]
    lines: tuple[str, ...]


def bars_of(summary: Summary, scale: str = "auto") -> Bars:
    """Return the contents of a figure.

    Parameters
    ----------
    summary : Summary
        Of one run, by anything.
    scale : str
        ``linear``, ``log``, or ``auto``: whichever shows the ranges.

    Raises
    ------
    NicarbonError
        If the run has no energy to draw.
    """
    if summary.total.energy_j is None:
        why = "no energy reading covers its nodes" if summary.rows else "no node was recorded"
        raise NicarbonError(
            f"{summary.path}: {why}, there is nothing to draw; "
            f"see: nicarbon summary {shlex.quote(summary.path)}"
        )
    rows = folded(summary.rows, summary.by)
    priced = summary.price is not None
    top_j = max(row.energy_high_j or 0.0 for row in rows)
    scale_j, unit = energy_unit(top_j)
    known = [host for host in summary.hosts if is_known(host)]
    return Bars(
        title=clean(f"Energy of run {summary.run_id} by {summary.by}"),
        bars=tuple(_bar(row, summary.total, priced) for row in rows),
        total=_bar(_renamed(summary.total), summary.total, priced),
        headers=("energy", "range", "share", *(["CO₂e"] if priced else [])),
        axis=f"{_method(summary).capitalize()} energy ({unit})",
        scale_j=scale_j,
        unit=unit,
        is_log=scale == "log" or (scale == "auto" and needs_log(rows)),
        host=_whole(known),
        parts=_parts(known, summary.total.gpu_j or 0.0),
        lines=tuple(clean(line) for line in _lines(summary)),
    )


def folded(rows: Sequence[Row], by: str) -> tuple[Row, ...]:
    """Join the smallest rows so that `N_BARS` remain; their sum is kept.

    Their ranges are added up, which is never narrower than the range of their sum.
    """
    if len(rows) <= N_BARS:
        return tuple(rows)
    kept, small = rows[: N_BARS - 1], rows[N_BARS - 1 :]
    noun = by if by.isalpha() else "value"
    rest = msgspec.structs.replace(
        small[0],
        name=count(len(small), f"other {noun}"),
        energy_j=_sum(row.energy_j for row in small),
        energy_low_j=_sum(row.energy_low_j for row in small),
        energy_high_j=_sum(row.energy_high_j for row in small),
        gpu_j=_sum(row.gpu_j for row in small),
        carbon_g=_sum(row.carbon_g for row in small),
        carbon_low_g=_sum(row.carbon_low_g for row in small),
        carbon_high_g=_sum(row.carbon_high_g for row in small),
        method=weakest_of(row.method for row in small),
    )
    return (*kept, rest)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) if known else None


def needs_log(rows: Sequence[Row]) -> bool:
    """Tell whether a linear axis would hide the ranges of half of the rows or more.

    A logarithmic axis needs energies above 0 throughout.
    """
    widths = [
        (row.energy_high_j or 0.0) - (row.energy_low_j or 0.0)
        for row in rows
        if row.energy_j is not None
    ]
    if not widths or any(row.energy_j is not None and row.energy_j <= 0 for row in rows):
        return False
    top_j = max(row.energy_high_j or 0.0 for row in rows)
    return 2 * sum(width < VISIBLE * top_j for width in widths) >= len(widths)


def _renamed(total: Row) -> Row:
    return msgspec.structs.replace(total, name="all nodes")


def _bar(row: Row, total: Row, priced: bool) -> Bar:
    cells = (
        format_energy_of(row.energy_j, row.method),
        format_range(row.energy_low_j, row.energy_high_j, "–", of_j=row.energy_j),
        format_share(row.energy_j, total.energy_j),
        *([_mass(row)] if priced else []),
    )
    return Bar(
        clean(row.name),
        row.energy_j,
        row.energy_low_j,
        row.energy_high_j,
        row.method,
        cells,
        row.gpu_j or 0.0,
    )


def _mass(row: Row) -> str:
    return format_mass_of(row.carbon_g, row.method)


def _method(summary: Summary) -> str:
    """Say how the energies came about: one method, or all that there are."""
    methods = {row.method for row in summary.rows if row.method}
    return " and ".join(method for method in METHODS if method in methods)


def _whole(hosts: Sequence[HostEnergy]) -> str:
    """Say what all hosts used together."""
    energy_j, low_j, high_j = (
        fsum(getattr(host, key) for host in hosts)
        for key in ("energy_j", "energy_low_j", "energy_high_j")
    )
    method = weakest_of(account_methods(hosts))
    name = "whole host" if len(hosts) == 1 else f"{len(hosts)} whole hosts"
    energy, between = (
        format_energy_of(energy_j, method),
        format_range(low_j, high_j, "–", of_j=energy_j),
    )
    return f"{name}, {method}: {energy} ({between})"


def _parts(hosts: Sequence[HostEnergy], gpu_j: float) -> tuple[Part, ...]:
    """Return where the hosts' energy went; `gpu_j` is the part of the nodes' that is GPUs'."""
    whole_j = fsum(host.energy_j for host in hosts)
    parts = []
    for key, name in PARTS.items():
        energy_j = gpu_j
        if key != "gpu":
            energy_j = fsum(dict(sum_parts(host))[key] for host in hosts)
        if key == "nodes" and gpu_j > 0:
            name, energy_j = "nodes' processors", energy_j - gpu_j
        if energy_j > 0:
            energy = format_energy_of(energy_j, weakest_of(account_methods(hosts)))
            text = f"{name} {energy}, {format_share(energy_j, whole_j)}"
            parts.append(Part(key, energy_j / whole_j, text))
    return tuple(parts)


def _lines(summary: Summary) -> Iterable[str]:
    started = f", {summary.started}" if summary.started else ""
    total = count(summary.total.n_nodes, "node")
    yield f"Run {summary.run_id}{started}, {format_duration(summary.duration_s)}, {total}."
    sensors: dict[str, None] = {}
    for host in summary.hosts:
        for sensor in host.sensors:
            domains = ", ".join(d.name for d in sensor.domains if d.account)
            error = f", ±{100 * sensor.relative_error:g} %" if sensor.relative_error else ""
            note = f": {sensor.note}" if sensor.note else ""
            if domains:
                sensors[f"{sensor.name}, {sensor.method} ({domains}){error}{note}"] = None
    yield f"Sensor: {'; '.join(sensors)}."
    mark = f"{MARK} marks what no counter measured. " if _method(summary) != "measured" else ""
    yield (
        f"{mark}Whiskers show the range: the sensor's, joined with that of dividing a shared host "
        "among unlike programs by CPU time (one standard deviation)."
    )
    if summary.total.gpu_j:
        yield "The hatched part of a bar is GPUs'; points on a logarithmic axis show none."
    if summary.price is not None:
        mass = _mass(summary.total)
        yield f"All nodes: {mass} CO₂e at {summary.price}; {summary.price.range_note}."
    shown = summary.notes[:N_NOTES]
    yield from (f"! {note}." for note in shown)
    if len(summary.notes) > len(shown):
        yield f"! {count(len(summary.notes) - len(shown), 'more note')}: see nicarbon summary."
