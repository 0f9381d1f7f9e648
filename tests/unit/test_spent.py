# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from nicarbon.accounts import Account
from nicarbon.spent import spent_in
from nicarbon.timeline import Timeline

S = 1_000_000_000


def line(energies, covered=None, start=5):
    """Intervals of 1 s from `start`; the sensor is right within 10 %."""
    energy = np.array(energies, dtype=float)
    return Timeline(
        t_ns=(start + np.arange(len(energies) + 1)) * S,
        covered=np.array([True] * len(energies) if covered is None else covered),
        energy_j=energy,
        low_j=0.9 * energy,
        high_j=1.1 * energy,
        busy_cpu_s=np.ones(len(energies)),
        recount_j=float(energy.sum()),
        n_domains=1,
    )


def one(*lines):
    return [Account((), lines)]


def test_whole_intervals_are_exact():
    spent = spent_in(one(line([10, 20, 40])), [(5 * S, 7 * S)])
    assert (spent.energy_j, spent.low_j, spent.high_j) == pytest.approx((30, 27, 33))
    assert spent.uncovered_s == 0


def test_parts_of_an_interval_are_a_range():
    stretches = [(5 * S + S // 2, 6 * S + S // 4), (7 * S, 8 * S)]
    spent = spent_in(one(line([10, 20, 40])), stretches)
    assert spent.energy_j == pytest.approx(5 + 5 + 40)
    assert spent.low_j == pytest.approx(36)  # only the last is wholly inside
    assert spent.high_j == pytest.approx(77)  # all are touched


def test_what_no_reading_covers_is_said():
    spent = spent_in(one(line([10, 0, 40], [True, False, True])), [(4 * S, 7 * S)])
    assert spent.energy_j == pytest.approx(10)
    assert spent.uncovered_s == 2


def test_timelines_add_up_and_the_worst_gap_counts():
    spent = spent_in(one(line([10, 20]), line([1, 2], [True, False])), [(5 * S, 7 * S)])
    assert (spent.energy_j, spent.uncovered_s) == (pytest.approx(31), 1)


def test_accounts_that_take_turns_leave_no_gap():
    turns = [*one(line([10, 20], [True, False])), *one(line([1, 2], [False, True]))]
    assert spent_in(turns, [(5 * S, 7 * S)]).uncovered_s == 0


def test_nothing():
    assert spent_in([], [(0, S)]) is None
    spent = spent_in(one(line([10])), [])
    assert (spent.energy_j, spent.low_j, spent.high_j, spent.uncovered_s) == (0, 0, 0, 0)


def test_devices_are_added_to_the_processors():
    stretch = [(5 * S, 7 * S)]
    spent = spent_in(one(line([10, 20, 40])), stretch, [one(line([100, 100, 100])), ()])
    assert (spent.energy_j, spent.uncovered_s) == pytest.approx((230.0, 0.0))
    assert spent_in([], stretch, [one(line([100]))]) is None
