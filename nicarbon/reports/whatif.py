# SPDX-License-Identifier: Apache-2.0
"""Show what a run would have taken: as measured, as replayed, and as it would be."""

from __future__ import annotations

import json
import shlex
from math import inf

import msgspec
from rich.text import Text

from nicarbon.notes import count
from nicarbon.printable import clean
from nicarbon.reports.cells import UNMEASURED, format_range
from nicarbon.reports.terminal import new_console, new_table, text_of
from nicarbon.units import format_duration, format_energy, format_energy_of, format_mass_of
from nicarbon.whatif import Change, Outcome, WhatIf


def to_json(found: WhatIf) -> str:
    """Write the answer as an object; a speed-up without limit, of a stage left out, is null."""
    plain = msgspec.to_builtins(found)
    for change in plain["changes"]:
        change["speedup"] = None if change["speedup"] == inf else change["speedup"]
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render(found: WhatIf, *, width: int | None = None, color: bool = False) -> str:
    """Show the answer.

    Parameters
    ----------
    found : WhatIf
        The answer.
    width, color : optional
        As of `nicarbon.reports.terminal.render`.
    """
    console = new_console(width, color)
    console.print(Text(clean(f"run {found.run_id}: what if"), style="bold"))
    for line in conditions(found):
        console.print(Text(clean(f"  {line}")), soft_wrap=True)
    console.print()
    is_priced = found.measured.carbon_g is not None or found.changed.carbon_g is not None
    table = new_table()
    table.add_column("")
    for title in ("run time", "energy", "range", *(["CO2e"] if is_priced else [])):
        table.add_column(title, justify="right", no_wrap=True)
    changes = bool(found.changes or found.price) or found.n_procs != found.n_procs_seen
    rows = [("measured", found.measured), ("replayed", found.replayed)]
    rows += [("what if", found.changed)] if changes else []
    for name, one in rows:
        style = "bold" if one is found.changed else None
        cells = _cells(one, found.method, is_priced)
        table.add_row(*(Text(cell) for cell in [name, *cells]), style=style)
    console.print(table)
    console.print()
    for line in ([saving_line(found)] if changes else []) + [error_line(found)]:
        console.print(Text(line), soft_wrap=True)
    if found.measured.energy_j is not None and found.method not in (None, "measured"):
        console.print(Text(UNMEASURED))
    for note in found.notes:
        console.print(Text(clean(f"! {note}"), style="yellow"), soft_wrap=True)
    path = shlex.quote(found.path)
    console.print(Text(clean(f"next: nicarbon bottleneck {path}")), soft_wrap=True)
    return text_of(console)


def _cells(one: Outcome, method: str | None, is_priced: bool) -> list[str]:
    return [
        format_duration(one.makespan_s),
        format_energy_of(one.energy_j, method),
        format_range(one.energy_low_j, one.energy_high_j, of_j=one.energy_j),
        *([format_mass_of(one.carbon_g, method)] if is_priced else []),
    ]


def conditions(found: WhatIf) -> list[str]:
    """Say what is other than it was, a line each."""
    lines = [change_line(change) for change in found.changes]
    if found.n_procs != found.n_procs_seen:
        lines.append(
            f"{count(found.n_procs, 'processor')} instead of {found.n_procs_seen} that were used"
        )
    if found.price is not None:
        lines.append(f"electricity: {found.price}")
    return lines or ["nothing is other than it was"]


def change_line(change: Change) -> str:
    """Say what is done to a stage.

    Examples
    --------
    >>> change_line(Change("segmentation", 4.0, 1.3)), change_line(Change("registration", inf))
    ('segmentation: 4 times as fast at 1.3 times the power', 'registration: left out')
    """
    if change.speedup == inf:
        return f"{change.stage}: left out"
    power = f" at {change.power:.3g} times the power" if change.power != 1 else ""
    source = f", as in {change.source}" if change.source else ""
    return f"{change.stage}: {change.speedup:.3g} times as fast{power}{source}"


def saving_line(found: WhatIf) -> str:
    """Say what the change saves, of what is replayed; more is said as more."""
    saving = found.saving
    time = f"{format_duration(abs(saving.time_s))} {'less' if saving.time_s >= 0 else 'more'}"
    if saving.energy_j is None or saving.energy_low_j is None or saving.energy_high_j is None:
        return f"that is {time}"
    sign = 1 if saving.energy_j >= 0 else -1
    ends = sorted((sign * saving.energy_low_j, sign * saving.energy_high_j))
    word = "less" if sign > 0 else "more"
    spread = f"{format_energy(ends[0])} to {format_energy(ends[1])}"
    grams = ""
    if saving.carbon_g is not None:
        word_g = "less" if saving.carbon_g >= 0 else "more"
        grams = f", {format_mass_of(abs(saving.carbon_g), found.method)} {word_g}"
    energy = format_energy_of(abs(saving.energy_j), found.method)
    return f"that is {time}, {energy} {word} ({spread}){grams}"


def error_line(found: WhatIf) -> str:
    """Say how far the replay is off, and how it was made."""
    engine = (
        f"the engine looks every {found.engine.look_s:g} s"
        if found.engine.look_s
        else f"the engine takes {format_duration(found.engine.delay_s)} to start a node"
    )
    energy = "" if found.energy_error is None else f", its energy by {_signed(found.energy_error)}"
    return (
        f"the replay of the run as it was is off by {_signed(found.makespan_error)} of its time"
        f"{energy} (on {count(found.n_procs_seen, 'processor')}; {engine})"
    )


def _signed(part: float) -> str:
    return f"{round(100 * part, 1) or 0.0:+.1f} %"
