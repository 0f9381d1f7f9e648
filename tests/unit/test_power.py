# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.accounts import Account
from nicarbon.power import power_over_time
from nicarbon.timeline import Timeline
from nicarbon.units import NS_PER_S


def line(seconds, watts, covered=None, error=0.1):
    """A timeline with instants in seconds; None is not covered."""
    t_ns = np.array([round(s * NS_PER_S) for s in seconds], dtype=np.int64)
    known = np.array([w is not None for w in watts])
    joules = np.array([w or 0.0 for w in watts]) * np.diff(t_ns) / NS_PER_S
    return Timeline(
        t_ns=t_ns,
        covered=known,
        energy_j=joules,
        low_j=(1 - error) * joules,
        high_j=(1 + error) * joules,
        busy_cpu_s=np.zeros(len(watts)),
        recount_j=float(joules.sum()),
        n_domains=1,
    )


def one(*lines):
    return [Account((), lines)]


def test_energy_over_time_is_power():
    power = power_over_time(one(line([0, 1, 3], [10.0, 20.0])))
    assert power.t_ns.tolist() == [0, NS_PER_S, 3 * NS_PER_S]
    assert power.power_w.tolist() == [10.0, 20.0]
    assert power.low_w.tolist() == pytest.approx([9.0, 18.0])
    assert power.joined_s is None


def test_domains_read_at_other_instants_are_added_up_and_one_that_lacks_makes_it_unknown():
    power = power_over_time(one(line([0, 2, 4], [10.0, 20.0]), line([0, 1, 3], [1.0, None])))
    assert power.t_ns.tolist() == [t * NS_PER_S for t in (0, 1, 2, 3, 4)]
    assert power.power_w[0] == 11.0
    assert np.isnan(power.power_w[1:]).all()


def test_where_one_account_knows_nothing_the_next_one_counts():
    counter, model = line([0, 1, 2], [10.0, None]), line([0, 1, 2], [None, 7.0])
    power = power_over_time([*one(counter), *one(model)])
    assert power.power_w.tolist() == [10.0, 7.0]


def test_without_a_reading_there_is_no_power():
    assert power_over_time([]) is None


@given(
    st.lists(
        st.tuples(st.floats(0.1, 10), st.one_of(st.none(), st.floats(0, 500))),
        min_size=7,
        max_size=60,
    )
)
def test_joining_keeps_energy_and_gaps(steps):
    seconds = np.concatenate([[0.0], np.cumsum([length for length, _ in steps])])
    whole = line(seconds, [watts for _, watts in steps])
    joined = power_over_time(one(whole), n_most=3)
    lengths = np.diff(joined.t_ns) / NS_PER_S
    known = ~np.isnan(joined.power_w)
    assert joined.joined_s is not None
    assert (joined.power_w * lengths)[known].sum() == pytest.approx(whole.recount_j, abs=1e-6)
    covered_s = (np.diff(whole.t_ns) / NS_PER_S)[whole.covered].sum()
    assert lengths[known].sum() == pytest.approx(covered_s)
    assert joined.t_ns[-1] == whole.t_ns[-1]


def test_devices_are_added_to_the_processors():
    processors = one(line([0, 2], [10.0]))
    gpu = one(line([0, 1, 2], [100.0, None]))
    power = power_over_time(processors, devices=[gpu, ()])
    assert power.power_w[0] == 110.0
    assert np.isnan(power.power_w[1])
    assert power_over_time([], devices=[gpu]) is None
