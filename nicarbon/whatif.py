# SPDX-License-Identifier: Apache-2.0
"""What a run would have taken under other conditions: its graph, put in time again.

Measured times and energies of the nodes are kept but for what is changed. First the run is
replayed as it was, and how far the replay is off is part of every answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum, hypot

import msgspec

from nicarbon.carbon.price import Price
from nicarbon.carbon.pricing import grams
from nicarbon.costs import LOWEST_SEEN, Costs, check_stages, costs
from nicarbon.errors import NicarbonError
from nicarbon.notes import count, some
from nicarbon.replanning import Plan, makespan_s, observed
from nicarbon.run import Run
from nicarbon.schedule import Engine
from nicarbon.spread import joined


class Change(msgspec.Struct, frozen=True):
    """What is done to a stage.

    Attributes
    ----------
    stage : str
        Its name.
    speedup : float
        How many times as fast it becomes; infinite for a stage that is left out.
    power : float
        How many times the power above idle it takes while it runs.
    source : str
        Where the two come from, where that is another run.
    """

    stage: str
    speedup: float = 1.0
    power: float = 1.0
    source: str = ""

    @property
    def time_factor(self) -> float:
        """The part of its time that is left."""
        return 1 / self.speedup

    @property
    def energy_factor(self) -> float:
        """The part of its energy above idle that is left."""
        return self.power / self.speedup


class Outcome(msgspec.Struct, frozen=True):
    """A run's time, energy and grams.

    Attributes
    ----------
    makespan_s : float
        Seconds from its start to its end.
    energy_j, energy_low_j, energy_high_j : float or None
        Joules of nodes, engine, meter and of what nobody used, and their range; None where no
        reading covers the run.
    carbon_g : float or None
        Grams of CO2 equivalent at its price; None without one.
    """

    makespan_s: float
    energy_j: float | None = None
    energy_low_j: float | None = None
    energy_high_j: float | None = None
    carbon_g: float | None = None


class Saving(msgspec.Struct, frozen=True):
    """What a change saves, with the range that metering and idle power leave; negative is more.

    Attributes
    ----------
    time_s : float
        Seconds of the run.
    energy_j, energy_low_j, energy_high_j, carbon_g : float or None
        Joules and grams; None where they are not known.
    """

    time_s: float
    energy_j: float | None = None
    energy_low_j: float | None = None
    energy_high_j: float | None = None
    carbon_g: float | None = None


class WhatIf(msgspec.Struct, frozen=True):
    """A run as it was measured, as it is replayed, and as it would be.

    Attributes
    ----------
    run_id, path : str
        The run, and its folder.
    measured, replayed, changed : Outcome
        As it was, as it is when its nodes are put in time again, and as it would be.
    saving : Saving
        What the change saves, of what is replayed.
    n_procs_seen, n_procs : int
        Processors that the run's nodes held at most, and those that they are given.
    engine : Engine
        How the run's engine starts nodes, as seen.
    changes : tuple of Change
        What is done to stages.
    price : str or None
        At what its joules are priced, where that is other than it was.
    makespan_error, energy_error : float or None
        How far the replay is above what was measured, as a part of it.
    notes : tuple of str
        What the answer takes for granted.
    method : str or None
        The weakest method that the run's energy rests on.
    """

    run_id: str
    path: str
    measured: Outcome
    replayed: Outcome
    changed: Outcome
    saving: Saving
    makespan_error: float
    energy_error: float | None
    n_procs_seen: int
    n_procs: int
    engine: Engine
    changes: tuple[Change, ...]
    price: str | None = None
    notes: tuple[str, ...] = ()
    method: str | None = None


def what_if(
    run: Run,
    changes: Sequence[Change] = (),
    *,
    n_procs: int | None = None,
    price: Callable[[float], Price] | None = None,
    stages_file: str | None = None,
    engine: Engine | None = None,
    wanted: Mapping[str, int] | None = None,
) -> WhatIf:
    """Put a run in time again, as it was and under other conditions.

    Parameters
    ----------
    run : Run
        The run.
    changes : sequence of Change
        What is done to stages; of several of one stage, all count.
    n_procs : int, optional
        Processors for its nodes; by default the most that they were seen to hold.
    price : callable, optional
        Another price for its joules, by the seconds that it would take; by default the run's own.
    stages_file : str, optional
        The user's stage rules.
    engine : Engine, optional
        How nodes are started; by default as they were.
    wanted : mapping, optional
        Processors that single nodes ask for instead of what they asked for.

    Returns
    -------
    WhatIf
        The answer, and how far the replay is off.

    Raises
    ------
    NicarbonError
        If no node of the run took time, or it has no such stage.
    """
    plan = observed(run, stages_file)
    of = costs(run, stages_file)
    check_stages((change.stage for change in changes), of)
    given = n_procs or plan.n_procs
    total_s = plan.total_s
    replayed_s = _makespan_s(plan, of, (), plan.n_procs)
    other = msgspec.structs.replace(
        plan,
        engine=engine or plan.engine,
        # Another engine has ways of its own: nothing of what this one took is left.
        delays={} if engine else plan.delays,
        wanted=plan.wanted | dict(wanted or {}),
    )
    changed_s = _makespan_s(other, of, changes, given)
    own_price = run.chosen_price
    other_price = own_price if price is None else price(changed_s)
    measured = _outcome(of, (), total_s, total_s, own_price)
    replayed = _outcome(of, (), replayed_s, total_s, own_price)
    changed = _outcome(of, changes, changed_s, total_s, other_price)
    return WhatIf(
        run_id=run.facts.info.run_id,
        path=str(run.path),
        measured=measured,
        replayed=replayed,
        changed=changed,
        saving=_saving(of, changes, (replayed, changed), total_s),
        makespan_error=replayed_s / total_s - 1,
        energy_error=None
        if not (measured.energy_j and replayed.energy_j)
        else replayed.energy_j / measured.energy_j - 1,
        n_procs_seen=plan.n_procs,
        n_procs=given,
        engine=plan.engine,
        changes=tuple(changes),
        price=None if price is None else str(other_price),
        notes=tuple(_notes(run, of, given, len(plan.wanted) - len(plan.ranks))),
        method=of.method,
    )


def _makespan_s(plan: Plan, of: Costs, changes: Sequence[Change], n_procs: int) -> float:
    factors = _factors(changes, lambda change: change.time_factor)
    seconds = {
        name: fsum(part.seconds * factors.get(stage, 1.0) for stage, part in parts.items())
        for name, parts in of.parts.items()
    }
    return makespan_s(plan, seconds, n_procs)


def taken_from(stage: str, here: Costs, there: Costs, source: str) -> Change:
    """Return the change that gives a stage the time and the energy that it has in another run.

    Raises
    ------
    NicarbonError
        If either run has no such stage, or no time in it.
    """
    check_stages([stage], here)
    check_stages([stage], there)
    own, other = here.stage(stage), there.stage(stage)
    if not own.seconds or not other.seconds:
        raise NicarbonError(f"--stage {stage!r}: no time is known of it in one of the runs")
    own_j, other_j = own.energy_j - own.idle_j, other.energy_j - other.idle_j
    speedup = own.seconds / other.seconds
    return Change(stage, speedup, other_j / own_j * speedup if own_j > 0 else 1.0, source)


def _factors(changes: Iterable[Change], factor_of: Callable[[Change], float]) -> dict[str, float]:
    factors: dict[str, float] = {}
    for change in changes:
        factors[change.stage] = factors.get(change.stage, 1.0) * factor_of(change)
    return factors


def _outcome(
    of: Costs, changes: Sequence[Change], makespan_s: float, own_s: float, price: Price | None
) -> Outcome:
    """Return the energy of a makespan, with its range."""
    energies = _energies(of, changes, makespan_s, own_s)
    if energies is None or not of.total_j or of.low_j is None or of.high_j is None:
        return Outcome(makespan_s)
    value_j = energies[0]
    metering = (value_j * of.low_j / of.total_j, value_j * of.high_j / of.total_j)
    low_j, high_j = joined(value_j, metering, (min(energies), max(energies)))
    return Outcome(makespan_s, value_j, low_j, high_j, _grams(value_j, price))


def _grams(energy_j: float, price: Price | None) -> float | None:
    """Return grams at a price; of a series, at its mean over the run."""
    return None if price is None else grams(energy_j, price.intensity.g_per_kwh, price.pue)


def _energies(
    of: Costs, changes: Sequence[Change], makespan_s: float, own_s: float
) -> tuple[float, ...] | None:
    """Return a run's joules at its idle power, at the lowest and at the highest it may have.

    What is above idle power goes with the nodes; idle power, engine and meter go with the time.
    """
    if of.total_j is None or not own_s:
        return None
    total_j = of.total_j
    factors = _factors(changes, lambda change: change.energy_factor)
    parts = [
        (part, factors.get(stage, 1.0))
        for of_node in of.parts.values()
        for stage, part in of_node.items()
    ]
    power_w = fsum(one.power_w for one in of.idle)
    ends_w = (fsum(one.low_w for one in of.idle), fsum(one.high_w for one in of.idle))

    def energy_j(idle_part: float) -> float:
        active = [(part.energy_j - idle_part * part.idle_j, factor) for part, factor in parts]
        rest_j = max(total_j - fsum(joules for joules, _ in active), 0.0)
        return rest_j * makespan_s / own_s + fsum(joules * factor for joules, factor in active)

    # More than all of a node cannot be idle power.
    most = min((p.energy_j / p.idle_j for p, _ in parts if p.idle_j > 0), default=1.0)
    return (energy_j(1.0), *(energy_j(min(w / power_w, most)) for w in ends_w if power_w))


def _saving(
    of: Costs, changes: Sequence[Change], outcomes: tuple[Outcome, Outcome], own_s: float
) -> Saving:
    replayed, changed = outcomes
    time_s = replayed.makespan_s - changed.makespan_s
    before = _energies(of, (), replayed.makespan_s, own_s)
    after = _energies(of, changes, changed.makespan_s, own_s)
    if before is None or after is None or not of.total_j:
        return Saving(time_s)
    saved = [a - b for a, b in zip(before, after, strict=True)]
    value_j = saved[0]
    # What the sensors may be off is in one direction for the whole run.
    scaled = [value_j * (of.low_j or 0.0) / of.total_j, value_j * (of.high_j or 0.0) / of.total_j]
    below = hypot(value_j - min(scaled), value_j - min(saved))
    above = hypot(max(scaled) - value_j, max(saved) - value_j)
    known = replayed.carbon_g is not None and changed.carbon_g is not None
    return Saving(
        time_s,
        value_j,
        value_j - below,
        value_j + above,
        (replayed.carbon_g or 0.0) - (changed.carbon_g or 0.0) if known else None,
    )


def _notes(run: Run, of: Costs, n_procs: int, n_untimed: int) -> Iterable[str]:
    """Say what the answer takes for granted."""
    spans = run.attribution.spans
    again = sorted({span.node for span in spans if span.attempt > 1})
    if again:
        yield f"executed several times, the last counts for time: {some(again)}"
    if n_untimed:
        yield f"{count(n_untimed, 'node')} took no time (cached, not run, or in a MapNode)"
    if of.total_j is None:
        yield "no energy reading covers the run: time only"
    uncertain = [one for one in of.idle if one.source == LOWEST_SEEN]
    if uncertain:
        yield (
            "no idle power is known: the lowest power seen stands for it, and ranges go from none "
            "to that"
        )
    n_cpus = sum({f.host.host: f.host.n_cpus for f in run.facts.sample_files}.values())
    if n_cpus and n_procs > n_cpus:
        yield (
            f"{n_procs} processors on {count(n_cpus, 'hardware thread')}: nodes would slow each "
            "other down, which is not in this answer"
        )
    if not any(graph.edges for graph in run.facts.graphs) and len({s.node for s in spans}) > 1:
        yield "no graph was recorded: every node is taken as free to begin at any time"
