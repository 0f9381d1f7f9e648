# SPDX-License-Identifier: Apache-2.0
"""Readings to intervals; what happens with their energy is tested with attribution."""

from __future__ import annotations

import numpy as np
import pytest

from nicarbon.records import Domain, Host, Model, Sample, SampleFile, Sensor
from nicarbon.timeline import account, merge, timelines

S = 1_000_000_000
PACKAGE = Domain("package-0", "package", range=1000, max_power_w=100.0)
DRAM = Domain("dram-0", "dram", range=500, max_power_w=10.0)
RAPL = Sensor("rapl", "measured", (PACKAGE, DRAM), 0.1)
MODEL = Sensor(
    "virtual", "modelled", (Domain("host", "host", model=Model((1.0, 2.0, 4.0), (1.0, 3.0, 5.0))),)
)
ALWAYS = [(0, 10**18)]


def file(rows, sensors=(RAPL,)):
    """Rows of seconds, busy CPU seconds, package, dram."""
    samples = tuple(
        Sample(round(t * S), 0, busy, {"package-0": package, "dram-0": dram})
        for t, busy, package, dram in rows
    )
    return SampleFile(Host("h", "h", "b", 1, 4, 0, 0, sensors), samples)


def lines(*files, sensors=(RAPL,), allowed=ALWAYS):
    return timelines(merge(files), account(sensors), allowed)


def test_domains_that_were_read_together_are_one_timeline():
    [line] = lines(file([(0, 0, 0, 5), (1, 2, 30, 7), (2, 3, 40, 8)]))
    assert line.t_ns.tolist() == [0, S, 2 * S]
    assert line.energy_j.tolist() == [32.0, 11.0]
    assert line.low_j == pytest.approx([28.8, 9.9])
    assert line.high_j == pytest.approx([35.2, 12.1])
    assert line.busy_cpu_s.tolist() == [2.0, 1.0]
    assert line.recount_j == 43.0
    assert line.n_domains == 2


def test_domains_that_were_not_are_two():
    package, dram = lines(file([(0, 0, 0, 5), (1, 2, 30, None), (2, 3, 40, 8)]))
    assert package.energy_j.tolist() == [30.0, 10.0]
    assert dram.energy_j.tolist() == [3.0]
    assert dram.t_ns.tolist() == [0, 2 * S]


def test_a_domain_that_was_never_read_has_none():
    [line] = lines(file([(0, 0, 0, None), (1, 2, 30, None)]))
    assert line.n_domains == 1


def test_short_intervals_are_joined_and_ends_stay():
    rows = [(0, 0, 0, 0), (0.05, 1, 1, 0), (0.1, 2, 2, 0), (0.99, 3, 3, 0), (1.0, 4, 7, 0)]
    [line] = lines(file(rows))
    assert (line.t_ns / S).tolist() == [0, 0.1, 1.0]
    assert line.energy_j.tolist() == [2.0, 5.0]
    assert line.busy_cpu_s.tolist() == [2.0, 2.0]


def test_joining_keeps_away_from_what_is_not_covered():
    # The package's gap of 11 s is not covered; 20 ms before and after it stay by themselves.
    rows = [(0, 0, 0, 0), (1, 0, 1, 0), (1.02, 0, 2, 0), (12.1, 0, 3, 0), (12.12, 0, 9, 0)]
    package, _ = lines(file(rows))
    assert (package.t_ns / S).tolist() == [0, 1.02, 12.1, 12.12]
    assert package.covered.tolist() == [True, False, True]
    assert package.energy_j.tolist() == [2.0, 0.0, 6.0]
    assert package.recount_j == 8.0
    assert package.covered_intervals() == [(0, 1.02 * S), (12.1 * S, 12.12 * S)]


def test_only_what_is_allowed_is_covered():
    rows = [(0, 0, 0, 0), (1, 0, 10, 0), (5, 0, 20, 0), (6, 0, 50, 0)]
    [line] = lines(file(rows), allowed=[(0, S), (5 * S, 6 * S)])
    assert line.energy_j.tolist() == [10.0, 0.0, 30.0]
    [line] = lines(file(rows), sensors=(MODEL,), allowed=[(0, S), (5 * S, 6 * S)])
    assert line.energy_j.tolist() == [2.0, 0.0, 2.0]
    assert line.recount_j == 4.0


def test_a_model_needs_no_readings_and_follows_busy_time():
    [line] = lines(file([(0, 5, None, None), (2, 9, None, None)]), sensors=(MODEL,))
    assert line.energy_j.tolist() == [2 * 2 + 3 * 4]
    assert line.low_j.tolist() == [1 * 2 + 1 * 4]
    assert line.high_j.tolist() == [4 * 2 + 5 * 4]


def test_huge_counters_keep_every_unit():
    start = 2**63
    wide = Sensor("x", "measured", (Domain("package-0", "package"),))
    [line] = lines(file([(0, 0, start, 0), (1, 0, start + 3, 0)]), sensors=(wide,))
    assert line.energy_j.tolist() == [3.0]


def test_a_fall_of_a_counter_of_no_known_range_is_not_covered():
    wide = Sensor("x", "measured", (Domain("package-0", "package"),))
    rows = [(0, 0, 9, 0), (1, 0, 3, 0), (2, 0, 5, 0)]
    [line] = lines(file(rows), sensors=(wide,))
    assert line.covered.tolist() == [False, True]
    assert line.recount_j == 2.0


def test_only_the_samplers_that_mean_this_counter_are_read():
    mine, other = file([(0, 0, 0, 0), (2, 0, 20, 0)]), file([(1, 0, 900, 0), (3, 0, 950, 0)])
    [line] = timelines(
        merge([mine, other]), [(RAPL, PACKAGE)], ALWAYS, {"package-0": {0}, "dram-0": {0}}
    )
    assert line.t_ns.tolist() == [0, 2 * S]
    assert line.recount_j == 20.0


def test_samplers_are_merged_by_time():
    first, second = file([(0, 0, 0, 0), (2, 0, 0, 0)]), file([(1, 0, 0, 0), (2, 0, 0, 0)])
    assert [(r.sampler, r.sample.t_monotonic_ns // S) for r in merge([first, second])] == [
        (0, 0),
        (1, 1),
        (0, 2),
        (1, 2),
    ]


def test_arrays_have_one_length():
    [line] = lines(file([(t / 7, t, t % 1000, t % 500) for t in range(200)]))
    n = len(line.covered)
    assert n == len(line.t_ns) - 1 == len(line.energy_j) == len(line.busy_cpu_s)
    assert np.diff(line.t_ns).min() >= 0.1 * S


@pytest.mark.parametrize("garbage", [950, 0, 999])
def test_a_reading_that_no_load_makes_is_a_missing_one(garbage):
    """A package of at most 100 W leaps for a moment, and is then where it should be."""
    shown = [200, 250, garbage, 350, 400]
    [line, *_] = lines(file([(t, t, units, None) for t, units in enumerate(shown)]))
    assert line.t_ns.tolist() == [0, S, 3 * S, 4 * S]
    assert line.energy_j.tolist() == [50.0, 100.0, 50.0]
    assert line.recount_j == 200.0


def test_a_counter_that_was_set_back_is_not_covered_then_and_counts_on():
    endless = Domain("package-0", "package", max_power_w=100.0)
    sensors = (Sensor("cray", "measured", (endless,)),)
    shown = [500, 550, 0, 50, 100]
    rows = [(t, t, units, None) for t, units in enumerate(shown)]
    [line] = lines(file(rows, sensors), sensors=sensors)
    assert line.covered.tolist() == [True, False, True, True]
    assert line.recount_j == 150.0


def test_a_leap_that_stays_is_no_energy_and_the_rest_counts():
    shown = [0, 50, 700, 750]
    [line, *_] = lines(file([(t, t, units, None) for t, units in enumerate(shown)]))
    assert line.covered.tolist() == [True, False, True]
    assert line.recount_j == 100.0


def test_a_reading_that_a_load_could_make_is_a_missing_one_where_the_next_is_below_it():
    shown = [200, 250, 400, 350, 400]
    [line, *_] = lines(file([(t, t, units, None) for t, units in enumerate(shown)]))
    assert line.covered.all()
    assert line.energy_j.tolist() == [50.0, 100.0, 50.0]
    assert line.recount_j == 200.0


def test_a_zero_is_no_wrap_where_the_next_reading_goes_on():
    """In 4 s it might have wrapped, and in the next 4 s once more, but not twice in 8 s."""
    shown = [600, 700, 0, 800, 900]
    [line, *_] = lines(file([(4 * t, t, units, None) for t, units in enumerate(shown)]))
    assert line.covered.all()
    assert line.energy_j.tolist() == [100.0, 100.0, 100.0]


def test_a_counter_that_wraps_is_believed():
    shown = [850, 950, 50, 150, 250]
    [line, *_] = lines(file([(t, t, units, None) for t, units in enumerate(shown)]))
    assert line.energy_j.tolist() == [100.0] * 4
