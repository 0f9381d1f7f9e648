# SPDX-License-Identifier: Apache-2.0
"""The laws on random hosts and mixes of programs: samples that are lost, doubled or late, clocks
that jump, counters that wrap while nobody looks.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from itertools import pairwise
from math import fsum
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nicarbon.attribution import attribute
from nicarbon.hosttime import host_times
from nicarbon.pooled import machine
from nicarbon.reader import read_run
from nicarbon.testing import SimulatedHost, SimulatedRun, mixes
from nicarbon.watts import Watts

laws = settings(max_examples=40)


@st.composite
def drawn(draw):
    """A short mix on a host of any kind."""
    families = [mixes.servers, mixes.anything, mixes.recorded, mixes.beside_strangers]
    family = draw(st.sampled_from(families))
    mix = family(random.Random(draw(st.integers(0, 10**6))), draw(st.sampled_from([1, 2, 4])))
    return replace(mix, length_s=draw(st.sampled_from([4.0, 12.0])))


def carried_out(mix, **run):
    with tempfile.TemporaryDirectory() as name:
        truth = mixes.carry_out(mix, Path(name), **run)
        return truth, read_run(Path(name) / "run")


def with_samples(facts, change):
    """Return facts whose only sampler wrote other samples."""
    [file] = facts.sample_files
    changed = msgspec.structs.replace(file, samples=tuple(change(list(file.samples))))
    return msgspec.structs.replace(facts, sample_files=(changed,))


def close(x, y, rel=1e-9):
    return x == pytest.approx(y, rel=rel, abs=1e-9)


def assert_sum(h):
    parts = (h.nodes_j, h.engine_j, h.meter_j, h.other_j, h.unattributed_j)
    assert all(part >= 0 for part in parts)
    assert close(fsum(parts) + h.residual_j, h.energy_j)
    assert abs(h.residual_j) <= 1e-9 * max(h.energy_j, 1.0)


@laws
@given(drawn())
def test_truth_and_shares_add_up_to_one_counter(mix):
    truth, facts = carried_out(mix)
    result = attribute(facts)
    [h] = result.hosts
    assert_sum(h)
    shown_j = fsum(one.energy_j for one in truth.values()) * mix.host.get("gain", 1.0)
    # Beside what nobody's program used, before the first sample and after the last, in steps.
    assert h.energy_j - h.unattributed_j <= shown_j * (1 + 1e-6) + 1.0
    # Whatever is given to one kind of program is taken from another, or from what is no node, by
    # the CPU second: those of nodes are as unlike each other, those of the others in their way.
    split = [_split(span.doubt) for span in result.spans]
    nodes_j, others_j, _ = max(split, key=lambda one: abs(one[1]), default=(0.0, 0.0, 0.0))
    rate = nodes_j / others_j if others_j else 0.0
    assert rate <= 0
    for nodes_j, others_j, size_j in split:
        assert nodes_j == pytest.approx(rate * others_j, abs=1e-6 * size_j + 1e-9)


def _split(doubt):
    """Return joules in doubt between kinds of nodes, against what is no node, and their size."""
    of_kinds = [(name, joules) for name, joules in doubt.kinds_j if name != "(idle)"]
    others_j = fsum(joules for name, joules in of_kinds if not name)
    nodes_j = fsum(joules for name, joules in of_kinds if name)
    return nodes_j, others_j, fsum(abs(joules) for _, joules in of_kinds)


@laws
@given(drawn(), st.lists(st.floats(-1e3, 1e3), min_size=14, max_size=14))
def test_whatever_is_taught_the_sum_is_kept(mix, more_w):
    _, facts = carried_out(mix)
    names = ["", *(tool.name for tool in mix.tools)]
    watts = Watts(dict(zip(names, more_w, strict=False)), 0.5, 3)
    [time] = host_times(facts).values()
    types = {machine(one, facts.sample_files) for one in time.accounts}
    before, after = attribute(facts), attribute(facts, dict.fromkeys(types, watts))
    [h], [as_was] = after.hosts, before.hosts
    assert_sum(h)
    assert h.energy_j == as_was.energy_j
    assert h.n_taught == 3
    for a, b in zip(after.spans, before.spans, strict=True):
        assert (a.energy_j is None) == (b.energy_j is None)
        assert (a.energy_j or 0.0) >= 0.0
        assert a.cpu_s == b.cpu_s


@laws
@given(drawn(), st.randoms(use_true_random=False))
def test_samples_that_are_lost_change_no_total(mix, chance):
    _, facts = carried_out(mix)

    def lose(samples):
        return [samples[0], *(s for s in samples[1:-1] if chance.random() < 0.6), samples[-1]]

    before, after = attribute(facts).hosts[0], attribute(with_samples(facts, lose)).hosts[0]
    assert_sum(after)
    assert close(after.energy_j, before.energy_j)
    assert after.uncovered_s == before.uncovered_s


@laws
@given(drawn(), st.randoms(use_true_random=False))
def test_samples_that_are_there_twice_change_nothing(mix, chance):
    _, facts = carried_out(mix)
    before = attribute(facts)
    doubled = with_samples(facts, lambda samples: sorted(samples + samples, key=_when))
    some = with_samples(
        facts, lambda samples: [s for s in samples for _ in range(chance.randint(1, 3))]
    )
    for changed in (doubled, some):
        after = attribute(changed)
        assert_sum(after.hosts[0])
        assert close(after.hosts[0].energy_j, before.hosts[0].energy_j)
        for a, b in zip(after.spans, before.spans, strict=True):
            assert close(a.energy_j or 0.0, b.energy_j or 0.0, rel=1e-6)


def _when(sample):
    return sample.t_monotonic_ns


@laws
@given(drawn(), st.randoms(use_true_random=False))
def test_samples_that_come_late_change_no_total(mix, chance):
    _, facts = carried_out(mix)

    def delay(samples):
        room = [b.t_monotonic_ns - a.t_monotonic_ns for a, b in pairwise(samples)]
        late = [chance.randrange(max(ns, 1)) for ns in room] + [0]
        late[0] = 0
        return [
            msgspec.structs.replace(s, t_monotonic_ns=s.t_monotonic_ns + ns)
            for s, ns in zip(samples, late, strict=True)
        ]

    before, after = attribute(facts).hosts[0], attribute(with_samples(facts, delay)).hosts[0]
    assert_sum(after)
    assert close(after.energy_j, before.energy_j)


@laws
@given(drawn(), st.floats(0.5, 3.5), st.integers(-(10**17), 10**17))
def test_a_wall_clock_that_jumps_changes_no_joule_and_no_second(mix, after_s, jump_ns):
    def run(jump):
        with tempfile.TemporaryDirectory() as name:
            host = SimulatedHost(Path(name) / "root", **mix.host)
            done = SimulatedRun(host, Path(name) / "run", engine_cpus=0.1)
            span = done.begin(done.worker(), "wf.n", cpus=2.0)
            host.advance(after_s)
            if jump:
                host.clock.set_wall_clock(host.clock.unix_ns() + jump_ns)
            host.advance(4.0)
            done.end(span)
            done.stop()
            return attribute(read_run(Path(name) / "run"))

    steady, jumped = run(False), run(True)
    assert jumped.hosts == steady.hosts
    [a], [b] = jumped.spans, steady.spans
    assert msgspec.structs.replace(a, start_unix_s=b.start_unix_s) == b


@laws
@given(
    st.floats(20.0, 600.0),
    st.floats(0.5, 60.0),
    st.sampled_from([0.0, 2.0, 8.0]),
    st.floats(0.0, 500.0),
)
def test_counters_that_wrap_while_the_sampler_is_suspended(range_j, gap_s, cpus, start_j):
    """A gap is recovered to the last step, or it is in no figure and its seconds are stated."""
    most_w, drawn_w = 80.0, 20.0 + 5.0 * cpus
    # A counter that wraps between two ordinary samples tells nobody anything.
    assume(range_j > 2 * most_w)
    with tempfile.TemporaryDirectory() as name:
        host = SimulatedHost(
            Path(name) / "root",
            n_sockets=1,
            dram=False,
            range_j=range_j,
            start_j=start_j,
            max_power_w=most_w / 2,
        )
        run = SimulatedRun(host, Path(name) / "run", interval_s=0)
        span = run.begin(run.worker(), "wf.n", cpus=cpus)
        for _ in range(3):
            host.advance(1.0)
            run.sample()
        host.advance(gap_s)
        for _ in range(3):
            run.sample()
            host.advance(1.0)
        run.end(span)
        run.stop()
        [h] = attribute(read_run(Path(name) / "run")).hosts
    assert_sum(h)
    seen_s = 6.0 + gap_s - h.uncovered_s
    assert h.energy_j == pytest.approx(drawn_w * seen_s, rel=1e-3, abs=0.1)
    assert h.uncovered_s in (0.0, pytest.approx(gap_s, abs=1e-6))
    if gap_s * drawn_w >= range_j:
        assert h.uncovered_s > 0


@laws
@given(st.integers(1, 6), st.floats(1.0, 12.0), st.floats(0.5, 4.0), st.floats(1.0, 9.0))
def test_a_node_alone_and_the_same_node_among_others_sum_alike(n_others, after_s, cpus, watts):
    """Where every CPU second costs the same, others change only who pays for idling."""

    def run(others):
        with tempfile.TemporaryDirectory() as name:
            host = SimulatedHost(Path(name) / "root", cpus_per_socket=64)
            done = SimulatedRun(host, Path(name) / "run", interval_s=1.0)
            span = done.begin(done.worker(), "wf.n", cpus=cpus, watts=watts)
            for i in range(others):
                host.at(after_s * i / others, lambda: host.spawn("b", cpus=1.5, watts=watts))
            host.advance(14.0)
            done.end(span)
            done.stop()
            result = attribute(read_run(Path(name) / "run"))
            return result, host.truth[span]

    (alone, truth_alone), (among, truth_among) = run(0), run(n_others)
    assert truth_alone.own_j == pytest.approx(truth_among.own_j)
    for result, truth in ((alone, truth_alone), (among, truth_among)):
        assert_sum(result.hosts[0])
        own_j = result.spans[0].energy_j - truth.idle_j
        # Others begin within a second that was sampled once.
        assert own_j == pytest.approx(14.0 * cpus * watts, rel=0.02, abs=3.0 * n_others)
    more_j = among.hosts[0].energy_j - alone.hosts[0].energy_j
    others_j = among.hosts[0].other_j + among.spans[0].energy_j - alone.spans[0].energy_j
    assert more_j == pytest.approx(others_j - alone.hosts[0].other_j, rel=1e-6, abs=1e-3)
