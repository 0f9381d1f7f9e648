# SPDX-License-Identifier: Apache-2.0
"""Estimate, from how a host's power followed what it ran, how unlike programs are in watts.

Nothing here knows who ran, nor divides anything; see `nicarbon.unlike` for what it is used for.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

# What is known before a run says anything; set on simulated servers and hosts of any kind
# (benchmarks/attribution.py) so that ranges hold two truths in three, and then tested on others.
# As parts of the watts that a busy CPU adds: between kinds, half-normal; and how far power is
# from a straight line in the number of busy CPUs.
_KINDS, _CURVED = 0.45, 0.4
# What is no node was drawn from no pipeline: that nodes are alike says nothing of it.
_STRANGE = 0.4
# Kinds may differ by so much more where firmware keeps power at a limit: it hides who draws it. A
# limit is believed in where it makes the host's power so much likelier, in logarithms.
_HIDDEN, _LIMIT = 0.25, 10.0
# How far power as a whole may be from what is taken for the mean mix: anything. Without it, power
# that hardly changes would say that programs draw little.
_LEVEL = 1.0
# How far curved power keeps its direction, in logarithms of the number of busy CPUs.
_REACH = 1.0
# How long an execution's phases last, in parts of its life.
_PHASE = 0.25
# Of the variance of its phases, what is left of the mean of all of them: that of exp(-|t - s| /
# _PHASE) over all t and s from 0 to 1.
_PHASES_LEFT = 2 * _PHASE * (1 - _PHASE * (1 - exp(-1 / _PHASE)))
# Of a host's power: what neither counters nor the model below explain.
_NOISE = 0.007
# The part of the power that busy CPUs add: at full load 4/5, as idle servers draw a fifth
# (SPECpower_ssj2008, Skylake to Granite Rapids 0.13 to 0.25); log-odds spread by 1.5.
_IDLE, _IDLE_SPREAD = 0.25, 1.5
_KINDS_TRIED = np.array([0.03, 0.08, 0.15, 0.22, 0.3, 0.4, 0.55, 0.8])
_ADDED_TRIED = np.array([0.05, 0.15, 0.3, 0.45, 0.6, 0.75, 0.88, 0.97])
# Between executions of one kind, and between the phases of one.
_OWN_TRIED, _PHASES_TRIED = np.array([(0.05, 0.0), (0.15, 0.0), (0.1, 0.15), (0.1, 0.3)]).T

# Power is compared between so many stretches of time at most.
STRETCHES = 120


class Scales(msgspec.Struct, frozen=True):
    """One standard deviation of what is unknown of a host's watts.

    Attributes
    ----------
    kind_w : float
        Between kinds of nodes, of each busy CPU.
    own_w : float
        Between executions of one kind, of each busy CPU.
    others_w : float
        Between nodes and what is no node, of each busy CPU.
    idle_w : float
        Of the whole host while nothing is busy: from nothing, as it is not known here.
    """

    kind_w: float
    own_w: float
    others_w: float
    idle_w: float


def sums(group: NDArray[np.intp], values: Floats, n: int = 0) -> Floats:
    """Return the sums of the values of each group."""
    return np.bincount(group, values, minlength=n).astype(np.float64)


def estimate(
    energy_j: Floats,
    seconds: Floats,
    by_kind: Floats,
    pieces: Sequence[tuple[slice, Floats]],
    n_cpus: int,
    measured: bool,
    standing_j: Floats | None = None,
) -> Scales:
    """Estimate how unlike programs are.

    Power is taken as idle power, plus for each busy CPU the same watts, which differ by kind, by
    execution and by the phases that an execution goes through, plus a smooth function of the
    number of busy CPUs: all normal. Each triple of an idle power, a difference between kinds and
    one between phases is weighed by how likely it makes the host's power (a Gaussian process
    with marginalised scales: Rasmussen and Williams 2006, ch. 5), and by what is known before.
    Where power stood still, it is weighed against that a limit on power kept it there, whatever
    ran: then the rest of the power alone tells.

    Parameters
    ----------
    energy_j, seconds : ndarray
        Of each interval.
    by_kind : ndarray
        CPU seconds of each kind in each interval; the first is all that is no node.
    pieces : sequence of (slice, ndarray)
        For each execution, intervals and its CPU seconds in them.
    n_cpus : int
        The host's CPUs.
    measured : bool
        Whether a counter says what the host used.
    standing_j : ndarray, optional
        The part of the energy that is of counters whose power stood still (`nicarbon.limits`).
    """
    n = len(seconds)
    few = np.arange(n) * min(n, STRETCHES) // n
    length_s = sums(few, seconds)
    power = sums(few, energy_j) / length_s
    others, *_ = kinds = np.stack([sums(few, row) for row in by_kind]) / length_s
    busy = np.maximum(kinds.sum(axis=0), 1e-9)
    mean_w = float(np.average(power, weights=length_s))
    mean_busy = float(np.average(busy, weights=length_s))
    own, phases = _of_executions(few, length_s, pieces)
    apart = np.log(busy)[:, None] - np.log(busy)
    curved = np.exp(-(apart**2) / (2 * _REACH**2)) * np.outer(busy, busy)
    # Axes: idle powers, differences between kinds, between executions; then stretches.
    added, kind = _ADDED_TRIED[:, None, None], _KINDS_TRIED[:, None]
    slope = added / mean_busy
    of_a_cpu = (
        _square(kind, kinds[1:].T @ kinds[1:])
        + _square(_PHASES_TRIED, phases)
        + _square(_OWN_TRIED, own)
        + _square(np.array(_STRANGE), np.outer(others, others))
        + _square(np.array(_CURVED), curved)
    )
    covariance = slope[..., None, None] ** 2 * of_a_cpu + _LEVEL**2
    left = power / mean_w - (1 - added[..., None]) - slope[..., None] * busy
    fit = _fit(covariance, left)
    hidden = np.zeros(1)
    if measured and standing_j is not None and standing_j.any():
        free = 1 - sums(few, standing_j) / sums(few, energy_j)
        limited = _fit(covariance * np.outer(free, free), left * free) - _LIMIT
        fit = np.stack([fit, limited])
        part = float(standing_j.sum() / energy_j.sum())
        hidden = np.array([0.0, part * _HIDDEN**2])[:, None, None, None]
    if not measured:
        # The model's power does not depend on what runs: only its idle power can be learned.
        fit = np.broadcast_to(fit[..., :1, :1], fit.shape)
    odds = np.log(added / (1 - added)) - np.log(mean_busy / max(n_cpus, 1) / _IDLE)
    fit = fit - 0.5 * (odds / _IDLE_SPREAD) ** 2 - 0.5 * (kind / _KINDS) ** 2
    weight = np.exp(fit - fit.max())
    weight /= weight.sum()

    def watts(variance: Floats) -> float:
        return mean_w * sqrt((weight * variance).sum())

    return Scales(
        kind_w=watts(slope**2 * (kind**2 + hidden)),
        own_w=watts(slope**2 * (_OWN_TRIED**2 + _PHASES_LEFT * _PHASES_TRIED**2)),
        others_w=watts((slope * _STRANGE) ** 2),
        idle_w=watts((1 - added) ** 2),
    )


def _fit(covariance: Floats, left: Floats) -> Floats:
    """Return how likely each covariance makes what is left of power, in logarithms."""
    noise = _NOISE**2 * np.eye(covariance.shape[-1])
    factor = np.linalg.cholesky(covariance + noise).astype(np.float64)
    whitened = _whitened(factor, np.broadcast_to(left, factor.shape[:-1]))
    fit: Floats = -0.5 * (whitened**2).sum(axis=-1)
    fit -= np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
    return fit


def _of_executions(
    few: NDArray[np.intp], length_s: Floats, pieces: Sequence[tuple[slice, Floats]]
) -> tuple[Floats, Floats]:
    """Return how power goes together between stretches because the same executions ran in them.

    First what stays the same while one runs, then what changes with its phases.
    """
    own, phases = np.zeros((2, len(length_s), len(length_s)))
    at_s = np.cumsum(length_s) - length_s / 2
    for where, cpu_s in pieces:
        of_few = few[where]
        if of_few.size:
            first = of_few[0]
            here = slice(first, of_few[-1] + 1)
            c = sums(of_few - first, cpu_s) / length_s[here]
            both = np.outer(c, c)
            own[here, here] += both
            apart_s = np.abs(at_s[here, None] - at_s[here])
            phases[here, here] += both * np.exp(-apart_s / (_PHASE * length_s[here].sum()))
    return own, phases


def _square(scale: Floats, matrix: Floats) -> Floats:
    """Return a matrix times the square of each scale."""
    return scale[..., None, None] ** 2 * matrix


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
