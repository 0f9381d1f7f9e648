# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.trials.results import Row, Trial

ONE = Trial(energy_j={"cpu": 100.0, "ram": 50.0}, true_cpu_s=10.0, true_duration_s=12.0)


def test_a_figure_that_is_missing_stays_missing():
    row = Row("it", Trial("broken"))
    assert (row.load.total_j, row.over_count, row.seen, row.idle_w) == (None,) * 4
    assert (row.own_cpu_s, row.own_duration_s) == (None, None)


def test_the_part_seen_is_its_own_cpu_time_where_it_says_it():
    load = Trial(seen_cpu_s=9.0, true_cpu_s=10.0, energy_j={"cpu": 1.0})
    assert Row("it", load, ONE, by_process=True).seen == pytest.approx(0.9)


def test_else_the_joules_of_cpu_for_a_cpu_second_against_one_process():
    load = Trial(energy_j={"cpu": 10.0, "ram": 50.0}, true_cpu_s=20.0)
    assert Row("it", load, ONE, by_process=True).seen == pytest.approx(0.05)
    assert Row("it", load, ONE, by_process=False).seen is None


def test_a_short_process_is_no_yardstick():
    short = Trial(energy_j={"cpu": 1.0}, true_cpu_s=4.0, true_duration_s=4.0)
    assert Row("it", ONE, short, by_process=True).seen is None


def test_what_four_trackers_say_over_what_one_says():
    assert Row("it", ONE, inner_j=380.0, outer_j=100.0).over_count == pytest.approx(3.8)
    assert Row("it", ONE, inner_j=380.0, outer_j=0.0).over_count is None


def test_what_it_used_beside_the_load():
    trial = Trial(true_cpu_s=10.0, true_duration_s=12.0, cpu_s=11.5, duration_s=15.0)
    row = Row("it", trial, idle=ONE)
    assert (row.own_cpu_s, row.own_duration_s) == (1.5, 3.0)
    assert row.idle_w == pytest.approx(12.5)
