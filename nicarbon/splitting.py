# SPDX-License-Identifier: Apache-2.0
"""Divide what an execution used among its programs, and among the steps that its tools marked.

Each goes by what ran in each stretch of its time; the execution's own figures are not touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import TypeVar

import msgspec

from nicarbon import curves, markers, shares, sightings, steps
from nicarbon.markers import Course
from nicarbon.records import SampleFile
from nicarbon.sightings import Program, Split, Stretch
from nicarbon.steps import Part, Steps


class Inside(msgspec.Struct, frozen=True):
    """What is known of the inside of an execution.

    Attributes
    ----------
    parts : tuple of Stretch
        What was seen of its programs.
    part_ns : list of int
        The instants between those.
    ran : Course or None
        When the steps ran that its tools marked.
    seen : list of nicarbon.steps.Seen
        What was seen of its programs, as finely as it was written down.
    edges : list of int
        All instants between which its energy and CPU time must be known.
    """

    parts: tuple[Stretch, ...]
    part_ns: list[int]
    ran: Course | None
    seen: list[steps.Seen]
    edges: list[int]


def insides(
    ran: Mapping[str, curves.Execution], sample_files: Sequence[SampleFile]
) -> dict[str, Inside]:
    """Return what is known of the programs and steps in each execution.

    Parameters
    ----------
    ran : mapping
        The executions on a host, by their span.
    sample_files : sequence of SampleFile
        What its samplers saw.

    Returns
    -------
    dict
        By span; an execution in which nobody looked, and no tool marked anything, is not there.
    """
    stretches = sightings.stretches(sample_files)
    finely = sightings.by_span(sample_files)
    marked = markers.markers_of(sample_files)
    found = {}
    for span in (stretches.keys() | marked.keys()) & ran.keys():
        first_ns, last_ns = ran[span].start.t_monotonic_ns, ran[span].end_ns
        parts = stretches.get(span, ())
        part_ns = sightings.edges(parts, first_ns, last_ns) if parts else []
        course = None
        if span in marked:
            course = markers.course(marked[span], first_ns, last_ns, ran[span].outcome)
        edges = set(part_ns) | set(steps.edges(course, first_ns, last_ns) if course else ())
        found[span] = Inside(
            parts=parts,
            part_ns=part_ns,
            ran=course,
            seen=steps.seen(finely.get(span, ())) if course else [],
            edges=sorted(edges),
        )
    return found


def divide(
    execution: curves.Execution,
    ran: Mapping[str, curves.Execution],
    of_span: Sequence[shares.Share],
    on_devices: Sequence[shares.Share],
    inside: Inside | None,
) -> tuple[Split | None, Steps | None]:
    """Divide an execution among its programs and among its steps, each time by what ran then.

    Parameters
    ----------
    execution : Execution
        The execution.
    ran : mapping
        All executions on its host, by their span: what is an element's is not its MapNode's.
    of_span, on_devices : sequence of Share
        Its joules on every timeline of the host, and those of them that are devices'; in each the
        energy of every stretch between two of `inside.edges`.
    inside : Inside or None
        What is known of its inside.

    Returns
    -------
    tuple
        How it divides among programs, and among steps; None where nothing is known of them.
    """
    if inside is None or len(inside.edges) < 2:
        return None, None
    t_ns = inside.edges
    cpu_s = curves.between(execution, ran, t_ns)
    split, marked = _by_energy(inside, cpu_s, _stretches_j(of_span))
    gpu_j = _stretches_j(on_devices)
    if fsum(gpu_j) <= 0:
        return split, marked
    # What they have of GPUs goes by when GPUs used it, not by when all else did.
    of_gpus, marked_of_gpus = _by_energy(inside, cpu_s, gpu_j)
    if split is not None and of_gpus is not None:
        split = msgspec.structs.replace(
            split, programs=_with_gpus(split.programs, of_gpus.programs)
        )
    if marked is not None and marked_of_gpus is not None:
        marked = msgspec.structs.replace(
            marked, parts=_with_gpus(marked.parts, marked_of_gpus.parts)
        )
    return split, marked


_Divided = TypeVar("_Divided", Program, Part)


def _with_gpus(parts: Iterable[_Divided], of_gpus: Iterable[_Divided]) -> tuple[_Divided, ...]:
    """Give parts of an execution the shares that they have where only GPUs are divided."""
    known = {part.name: part.energy_share for part in of_gpus}
    return tuple(
        msgspec.structs.replace(part, gpu_share=known.get(part.name, 0.0)) for part in parts
    )


def _stretches_j(of_span: Sequence[shares.Share]) -> list[float]:
    return [fsum(of_one) for of_one in zip(*(s.stretches_j for s in of_span), strict=True)]


def _by_energy(
    inside: Inside, cpu_s: Sequence[float], energy_j: Sequence[float]
) -> tuple[Split | None, Steps | None]:
    """Divide some energy of an execution, known in each stretch of its time."""
    split = marked = None
    if inside.parts:
        cpu_of = sightings.summed(inside.edges, cpu_s, inside.part_ns)
        energy_of = sightings.summed(inside.edges, energy_j, inside.part_ns) if energy_j else None
        split = sightings.divide(inside.parts, inside.part_ns, cpu_of, energy_of)
    if inside.ran is not None:
        marked = steps.divide(inside.ran, inside.edges, cpu_s, energy_j or None, inside.seen)
    return split, marked
