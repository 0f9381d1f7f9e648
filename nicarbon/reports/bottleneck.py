# SPDX-License-Identifier: Apache-2.0
"""Show what limited a run, in a terminal or as plain text; or as JSON for other programs."""

from __future__ import annotations

import json
import shlex

import msgspec
from rich.console import Console
from rich.text import Text

from nicarbon.bottleneck import Bottlenecks, Phase, StageGroup
from nicarbon.critical import CriticalPath, Step
from nicarbon.notes import count
from nicarbon.reports.terminal import (
    MARK,
    NARROW,
    clean,
    format_range,
    new_console,
    new_table,
    text_of,
)
from nicarbon.units import format_duration, format_energy

# A longer path is shown by its longest nodes, in their order.
N_STEPS = 20
# Waiting that changes no printed digit of a run is not worth a line.
WAITED_LIMIT_S = 0.05
# From this part of the run on, time without any node gets a line.
IDLE_LIMIT = 0.1
_GROUPS = {
    "both": "time and energy",
    "time": "time",
    "energy": "energy",
    "free": "free to slow down",
    "minor": "-",
}


def to_json(found: Bottlenecks) -> str:
    """Write all that is known, one object; numbers are written in full."""
    document = msgspec.to_builtins(found)
    del document["path"], document["notes"]
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render(
    found: Bottlenecks, *, width: int | None = None, color: bool = False, command: str = ""
) -> str:
    """Show where the time went, the critical path, and the stages in groups.

    Parameters
    ----------
    found : Bottlenecks
        What limited a run.
    width : int, optional
        Columns of the terminal; by default plain text that is as wide as its names.
    color : bool, optional
        Whether to use colours.
    command : str, optional
        Arguments that the next command should repeat (``--stages FILE``).

    Returns
    -------
    str
        Lines of text; the last names the next useful command.
    """
    console = new_console(width, color)
    narrow = width is not None and width < NARROW
    total = format_duration(found.critical_path.total_s)
    console.print(Text(clean(f"run {found.run_id}, {total}"), style="bold"))
    console.print()
    if found.critical_path.steps:
        _show_stages(console, found, narrow)
        _show_path(console, found.critical_path, narrow)
        _show_times(console, found)
    for line in found.notes:
        console.print(Text(clean(f"! {line}"), style="yellow"))
    if found.notes:
        console.print()
    path = shlex.quote(found.path)
    console.print(Text(clean(f"next: nicarbon summary {path} --by node{command}")), soft_wrap=True)
    return text_of(console)


def _show_stages(console: Console, found: Bottlenecks, narrow: bool) -> None:
    table = new_table()
    table.add_column("stage", overflow="fold", no_wrap=not narrow, min_width=8)
    table.add_column("bottleneck", no_wrap=True)
    for title in ("on the path", "share", "slack", "energy", *([] if narrow else ["range"])):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    for row in found.stages:
        table.add_row(*(Text(clean(cell)) for cell in _stage(row, narrow)))
    console.print(table)
    console.print()
    console.print(Text(f"bottleneck: {found.rule}"))
    console.print(
        Text(
            "slack: how much longer the stage's tightest node could take, alone and with a free "
            "processor, before the critical path does"
        )
    )
    if any(row.method not in (None, "measured") for row in found.stages):
        console.print(Text(f"{MARK} modelled or assumed, not measured: see 'nicarbon doctor'"))
    console.print()


def _stage(row: StageGroup, narrow: bool) -> list[str]:
    mark = MARK if row.method not in (None, "measured") else ""
    energy = mark + format_energy(row.energy_j) if row.energy_j is not None else "n/a"
    return [
        row.stage,
        _GROUPS[row.group],
        format_duration(row.path_s) if row.path_s else "-",
        _percent(row.path_share) if row.path_s else "-",
        _slack(row.slack_s),
        energy,
        *([] if narrow else [format_range(row.energy_low_j, row.energy_high_j)]),
        _percent(row.energy_share),
    ]


def _slack(slack_s: float | None) -> str:
    return "none" if slack_s == 0 else format_duration(slack_s)


def _percent(share: float | None) -> str:
    """Write a part of the whole in per cent.

    Examples
    --------
    >>> _percent(0.3333), _percent(1e-6), _percent(0.0), _percent(None)
    ('33.3 %', '<0.1 %', '0.0 %', 'n/a')
    """
    if share is None:
        return "n/a"
    return f"{100 * share:.1f} %" if share >= 0.0005 or not share else "<0.1 %"


def _show_path(console: Console, path: CriticalPath, narrow: bool) -> None:
    shown = set(sorted(path.steps, key=lambda s: (-s.duration_s, s.start_s, s.node))[:N_STEPS])
    table = new_table()
    table.add_column("critical path", overflow="fold", no_wrap=not narrow, min_width=13)
    table.add_column("stage", overflow="fold", no_wrap=not narrow)
    for title in ("at", "duration", "share", "waited"):
        table.add_column(title, justify="right", no_wrap=True)
    for step in path.steps:
        if step in shown:
            table.add_row(*(Text(clean(cell)) for cell in _step(step, path)))
    rest = [step for step in path.steps if step not in shown]
    if rest:
        rest_s = sum(step.duration_s for step in rest)
        name = f"{count(len(rest), 'shorter node')}: see --format json"
        share = _percent(rest_s / path.busy_s) if path.busy_s else "n/a"
        table.add_row(name, "", "", format_duration(rest_s), share, "", style="dim")
    console.print(table)
    console.print()


def _step(step: Step, path: CriticalPath) -> list[str]:
    waited_s = step.blocked_s + step.waiting_s
    return [
        step.node,
        step.stage,
        format_duration(step.start_s),
        format_duration(step.duration_s),
        _percent(step.duration_s / path.busy_s) if path.busy_s else "n/a",
        format_duration(waited_s) if waited_s >= WAITED_LIMIT_S else "-",
    ]


def _show_times(console: Console, found: Bottlenecks) -> None:
    path = found.critical_path
    table = new_table()
    table.add_column("the run's time")
    for title in ("duration", "share"):
        table.add_column(title, justify="right", no_wrap=True)
    lines = [
        ("before the path", path.before_s),
        ("nodes of the path", path.busy_s),
        ("waiting for other inputs", path.blocked_s),
        ("waiting to be started", path.waiting_s),
        ("after the path", path.after_s),
    ]
    if path.overlap_s:
        lines.append(("overlap", -path.overlap_s))
    for name, seconds in lines:
        share = seconds / path.total_s if path.total_s else None
        table.add_row(name, format_duration(seconds), _percent(share))
    table.add_section()
    table.add_row("total", format_duration(path.total_s), "100.0 %", style="bold")
    console.print(table)
    console.print()
    _show_phases(console, found)


def _show_phases(console: Console, found: Bottlenecks) -> None:
    table = new_table()
    table.add_column("while there ran")
    for title in ("duration", "hosts' energy", "range"):
        table.add_column(title, justify="right", no_wrap=True)
    modelled = any(row.method not in (None, "measured") for row in found.stages)
    for phase in found.phases:
        table.add_row(*_phase(phase, MARK if modelled else ""))
    console.print(table)
    console.print()
    if any(phase.energy_j is not None for phase in found.phases):
        console.print(
            Text(
                "range: from the readings wholly in that time to all that it touches; sensors' too"
            )
        )
    for line in _idle_lines(found.critical_path):
        console.print(Text(line))
    console.print()


def _idle_lines(path: CriticalPath) -> list[str]:
    """Say what the time without a node of the path means for who wants a shorter run."""
    lines = []
    if path.idle_s >= IDLE_LIMIT * path.total_s:
        lines.append(
            f"for {format_duration(path.idle_s)} no node ran at all: the engine started and ended "
            "nodes, or slept between two looks at them"
        )
    if path.queued_s >= WAITED_LIMIT_S:
        lines.append(
            f"for {format_duration(path.queued_s)} only nodes beside the path ran: with no "
            "processor free, making one of them slower delays the path too"
        )
    return lines


def _phase(phase: Phase, mark: str) -> list[str]:
    if not phase.duration_s:
        return [phase.name, "-", "-", "-"]
    energy = mark + format_energy(phase.energy_j) if phase.energy_j is not None else "n/a"
    gap = f" ({format_duration(phase.uncovered_s)} without)" if phase.uncovered_s >= 1 else ""
    return [
        phase.name,
        format_duration(phase.duration_s),
        energy + gap,
        format_range(phase.energy_low_j, phase.energy_high_j),
    ]
