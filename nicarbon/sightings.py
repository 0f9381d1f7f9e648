# SPDX-License-Identifier: Apache-2.0
"""Divide what a node used among its programs, by what a sampler saw of them; the sum is kept.

A program's processes that were there at two looks are counted by their own clocks. What is left
of the node's CPU time went into processes that came and went; it is divided by how often each
program was met. Where the kernel told of each process, only what scripts used that no look named
is divided so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import fsum, pi, sqrt

import msgspec

from nicarbon.records import SampleFile, Sightings
from nicarbon.traced import LOOKS, named
from nicarbon.units import NS_PER_S

# The part of what was told apart by looks that goes to a wrong name has, by the multinomial
# distribution, the mean that `Split.error` adds up. 0.75/sqrt(looks) above it lie 2 % of 20,000
# simulated draws of 2 to 20 programs; what is left is for looks of one stretch that do not weigh
# the same.
_SPREAD = 0.75
_MEAN_DEVIATION = sqrt(2 / pi)  # of a normal distribution, in standard deviations
# So much the kernel's two accounts of short programs differ: see benchmarks/programs.py.
_ACCOUNTS_DIFFER = 0.005
# Few looks divide no more of a stretch of time than this.
_SMALL = 0.2


class Stretch(msgspec.Struct, frozen=True):
    """A stretch of a node's time, and what was seen of its programs in it.

    Attributes
    ----------
    last_ns : int
        Its end; it begins where the stretch before ends.
    n : int
        Looks that met a process for the first time.
    programs : dict
        As in `nicarbon.records.Sightings`.
    traced : bool
        Whether the kernel told of its processes.
    """

    last_ns: int
    n: int
    programs: Mapping[str, tuple[int, float, float]]
    traced: bool = False


class Program(msgspec.Struct, frozen=True):
    """What one program used of a node's execution.

    Attributes
    ----------
    name : str
        The executable's, without its folder.
    energy_share, cpu_share : float
        Its part of the execution's energy and CPU seconds.
    n : int
        Looks that met it for the first time.
    pieces : tuple of (float, float)
        When it was at work: monotonic seconds, as exact as the samples are apart.
    gpu_share : float or None
        Its part of the energy of GPUs; None where the execution has none.
    """

    name: str
    energy_share: float
    cpu_share: float
    n: int
    pieces: tuple[tuple[float, float], ...]
    gpu_share: float | None = None


class Split(msgspec.Struct, frozen=True):
    """How an execution divides among its programs.

    Attributes
    ----------
    programs : tuple of Program
        Highest energy first; their shares add up to 1.
    n : int
        Looks that met a process for the first time.
    sampled : float
        The part of the energy that was divided by how often a program was met; the rest was
        counted by clocks.
    traced : float
        The part of the energy that was used while the kernel told of each process.
    lost : float
        By which part of the CPU time what it told differs from what was used: by processes that
        are kept from it, that had no room in its records, or that were ending.
    worth : float or None
        How many looks would tell as much if each stood for as much energy: at most `n` (the
        effective sample size of Kish, Survey Sampling, 1965). None: all `n`.
    """

    programs: tuple[Program, ...]
    n: int
    sampled: float
    traced: float = 0.0
    lost: float = 0.0
    worth: float | None = None

    @property
    def _looks(self) -> float:
        return self.n if self.worth is None else min(self.n, self.worth)

    @property
    def error(self) -> float:
        """The part of the energy that may be with the wrong program: in 19 of 20 cases it is less.

        It falls with the square root of the looks, and grows with the number of programs.
        """
        looks = self._looks
        if not looks:
            return min(self.lost, 1.0)
        # What one program has too much another has too little: each error is there twice.
        mean = fsum(self.sigma(program.n) for program in self.programs) * _MEAN_DEVIATION / 2
        return min(mean + self.sampled * _SPREAD / sqrt(looks) + self.lost, 1.0)

    def sigma(self, n: int) -> float:
        """Return one standard deviation of the share of programs that were met at `n` looks.

        Parameters
        ----------
        n : int
            Looks.

        Returns
        -------
        float
            A part of the execution's energy, from 0 to 1: the standard deviation of the beta
            distribution that `n` of all looks leave of a share of which nothing was known before,
            times `sampled`.
        """
        looks = self._looks
        met = min(n, self.n) * (looks / self.n if self.n else 0.0)
        # Of the beta distribution that these of all looks leave of a share of which nothing was
        # known.
        variance = (met + 1) * (looks - met + 1) / ((looks + 2) ** 2 * (looks + 3))
        return self.sampled * sqrt(variance)


def stretches(sample_files: Iterable[SampleFile]) -> dict[str, tuple[Stretch, ...]]:
    """Return what was seen of each execution's programs, by its span.

    Where several samplers looked at one node, the one that saw most of it counts.
    """
    return {span: tuple(_joined(found)) for span, found in by_span(sample_files).items()}


def by_span(sample_files: Iterable[SampleFile]) -> dict[str, list[tuple[int, int, Sightings]]]:
    """Return what was seen of each execution, and between which two samples."""
    best: dict[str, tuple[float, list[tuple[int, int, Sightings]]]] = {}
    for file in sample_files:
        of_file: dict[str, list[tuple[int, int, Sightings]]] = {}
        before_ns = file.host.t_monotonic_ns
        for sample in file.samples:
            for span, seen in sample.sightings.items():
                of_file.setdefault(span, []).append((before_ns, sample.t_monotonic_ns, seen))
            before_ns = sample.t_monotonic_ns
        for span, seen_of_span in of_file.items():
            found = named(seen_of_span)
            saw_s = fsum(_seen_s(seen.programs) for _, _, seen in found)
            if saw_s > best.get(span, (0.0, []))[0]:
                best[span] = saw_s, found
    return {span: found for span, (_, found) in best.items()}


def _seen_s(programs: Mapping[str, tuple[int, float, float]]) -> float:
    return fsum(met_s + counted_s for _, met_s, counted_s in programs.values())


def arguments(sample_files: Iterable[SampleFile]) -> dict[str, tuple[str, ...]]:
    """Return the command lines of each program, each once, where they were kept."""
    found: dict[str, dict[str, None]] = {}
    for file in sample_files:
        for sample in file.samples:
            for seen in sample.sightings.values():
                for name, lines in seen.arguments.items():
                    found.setdefault(name, {}).update(dict.fromkeys(lines))
    return {name: tuple(lines) for name, lines in found.items()}


def _joined(found: Sequence[tuple[int, int, Sightings]]) -> list[Stretch]:
    """Join samples until each stretch has looks enough to divide its CPU time."""
    joined: list[Stretch] = []
    for _, t_ns, seen in found:
        here = Stretch(t_ns, seen.n, seen.programs, seen.traced is not None)
        if joined and _is_thin(joined[-1]):
            joined[-1] = _both(joined[-1], here)
        else:
            joined.append(here)
    if len(joined) > 1 and _is_thin(joined[-1]):
        last = joined.pop()
        joined[-1] = _both(joined[-1], last)
    return joined


def _is_thin(part: Stretch) -> bool:
    """Tell whether too few looks would divide too much."""
    met_s = fsum(met for _, met, _ in part.programs.values())
    return part.n < LOOKS and met_s > _SMALL * _seen_s(part.programs)


def _both(first: Stretch, second: Stretch) -> Stretch:
    programs = dict(first.programs)
    for name, seen in second.programs.items():
        n, met_s, counted_s = programs.get(name, (0, 0.0, 0.0))
        programs[name] = (n + seen[0], met_s + seen[1], counted_s + seen[2])
    traced = first.traced and second.traced
    return Stretch(second.last_ns, first.n + second.n, programs, traced)


def edges(parts: Sequence[Stretch], first_ns: int, last_ns: int) -> list[int]:
    """Return the instants between which the stretches lie that divide an execution's time.

    Before the first look and after the last there was nothing else to go by.
    """
    between = [min(max(part.last_ns, first_ns), last_ns) for part in parts[:-1]]
    return [first_ns, *between, last_ns]


def summed(t_ns: Sequence[int], values: Sequence[float], edges: Sequence[int]) -> list[float]:
    """Add up values between instants to those between fewer of these instants.

    Examples
    --------
    >>> summed([0, 1, 2, 5], [1.0, 2.0, 4.0], [0, 2, 5])
    [3.0, 4.0]
    """
    at = [bisect_left(t_ns, edge) for edge in edges]
    return [fsum(values[a:b]) for a, b in pairwise(at)]


def divide(
    parts: Sequence[Stretch],
    t_ns: Sequence[int],
    cpu_s: Sequence[float],
    energy_j: Sequence[float] | None,
) -> Split | None:
    """Divide what an execution used in each stretch among its programs.

    Parameters
    ----------
    parts : sequence of Stretch
        From `stretches`.
    t_ns : sequence of int
        From `edges`: one more than there are stretches.
    cpu_s, energy_j : sequence of float
        Of the execution in each stretch; no energy where none is known.

    Returns
    -------
    Split or None
        None where nothing was seen at work.
    """
    weights = energy_j if energy_j is not None and fsum(energy_j) > 0 else cpu_s
    # A stretch in which nothing was seen at work divides as the others do.
    told = [i for i, part in enumerate(parts) if _seen_s(part.programs) > 0]
    whole, whole_s = fsum(weights[i] for i in told), fsum(cpu_s[i] for i in told)
    if whole <= 0 or whole_s <= 0:
        return None
    shares: dict[str, list[tuple[int, float]]] = {}
    sampled, spread = [], []
    for i in told:
        # Where the kernel told of each process the parts are those that it told.
        known_s = _seen_s(parts[i].programs) if parts[i].traced else cpu_s[i]
        of_part, left = _shares(parts[i].programs, known_s)
        sampled.append(weights[i] * left)
        spread.append(sampled[-1] ** 2 / max(parts[i].n, 1))
        for name, share in of_part.items():
            shares.setdefault(name, []).append((i, share))
    programs = [
        Program(
            name,
            fsum(weights[i] * share for i, share in of_program) / whole,
            fsum(cpu_s[i] * share for i, share in of_program) / whole_s,
            sum(parts[i].programs[name][0] for i, _ in of_program),
            _pieces([i for i, share in of_program if share > 0], t_ns),
        )
        for name, of_program in shares.items()
    ]
    programs.sort(key=lambda program: (-program.energy_share, program.name))
    traced = [i for i in told if parts[i].traced]
    return Split(
        tuple(programs),
        sum(part.n for part in parts),
        fsum(sampled) / whole,
        fsum(weights[i] for i in traced) / whole,
        _lost_s([parts[i] for i in traced], [cpu_s[i] for i in traced]) / whole_s,
        fsum(sampled) ** 2 / fsum(spread) if any(spread) else None,
    )


def _lost_s(parts: Sequence[Stretch], cpu_s: Sequence[float]) -> float:
    """Return by how many CPU seconds what the kernel told and what was used differ."""
    used_s = fsum(cpu_s)
    differ_s = abs(used_s - fsum(_seen_s(part.programs) for part in parts))
    return max(differ_s, _ACCOUNTS_DIFFER * used_s)


def _shares(
    programs: Mapping[str, tuple[int, float, float]], cpu_s: float
) -> tuple[dict[str, float], float]:
    """Return each program's part of a stretch, and the part that was divided by looks."""
    counted_s = fsum(counted for _, _, counted in programs.values())
    met_s = fsum(met for _, met, _ in programs.values())
    if counted_s + met_s <= 0:
        return {}, 0.0
    left = max(cpu_s - counted_s, 0.0) / cpu_s if cpu_s > 0 else 0.0
    if met_s <= 0:
        left = 0.0
    elif counted_s <= 0:
        left = 1.0
    return {
        name: (left * met / met_s if met_s else 0.0)
        + ((1.0 - left) * counted / counted_s if counted_s else 0.0)
        for name, (_, met, counted) in programs.items()
    }, left


def _pieces(found: Sequence[int], t_ns: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """Return the stretches as times, joined where they follow each other."""
    if not found:
        return ()
    breaks = [i for i, (a, b) in enumerate(pairwise(found), 1) if b != a + 1]
    groups = [found[a:b] for a, b in pairwise([0, *breaks, len(found)])]
    return tuple((t_ns[g[0]] / NS_PER_S, t_ns[g[-1] + 1] / NS_PER_S) for g in groups)
