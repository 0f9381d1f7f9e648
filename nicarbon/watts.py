# SPDX-License-Identifier: Apache-2.0
"""What a CPU second of each kind of program costs more or less, learned from several runs.

One run rarely tells: what runs at once changes too little. Over runs of one pipeline on machines
of one type the mixes differ, and power with them. Nothing is learned that does not foretell the
power of runs that were left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nicarbon.curves import Piece
from nicarbon.timeline import Timeline
from nicarbon.units import NS_PER_S

Floats: TypeAlias = NDArray[np.float64]

# How strongly differences are drawn to nothing; the last one leaves none.
_RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 1e9)
# Fewer runs can't be foretold from the others.
LEAST_RUNS = 3
# Nobody pays less than this part of a share by CPU time, whatever was learned.
_LEAST = 0.1
# Of a run, so many stretches of time are looked at.
_STRETCHES = 400


class Watts(msgspec.Struct, frozen=True):
    """What kinds of programs cost more or less than the mean of all that was busy.

    Attributes
    ----------
    more_w : dict
        Watts for each busy CPU by kind; ``""`` is all that is no node.
    left : float
        The part of the differences between kinds that is still unknown: the error in foretelling
        the power of runs that were left out, of that without any difference.
    n_runs : int
        How many runs taught it.
    """

    more_w: Mapping[str, float]
    left: float
    n_runs: int


class Table(msgspec.Struct, frozen=True):
    """What one run teaches: watts, and the CPUs that each kind kept busy, in stretches of time."""

    power_w: Floats
    cpus: Mapping[str, Floats]


def table(
    line: Timeline, busy_s: Floats, nodes: Mapping[str, Piece], kind_of: Mapping[str, str]
) -> Table | None:
    """Return what a timeline teaches; None where nothing was measured.

    Parameters
    ----------
    line : Timeline
        The host's energy.
    busy_s : ndarray
        CPU seconds of all that was busy, in each interval.
    nodes : mapping
        CPU seconds of each execution by span.
    kind_of : mapping
        Its kind.
    """
    live = np.flatnonzero(line.covered & (busy_s > 0))
    if not live.size:
        return None
    first = np.unique(np.linspace(0, live.size, _STRETCHES, endpoint=False).astype(np.intp))
    cpu_s: dict[str, Floats] = defaultdict(lambda: np.zeros(len(line.covered)))
    for span, piece in nodes.items():
        cpu_s[kind_of[span]][piece.where] += piece.cpu_s
    cpu_s[""] = np.maximum(busy_s - sum(cpu_s.values()), 0.0)
    seconds = np.add.reduceat(np.diff(line.t_ns)[live] / NS_PER_S, first)
    return Table(
        np.add.reduceat(line.energy_j[live], first) / seconds,
        {kind: np.add.reduceat(of[live], first) / seconds for kind, of in cpu_s.items()},
    )


def learn(tables: Sequence[Table]) -> Watts | None:
    """Return what several runs teach together; None where that is nothing.

    Ridge regression of power on the CPUs that each kind kept busy, beside idle power and a
    quadratic in all busy CPUs, which all kinds share. The ridge is the one that foretells best
    each run from the others.
    """
    if len(tables) < LEAST_RUNS:
        return None
    kinds = sorted({kind for one in tables for kind in one.cpus})
    cpus = [
        np.stack([one.cpus.get(kind, np.zeros(len(one.power_w))) for kind in kinds])
        for one in tables
    ]
    power_w = [one.power_w for one in tables]
    wrong = np.zeros(len(_RIDGES))
    for out in range(len(tables)):
        others = [i for i in range(len(tables)) if i != out]
        more, rest = _fits([cpus[i] for i in others], [power_w[i] for i in others])
        foretold = rest @ _common(cpus[out]).T + more @ cpus[out]
        wrong += ((power_w[out] - foretold) ** 2).sum(axis=1)
    best = int(np.argmin(wrong))
    if best == len(_RIDGES) - 1 or wrong[-1] <= 0:
        return None
    more, _ = _fits(cpus, power_w)
    more_w = dict(zip(kinds, more[best].tolist(), strict=True))
    return Watts(more_w, float(np.sqrt(wrong[best] / wrong[-1])), len(tables))


def _common(cpus: Floats) -> Floats:
    busy = cpus.sum(axis=0)
    return np.stack([np.ones_like(busy), busy, busy**2], axis=1)


def _fits(cpus: Sequence[Floats], power_w: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return, for each ridge, the watts of kinds and the coefficients that all share."""
    x, y = np.concatenate(cpus, axis=1), np.concatenate(power_w)
    common = _common(x)
    basis, _ = np.linalg.qr(common)
    apart = x.T - basis @ (basis.T @ x.T)
    left = y - basis @ (basis.T @ y)
    eye = np.eye(len(x)) * len(y)
    square, toward = apart.T @ apart, apart.T @ left
    more = np.stack([np.linalg.solve(square + ridge * eye, toward) for ridge in _RIDGES])
    more = more.astype(np.float64)
    rest = np.linalg.lstsq(common, (y - more @ x).T, rcond=None)[0].astype(np.float64)
    return more, rest.T


def weighed(
    line: Timeline,
    busy_s: Floats,
    nodes: Mapping[str, Piece],
    kind_of: Mapping[str, str],
    watts: Watts,
) -> tuple[dict[str, Piece], Floats]:
    """Return CPU seconds that count as much as they cost; all that was busy adds up as before.

    Parameters are those of `table`.

    Returns
    -------
    dict of Piece
        CPU seconds of each execution.
    ndarray
        What each CPU second of all others counts, in each interval.
    """
    safe_s = np.where(busy_s > 0, busy_s, 1.0)
    joules = np.maximum(line.energy_j / safe_s, 1e-12)
    others_s = busy_s.copy()
    mean_w = np.zeros(len(busy_s))
    for span, piece in nodes.items():
        mean_w[piece.where] += watts.more_w.get(kind_of[span], 0.0) * piece.cpu_s
        others_s[piece.where] -= piece.cpu_s
    others_s = np.maximum(others_s, 0.0)
    mean_w = (mean_w + watts.more_w.get("", 0.0) * others_s) / safe_s

    def counts(kind: str, where: slice) -> Floats:
        more_w = watts.more_w.get(kind, 0.0) if kind in watts.more_w else mean_w[where]
        return np.maximum(1.0 + (more_w - mean_w[where]) / joules[where], _LEAST)

    everywhere = slice(0, len(busy_s))
    of_others = counts("", everywhere)
    factor = {span: counts(kind_of[span], piece.where) for span, piece in nodes.items()}
    total = of_others * others_s
    for span, piece in nodes.items():
        total[piece.where] += factor[span] * piece.cpu_s
    scale = np.where(total > 0, safe_s / np.where(total > 0, total, 1.0), 1.0)
    scale = np.where(line.covered & (busy_s > 0), scale, 1.0)
    found = {
        span: Piece(piece.first, piece.cpu_s * factor[span] * scale[piece.where])
        for span, piece in nodes.items()
    }
    return found, of_others * scale
