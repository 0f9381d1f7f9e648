# SPDX-License-Identifier: Apache-2.0
"""How unlike programs are, as a host's power says: on power that was made of known watts."""

from __future__ import annotations

import numpy as np
import pytest

from nicarbon.likeness import _whitened, estimate, sums
from nicarbon.limits import standing_j

N_CPUS = 16


def made(kind_w=(), own_w=0.0, phase_w=0.0, idle_w=20.0, measured=True, limit_w=None, seed=0):
    """Scales of a host on which executions of several kinds take turns, two at a time.

    `kind_w` are watts of a busy CPU of each kind, `own_w` and `phase_w` how much executions of one
    kind, and quarters of one execution, differ; `limit_w` is the most that the host draws.
    """
    rng = np.random.default_rng(seed)
    n = 120
    kind_w = np.array(kind_w or [5.0] * 4)
    by_kind = np.zeros((len(kind_w) + 1, n))
    by_kind[0] = 0.05
    power = np.full(n, idle_w + 0.05 * 5.0)
    pieces = []
    for _ in range(2):
        for first in range(0, n, 12):
            kind, cpus = rng.integers(len(kind_w)), rng.integers(1, 4)
            watts = kind_w[kind] + own_w * rng.standard_normal()
            watts = watts + phase_w * np.repeat(rng.standard_normal(4), 3)
            where = slice(first, first + 12)
            by_kind[kind + 1, where] += cpus
            power[where] += cpus * watts
            pieces.append((where, np.full(12, float(cpus))))
    if limit_w is not None:
        power = np.minimum(power, limit_w)
    power = power * (1 + 0.001 * rng.standard_normal(n))
    standing = standing_j(power, np.ones(n))
    return estimate(power, np.ones(n), by_kind, pieces, N_CPUS, measured, standing)


def mean(name, **host):
    return np.mean([getattr(made(**host, seed=seed), name) for seed in range(5)])


def test_watts_of_kinds_are_found_again():
    alike = mean("kind_w", kind_w=(5.0,) * 6)
    unlike = mean("kind_w", kind_w=(2.0, 8.0, 3.0, 7.0, 5.0, 5.0))
    assert unlike > 3 * alike
    assert unlike == pytest.approx(2.2, rel=0.5)


def test_differences_between_executions_are_no_differences_between_kinds():
    steady = made()
    differ = made(own_w=1.5)
    assert differ.own_w > 1.5 * steady.own_w
    assert mean("kind_w", own_w=1.5) < mean("kind_w", kind_w=(2.0, 8.0, 3.0, 7.0))


def test_phases_are_no_differences_between_kinds():
    assert mean("kind_w", phase_w=1.5) < 0.8 * mean("kind_w", kind_w=(2.0, 8.0, 3.0, 7.0))
    assert mean("own_w", phase_w=1.5) > mean("own_w")


def test_idle_power_is_found_again_where_load_changes():
    assert mean("idle_w", idle_w=20.0) == pytest.approx(20.0, rel=0.4)
    assert mean("idle_w", idle_w=80.0) == pytest.approx(80.0, rel=0.2)


def test_a_model_teaches_nothing_about_programs():
    alike, unlike = (made(kind_w=w, measured=False) for w in ((5.0,) * 4, (2.0, 8.0, 3.0, 7.0)))
    assert unlike.kind_w / unlike.others_w == pytest.approx(alike.kind_w / alike.others_w)


def test_strangers_are_unknown_in_proportion_to_what_a_cpu_adds():
    assert mean("others_w", kind_w=(10.0,) * 4) > 1.6 * mean("others_w", kind_w=(5.0,) * 4)


def test_power_at_its_limit_does_not_say_that_kinds_are_alike():
    alike = mean("kind_w", kind_w=(5.0,) * 6)
    limited = mean("kind_w", kind_w=(2.0, 8.0, 3.0, 7.0, 5.0, 5.0), limit_w=30.0)
    assert limited > 3 * alike


def test_power_that_stands_still_now_and_then_is_no_limit():
    # As many CPUs are busy again and again: the same power, and yet it follows what runs.
    free = mean("kind_w", kind_w=(5.0,) * 6)
    assert free < 0.5 * mean("others_w", kind_w=(5.0,) * 6)


def test_sums_of_groups():
    assert sums(np.array([0, 0, 2]), np.array([1.0, 2.0, 4.0])).tolist() == [3.0, 0.0, 4.0]


def test_triangular_systems_are_solved_without_blas():
    rng = np.random.default_rng(7)
    factor = np.tril(rng.random((2, 3, 5, 5)) + np.eye(5))
    values = rng.random((2, 3, 5))
    expected = np.linalg.solve(factor, values[..., None])[..., 0]
    assert _whitened(factor, values) == pytest.approx(expected)
