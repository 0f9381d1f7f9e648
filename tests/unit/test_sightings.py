# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from math import fsum, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.records import Host, Sample, SampleFile, Sightings
from nicarbon.sightings import Program, Split, Stretch, divide, edges, stretches

S = 1_000_000_000


def sampler(*seen, pid=1):
    """A samples file with a sample a second; what each saw of spans."""
    samples = (
        Sample(t * S, 0, 0.0, {}, sightings={k: Sightings(*v) for k, v in of_time.items()})
        for t, of_time in enumerate(seen, 1)
    )
    return SampleFile(Host("h", "h", "b", pid, 4, 0, 0, ()), tuple(samples))


def one(programs, cpu_s, energy_j=None, n=None):
    """The split of one stretch."""
    n = sum(met for met, _, _ in programs.values()) if n is None else n
    return divide([Stretch(S, n, programs)], [0, S], [cpu_s], energy_j)


def shares(split):
    return {program.name: pytest.approx(program.energy_share) for program in split.programs}


def test_what_clocks_counted_stays_and_looks_divide_the_rest():
    # 10 CPU s, 6 of them counted; 4 divided as 3 : 1.
    split = one({"long": (0, 0.0, 6.0), "a": (3, 0.3, 0.0), "b": (1, 0.1, 0.0)}, 10.0)
    assert shares(split) == {"long": 0.6, "a": 0.3, "b": 0.1}
    assert (split.n, split.sampled) == (4, pytest.approx(0.4))


def test_looks_alone_divide_everything():
    split = one({"a": (3, 0.3, 0.0), "b": (1, 0.1, 0.0)}, 2.0)
    assert shares(split) == {"a": 0.75, "b": 0.25}
    assert split.sampled == 1.0


def test_clocks_alone_leave_no_error():
    split = one({"a": (0, 0.0, 3.0), "b": (0, 0.0, 1.0)}, 4.1)
    assert shares(split) == {"a": 0.75, "b": 0.25}
    assert (split.n, split.sampled, split.error) == (0, 0.0, 0.0)


def test_clocks_that_counted_more_than_the_node_used_leave_nothing_to_looks():
    split = one({"a": (0, 0.0, 3.0), "b": (1, 0.1, 1.0)}, 3.9)
    assert shares(split) == {"a": 0.75, "b": 0.25}
    assert split.sampled == 0.0


@pytest.mark.parametrize(
    ("programs", "cpu_s"), [({}, 1.0), ({"a": (0, 0.0, 0.0)}, 1.0), ({"a": (1, 1.0, 0.0)}, 0.0)]
)
def test_where_nothing_was_seen_at_work_there_is_no_split(programs, cpu_s):
    assert one(programs, cpu_s) is None


def test_energy_is_divided_as_it_was_used_then():
    # The same CPU seconds, but the second half took three times the energy.
    parts = [Stretch(S, 0, {"a": (0, 0.0, 1.0)}), Stretch(2 * S, 0, {"b": (0, 0.0, 1.0)})]
    split = divide(parts, [0, S, 2 * S], [1.0, 1.0], [10.0, 30.0])
    assert shares(split) == {"b": 0.75, "a": 0.25}
    assert [program.cpu_share for program in split.programs] == [0.5, 0.5]


def test_without_energy_cpu_seconds_divide():
    parts = [Stretch(S, 0, {"a": (0, 0.0, 1.0)}), Stretch(2 * S, 0, {"b": (0, 0.0, 1.0)})]
    for energy_j in (None, [0.0, 0.0]):
        split = divide(parts, [0, S, 2 * S], [3.0, 1.0], energy_j)
        assert shares(split) == {"a": 0.75, "b": 0.25}


def test_a_stretch_in_which_nothing_was_seen_divides_as_the_others():
    parts = [Stretch(S, 0, {"a": (0, 0.0, 1.0)}), Stretch(2 * S, 0, {"a": (0, 0.0, 0.0)})]
    split = divide(parts, [0, S, 2 * S], [1.0, 5.0], [1.0, 5.0])
    assert shares(split) == {"a": 1.0}


def test_pieces_are_when_a_program_was_at_work():
    parts = [Stretch(t * S, 0, {name: (0, 0.0, 1.0)}) for t, name in enumerate("aabab", 1)]
    split = divide(parts, [t * S for t in range(6)], [1.0] * 5, None)
    pieces = {program.name: program.pieces for program in split.programs}
    assert pieces == {"a": ((0.0, 2.0), (3.0, 4.0)), "b": ((2.0, 3.0), (4.0, 5.0))}


def test_samples_are_joined_until_there_are_looks_enough():
    few, many = (4, {"a": (4, 0.4, 0.1)}), (30, {"b": (30, 3.0, 0.0)})
    found = stretches([sampler({"x": few}, {"x": few}, {"x": few}, {"x": many}, {"x": few})])
    assert [(part.last_ns // S, part.n) for part in found["x"]] == [(3, 12), (5, 34)]
    assert found["x"][0].programs == {"a": (12, pytest.approx(1.2), pytest.approx(0.3))}
    assert found["x"][1].programs == {"b": (30, 3.0, 0.0), "a": (4, 0.4, 0.1)}


@pytest.mark.parametrize("met", [(0, 0.0), (1, 0.1)])
def test_samples_in_which_clocks_counted_nearly_all_stand_alone(met):
    counted = (met[0], {"a": (*met, 1.0)})
    found = stretches([sampler(*[{"x": counted}] * 3)])
    assert [part.last_ns // S for part in found["x"]] == [1, 2, 3]


def test_of_two_samplers_the_one_that_saw_more_counts():
    little, much = (1, {"a": (1, 0.1, 0.0)}), (1, {"b": (1, 0.1, 0.9)})
    found = stretches(
        [sampler({"x": little}), sampler({"x": much}, pid=2), sampler({"y": little})]
    )
    assert {span: list(parts[0].programs) for span, parts in found.items()} == {
        "x": ["b"],
        "y": ["a"],
    }


def test_edges_begin_and_end_with_the_node():
    parts = [Stretch(t * S, 1, {}) for t in (1, 2, 3)]
    assert edges(parts, S // 2, 5 * S) == [S // 2, S, 2 * S, 5 * S]
    assert edges(parts, 2 * S, 2 * S + 1) == [2 * S, 2 * S, 2 * S, 2 * S + 1]
    assert edges(parts[:1], 0, 9) == [0, 9]


def split_of(names, counts, sampled=1.0):
    n = sum(counts)
    parts = (Program(k, c / n, c / n, c, ()) for k, c in zip(names, counts, strict=True))
    return Split(tuple(parts), n, sampled)


def test_the_error_falls_with_looks_and_with_what_clocks_counted():
    errors = [split_of("abcde", [5 * k, 4 * k, 3 * k, 2 * k, k]).error for k in (1, 4, 100)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] == pytest.approx(2 * 0.75 / sqrt(1500), rel=0.1)
    assert split_of("ab", [8, 8], 0.1).error == pytest.approx(0.1 * split_of("ab", [8, 8]).error)
    assert split_of("a", [1]).error <= 1.0


@pytest.mark.parametrize("weights", [(8, 5, 4, 2, 1), (1, 1), (99, 1), (1,) * 20])
@pytest.mark.parametrize("n", [20, 400])
def test_the_stated_error_covers_what_is_wrong_in_19_of_20_cases(weights, n):
    draw = np.random.default_rng(3)
    true = np.array(weights) / sum(weights)
    covered = []
    for _ in range(400):
        counts = draw.multinomial(n, true)
        wrong = abs(counts / n - true).sum() / 2
        covered.append(wrong <= split_of(map(str, range(len(true))), counts.tolist()).error)
    assert np.mean(covered) >= 0.95


def test_the_error_covers_what_looks_that_stand_for_more_do():
    # A stretch of a minute with 400 looks, and one of ten minutes with 100.
    draw = np.random.default_rng(4)
    true = np.array([8, 5, 4, 2, 1]) / 20
    covered = []
    for _ in range(300):
        seen = [draw.multinomial(n, true).tolist() for n in (400, 100)]
        parts = [
            Stretch(
                t * S, sum(of), {k: (n, float(n), 0.0) for k, n in zip("abcde", of, strict=True)}
            )
            for t, of in zip((60, 660), seen, strict=True)
        ]
        split = divide(parts, [0, 60 * S, 660 * S], [60.0, 600.0], None)
        assert split.n == 500
        assert split.worth == pytest.approx(660**2 / (60**2 / 400 + 600**2 / 100))
        found = {program.name: program.cpu_share for program in split.programs}
        wrong = sum(abs(found.get(k, 0.0) - p) for k, p in zip("abcde", true, strict=True)) / 2
        covered.append(wrong <= split.error)
    assert np.mean(covered) >= 0.95


def test_a_programs_own_error_is_that_of_a_share():
    split = split_of("ab", [300, 100])
    assert split.sigma(100) == pytest.approx(sqrt(0.25 * 0.75 / 400), rel=0.02)
    assert split.sigma(1000) == split.sigma(400) > 0  # all looks, and yet not all time


# What has parts that are smaller than the smallest float is nobody's.
amounts = st.just(0.0) | st.floats(1e-9, 1e6)
seen = st.dictionaries(
    st.sampled_from("abcd"), st.tuples(st.integers(0, 50), amounts, amounts), max_size=4
)


@given(st.lists(st.tuples(seen, amounts, amounts), min_size=1, max_size=6))
def test_shares_add_up_to_one(found):
    parts = [
        Stretch(t * S, sum(n for n, _, _ in programs.values()), programs)
        for t, (programs, _, _) in enumerate(found, 1)
    ]
    t_ns = [t * S for t in range(len(parts) + 1)]
    split = divide(parts, t_ns, [cpu_s for _, cpu_s, _ in found], [e for _, _, e in found])
    if split is not None:
        assert fsum(p.energy_share for p in split.programs) == pytest.approx(1.0, rel=1e-12)
        assert fsum(p.cpu_share for p in split.programs) == pytest.approx(1.0, rel=1e-12)
        assert all(p.energy_share >= 0 and p.cpu_share >= 0 for p in split.programs)
        assert 0 <= split.sampled <= 1 + 1e-12
        assert 0 <= split.error <= 1
