# SPDX-License-Identifier: Apache-2.0
"""How unsure shares of CPU time are: what a CPU second of unlike programs may cost more or less.

An execution that used c of B busy CPU seconds gets c / B of the joules, as if every CPU second
cost the same. If kind k costs u_k watts more than the rest, it got c x (mean of u over all that
was busy - u_k) joules too much. Those coefficients are exact, add up over executions, and vanish
for one that was alone or among its like; only the u are unknown. How large they are is estimated
from how the host's power followed the mix of what ran on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import hypot
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nicarbon.curves import Piece
from nicarbon.instants import host_s_too_much
from nicarbon.kinds import Kinds
from nicarbon.likeness import STRETCHES, estimate, sums
from nicarbon.timeline import Timeline
from nicarbon.units import NS_PER_S

Floats: TypeAlias = NDArray[np.float64]

# Kinds are told apart in so many stretches of time.
_CELLS = 4_000_000

# Everything that is no node: the engine, the meter, and all the others.
_OTHERS = ""
# Kinds beyond so many, those that used the least, are taken as one.
_KINDS_TOLD = 400
_RARE = "(rare)"
# What began and ended within an interval, see `nicarbon.instants`.
_IDLE = "(idle)"


class Doubt(msgspec.Struct, frozen=True):
    """What sharing by CPU time leaves unknown of one execution, one standard deviation each.

    Attributes
    ----------
    kinds_j : tuple of (str, float)
        By kind of program, the joules that the execution got too much if that kind costs one
        standard deviation more than the mean. Signed: sums over executions are right.
    own_j : float
        Joules, for what makes executions of one kind differ; independent between executions.
    """

    kinds_j: tuple[tuple[str, float], ...] = ()
    own_j: float = 0.0


def joined(found: Iterable[Doubt], factor: float = 1.0) -> Doubt:
    """Return what is unknown of several together, times a factor.

    Examples
    --------
    >>> joined([Doubt((("a", 2.0), ("b", -2.0)), 3.0), Doubt((("a", -2.0), ("b", 1.0)), 4.0)])
    Doubt(kinds_j=(('b', -1.0),), own_j=5.0)
    """
    kinds_j: dict[str, float] = defaultdict(float)
    own_j = 0.0
    for one in found:
        own_j = hypot(own_j, one.own_j)
        for name, joules in one.kinds_j:
            kinds_j[name] += joules
    kept = tuple((name, factor * joules) for name, joules in sorted(kinds_j.items()) if joules)
    return Doubt(kept, factor * own_j)


def sigma(found: Iterable[Doubt]) -> float:
    """Return one standard deviation of what is unknown of several together, in joules."""
    whole = joined(found)
    return hypot(whole.own_j, *(joules for _, joules in whole.kinds_j))


def doubts(
    line: Timeline,
    busy_s: Floats,
    nodes: Mapping[str, Piece],
    kinds: Kinds,
    n_cpus: int,
    lives_ns: Mapping[str, tuple[int, int]],
) -> dict[str, Doubt]:
    """Return what sharing by CPU time leaves unknown of each execution.

    Parameters
    ----------
    line : Timeline
        The host's energy.
    busy_s : ndarray
        CPU seconds of all that was busy, in each interval.
    nodes : mapping
        CPU seconds of each execution by span.
    kinds : Kinds
        What the executions run.
    n_cpus : int
        The host's CPUs.
    lives_ns : mapping
        When each execution began and ended, on the timeline's clock.
    """
    live = line.covered & (line.energy_j > 0) & (busy_s > 0)
    if not nodes or not live.any():
        return {}
    cpu_s_of: dict[str, float] = defaultdict(float)
    for span, piece in nodes.items():
        cpu_s_of[kinds.of[span]] += float(piece.cpu_s.sum())
    often = sorted(cpu_s_of, key=lambda kind: (-cpu_s_of[kind], kind))[:_KINDS_TOLD]
    names = [_OTHERS, _RARE, *often]
    row = {name: i for i, name in enumerate(names)}
    row_of = {span: row.get(kinds.of[span], row[_RARE]) for span in nodes}
    blocks = _blocks(live, max(_CELLS // len(names), STRETCHES))
    cpu_s = np.zeros((len(names), blocks.n))
    squares = np.zeros(blocks.n)
    total_s = blocks.sum(busy_s)
    pieces = {span: blocks.piece(piece) for span, piece in nodes.items()}
    for span, (where, of_span) in pieces.items():
        cpu_s[row_of[span], where] += of_span
        squares[where] += (of_span / total_s[where]) ** 2
    cpu_s[row[_OTHERS]] += np.maximum(total_s - cpu_s.sum(axis=0), 0.0)
    energy_j, seconds = blocks.sum(line.energy_j), blocks.sum(np.diff(line.t_ns) / NS_PER_S)
    of_all = list(pieces.values())
    standing = None if line.standing_j is None else blocks.sum(line.standing_j)
    scales = estimate(energy_j, seconds, cpu_s, of_all, n_cpus, kinds.measured, standing)
    # Strangers are as unknown as before: what they run elsewhere, or next time, is anything.
    watts = kinds.watts
    left = [
        watts.left if watts is not None and name in watts.more_w and name != _OTHERS else 1.0
        for name in names
    ]
    kinds_w = {name: scales.kind_w * part for name, part in zip(names, left, strict=True)}
    kinds_w[_OTHERS] = scales.others_w
    mix = _Mix(names, cpu_s / total_s, squares, total_s, kinds_w, scales.own_w)
    more_s = host_s_too_much(line, busy_s, nodes, lives_ns)
    idle_j = {span: scales.idle_w * seconds for span, seconds in more_s.items()}
    return {
        span: _doubt(piece, row_of[span], mix, span in kinds.several, idle_j.get(span, 0.0))
        for span, piece in pieces.items()
    }


class _Mix(msgspec.Struct, frozen=True):
    """What was busy on a host: the part of each kind, the squares of the parts of executions.

    `kinds_w` is what a CPU second of each kind may cost more or less, `own_w` what executions of
    one kind may differ by.
    """

    names: Sequence[str]
    parts: Floats
    squares: Floats
    busy_s: Floats
    kinds_w: Mapping[str, float]
    own_w: float


def _doubt(
    piece: tuple[slice, Floats], own: int, mix: _Mix, several: bool, idle_j: float
) -> Doubt:
    where, cpu_s = piece
    part = cpu_s / mix.busy_s[where]
    less_s = mix.parts[:, where] @ cpu_s
    alone_s = float(cpu_s.sum() - part @ cpu_s)
    busy = [(mix.names[i], float(less_s[i])) for i in np.flatnonzero(less_s).tolist()]
    found = {name: -seconds * mix.kinds_w[name] for name, seconds in busy}
    kind = mix.names[own]
    if several:
        beside_s = float(less_s[own] - part @ cpu_s)
        found[kind] = alone_s * mix.kinds_w[kind]
        found[f"{kind} beside"] = -max(beside_s, 0.0) * mix.kinds_w[kind]
    else:
        found[kind] = float(cpu_s.sum() - less_s[own]) * mix.kinds_w[kind]
    found[_IDLE] = idle_j
    others_s = float(cpu_s @ np.sqrt(np.maximum(mix.squares[where] - part**2, 0.0)))
    return Doubt(
        tuple((name, joules) for name, joules in sorted(found.items()) if joules),
        mix.own_w * hypot(alone_s, others_s),
    )


class _Blocks(msgspec.Struct, frozen=True):
    """Intervals that have energy, joined to fewer."""

    live: NDArray[np.bool_]
    of_interval: NDArray[np.intp]
    n: int

    def sum(self, values: Floats) -> Floats:
        return sums(self.of_interval[self.live], values[self.live], self.n)

    def piece(self, piece: Piece) -> tuple[slice, Floats]:
        """Return which blocks an execution touches, and its CPU seconds in them."""
        live = self.live[piece.where]
        of_block = self.of_interval[piece.where][live]
        if not of_block.size:
            return slice(0, 0), np.zeros(0)
        first = int(of_block[0])
        cpu_s = sums(of_block - first, piece.cpu_s[live])
        return slice(first, first + len(cpu_s)), cpu_s


def _blocks(live: NDArray[np.bool_], most: int) -> _Blocks:
    n_live = int(live.sum())
    n = min(n_live, most)
    place = (np.cumsum(live) - live) * n // n_live
    return _Blocks(live, np.minimum(place, n - 1), n)
