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
from math import hypot, sqrt
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nicarbon.curves import Piece
from nicarbon.kinds import Kinds
from nicarbon.timeline import Timeline
from nicarbon.units import NS_PER_S

Floats: TypeAlias = NDArray[np.float64]

# What is known before a run says anything; set on simulated servers and hosts of any kind
# (benchmarks/attribution.py) so that ranges hold two truths in three, and then tested on others.
# As parts of the watts that a busy CPU adds: between kinds, half-normal; between executions of
# one kind; and how far power is from a straight line in the number of busy CPUs.
_KINDS, _OWN, _CURVED = 0.45, 0.1, 0.4
# How far curved power keeps its direction, in logarithms of the number of busy CPUs.
_REACH = 1.0
# Of a host's power: what neither counters nor the model above explain.
_NOISE = 0.006
# The part of the power that busy CPUs add: at full load 4/5, as idle servers draw a fifth
# (SPECpower_ssj2008, Skylake to Granite Rapids 0.13 to 0.25); log-odds spread by 1.5.
_IDLE, _IDLE_SPREAD = 0.25, 1.5
_KINDS_TRIED = np.array([0.03, 0.08, 0.15, 0.22, 0.3, 0.4, 0.55, 0.8])
_ADDED_TRIED = np.array([0.05, 0.15, 0.3, 0.45, 0.6, 0.75, 0.88, 0.97])

# Power is compared between so many stretches of time at most, and kinds are told apart in so many.
_STRETCHES = 120
_CELLS = 4_000_000

# Everything that is no node: the engine, the meter, and all the others.
_OTHERS = ""
# Kinds beyond so many, those that used the least, are taken as one.
_KINDS_TOLD = 400
_RARE = "(rare)"


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
    blocks = _blocks(live, max(_CELLS // len(names), _STRETCHES))
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
    kind_w, own_w = _watts(energy_j, seconds, cpu_s, of_all, n_cpus, kinds.measured)
    # Strangers are as unknown as before: what they run elsewhere, or next time, is anything.
    watts = kinds.watts
    left = [
        watts.left if watts is not None and name in watts.more_w and name != _OTHERS else 1.0
        for name in names
    ]
    kinds_w = {name: kind_w * part for name, part in zip(names, left, strict=True)}
    mix = _Mix(names, cpu_s / total_s, squares, total_s, kinds_w, own_w)
    return {
        span: _doubt(piece, row_of[span], mix, span in kinds.several)
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


def _doubt(piece: tuple[slice, Floats], own: int, mix: _Mix, several: bool) -> Doubt:
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
        return _sums(self.of_interval[self.live], values[self.live], self.n)

    def piece(self, piece: Piece) -> tuple[slice, Floats]:
        """Return which blocks an execution touches, and its CPU seconds in them."""
        live = self.live[piece.where]
        of_block = self.of_interval[piece.where][live]
        if not of_block.size:
            return slice(0, 0), np.zeros(0)
        first = int(of_block[0])
        cpu_s = _sums(of_block - first, piece.cpu_s[live])
        return slice(first, first + len(cpu_s)), cpu_s


def _blocks(live: NDArray[np.bool_], most: int) -> _Blocks:
    n_live = int(live.sum())
    n = min(n_live, most)
    place = (np.cumsum(live) - live) * n // n_live
    return _Blocks(live, np.minimum(place, n - 1), n)


def _sums(group: NDArray[np.intp], values: Floats, n: int = 0) -> Floats:
    return np.bincount(group, values, minlength=n).astype(np.float64)


def _whitened(factor: Floats, values: Floats) -> Floats:
    """Solve lower triangular systems, all of them a row at a time.

    `numpy.linalg.solve` takes each by itself, by threads that wait for one another: a minute
    where others keep the processors busy, for what takes milliseconds.
    """
    solved = np.zeros_like(values)
    for i in range(values.shape[-1]):
        known = np.einsum("...j,...j->...", factor[..., i, :i], solved[..., :i])
        solved[..., i] = (values[..., i] - known) / factor[..., i, i]
    return solved


def _watts(
    energy_j: Floats,
    seconds: Floats,
    by_kind: Floats,
    pieces: Sequence[tuple[slice, Floats]],
    n_cpus: int,
    measured: bool,
) -> tuple[float, float]:
    """Estimate how unlike programs are: watts a busy CPU, between kinds and within one.

    Power is taken as idle power, plus for each busy CPU the same watts, which differ by kind and
    by execution, plus a smooth function of the number of busy CPUs: all normal. Each pair of an
    idle power and of a difference between kinds is weighed by how likely it makes the host's
    power (a Gaussian process with marginalised scales: Rasmussen and Williams 2006, ch. 5), and
    by what is known before.
    """
    n = len(seconds)
    few = np.arange(n) * min(n, _STRETCHES) // n
    length_s = _sums(few, seconds)
    power = _sums(few, energy_j) / length_s
    kinds_c = np.stack([_sums(few, row) for row in by_kind]) / length_s
    busy = np.maximum(kinds_c.sum(axis=0), 1e-9)
    mean_w = float(np.average(power, weights=length_s))
    mean_busy = float(np.average(busy, weights=length_s))
    own = np.zeros((len(busy), len(busy)))
    for where, cpu_s in pieces:
        of_few = few[where]
        if of_few.size:
            first = of_few[0]
            c = _sums(of_few - first, cpu_s) / length_s[first : of_few[-1] + 1]
            own[first : first + len(c), first : first + len(c)] += np.outer(c, c)
    apart = np.log(busy)[:, None] - np.log(busy)
    curved = np.exp(-(apart**2) / (2 * _REACH**2)) * np.outer(busy, busy)
    added = _ADDED_TRIED
    slope = added / mean_busy
    free = slope[:, None] ** 2 * np.ones_like(_KINDS_TRIED)
    covariance = free[:, :, None, None] * (
        _KINDS_TRIED[:, None, None] ** 2 * (kinds_c.T @ kinds_c)
        + _OWN**2 * own
        + _CURVED**2 * curved
    ) + _NOISE**2 * np.eye(len(busy))
    left = power / mean_w - (1 - added)[:, None] - slope[:, None] * busy
    factor = np.linalg.cholesky(covariance)
    whitened = _whitened(factor, np.broadcast_to(left[:, None, :], (*free.shape, len(busy))))
    fit = -0.5 * (whitened**2).sum(axis=-1)
    fit -= np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
    load = mean_busy / max(n_cpus, 1)
    odds = np.log(added / (1 - added)) - np.log(load / _IDLE)
    before = -0.5 * (odds[:, None] / _IDLE_SPREAD) ** 2 - 0.5 * (_KINDS_TRIED / _KINDS) ** 2
    if not measured:
        # The model's power does not depend on what runs: only its idle power can be learned.
        fit = np.broadcast_to(fit[:, :1], fit.shape)
    weight = np.exp(fit + before - (fit + before).max())
    weight /= weight.sum()
    kind_w = mean_w * sqrt((weight * free * _KINDS_TRIED**2).sum())
    return kind_w, mean_w * _OWN * sqrt((weight * free).sum())
