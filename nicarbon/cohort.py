# SPDX-License-Identifier: Apache-2.0
"""Many runs as few figures: each run folder is read, summed up and let go of.

What is kept of a run is a row a stage, so that a thousand runs of a thousand nodes take no more
memory than one. Runs are gathered into sides: what is compared with what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import fsum
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

from nicarbon.accounts import weakest_of
from nicarbon.entities import entities
from nicarbon.notes import count, some
from nicarbon.references import Reference
from nicarbon.run import Run
from nicarbon.spread import Spread, spread
from nicarbon.summary import Summary
from nicarbon.units import J_PER_WH

if TYPE_CHECKING:
    from nicarbon.rows import Row

METRICS = {"runtime": "runtime_s", "cpu": "cpu_s", "energy": "energy_j", "carbon": "carbon_g"}
CPU, GPU = "CPU", "GPU"
# Whoever is no part of the run, in the records of who used a GPU.
OTHERS = "other"
_S_PER_H = 3600.0


class Figures(msgspec.Struct, frozen=True):
    """What a run, or a stage of it, used; None where it is not known.

    Attributes
    ----------
    runtime_s : float or None
        Of a run from its start to its end, of a stage while any of its nodes ran.
    cpu_s : float or None
        CPU seconds.
    energy_j, energy_low_j, energy_high_j : float or None
        Joules of the nodes, and their range.
    carbon_g, carbon_low_g, carbon_high_g : float or None
        Grams of CO2 equivalent and their range, of a run that is priced.
    """

    runtime_s: float | None = None
    cpu_s: float | None = None
    energy_j: float | None = None
    energy_low_j: float | None = None
    energy_high_j: float | None = None
    carbon_g: float | None = None
    carbon_low_g: float | None = None
    carbon_high_g: float | None = None


class OneRun(msgspec.Struct, frozen=True):
    """What is kept of a run.

    Attributes
    ----------
    pipeline : str
        Its workflow's name, or its program's.
    device : str
        ``GPU`` where a GPU's counter is part of its energy, unless only others were seen to use
        the GPU; else ``CPU``.
    outcome : str
        How it ended: see `nicarbon.notes.ending`.
    processors : tuple of str
        The processors of its hosts.
    price : str or None
        At what its joules were priced.
    n_scans : int
        Subjects, or sessions of subjects, that its nodes name; at least 1.
    """

    path: str
    run_id: str
    pipeline: str
    device: str
    outcome: str
    processors: tuple[str, ...]
    price: str | None
    method: str | None
    total: Figures
    stages: dict[str, Figures]
    n_nodes: int = 0
    n_cached: int = 0
    n_failed: int = 0
    n_scans: int = 1


class Side(msgspec.Struct, frozen=True):
    """Runs that are taken as repetitions of one thing, or published figures.

    Attributes
    ----------
    name, pipeline, device : str
        How it is called, what ran, and on what.
    total, stages : dict
        `Spread` by metric (`METRICS`), of whole runs and by stage.
    energy_range, carbon_range : tuple of float or None
        Mean low and high of the runs' joules, and of their grams.
    n : int or None
        Runs; None of published figures.
    notes : tuple of str
        What to keep in mind, a sentence each.
    reference : Reference or None
        The publication.
    n_scans : float
        Mean scans in a run.
    prices, processors : tuple of str
        At what the runs are priced, and on what they ran.
    """

    name: str
    pipeline: str
    device: str
    total: dict[str, Spread | None]
    stages: dict[str, dict[str, Spread | None]]
    energy_range: tuple[float, float] | None
    method: str | None
    n: int | None
    notes: tuple[str, ...] = ()
    reference: Reference | None = None
    n_scans: float = 1.0
    prices: tuple[str, ...] = ()
    carbon_range: tuple[float, float] | None = None
    processors: tuple[str, ...] = ()


def one_run(path: str, stages_file: str | None = None) -> OneRun:
    """Sum up a run folder.

    Raises
    ------
    NicarbonError
        If it is no run folder, or the rules cannot be understood.
    """
    run = Run.open(path)
    summary = run.summary("stage", stages_file)
    headers = {file.host.cpu_model for file in run.facts.sample_files if file.host.cpu_model}
    return OneRun(
        path=path,
        run_id=summary.run_id,
        pipeline=_pipeline(run),
        device=_device(run, summary),
        outcome=summary.outcome,
        processors=tuple(sorted(headers)),
        price=None if summary.price is None else summary.price.basis,
        method=summary.total.method,
        total=_figures(summary.total, summary.duration_s),
        stages={row.name: _figures(row, row.duration_s) for row in summary.rows},
        n_nodes=summary.total.n_nodes,
        n_cached=summary.total.n_cached,
        n_failed=summary.total.n_failed,
        n_scans=_n_scans(run),
    )


def _pipeline(run: Run) -> str:
    """Name what ran: the workflow where there is one, else the program."""
    workflows = dict.fromkeys(graph.workflow for graph in run.facts.graphs if graph.workflow)
    return ", ".join(workflows) or run.facts.info.program or "command"


def _device(run: Run, summary: Summary) -> str:
    sensors = [sensor for host in summary.hosts for sensor in host.sensors]
    if not any(d.account and d.kind == "gpu" for sensor in sensors for d in sensor.domains):
        return CPU
    # A machine's GPU is counted whether or not what runs there has any use for it.
    uses = [u for f in run.facts.sample_files for s in f.samples for u in s.gpus.values()]
    users = {user for use in uses for user in (*use.sm_s, *use.held_s)}
    seen = any(use.told != "unknown" for use in uses)
    return CPU if seen and users <= {OTHERS} else GPU


def _n_scans(run: Run) -> int:
    """Count the sessions of the subjects that nodes are named after; a run is at least one."""
    sessions: dict[str, set[str]] = {}
    for graph in run.facts.graphs:
        for node in graph.nodes:
            found = entities(node.name, node.iterables)
            if found.subject is not None:
                of_subject = sessions.setdefault(found.subject, set())
                of_subject |= {found.session} if found.session is not None else set()
    return max(sum(max(len(of_subject), 1) for of_subject in sessions.values()), 1)


def _figures(row: Row, runtime_s: float) -> Figures:
    return Figures(
        runtime_s=runtime_s,
        cpu_s=row.cpu_s,
        energy_j=row.energy_j,
        energy_low_j=row.energy_low_j,
        energy_high_j=row.energy_high_j,
        carbon_g=row.carbon_g,
        carbon_low_g=row.carbon_low_g,
        carbon_high_g=row.carbon_high_g,
    )


def side(name: str, runs: Iterable[OneRun]) -> Side:
    """Gather runs that are repetitions of one thing.

    A run that failed, was killed or goes on is left out, unless there is no other: it is not what
    the thing costs.
    """
    runs = list(runs)
    whole = [run for run in runs if run.outcome == "ok"] or runs
    names = dict.fromkeys(stage for run in whole for stage in run.stages)
    devices = {run.device for run in whole}
    return Side(
        name=name,
        pipeline=", ".join(dict.fromkeys(run.pipeline for run in whole)),
        device=GPU if GPU in devices else CPU,
        total=_spreads([run.total for run in whole]),
        stages={
            stage: _spreads([run.stages[stage] for run in whole if stage in run.stages])
            for stage in names
        },
        energy_range=_range(whole, "energy_low_j", "energy_high_j"),
        carbon_range=_range(whole, "carbon_low_g", "carbon_high_g"),
        method=weakest_of(run.method for run in whole),
        n=len(whole),
        notes=tuple(_notes(runs, whole)),
        n_scans=fsum(run.n_scans for run in whole) / len(whole),
        prices=tuple(sorted({run.price for run in whole if run.price})),
        processors=tuple(sorted({name for run in whole for name in run.processors})),
    )


def _range(runs: Sequence[OneRun], low: str, high: str) -> tuple[float, float] | None:
    """Return the mean of the lows and of the highs that are known."""
    lows = [value for run in runs if (value := getattr(run.total, low)) is not None]
    highs = [value for run in runs if (value := getattr(run.total, high)) is not None]
    return (fmean(lows), fmean(highs)) if lows and highs else None


def published(reference: Reference) -> Side:
    """Return published figures as a side: no stages, and labelled as what they are."""
    figures = {
        "runtime": (reference.runtime_h, _S_PER_H),
        "energy": (reference.energy_wh, J_PER_WH),
        "carbon": (reference.carbon_g, 1.0),
    }
    total: dict[str, Spread | None] = {
        metric: Spread(float(mean) * unit, float(sd) * unit, reference.n)
        for metric, ((mean, sd), unit) in figures.items()
    }
    return Side(
        name=f"{reference.pipeline} {reference.device} (published)",
        pipeline=f"{reference.pipeline} (published)",
        device=reference.device,
        total={metric: total.get(metric) for metric in METRICS},
        stages={},
        energy_range=None,
        method=None,
        n=reference.n,
        notes=(f"published, not measured here: {reference.source}; {reference.conditions}",),
        reference=reference,
    )


def _spreads(figures: Sequence[Figures]) -> dict[str, Spread | None]:
    return {
        metric: spread(getattr(one, attribute) for one in figures)
        for metric, attribute in METRICS.items()
    }


def _notes(runs: Sequence[OneRun], whole: Sequence[OneRun]) -> Iterable[str]:
    """Say what makes these runs no repetitions of one thing."""
    left_out = [run.run_id for run in runs if run not in whole]
    if left_out:
        yield f"left out, as they did not end well: {some(left_out)}"
    elif whole[0].outcome != "ok":
        yield f"none ended well: {some([f'{run.run_id} ({run.outcome})' for run in whole])}"
    times = Counter(run.run_id for run in whole)
    again = [f"{name} ({n} times)" for name, n in times.items() if n > 1]
    if again:
        yield (
            f"the same run counts more than once: {some(again)}; it says nothing of how runs "
            "differ"
        )
    cached = [run for run in whole if run.n_cached]
    if cached:
        n_cached = sum(run.n_cached for run in cached)
        yield (
            f"{count(n_cached, 'node')} of {count(len(cached), 'run')} came from the cache and "
            "cost nothing: less than the whole pipeline"
        )
    processors = Counter(name for run in whole for name in run.processors)
    if len(processors) > 1:
        kinds = ", ".join(f"{name} ({n})" for name, n in processors.most_common())
        yield f"on several kinds of processor: {kinds}"
    devices = Counter(run.device for run in whole)
    if len(devices) > 1:
        yield f"{devices[CPU]} on CPU and {devices[GPU]} on GPU: give each a NAME= of its own"
    if len({run.price for run in whole}) > 1:
        yield "priced differently, or not all: the grams are of unlike intensities"
    without = [run.run_id for run in whole if run.total.energy_j is None]
    if without:
        yield f"no energy is known of {some(without)}"


def pipelines(runs: Iterable[OneRun]) -> dict[str, list[OneRun]]:
    """Gather runs by what ran, and on what, under names of their own."""
    groups: dict[tuple[str, str], list[OneRun]] = {}
    for run in runs:
        groups.setdefault((run.pipeline, run.device), []).append(run)
    return {f"{name} {device}": of for (name, device), of in groups.items()}
