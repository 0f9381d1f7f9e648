# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

import pytest

from nicarbon.meter.sensors.integral import PowerIntegral

S = 1_000_000_000


def integral(*readings, max_power_w=300.0):
    found = PowerIntegral(max_power_w)
    for t_s, power_w in readings:
        found.add(round(t_s * S), power_w)
    return found.millijoules()


def test_nothing_is_known_of_the_time_before_the_first_reading():
    assert integral() == integral((5, 100.0)) == (0, 0, 0)


def test_between_readings_power_changes_evenly_and_stays_between_them():
    assert integral((0, 100.0), (1, 200.0), (2, 100.0)) == (300_000, 200_000, 400_000)


def test_in_a_gap_it_may_have_done_anything_that_the_card_can():
    central, low, high = integral((0, 50.0), (1, 200.0), (11, 100.0))
    assert central == 125_000 + 1_500_000
    assert low == 50_000 + 500_000  # 50 W is the least that was ever read
    assert high == 200_000 + 3_000_000


@pytest.mark.parametrize("odd", [(0.5, 100.0), (1, 999.0), (2, -5.0), (2, 1e9), (2, float("nan"))])
def test_what_is_no_later_or_no_power_changes_nothing(odd):
    assert integral((0, 100.0), (1, 100.0), odd) == (100_000, 100_000, 100_000)


def test_neither_the_sum_nor_its_bounds_ever_fall():
    draw = random.Random(1)
    found, before, t_ns = PowerIntegral(300.0), (0, 0, 0), 0
    for _ in range(2000):
        t_ns += round(draw.uniform(-0.5, 3.0) * S)
        found.add(t_ns, draw.uniform(-50.0, 400.0))
        now = found.millijoules()
        assert now[1] <= now[0] <= now[2]
        assert all(a <= b for a, b in zip(before, now, strict=True))
        before = now
