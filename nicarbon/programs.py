# SPDX-License-Identifier: Apache-2.0
"""Cut executions into parts: by the programs that ran in them, or by the stages of those.

The parts of an execution add up to it. Each knows how surely it is told from the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from math import fsum, sqrt

import msgspec

from nicarbon import unlike
from nicarbon.energies import SpanEnergy
from nicarbon.sightings import Program
from nicarbon.steps import Part

# No program has a name with brackets around it.
NOT_SEEN = "(not seen)"
CACHED = "(cached)"


class Told(msgspec.Struct, frozen=True):
    """How surely programs are told apart.

    Attributes
    ----------
    n : int
        Looks that met a process for the first time.
    error : float or None
        The part of the energy of what was divided that may be with the wrong program: in 19 of
        20 cases it is less. None where nothing was divided.
    n_not_seen : int
        Nodes that ran, and in which no program was seen at work.
    not_seen_j : float
        Their energy.
    traced : float
        The part of the energy of what was divided that was used while the kernel told of each
        process.
    """

    n: int
    error: float | None
    n_not_seen: int
    not_seen_j: float
    traced: float = 0.0


def by_program(spans: Iterable[SpanEnergy]) -> list[SpanEnergy]:
    """Cut executions by program; what can't be cut is one part, `NOT_SEEN` or `CACHED`."""
    return [part for span in spans for part in cut(span, lambda program: program)]


def by_stage(
    spans: Iterable[SpanEnergy],
    stage_of: Mapping[str, str],
    wholes: Container[str],
    of_program: Callable[[str], str | None],
) -> list[SpanEnergy]:
    """Cut the executions of monoliths by the stages of their programs; leave the others whole.

    Parameters
    ----------
    spans : iterable of SpanEnergy
        Executions.
    stage_of : mapping
        Stage by node: programs that no rule names have their node's.
    wholes : container of str
        The nodes, or the MapNodes of the elements, that run several stages.
    of_program : callable
        Stage of a program; None where no rule names it.
    """
    found: list[SpanEnergy] = []
    for span in spans:
        if span.split is not None and (span.node in wholes or span.map_node in wholes):
            found += _cut_by_stage(span, stage_of[span.node], of_program)
        else:
            found.append(span)
    return found


def inside(
    spans: Iterable[SpanEnergy],
    stage_of: Mapping[str, str],
    wholes: Container[str],
    of_program: Callable[[str], str | None],
) -> dict[str, dict[str, list[SpanEnergy]]]:
    """Return the programs in each node in each stage, as parts of executions.

    Parameters are those of `by_stage`; an execution in which nothing was seen is there whole.
    """
    found: dict[str, dict[str, list[SpanEnergy]]] = defaultdict(lambda: defaultdict(list))
    for span in spans:
        own, is_cut = stage_of[span.node], span.node in wholes or span.map_node in wholes
        for part in cut(span, lambda program: program):
            stage = (of_program(part.part) if is_cut else None) or own
            found[stage][span.node].append(part)
    return found


def _cut_by_stage(
    span: SpanEnergy, own: str, of_program: Callable[[str], str | None]
) -> list[SpanEnergy]:
    return cut(span, lambda program: of_program(program) or own, own)


def cut(
    span: SpanEnergy, group_of: Callable[[str], str], whole: str | None = None
) -> list[SpanEnergy]:
    """Cut one execution into parts, one for each group of its programs.

    Parameters
    ----------
    span : SpanEnergy
        The execution.
    group_of : callable
        Group by program.
    whole : str, optional
        The group that has what can't be divided: the wait in a queue, the peak of memory.

    Returns
    -------
    list of SpanEnergy
        Their `part` is the group's name. They add up to the execution.
    """
    if span.split is None:
        unknown = CACHED if span.outcome == "cached" else NOT_SEEN
        return [msgspec.structs.replace(span, part=group_of(unknown))]
    groups: dict[str, list[Program]] = defaultdict(list)
    for program in span.split.programs:
        groups[group_of(program.name)].append(program)
    if len(groups) == 1:
        return [msgspec.structs.replace(span, part=next(iter(groups)))]
    return [_part(span, name, programs, name == whole) for name, programs in groups.items()]


def _part(span: SpanEnergy, name: str, programs: list[Program], is_rest: bool) -> SpanEnergy:
    assert span.split is not None
    return part_of(
        span,
        name,
        energy_share=fsum(program.energy_share for program in programs),
        cpu_share=fsum(program.cpu_share for program in programs),
        gpu_share=gpu_share(programs),
        sigma=span.split.sigma(sum(program.n for program in programs)),
        pieces=tuple(sorted(piece for program in programs for piece in program.pieces)),
        is_rest=is_rest,
    )


def gpu_share(parts: Iterable[Program | Part]) -> float | None:
    """Return the part of an execution's energy of GPUs that some of its parts have together."""
    known = [part.gpu_share for part in parts if part.gpu_share is not None]
    return fsum(known) if known else None


def part_of(
    span: SpanEnergy,
    name: str,
    *,
    energy_share: float,
    cpu_share: float,
    sigma: float,
    pieces: tuple[tuple[float, float], ...],
    is_rest: bool = False,
    gpu_share: float | None = None,
) -> SpanEnergy:
    """Return a part of an execution.

    Parameters
    ----------
    span : SpanEnergy
        The execution.
    name : str
        What the part is.
    energy_share, cpu_share : float
        Its part of the energy and of the CPU seconds.
    sigma : float
        One standard deviation of `energy_share`.
    pieces : tuple of (float, float)
        When it was at work.
    is_rest : bool
        Whether it has what can't be divided: the wait in a queue, the peak of memory.
    gpu_share : float, optional
        Its part of the energy of GPUs; that of all energy by default.
    """

    def scaled(value: float | None, share: float = energy_share) -> float | None:
        return None if value is None else share * value

    of_gpus = energy_share if gpu_share is None else gpu_share

    return msgspec.structs.replace(
        span,
        part=name,
        cpu_s=span.cpu_s * cpu_share,
        energy_j=scaled(span.energy_j),
        sensor_low_j=energy_share * span.sensor_low_j,
        sensor_high_j=energy_share * span.sensor_high_j,
        doubt=unlike.joined([span.doubt], energy_share),
        shared_j=energy_share * span.shared_j,
        active_j=scaled(span.active_j),
        gpu_j=scaled(span.gpu_j, of_gpus),
        gpu_held_j=scaled(span.gpu_held_j, of_gpus),
        gpu_s=scaled(span.gpu_s, of_gpus),
        peak_memory_bytes=span.peak_memory_bytes if is_rest else None,
        queue_wait_s=span.queue_wait_s if is_rest else None,
        split=None,
        steps=None,
        pieces=pieces,
        split_j=sigma * (span.energy_j or 0.0),
    )


def told(spans: Iterable[SpanEnergy]) -> Told | None:
    """Say how surely the programs of executions are told apart; None where nobody looked."""
    ran = [span for span in spans if span.outcome != "cached"]
    divided = [(span, span.split) for span in ran if span.split is not None]
    if not divided:
        return None
    unseen = [span for span in ran if span.split is None]
    # What each execution weighs: its energy, or its CPU time where no energy is known.
    known = any(span.energy_j for span, _ in divided)
    weights = [(span.energy_j or 0.0 if known else span.cpu_s, split) for span, split in divided]
    whole = fsum(weight for weight, _ in weights)
    # Errors of different executions are independent.
    wrong = sqrt(fsum((weight * split.error) ** 2 for weight, split in weights))
    return Told(
        n=sum(split.n for _, split in divided),
        error=wrong / whole if whole else None,
        n_not_seen=len({span.node for span in unseen} - {span.node for span, _ in divided}),
        not_seen_j=fsum(span.energy_j or 0.0 for span in unseen),
        traced=fsum(weight * split.traced for weight, split in weights) / whole if whole else 0.0,
    )
