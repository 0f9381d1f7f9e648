# SPDX-License-Identifier: Apache-2.0
"""Divide what a node used among the steps that ran inside it; the sum is kept.

A step gets what was used between the instants at which it began and ended. Each of these is known
to lie between two looks at a log; what was used between those is what may be with the wrong step.
Of steps that ran at once, each hemisphere gets the part that its own programs were seen to use.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from math import fsum, hypot, sqrt

import msgspec

from nicarbon.markers import Course, Timed
from nicarbon.records import Sightings
from nicarbon.units import NS_PER_S

# As `nicarbon.grouping.label` names what has no value.
NO_STEP = "no step"
# Of a part that is as likely anywhere from 0 to w: its standard deviation, the mean of what it is
# off by and the standard deviation of that, each in w.
_UNIFORM_SIGMA = 1 / sqrt(12)
_UNIFORM_MEAN = 1 / 4
_UNIFORM_SPREAD = 1 / sqrt(48)
_ONE_SIDED = (
    1.645  # 19 of 20 draws of a normal distribution lie below so many standard deviations.
)


class Seen(msgspec.Struct, frozen=True):
    """What was seen of an execution's programs between two samples.

    Attributes
    ----------
    first_ns, last_ns : int
        Between which instants.
    n : int
        Looks that met a process for the first time.
    met_s, counted_s : float
        The CPU seconds that these stand for, and those that clocks counted.
    sides, programs : dict
        Of both together, by hemisphere, as far as command lines tell it; by program.
    """

    first_ns: int
    last_ns: int
    n: int
    met_s: float
    counted_s: float
    sides: Mapping[str, float] = {}
    programs: Mapping[str, float] = {}


def seen(found: Iterable[tuple[int, int, Sightings]]) -> list[Seen]:
    """Add up what was seen of an execution's programs: see `nicarbon.sightings.by_span`."""
    return [
        Seen(
            first_ns,
            last_ns,
            of_time.n,
            fsum(met_s for _, met_s, _ in of_time.programs.values()),
            fsum(counted_s for _, _, counted_s in of_time.programs.values()),
            of_time.sides,
            {name: met_s + used_s for name, (_, met_s, used_s) in of_time.programs.items()},
        )
        for first_ns, last_ns, of_time in found
    ]


class Part(msgspec.Struct, frozen=True):
    """What one step used of a node's execution.

    Attributes
    ----------
    name, command, title, hemisphere
        As in `nicarbon.markers.Timed`; `NO_STEP` for the time in which none ran.
    outcome : str
        Of its last run.
    energy_share, cpu_share : float
        Its part of the execution's energy and CPU seconds.
    pieces : tuple of (float, float)
        When it ran: monotonic seconds.
    seen_share, seen_sigma : float or None
        Its part of the CPU seconds by what was seen of programs at that time, and one standard
        deviation of the difference from `cpu_share`; None where programs were not looked at.
    programs : dict
        CPU seconds that programs were seen to use at that time.
    gpu_share : float or None
        Its part of the energy of GPUs; None where the execution has none.
    """

    name: str
    command: str
    title: str
    hemisphere: str | None
    outcome: str
    energy_share: float
    cpu_share: float
    pieces: tuple[tuple[float, float], ...]
    seen_share: float | None = None
    seen_sigma: float | None = None
    programs: Mapping[str, float] = {}
    gpu_share: float | None = None


class Doubt(msgspec.Struct, frozen=True):
    """A part of an execution's energy that belongs to one of two steps, each part of it alike.

    Attributes
    ----------
    first, second : str
        The names of the two.
    energy_share : float
        The part of the execution's energy.
    """

    first: str
    second: str
    energy_share: float


class Steps(msgspec.Struct, frozen=True):
    """How an execution divides among its steps.

    Attributes
    ----------
    parts : tuple of Part
        In the order of their beginnings; their shares add up to 1.
    doubts : tuple of Doubt
        What is not told surely.
    """

    parts: tuple[Part, ...]
    doubts: tuple[Doubt, ...]

    @property
    def error(self) -> float:
        """The part of the energy that may be with the wrong step: in 19 of 20 cases it is less."""
        widths = [doubt.energy_share for doubt in self.doubts]
        spread = hypot(*(_UNIFORM_SPREAD * width for width in widths))
        return min(fsum(widths) * _UNIFORM_MEAN + _ONE_SIDED * spread, 1.0)

    def sigma(self, names: Collection[str]) -> float:
        """Return one standard deviation of the share of some steps together.

        Parameters
        ----------
        names : collection of str
            The steps.

        Returns
        -------
        float
            A part of the execution's energy, from 0 to 1: each part that may belong to one of
            them or to another step is taken as uniform in between, and all as independent.
        """
        crossing = (
            d.energy_share for d in self.doubts if (d.first in names) != (d.second in names)
        )
        return hypot(*(_UNIFORM_SIGMA * width for width in crossing))


def edges(course: Course, first_ns: int, last_ns: int) -> list[int]:
    """Return the instants between which an execution's energy and CPU time must be known."""
    instants = {first_ns, last_ns}
    for step in course.steps:
        instants |= {step.start_ns, step.end_ns}
    for since_ns, t_ns, _ in course.within.values():
        instants |= {since_ns, t_ns}
    return sorted(t_ns for t_ns in instants if first_ns <= t_ns <= last_ns)


class _Curve:
    """What was used up to any of some instants."""

    def __init__(self, t_ns: Sequence[int], used: Sequence[float]) -> None:
        self._t_ns = t_ns
        self._used = [0.0]
        for value in used:
            self._used.append(self._used[-1] + value)
        self.whole = self._used[-1]

    def between(self, first_ns: int, last_ns: int) -> float:
        """Return the part of the whole between two of the instants."""
        if self.whole <= 0:
            return 0.0
        used = self._used[bisect_left(self._t_ns, last_ns)]
        return (used - self._used[bisect_left(self._t_ns, first_ns)]) / self.whole


def divide(
    course: Course,
    t_ns: Sequence[int],
    cpu_s: Sequence[float],
    energy_j: Sequence[float] | None,
    seen: Sequence[Seen] = (),
) -> Steps | None:
    """Divide an execution among its steps.

    Parameters
    ----------
    course : Course
        When they ran.
    t_ns : sequence of int
        Instants, those of `edges` among them.
    cpu_s, energy_j : sequence of float
        Of the execution between each two; no energy where none is known.
    seen : sequence of Seen
        What was seen of its programs, in the order of time.

    Returns
    -------
    Steps or None
        None where the execution used nothing.
    """
    cpu = _Curve(t_ns, cpu_s)
    energy = _Curve(t_ns, energy_j or ())
    if energy.whole <= 0:
        energy = cpu
    if cpu.whole <= 0:
        return None
    division = _Division(course, cpu, energy, seen)
    marks = {t_ns[0], t_ns[-1]}
    marks.update(t for step in course.steps for t in (step.start_ns, step.end_ns))
    for first_ns, last_ns in pairwise(sorted(marks)):
        division.add(first_ns, last_ns)
    division.border(course.within)
    return division.steps()


class _Division:
    """The shares so far."""

    def __init__(self, course: Course, cpu: _Curve, energy: _Curve, seen: Sequence[Seen]) -> None:
        self._course = course
        self._cpu, self._energy = cpu, energy
        self._seen = seen
        self._energy_shares: dict[str, list[float]] = defaultdict(list)
        self._cpu_shares: dict[str, list[float]] = defaultdict(list)
        self._seen_s: dict[str, list[float]] = defaultdict(list)
        self._seen_var: dict[str, list[float]] = defaultdict(list)
        self._programs: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._met: dict[str, int] = defaultdict(int)
        self._pieces: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._doubts: list[Doubt] = []
        self._runs: list[tuple[int, int, tuple[str, ...]]] = []

    def add(self, first_ns: int, last_ns: int) -> None:
        """Divide a time in which the same steps ran."""
        active = [s for s in self._course.steps if s.start_ns <= first_ns and s.end_ns >= last_ns]
        seen = [s for s in self._seen if first_ns <= (s.first_ns + s.last_ns) // 2 < last_ns]
        weights = _weights(active, seen)
        energy, cpu = self._energy.between(first_ns, last_ns), self._cpu.between(first_ns, last_ns)
        seen_s = fsum(s.met_s + s.counted_s for s in seen)
        # Each look that met a process stands for as much as the others, about.
        variance = fsum(s.met_s**2 / s.n for s in seen if s.n)
        for name, (weight, _) in weights.items():
            self._energy_shares[name].append(weight * energy)
            self._cpu_shares[name].append(weight * cpu)
            self._seen_s[name].append(weight * seen_s)
            self._seen_var[name].append(weight**2 * variance)
            self._met[name] += sum(s.n for s in seen)
            self._pieces[name].append((first_ns, last_ns))
            for looked in seen:
                for program, cpu_s in looked.programs.items():
                    self._programs[name][program] += weight * cpu_s
        names = sorted(weights)
        for first, second in pairwise(names):
            width = min(weights[first][1], 1.0) * energy
            self._doubts.append(Doubt(first, second, width))
        self._runs.append((first_ns, last_ns, tuple(names)))

    def border(self, within: Mapping[int, tuple[int, int, float]]) -> None:
        """Note what is not sure at the instants at which a step follows another."""
        for (_, at_ns, before), (_, _, after) in pairwise(self._runs):
            if at_ns not in within or before == after:
                continue
            since_ns, t_ns, part = within[at_ns]
            share = part * self._energy.between(since_ns, t_ns)
            ended = [name for name in before if name not in after] or list(before)
            begun = [name for name in after if name not in before] or list(after)
            self._doubts += [
                Doubt(a, b, share / (len(ended) * len(begun))) for a in ended for b in begun
            ]

    def steps(self) -> Steps:
        """Return the division."""
        of_name: dict[str, Timed] = {step.name: step for step in self._course.steps}
        whole_s = fsum(value for values in self._seen_s.values() for value in values)
        # What was seen when a step begins may be counted with the one before, and the reverse;
        # and of each process what it used before it was met and after it was last seen is known
        # no better than to such a look.
        near = {
            name: (1 + self._met[name])
            * fsum(d.energy_share**2 for d in self._doubts if name in (d.first, d.second))
            for name in self._pieces
        }
        parts = [
            Part(
                name,
                of_name[name].command if name in of_name else "",
                of_name[name].title if name in of_name else name,
                of_name[name].hemisphere if name in of_name else None,
                of_name[name].outcome if name in of_name else "ran",
                fsum(self._energy_shares[name]),
                fsum(self._cpu_shares[name]),
                _joined(pieces),
                fsum(self._seen_s[name]) / whole_s if whole_s else None,
                sqrt(fsum(self._seen_var[name]) / whole_s**2 + near[name]) if whole_s else None,
                dict(self._programs[name]),
            )
            for name, pieces in self._pieces.items()
        ]
        doubts = (doubt for doubt in self._doubts if doubt.energy_share > 0)
        return Steps(tuple(parts), tuple(doubts))


def _weights(active: Sequence[Timed], seen: Sequence[Seen]) -> dict[str, tuple[float, float]]:
    """Return what part of a time belongs to each step that ran in it, and how unsure that is.

    The second is the width in which the part lies, each place in it as likely.
    """
    names = list(dict.fromkeys(step.name for step in active)) or [NO_STEP]
    if len(names) == 1:
        return {names[0]: (1.0, 0.0)}
    sides = {step.name: step.hemisphere for step in active}
    used_s = {name: fsum(s.sides.get(sides[name] or "", 0.0) for s in seen) for name in names}
    whole_s = fsum(used_s.values())
    if whole_s <= 0 or None in sides.values() or len(set(sides.values())) < len(names):
        # Nothing tells them apart: each may have had nearly all of it, or nearly nothing.
        return dict.fromkeys(names, (1 / len(names), 1.0))
    n = fsum(s.n for s in seen)
    met = fsum(s.met_s for s in seen) / fsum(s.met_s + s.counted_s for s in seen)
    weights = {}
    for name in names:
        share = used_s[name] / whole_s
        # Of the beta distribution, as in `nicarbon.sightings.Split.sigma`.
        a, b = share * n + 1, (1 - share) * n + 1
        sigma = met * sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
        weights[name] = share, sigma / _UNIFORM_SIGMA
    return weights


def _joined(pieces: Iterable[tuple[int, int]]) -> tuple[tuple[float, float], ...]:
    """Return pieces of time in seconds, joined where they follow each other."""
    joined: list[list[int]] = []
    for first_ns, last_ns in pieces:
        if joined and joined[-1][1] == first_ns:
            joined[-1][1] = last_ns
        else:
            joined.append([first_ns, last_ns])
    return tuple((first_ns / NS_PER_S, last_ns / NS_PER_S) for first_ns, last_ns in joined)
