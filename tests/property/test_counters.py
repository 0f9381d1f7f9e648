# SPDX-License-Identifier: Apache-2.0
"""Counters that wrap, once or often, stop, are set back or can't be read: no joule is made up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nicarbon.records import Domain, Host, Sample, SampleFile, Sensor
from nicarbon.timeline import merge, timelines

S = 1_000_000_000
MAX_POWER_W = 100.0
# Seconds to the next sample, and the power meanwhile; now and then the sampler is suspended.
steps = st.lists(
    st.tuples(st.sampled_from([0.2, 1.0, 1.0, 10.0, 400.0, 5000.0]), st.floats(0, MAX_POWER_W)),
    min_size=1,
    max_size=25,
)
losses = st.sets(st.integers(0, 25))


def timeline_of(shown, t_s, domain):
    samples = tuple(
        Sample(round(t * S), 0, t, {"c": raw}) for t, raw in zip(t_s, shown, strict=True)
    )
    sensor = Sensor("s", "measured", (domain,))
    file = SampleFile(Host("h", "h", "b", 1, 4, 0, 0, (sensor,)), samples)
    return timelines(merge([file]), [(sensor, domain)], [(0, 10**18)])


def course(plan):
    """Return instants and what a counter that never wraps would show at each."""
    t_s, units = [0.0], [12345]
    for seconds, power_w in plan:
        t_s.append(t_s[-1] + seconds)
        units.append(units[-1] + int(power_w * seconds))
    return t_s, units


@given(steps, losses, st.integers(200, 100_000))
def test_wraps_are_undone_exactly_or_the_gap_is_declared(plan, lost, counter_range):
    t_s, units = course(plan)
    shown = [None if i in lost else raw % counter_range for i, raw in enumerate(units)]
    domain = Domain("c", "package", range=counter_range, max_power_w=MAX_POWER_W)
    true = dict(zip((round(t * S) for t in t_s), units, strict=True))
    for line in timeline_of(shown, t_s, domain):
        edges = line.t_ns.tolist()
        for i, energy_j in enumerate(line.energy_j.tolist()):
            if line.covered[i]:
                assert energy_j == true[edges[i + 1]] - true[edges[i]]
            else:
                # A second wrap could have gone unseen, and nothing is said of that time.
                assert energy_j == 0.0
                assert (edges[i + 1] - edges[i]) / S > counter_range / MAX_POWER_W
        assert line.recount_j == sum(line.energy_j)


@given(steps, losses, st.sets(st.integers(1, 25)))
def test_a_counter_that_is_set_back_loses_that_interval_and_no_other(plan, lost, resets):
    t_s, units = course(plan)
    base, shown = 0, []
    for i, raw in enumerate(units):
        base = raw if i in resets else base
        shown.append(None if i in lost else raw - base)
    endless = Domain("c", "package", max_power_w=MAX_POWER_W)
    good = [i for i, raw in enumerate(shown) if raw is not None]
    for line in timeline_of(shown, t_s, endless):
        true = dict(zip((round(t * S) for t in t_s), units, strict=True))
        edges = line.t_ns.tolist()
        for i, energy_j in enumerate(line.energy_j.tolist()):
            # It may have been set back and gone on beyond where it was: less, never more.
            assert 0 <= energy_j <= true[edges[i + 1]] - true[edges[i]]
        assert line.energy_j.sum() <= units[good[-1]] - units[good[0]]


@given(steps, st.integers(0, 25), st.integers(10**9, 2**63 - 1))
def test_one_garbage_reading_costs_at_most_its_own_interval(plan, where, garbage):
    t_s, units = course(plan)
    shown = list(units)
    if 0 < where < len(shown):
        shown[where] = garbage
    endless = Domain("c", "package", max_power_w=MAX_POWER_W)
    for line in timeline_of(shown, t_s, endless):
        assert line.energy_j.sum() <= units[-1] - units[0]
        if 0 < where < len(shown) - 1:
            assert line.energy_j.sum() == units[-1] - units[0]
