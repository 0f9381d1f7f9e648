# SPDX-License-Identifier: Apache-2.0
"""Power that stands still is told from power that follows what runs."""

from __future__ import annotations

import numpy as np

from nicarbon.limits import standing_j

SECOND = np.ones(40)


def test_power_at_a_limit_stands_still():
    wanted_w = np.linspace(60.0, 140.0, 40)
    energy_j = np.minimum(wanted_w, 100.0)
    standing = standing_j(energy_j, SECOND)
    assert (standing[energy_j == 100.0] == 100.0).all()
    assert not standing[energy_j < 99.0].any()


def test_a_limit_is_told_by_power_whatever_the_interval_lasts():
    seconds = np.tile([1.0, 10.0], 20)
    assert standing_j(80.0 * seconds, seconds).tolist() == (80.0 * seconds).tolist()


def test_power_that_follows_what_runs_does_not_stand_still():
    assert not standing_j(np.linspace(60.0, 140.0, 40), SECOND).any()


def test_a_level_far_below_the_most_is_no_limit():
    energy_j = np.where(np.arange(40) < 30, 20.0, np.linspace(80.0, 140.0, 40))
    assert not standing_j(energy_j, SECOND).any()


def test_what_has_no_energy_or_no_length_stands_nowhere():
    assert not standing_j(np.zeros(40), SECOND).any()
    assert not standing_j(np.zeros(0), np.zeros(0)).size
    energy_j = np.where(np.arange(40) % 2, 100.0, 0.0)
    seconds = np.where(np.arange(40) < 4, 0.0, 1.0)
    standing = standing_j(energy_j, seconds)
    assert not standing[:4].any()
    assert standing[5::2].all()
    assert not standing[4::2].any()
