# SPDX-License-Identifier: Apache-2.0
"""Show what limited a run, in a terminal or as plain text; or as JSON for other programs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from nicarbon.bottleneck import Bottlenecks, StageGroup
from nicarbon.critical import CriticalPath, Step
from nicarbon.notes import count
from nicarbon.phases import Phase
from nicarbon.printable import clean
from nicarbon.reports.cells import UNMEASURED, format_range, percent
from nicarbon.reports.terminal import NARROW, new_console, new_table, text_of
from nicarbon.units import format_duration, format_energy_of

# A longer path is shown by its longest nodes, in their order.
N_STEPS = 20
# Waiting that changes no printed digit of a run is not worth a line.
WAITED_LIMIT_S = 0.05
# From this part of the run on, time without any node gets a line.
IDLE_LIMIT = 0.1
GROUP_WORDS = {
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
        console.print(Text(UNMEASURED))
    console.print()


def _stage(row: StageGroup, narrow: bool) -> list[str]:
    cells = stage_cells(row)
    return [*cells[:6], *cells[7:]] if narrow else cells


def stage_cells(row: StageGroup) -> list[str]:
    """Write a stage: name, group, time and share on the path, slack, energy, range, share."""
    return [
        row.stage,
        GROUP_WORDS[row.group],
        format_duration(row.path_s) if row.path_s else "-",
        percent(row.path_share) if row.path_s else "-",
        _slack(row.slack_s),
        format_energy_of(row.energy_j, row.method),
        format_range(row.energy_low_j, row.energy_high_j, of_j=row.energy_j),
        percent(row.energy_share),
    ]


def _slack(slack_s: float | None) -> str:
    return "none" if slack_s == 0 else format_duration(slack_s)


def _show_path(console: Console, path: CriticalPath, narrow: bool) -> None:
    shown, rest = longest_steps(path)
    table = new_table()
    table.add_column("critical path", overflow="fold", no_wrap=not narrow, min_width=13)
    table.add_column("stage", overflow="fold", no_wrap=not narrow)
    for title in ("at", "duration", "share", "waited"):
        table.add_column(title, justify="right", no_wrap=True)
    for step in shown:
        table.add_row(*(Text(clean(cell)) for cell in step_cells(step, path)))
    if rest:
        table.add_row(*rest_cells(rest, path), style="dim")
    console.print(table)
    console.print()


def longest_steps(path: CriticalPath) -> tuple[list[Step], list[Step]]:
    """Divide a path into its longest nodes and the rest, both in their order."""
    longest = set(sorted(path.steps, key=lambda s: (-s.duration_s, s.start_s, s.node))[:N_STEPS])
    shown = [step for step in path.steps if step in longest]
    return shown, [step for step in path.steps if step not in longest]


def step_cells(step: Step, path: CriticalPath) -> list[str]:
    """Write a node of the path: name, stage, start, duration, share of the path, waiting."""
    waited_s = step.blocked_s + step.waiting_s
    return [
        step.node,
        step.stage,
        format_duration(step.start_s),
        format_duration(step.duration_s),
        percent(step.duration_s / path.busy_s) if path.busy_s else "n/a",
        format_duration(waited_s) if waited_s >= WAITED_LIMIT_S else "-",
    ]


def rest_cells(rest: Sequence[Step], path: CriticalPath) -> list[str]:
    """Write the nodes of the path that are not shown, in one row."""
    rest_s = sum(step.duration_s for step in rest)
    name = f"{count(len(rest), 'shorter node')}: see --format json"
    share = percent(rest_s / path.busy_s) if path.busy_s else "n/a"
    return [name, "", "", format_duration(rest_s), share, ""]


def _show_times(console: Console, found: Bottlenecks) -> None:
    path = found.critical_path
    table = new_table()
    table.add_column("the run's time")
    for title in ("duration", "share"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, seconds in time_parts(path):
        share = seconds / path.total_s if path.total_s else None
        table.add_row(name, format_duration(seconds), percent(share))
    table.add_section()
    table.add_row("total", format_duration(path.total_s), "100.0 %", style="bold")
    console.print(table)
    console.print()
    _show_phases(console, found)


def time_parts(path: CriticalPath) -> tuple[tuple[str, float], ...]:
    """Return the names and seconds of the parts of a run's time; an overlap is negative."""
    return (
        ("before the path", path.before_s),
        ("nodes of the path", path.busy_s),
        ("waiting for other inputs", path.blocked_s),
        *([("waiting in the scheduler's queue", path.queue_wait_s)] if path.queue_wait_s else []),
        ("waiting to be started", path.waiting_s - path.queue_wait_s),
        ("after the path", path.after_s),
        *([("overlap", -path.overlap_s)] if path.overlap_s else []),
    )


def _show_phases(console: Console, found: Bottlenecks) -> None:
    table = new_table()
    table.add_column("while there ran")
    for title in ("duration", "hosts' energy", "range"):
        table.add_column(title, justify="right", no_wrap=True)
    for phase in found.phases:
        table.add_row(*phase_cells(phase, found))
    console.print(table)
    console.print()
    if any(phase.energy_j is not None for phase in found.phases):
        console.print(
            Text(
                "range: from the readings wholly in that time to all that it touches; sensors' too"
            )
        )
    for line in idle_lines(found.critical_path):
        console.print(Text(line))
    console.print()


def idle_lines(path: CriticalPath) -> list[str]:
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


def phase_cells(phase: Phase, found: Bottlenecks) -> list[str]:
    """Write a phase: name, duration, the hosts' energy, range."""
    if not phase.duration_s:
        return [phase.name, "-", "-", "-"]
    modelled = any(row.method not in (None, "measured") for row in found.stages)
    energy = format_energy_of(phase.energy_j, "modelled" if modelled else "measured")
    gap = f" ({format_duration(phase.uncovered_s)} without)" if phase.uncovered_s >= 1 else ""
    return [
        phase.name,
        format_duration(phase.duration_s),
        energy + gap,
        format_range(phase.energy_low_j, phase.energy_high_j, of_j=phase.energy_j),
    ]
