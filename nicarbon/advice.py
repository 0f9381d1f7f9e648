# SPDX-License-Identifier: Apache-2.0
"""What to change first: what a run shows, what that would save, and what it costs in time.

No advice without a figure of the run. What rests on a publication beside that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, fsum, inf

import msgspec

from nicarbon.bottleneck import Bottlenecks
from nicarbon.carbon.price import Price
from nicarbon.carbon.pricing import grams
from nicarbon.costs import Costs, costs
from nicarbon.earlier import saved
from nicarbon.energies import SpanEnergy
from nicarbon.notes import count, some
from nicarbon.references import references
from nicarbon.rows import energy_range
from nicarbon.run import Run
from nicarbon.schedule import Engine
from nicarbon.units import format_duration, format_energy, format_energy_of
from nicarbon.waste import lost
from nicarbon.whatif import Change, Saving, WhatIf, what_if

SURFACES = "surface reconstruction"
# From this part of what they asked for on, nodes use their processors.
USED = 0.5
# Watts that a gigabyte of memory draws: Lannelongue, Grealey & Inouye 2021, Advanced Science 8,
# 2100707.
MEMORY_W_PER_GB = 0.3725
_GB = 1e9
# Below this part of the run's energy, or of its time, nothing is worth a line.
LEAST = 0.001
# A replay that is off by more says so.
REPLAYED = 0.02


class Advice(msgspec.Struct, frozen=True):
    """Something to change.

    Attributes
    ----------
    what : str
        What to do.
    evidence : str
        What the run shows.
    saving : Saving
        What that would save: joules with their range, grams, and seconds of the run; negative
        seconds are what it costs in time.
    published : str
        The publication whose figures are in it; empty where there are none.
    whatif : tuple of str
        Arguments by which ``nicarbon whatif`` reckons it for this run; empty where none do.
    """

    what: str
    evidence: str
    saving: Saving
    published: str = ""
    whatif: tuple[str, ...] = ()


class Advised(msgspec.Struct, frozen=True):
    """What to change first in a run.

    Attributes
    ----------
    run_id, path : str
        The run, and its folder.
    energy_j, carbon_g : float or None
        What the run used and emitted: nodes, engine, meter and what nobody used.
    advice : tuple of Advice
        What saves most first: grams where all are known, else joules.
    whatif : tuple of str
        Arguments by which ``nicarbon whatif`` reckons what is worth a look next: the first advice
        for which it can, else the stage that holds most of the critical path, twice as fast.
    notes : tuple of str
        What the figures lack.
    method : str or None
        The weakest method that the run's energy rests on.
    """

    run_id: str
    path: str
    energy_j: float | None
    carbon_g: float | None
    advice: tuple[Advice, ...]
    whatif: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    method: str | None = None


class _Case(msgspec.Struct, frozen=True):
    """What advice is drawn from."""

    run: Run
    of: Costs
    found: Bottlenecks
    replay: WhatIf
    stages_file: str | None

    @property
    def price(self) -> Price | None:
        return self.run.chosen_price

    def energy(self, energy_j: float | None) -> str:
        """Write an energy of the run, marked where no counter measured it."""
        return format_energy_of(energy_j, self.of.method)

    @property
    def spans(self) -> Sequence[SpanEnergy]:
        return self.run.attribution.spans


def advise(
    run: Run, places: Mapping[str, Price] | None = None, stages_file: str | None = None
) -> Advised:
    """Say what to change first in a run.

    Parameters
    ----------
    run : Run
        The run.
    places : mapping, optional
        Prices of other places or hours, by what they are called.
    stages_file : str, optional
        The user's stage rules.

    Returns
    -------
    Advised
        What would save a thousandth of the run or more.

    Raises
    ------
    NicarbonError
        If no node of the run took time.
    """
    of = costs(run, stages_file)
    case = _Case(
        run, of, run.bottlenecks(stages_file), what_if(run, stages_file=stages_file), stages_file
    )
    known = [
        *_surfaces(case),
        *_looks(case),
        *_alone(case),
        *_threads(case),
        *_memory(case),
        *_failed(case),
        *_cache(case),
        *_gpu(case),
        *_freesurfer(case),
        *_places(case, places or {}),
    ]
    worth = sorted((one for one in known if _is_worth(one, of, case.replay)), key=_rank)
    return Advised(
        run_id=run.facts.info.run_id,
        path=str(run.path),
        energy_j=of.total_j,
        carbon_g=case.replay.measured.carbon_g,
        advice=tuple(worth),
        whatif=next((one.whatif for one in worth if one.whatif), _faster(case)),
        notes=(*case.replay.notes, *_replayed(case.replay)),
        method=of.method,
    )


def _faster(case: _Case) -> tuple[str, ...]:
    """Return what to ask where no advice is one that can be reckoned."""
    slowest = max(case.found.stages, key=lambda row: row.path_s)
    return ("--stage", slowest.stage, "--speedup", "2")


def _replayed(replay: WhatIf) -> Iterable[str]:
    """Say how far the replay is off, where savings rest on one that is."""
    if abs(replay.makespan_error) > REPLAYED:
        yield (
            f"savings of time are of a replay that is off by {100 * replay.makespan_error:+.1f} % "
            "of the run's time"
        )


def _rank(one: Advice) -> tuple[float, float, str]:
    return -(one.saving.carbon_g or 0.0), -(one.saving.energy_j or 0.0), one.what


def _is_worth(one: Advice, of: Costs, replay: WhatIf) -> bool:
    saving, total_j = one.saving, of.total_j or inf
    if (saving.energy_j or 0.0) >= LEAST * total_j:
        return True
    whole_g = replay.measured.carbon_g
    return whole_g is not None and (saving.carbon_g or 0.0) >= LEAST * whole_g > 0


def _priced(case: _Case, saving: Saving) -> Saving:
    if saving.energy_j is None or case.price is None:
        return saving
    price = case.price
    carbon_g = grams(saving.energy_j, price.intensity.g_per_kwh, price.pue)
    return msgspec.structs.replace(saving, carbon_g=carbon_g)


def _surfaces(case: _Case) -> Iterable[Advice]:
    """Leave surfaces out where no output needs them."""
    stage = case.of.stage(SURFACES)
    if not stage.energy_j:
        return
    found = what_if(case.run, [Change(SURFACES, inf)], stages_file=case.stages_file)
    yield Advice(
        f"leave {SURFACES} out, if no output needs surfaces",
        f"it took {case.energy(stage.energy_j)} and {format_duration(stage.seconds)} of node "
        "time; what is drawn from surfaces would go with it",
        found.saving,
        "Souter et al. 2024, Human Brain Mapping 45, e70003: fMRIPrep emitted 48 % less without "
        "surface reconstruction by FreeSurfer",
        ("--stage", SURFACES, "--drop"),
    )


def _looks(case: _Case) -> Iterable[Advice]:
    """Let the engine look oftener."""
    look_s = case.replay.engine.look_s
    if not look_s:
        return
    found = what_if(case.run, stages_file=case.stages_file, engine=Engine(delay_s=look_s / 20))
    idle_s = case.found.critical_path.idle_s
    yield Advice(
        "let nipype look oftener for nodes that have ended: execution.poll_sleep_duration = 0.1",
        f"nodes begin in steps of {look_s:g} s, and for {format_duration(idle_s)} of "
        f"{format_duration(case.replay.measured.makespan_s)} no node ran at all",
        found.saving,
    )


def _alone(case: _Case) -> Iterable[Advice]:
    """Let another run use what the machine draws while the critical path runs alone."""
    phase = case.found.phases[0]
    power_w = fsum(one.power_w for one in case.of.idle)
    idle_j = power_w * max(phase.duration_s - phase.uncovered_s, 0.0)
    if not idle_j or phase.energy_j is None:
        return
    high_j = fsum(one.high_w for one in case.of.idle) * phase.duration_s
    yield Advice(
        "process several scans at once on this machine: one shares the idle power of the other",
        f"for {format_duration(phase.duration_s)} only the critical path ran, and the hosts used "
        f"{case.energy(phase.energy_j)}, {case.energy(min(idle_j, phase.energy_j))} of it as "
        f"idle power ({case.of.idle[0].source})",
        # With one more run beside it, each answers for half; with many, for hardly any.
        _priced(case, Saving(0.0, idle_j / 2, 0.0, min(high_j, phase.energy_j))),
    )


def _threads(case: _Case) -> Iterable[Advice]:
    """Give nodes the processors that they use."""
    graph = case.run.executed(case.stages_file)
    fewer: dict[str, int] = {}
    worst: list[tuple[float, str]] = []
    for node in case.found.nodes:
        asked = graph.nodes[node.node]["n_procs"] or 1
        busy = graph.nodes[node.node]["cpu_s"] / node.duration_s if node.duration_s else 0.0
        if asked > 1 and busy <= USED * asked:
            fewer[node.node] = max(ceil(busy), 1)
            worst.append((node.duration_s, f"{node.node} ({busy:.1f} of {asked})"))
    if not fewer:
        return
    found = what_if(case.run, stages_file=case.stages_file, wanted=fewer)
    names = [name for _, name in sorted(worst, reverse=True)]
    yield Advice(
        "ask for the processors that nodes use (n_procs): others run beside them",
        f"{count(len(fewer), 'node')} kept at most half of their processors busy: {some(names)}",
        found.saving,
    )


def _memory(case: _Case) -> Iterable[Advice]:
    """Ask for the memory that is used."""
    graph = case.run.executed(case.stages_file)
    unused: list[tuple[float, str]] = []
    for node in case.found.nodes:
        data = graph.nodes[node.node]
        asked, peak = data["mem_gb"], data["peak_memory_bytes"]
        if asked is not None and asked >= 1 and peak is not None and peak / _GB < USED * asked:
            name = f"{node.node} ({peak / _GB:.2g} of {asked:g} GB)"
            unused.append(((asked - peak / _GB) * node.duration_s, name))
    joules = MEMORY_W_PER_GB * fsum(gb_s for gb_s, _ in unused)
    if unused:
        names = [name for _, name in sorted(unused, reverse=True)]
        yield Advice(
            "ask for the memory that nodes use (mem_gb): others run beside them",
            f"{count(len(unused), 'node')} held less than half of it: {some(names)}",
            _priced(case, Saving(0.0, joules, 0.0, joules)),
            f"{MEMORY_W_PER_GB} W a gigabyte (Lannelongue et al. 2021, Advanced Science 8, "
            "2100707); saved only where others use that memory",
        )


def _failed(case: _Case) -> Iterable[Advice]:
    """Find out why nodes failed."""
    executions = [span for of_kind in lost(case.spans).values() for span in of_kind]
    energy_j, low_j, high_j = energy_range(executions)
    if energy_j:
        seconds = fsum(span.end_s - span.start_s for span in executions if span.parent is None)
        names = sorted({span.node for span in executions})
        yield Advice(
            "find out why nodes failed",
            f"{count(len(executions), 'execution')} failed or were killed, after "
            f"{format_duration(seconds)} of node time: {some(names)}",
            _priced(case, Saving(0.0, energy_j, low_j, high_j)),
        )


def _cache(case: _Case) -> Iterable[Advice]:
    """Keep the working folder: earlier runs had the same nodes with the same inputs."""
    ran = [s for s in case.spans if s.outcome == "ran" and s.inputs_hash is not None]
    asked = [msgspec.structs.replace(span, outcome="cached") for span in ran]
    known = saved(asked, case.run.path, case.run.facts.info.t_unix_ns) if asked else None
    again = [span for span in case.spans if known and span.node in known.nodes]
    energy_j, low_j, high_j = energy_range(again)
    if known and energy_j:
        yield Advice(
            "keep the working folder: the cache would have served",
            f"{count(known.n_known, 'node')} ran here that had run with the same inputs in "
            f"{count(known.n_runs, 'earlier run')} beside this one: {some(sorted(known.nodes))}",
            _priced(case, Saving(0.0, energy_j, low_j, high_j)),
        )


def _gpu(case: _Case) -> Iterable[Advice]:
    """Let go of a GPU on which nothing is computed."""
    held = [span for span in case.spans if span.gpu_held_j]
    held_j = fsum(span.gpu_held_j or 0.0 for span in held)
    if held_j:
        used_j = fsum(span.gpu_j or 0.0 for span in held)
        yield Advice(
            "let go of the GPU while nothing is computed on it, or put several nodes on it",
            f"of {format_energy(used_j)} of GPUs, {format_energy(held_j)} went while "
            f"{some(sorted({span.node for span in held}))} only held memory there",
            _priced(case, Saving(0.0, held_j, 0.0, held_j)),
        )


def _freesurfer(case: _Case) -> Iterable[Advice]:
    """Say what FastSurfer took for the same, where it was published side by side."""
    graph = case.run.executed(case.stages_file)
    nodes = [
        name
        for name, data in graph.nodes(data=True)
        if data["energy_j"]
        and any(
            word in f"{data['workflow']} {data['interface']} {data['program']} {name}".lower()
            for word in ("recon-all", "recon_all", "reconall", "freesurfer")
        )
        and "fastsurfer" not in name.lower()
    ]
    energy_j, low_j, high_j = energy_range(s for s in case.spans if s.node in set(nodes))
    seconds = _node_seconds(case, nodes)
    if not energy_j or low_j is None or high_j is None:
        return
    fast, free = references()["fastsurfer-gpu"], references()["freesurfer-cpu"]
    (fast_wh, fast_sd), (free_wh, free_sd) = fast.energy_wh, free.energy_wh
    left = float(fast_wh / free_wh)
    least, most = (
        float((fast_wh + sign * fast_sd) / (free_wh - sign * free_sd)) for sign in (-1, 1)
    )
    quicker = 1 - float(fast.runtime_h[0] / free.runtime_h[0])
    yield Advice(
        "take FastSurfer on a GPU in FreeSurfer's place, if its results serve",
        f"{count(len(nodes), 'node')} of FreeSurfer's took {case.energy(energy_j)} and "
        f"{format_duration(seconds)}",
        _priced(
            case,
            Saving(
                quicker * seconds,
                (1 - left) * energy_j,
                max((1 - most) * low_j, 0.0),
                (1 - least) * high_j,
            ),
        ),
        f"{fast.source}: {fast_wh} Wh on a GPU for {free_wh} Wh, "
        f"{fast.runtime_h[0]} h for {free.runtime_h[0]} h; on a CPU it took more than that",
    )


def _node_seconds(case: _Case, nodes: Iterable[str]) -> float:
    """Add up the times of nodes."""
    wanted = set(nodes)
    return fsum(node.duration_s for node in case.found.nodes if node.node in wanted)


def _places(case: _Case, places: Mapping[str, Price]) -> Iterable[Advice]:
    """Say what other electricity would have emitted."""
    total_j, own = case.of.total_j, case.price
    if total_j is None or own is None:
        return
    own_g = grams(total_j, own.intensity.g_per_kwh, own.pue) or 0.0
    for name, price in places.items():
        other_g = grams(total_j, price.intensity.g_per_kwh, price.pue) or 0.0
        if other_g < own_g:
            yield Advice(
                f"run it with other electricity: {name}",
                f"{case.energy(total_j)} at {own.intensity.g_per_kwh:.4g} g/kWh, there "
                f"{price.intensity}",
                Saving(0.0, 0.0, 0.0, 0.0, own_g - other_g),
            )
