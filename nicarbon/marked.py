# SPDX-License-Identifier: Apache-2.0
"""Cut executions by the steps that ran in them, and hold steps and programs against each other.

Two counts that know nothing of each other say how much a step used: what the node's whole tree
used between two markers, and what of its programs was seen at work in that time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import fsum, hypot, sqrt

import msgspec

from nicarbon.energies import SpanEnergy
from nicarbon.grouping import label
from nicarbon.logs.names import interface, safe, step_name
from nicarbon.programs import gpu_share, part_of
from nicarbon.records import Node
from nicarbon.steps import NO_STEP, Part

_KIND = interface("")
# Counts further apart than this many standard deviations of their difference disagree: with a
# hundred steps a run, one of 15,000 runs would by chance (normal distribution, two-sided).
_APART = 5.0
# CPU time is counted in ticks, and a look takes a moment: less than this says nothing.
_TOLERANCE = 0.01


class Step(msgspec.Struct, frozen=True):
    """One step, of all executions that had it.

    Attributes
    ----------
    command, title, hemisphere : str, str, str or None
        As in `nicarbon.steps.Part`.
    cpu_s, seen_cpu_s : float
        CPU seconds by its markers, and by what was seen of programs meanwhile.
    error_cpu_s : float
        One standard deviation of their difference.
    """

    command: str
    title: str
    hemisphere: str | None
    cpu_s: float
    seen_cpu_s: float | None
    error_cpu_s: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether both counts agree within their errors; None where there is only one."""
        if self.seen_cpu_s is None or self.error_cpu_s is None:
            return None
        return abs(self.seen_cpu_s - self.cpu_s) <= _APART * self.error_cpu_s


class Marked(msgspec.Struct, frozen=True):
    """How surely steps are told apart.

    Attributes
    ----------
    error : float or None
        The part of the energy of what was divided that may be with the wrong step: in 19 of 20
        cases it is less.
    programs_error : float or None
        The same for the programs of the same nodes; None where programs were not looked at.
    apart : float or None
        The part of the CPU time by which the counts of programs and of steps differ.
    apart_error : float or None
        What may be expected of that, by the errors of both.
    steps : dict
        By name, in the order in which they began.
    disagree : tuple of str
        Names of steps whose two counts differ by more than their errors.
    """

    error: float
    programs_error: float | None
    apart: float | None
    apart_error: float | None
    steps: dict[str, Step]
    disagree: tuple[str, ...]


def step_of(node: Node) -> str | None:
    """Return the step that a node of an imported run is, or is a program of; None for others.

    Examples
    --------
    >>> step_of(Node("recon-all.CA_Reg", "recon-all", "recon-all step"))
    'recon-all.CA_Reg'
    >>> step_of(Node("recon-all.CA_Reg.mri_x", "recon-all.CA_Reg", "recon-all step", "mri_x"))
    'recon-all.CA_Reg'
    """
    if not node.interface.endswith(_KIND):
        return None
    is_program = node.program and node.name.endswith(f".{safe(node.program)}")
    is_step = not is_program or node.workflow == safe(node.interface.removesuffix(_KIND))
    name = node.name if is_step else node.workflow
    return step_name(node.interface.removesuffix(_KIND), name.rpartition(".")[2])


def by_step(spans: Iterable[SpanEnergy], known: Mapping[str, str | None]) -> list[SpanEnergy]:
    """Cut executions by step.

    Parameters
    ----------
    spans : iterable of SpanEnergy
        Executions.
    known : mapping
        The step that a node is, where it is one as a whole.
    """
    return [part for span in spans for part in _cut(span, known.get(span.node) or NO_STEP)]


def by_hemisphere(
    spans: Iterable[SpanEnergy], known: Mapping[str, str | None]
) -> list[SpanEnergy]:
    """Cut executions whose tools marked their steps by the hemisphere that these worked on.

    Parameters
    ----------
    spans : iterable of SpanEnergy
        Executions.
    known : mapping
        The hemisphere that a node is named after: all of the node is that one's.

    Returns
    -------
    list of SpanEnergy
        Of what was cut `part` is the hemisphere, as `nicarbon.grouping.label` names it.
    """
    found = []
    for span in spans:
        if span.steps is None or known.get(span.node):
            found.append(span)
            continue
        sides: dict[str | None, list[Part]] = defaultdict(list)
        for part in span.steps.parts:
            sides[part.hemisphere].append(part)
        rest = None if None in sides else next(iter(sides), None)
        for side, parts in sides.items():
            cut = part_of(
                span,
                label("hemisphere", None if side is None else f"hemi-{side[0].upper()}"),
                energy_share=fsum(part.energy_share for part in parts),
                cpu_share=fsum(part.cpu_share for part in parts),
                gpu_share=gpu_share(parts),
                sigma=span.steps.sigma({part.name for part in parts}),
                pieces=tuple(sorted(piece for part in parts for piece in part.pieces)),
                is_rest=side == rest,
            )
            outcomes = [part.outcome for part in parts if part.outcome != "ran"]
            found.append(msgspec.structs.replace(cut, outcome=(*outcomes, "ran")[0]))
    return found


def _cut(span: SpanEnergy, own: str) -> list[SpanEnergy]:
    if span.steps is None:
        return [msgspec.structs.replace(span, part=own)]
    found = []
    for part in span.steps.parts:
        cut = part_of(
            span,
            part.name,
            energy_share=part.energy_share,
            cpu_share=part.cpu_share,
            gpu_share=part.gpu_share,
            sigma=span.steps.sigma([part.name]),
            pieces=part.pieces,
        )
        # What went wrong went wrong in the step that was open.
        found.append(msgspec.structs.replace(cut, outcome=part.outcome))
    return found


def by_stage(span: SpanEnergy, stage_of: Mapping[str, str], own: str) -> list[SpanEnergy]:
    """Cut an execution in which no program was seen by the stages of its steps.

    Parameters
    ----------
    span : SpanEnergy
        The execution; one without steps stays whole.
    stage_of : mapping
        Stage by step.
    own : str
        The node's stage: that of the time without a step, and of what can't be divided.
    """
    if span.steps is None or span.split is not None:
        return [span]
    groups: dict[str, list[Part]] = defaultdict(list)
    for part in span.steps.parts:
        groups[stage_of.get(part.name, own)].append(part)
    return [
        part_of(
            span,
            stage,
            energy_share=fsum(part.energy_share for part in parts),
            cpu_share=fsum(part.cpu_share for part in parts),
            gpu_share=gpu_share(parts),
            sigma=span.steps.sigma([part.name for part in parts]),
            pieces=tuple(sorted(piece for part in parts for piece in part.pieces)),
            is_rest=stage == own,
        )
        for stage, parts in groups.items()
    ]


def steps_of_programs(
    spans: Iterable[SpanEnergy],
) -> dict[str, dict[str, dict[str, float]]]:
    """Return in which steps programs were seen, by node, program and step: parts of one."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for span in spans:
        if span.steps is None:
            continue
        of_node = found.setdefault(span.node, {})
        for part in span.steps.parts:
            for program, cpu_s in part.programs.items():
                of_program = of_node.setdefault(program, {})
                of_program[part.name] = of_program.get(part.name, 0.0) + cpu_s
    return {
        node: {
            program: {step: cpu_s / fsum(steps.values()) for step, cpu_s in steps.items()}
            for program, steps in of_node.items()
            if fsum(steps.values()) > 0
        }
        for node, of_node in found.items()
    }


def marked(spans: Iterable[SpanEnergy]) -> Marked | None:
    """Say how surely the steps of executions are told apart; None where none was marked."""
    divided = [(span, span.steps) for span in spans if span.steps is not None]
    if not divided:
        return None
    known = any(span.energy_j for span, _ in divided)
    weights = [span.energy_j or 0.0 if known else span.cpu_s for span, _ in divided]
    whole = fsum(weights) or 1.0
    programs = [
        (weight * span.split.error) ** 2
        for weight, (span, _) in zip(weights, divided, strict=True)
        if span.split is not None
    ]
    steps = _steps(span for span, _ in divided)
    cpu_s = fsum(step.cpu_s for step in steps.values())
    counted = [step for step in steps.values() if step.agrees is not None]
    return Marked(
        # Errors of different executions are independent.
        error=sqrt(fsum((w * s.error) ** 2 for w, (_, s) in zip(weights, divided, strict=True)))
        / whole,
        programs_error=sqrt(fsum(programs)) / whole if programs else None,
        apart=_share((abs((s.seen_cpu_s or 0.0) - s.cpu_s) / 2 for s in counted), cpu_s)
        if counted
        else None,
        # Of a normal distribution the mean deviation; what one has too much another lacks.
        apart_error=_share((0.4 * (s.error_cpu_s or 0.0) for s in counted), cpu_s)
        if counted
        else None,
        steps=steps,
        disagree=tuple(
            name
            for name, step in steps.items()
            if step.agrees is False
            and abs((step.seen_cpu_s or 0.0) - step.cpu_s) > _TOLERANCE * cpu_s
        ),
    )


def _share(values: Iterable[float], whole: float) -> float:
    return fsum(values) / whole if whole else 0.0


def _steps(spans: Iterable[SpanEnergy]) -> dict[str, Step]:
    """Add up the two counts of each step."""
    found: dict[str, list[Step]] = defaultdict(list)
    for span in spans:
        assert span.steps is not None
        for part in span.steps.parts:
            seen_s = None if part.seen_share is None else part.seen_share * span.cpu_s
            error_s = None if part.seen_sigma is None else part.seen_sigma * span.cpu_s
            found[part.name].append(
                Step(
                    part.command,
                    part.title,
                    part.hemisphere,
                    part.cpu_share * span.cpu_s,
                    seen_s,
                    error_s,
                )
            )
    return {name: _sum(steps) for name, steps in found.items()}


def _sum(steps: list[Step]) -> Step:
    first = steps[0]
    counted = [s for s in steps if s.seen_cpu_s is not None and s.error_cpu_s is not None]
    is_whole = len(counted) == len(steps)
    return Step(
        first.command,
        first.title,
        first.hemisphere,
        fsum(s.cpu_s for s in steps),
        fsum(s.seen_cpu_s or 0.0 for s in counted) if is_whole else None,
        hypot(*(s.error_cpu_s or 0.0 for s in counted)) if is_whole else None,
    )
