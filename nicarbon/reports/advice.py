# SPDX-License-Identifier: Apache-2.0
"""Show what to change first in a run: text to read, JSON for programs."""

from __future__ import annotations

import json
import shlex

import msgspec
from rich.text import Text

from nicarbon.advice import Advice, Advised
from nicarbon.printable import clean
from nicarbon.reports.cells import UNMEASURED, format_range, percent
from nicarbon.reports.run_lines import pricing_command
from nicarbon.reports.terminal import new_console, text_of
from nicarbon.units import format_duration, format_energy_of, format_mass_of


def to_json(found: Advised) -> str:
    """Write all advice as an object."""
    plain = msgspec.to_builtins(found)
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render(found: Advised, *, width: int | None = None, color: bool = False) -> str:
    """Show the advice, what saves most first.

    Parameters
    ----------
    found : Advised
        The advice.
    width, color : optional
        As of `nicarbon.reports.terminal.render`.
    """
    console = new_console(width, color)
    mass = format_mass_of(found.carbon_g, found.method)
    emitted = "" if found.carbon_g is None else f", {mass}"
    energy = format_energy_of(found.energy_j, found.method)
    title = f"run {found.run_id}, {energy}{emitted}: what to change first"
    console.print(Text(clean(title), style="bold"))
    console.print()
    for n, one in enumerate(found.advice, 1):
        console.print(Text(clean(f"{n}. {one.what}"), style="bold"), soft_wrap=True)
        console.print(Text(f"   saves {saves(one, found)}"), soft_wrap=True)
        console.print(Text(clean(f"   here: {one.evidence}")), soft_wrap=True)
        if one.published:
            console.print(Text(clean(f"   published: {one.published}")), soft_wrap=True)
        console.print()
    if not found.advice:
        console.print(Text("nothing that this run shows would save a thousandth of its energy"))
        console.print()
    if found.energy_j is not None and found.method not in (None, "measured"):
        console.print(Text(UNMEASURED))
    if len(found.advice) > 1:
        console.print(Text("each alone: what two of them save is not their sum"))
    for note in found.notes:
        console.print(Text(clean(f"! {note}"), style="yellow"), soft_wrap=True)
    if found.carbon_g is None and found.energy_j is not None:
        console.print(Text(clean(f"grams: {pricing_command(found.path)}")), soft_wrap=True)
    command = shlex.join(["nicarbon", "whatif", found.path, *found.whatif])
    console.print(Text(clean(f"next: {command}")), soft_wrap=True)
    return text_of(console)


def saves(one: Advice, found: Advised) -> str:
    """Write what advice saves: energy with its range and its part of the run's, grams, time."""
    saving = one.saving
    parts = []
    if saving.energy_j:
        share = percent(saving.energy_j / found.energy_j) if found.energy_j else "n/a"
        low_j = max(saving.energy_low_j or 0.0, 0.0)
        spread = format_range(low_j, saving.energy_high_j)
        parts.append(
            f"{format_energy_of(saving.energy_j, found.method)} ({spread}), {share} of the run's"
        )
    if saving.carbon_g:
        parts.append(format_mass_of(saving.carbon_g, found.method))
    if abs(saving.time_s) >= 0.05:
        word = "sooner" if saving.time_s > 0 else "later"
        parts.append(f"ready {format_duration(abs(saving.time_s))} {word}")
    else:
        parts.append("costs no time")
    return "; ".join(parts)
