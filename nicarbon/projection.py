# SPDX-License-Identifier: Apache-2.0
"""What many scans will cost, from the runs of few: per experiment and per capita."""

from __future__ import annotations

import msgspec

from nicarbon.cohort import GPU, Side
from nicarbon.spread import Spread, joined, total_of
from nicarbon.units import J_PER_KWH

S_PER_DAY = 86400.0


class Estimate(msgspec.Struct, frozen=True):
    """A figure and its range; without a range where nobody knows how much runs differ."""

    value: float
    low: float | None = None
    high: float | None = None


class Projection(msgspec.Struct, frozen=True):
    """What many scans cost with one pipeline.

    Attributes
    ----------
    side, device : str
        The pipeline, and on what it ran.
    scans : float
        How many.
    n : int or None
        Runs that this rests on.
    machine_days : Estimate or None
        Days that one machine takes, one run after the other: ``CPU-days`` or ``GPU-days``.
    core_days : Estimate or None
        Days of CPU time: what one processor core would take.
    energy_kwh, carbon_kg, money : Estimate or None
        What the experiment uses, emits and costs.
    machine_day_kwh, machine_day_kg : float or None
        What a machine that does nothing else uses and emits in a day.
    elapsed_days : float or None
        How long the given machines take together.
    researcher_day_kwh, researcher_day_kg : float or None
        What all machines use and emit in a day, for each researcher.
    printed : dict
        Relative difference to what a publication makes of its own figures, by figure.
    notes : tuple of str
        What to keep in mind.
    method : str or None
        The weakest method that the energy rests on; None of published figures.
    """

    side: str
    device: str
    scans: float
    n: int | None
    machine_days: Estimate | None
    core_days: Estimate | None
    energy_kwh: Estimate | None
    carbon_kg: Estimate | None
    money: Estimate | None
    machine_day_kwh: float | None
    machine_day_kg: float | None
    elapsed_days: float | None
    researcher_day_kwh: float | None
    researcher_day_kg: float | None
    printed: dict[str, tuple[float, float]]
    notes: tuple[str, ...] = ()
    method: str | None = None


def project(
    one: Side,
    scans: float,
    *,
    machines: int = 1,
    researchers: int = 1,
    price_per_kwh: float | None = None,
) -> Projection:
    """Project runs to many scans.

    A run that served several scans counts as so many. The range of 95 % holds that the mean rests
    on few runs and that each further run differs (`nicarbon.spread.total_of`); of energy and money
    the metering's own range is joined to it, as independent, and of grams that of their price too.

    Parameters
    ----------
    one : Side
        The runs, or published figures.
    scans : float
        How many scans there will be.
    machines, researchers : int, optional
        How many machines work at once, and for how many people.
    price_per_kwh : float, optional
        What a kilowatt-hour costs.
    """
    n_runs = scans / one.n_scans
    runtime, cpu = one.total.get("runtime"), one.total.get("cpu")
    energy, carbon = one.total.get("energy"), one.total.get("carbon")
    machine_days = _sum(runtime, n_runs, S_PER_DAY)
    energy_kwh = _sum(energy, n_runs, J_PER_KWH, _parts(energy, one.energy_range))
    carbon_kg = _sum(carbon, n_runs, 1000.0, _parts(carbon, one.carbon_range))
    day_kwh = _a_day(energy_kwh, machine_days)
    day_kg = _a_day(carbon_kg, machine_days)
    each = machines / researchers
    return Projection(
        side=one.name,
        device=one.device,
        scans=scans,
        n=one.n,
        machine_days=machine_days,
        core_days=_sum(cpu, n_runs, S_PER_DAY),
        energy_kwh=energy_kwh,
        carbon_kg=carbon_kg,
        money=_times(energy_kwh, price_per_kwh),
        machine_day_kwh=day_kwh,
        machine_day_kg=day_kg,
        elapsed_days=None if machine_days is None else machine_days.value / machines,
        researcher_day_kwh=None if day_kwh is None else day_kwh * each,
        researcher_day_kg=None if day_kg is None else day_kg * each,
        printed=_printed(one, scans, machine_days, carbon_kg),
        notes=(*one.notes, *_notes(one)),
        method=one.method,
    )


def _sum(
    one: Spread | None, n_times: float, unit: float, metering: tuple[float, float] | None = None
) -> Estimate | None:
    if one is None:
        return None
    value = one.mean * n_times / unit
    ranges = []
    among_runs = total_of(one, n_times)
    if among_runs is not None:
        ranges.append((among_runs[1] / unit, among_runs[2] / unit))
    if metering is not None:
        ranges.append((value * metering[0], value * metering[1]))
    return Estimate(value, *joined(value, *ranges)) if ranges else Estimate(value)


def _parts(mean: Spread | None, of_runs: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return the range that single runs have, as parts of their mean."""
    if mean is None or not mean.mean or of_runs is None:
        return None
    return min(of_runs[0] / mean.mean, 1.0), max(of_runs[1] / mean.mean, 1.0)


def _a_day(total: Estimate | None, days: Estimate | None) -> float | None:
    return total.value / days.value if total is not None and days and days.value else None


def _times(one: Estimate | None, factor: float | None) -> Estimate | None:
    if one is None or factor is None:
        return None
    low, high = one.low, one.high
    return Estimate(
        one.value * factor,
        None if low is None else low * factor,
        None if high is None else high * factor,
    )


def _printed(
    one: Side, scans: float, days: Estimate | None, kg: Estimate | None
) -> dict[str, tuple[float, float]]:
    """Return what the publication prints for as many scans, and how far we are above it."""
    printed = one.reference.printed if one.reference else None
    if printed is None or printed.scans != scans or days is None or kg is None:
        return {}
    return {
        "machine_days": (printed.days, days.value / printed.days - 1),
        "carbon_kg": (printed.carbon_kg, kg.value / printed.carbon_kg - 1),
    }


def _notes(one: Side) -> list[str]:
    if one.reference is not None:
        return ["the publication does not say how many runs its SD is of: no range"]
    if one.n == 1:
        return ["one run: how much scans differ is not known, the range is the metering's alone"]
    return []


def days_name(device: str) -> str:
    """Name the days of a machine.

    Examples
    --------
    >>> days_name("GPU")
    'GPU-days'
    """
    return f"{GPU if device == GPU else 'CPU'}-days"
