# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise
from math import fsum, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.markers import Course, Timed
from nicarbon.records import Sightings
from nicarbon.steps import NO_STEP, Seen, divide, edges, seen

S = 1_000_000_000


def step(name, start_s, end_s, side=None, outcome="ran"):
    full = f"{name}_{side}" if side else name
    return Timed(full, "recon-all", name, side, round(start_s * S), round(end_s * S), outcome)


def of(*steps, last_s=10, within=(), looks=(), watts=1.0, **more):
    """Divide a node that used a CPU second and `watts` joules a second."""
    around = {round(t * S): (round(a * S), round(b * S), 1.0) for t, a, b in within}
    course = Course(tuple(steps), around)
    t_ns = edges(course, 0, last_s * S)
    cpu_s = [(b - a) / S for a, b in pairwise(t_ns)]
    energy_j = [watts * s for s in cpu_s]
    return divide(course, t_ns, cpu_s, energy_j, looks, **more)


def shares(steps):
    return {part.name: pytest.approx(part.energy_share) for part in steps.parts}


def test_a_step_gets_what_was_used_while_it_ran_and_the_rest_is_no_steps():
    found = of(step("a", 1, 4), step("b", 4, 9), step("a", 9, 9.5))
    assert shares(found) == {NO_STEP: 0.15, "a": 0.35, "b": 0.5}
    pieces = {part.name: part.pieces for part in found.parts}
    assert pieces == {NO_STEP: ((0, 1), (9.5, 10)), "a": ((1, 4), (9, 9.5)), "b": ((4, 9),)}
    assert found.error == 0


def test_energy_and_cpu_time_are_divided_each_by_itself():
    course = Course((step("a", 0, 5), step("b", 5, 10)), {})
    found = divide(course, [0, 5 * S, 10 * S], [4.0, 1.0], [1.0, 1.0])
    assert [(p.energy_share, p.cpu_share) for p in found.parts] == [(0.5, 0.8), (0.5, 0.2)]


def test_without_energy_cpu_time_divides_and_without_both_nothing():
    course = Course((step("a", 0, 5), step("b", 5, 10)), {})
    t_ns = [0, 5 * S, 10 * S]
    for energy_j in (None, [0.0, 0.0]):
        assert [p.energy_share for p in divide(course, t_ns, [3.0, 1.0], energy_j).parts] == [
            0.75,
            0.25,
        ]
    assert divide(course, t_ns, [0.0, 0.0], None) is None


def test_what_was_used_between_two_looks_may_be_either_steps():
    found = of(step("a", 0, 4), step("b", 4, 10), within=[(4, 3, 5)])
    assert found.sigma(["a"]) == found.sigma(["b"]) == pytest.approx(0.2 / sqrt(12))
    assert found.sigma(["a", "b"]) == 0
    assert found.error == pytest.approx(0.2 / 4 + 1.645 * 0.2 / sqrt(48))


@pytest.mark.parametrize("n", [1, 40])
def test_the_stated_error_covers_what_is_wrong_in_19_of_20_cases(n):
    draw = np.random.default_rng(5)
    covered, off = [], []
    for _ in range(2000):
        true = np.arange(1, n + 1) * 2.0 + draw.uniform(-0.5, 0.5, n)
        marks = np.arange(1, n + 1) * 2.0  # The middles of looks a second apart.
        instants = [0.0, *marks, 2.0 * n + 2]
        steps = [step(f"s{i}", a, b) for i, (a, b) in enumerate(pairwise(instants))]
        within = [(t, t - 0.5, t + 0.5) for t in marks]
        found = of(*steps, last_s=2 * n + 2, within=within)
        lengths = np.diff([0.0, *true, 2.0 * n + 2]) / (2 * n + 2)
        got = np.array([part.energy_share for part in found.parts])
        wrong = abs(got - lengths).sum() / 2
        covered.append(wrong <= found.error)
        off.append((got[0] - lengths[0]) / found.sigma(["s0"]))
    assert np.mean(covered) >= 0.95
    assert np.std(off) == pytest.approx(1, abs=0.1)


def looks(first_s, last_s, n=10, met_s=1.0, counted_s=0.0, **sides):
    return Seen(first_s * S, last_s * S, n, met_s, counted_s, sides)


def test_hemispheres_at_once_get_what_their_programs_were_seen_to_use():
    both = step("sphere", 0, 10, "lh"), step("sphere", 0, 10, "rh")
    found = of(*both, looks=[looks(0, 5, lh=3.0, rh=0.5), looks(5, 10, lh=0.0, rh=0.5)])
    assert shares(found) == {"sphere_lh": 0.75, "sphere_rh": 0.25}
    few = of(*both, looks=[looks(0, 10, n=1, lh=3.0, rh=1.0)])
    assert few.sigma(["sphere_lh"]) > found.sigma(["sphere_lh"]) > 0
    counted = of(*both, looks=[looks(0, 10, met_s=0.0, counted_s=4.0, lh=3.0, rh=1.0)])
    assert counted.sigma(["sphere_lh"]) == 0


def test_steps_at_once_that_nothing_tells_apart_share_alike_and_say_so():
    found = of(step("a", 0, 10, "lh"), step("a", 0, 10, "rh"))
    assert shares(found) == {"a_lh": 0.5, "a_rh": 0.5}
    assert found.sigma(["a_lh"]) == pytest.approx(1 / sqrt(12))


def test_what_was_seen_of_programs_is_a_second_count():
    found = of(
        step("a", 0, 4),
        step("b", 4, 10),
        looks=[looks(0, 4, 9, 0.9, 2.7), looks(4, 10, 0, 0, 5.4)],
    )
    assert [part.seen_share for part in found.parts] == [pytest.approx(0.4), pytest.approx(0.6)]
    assert found.parts[0].seen_sigma == pytest.approx(0.9 / 3 / 9)
    assert found.parts[1].seen_sigma == 0
    assert of(step("a", 0, 10)).parts[0].seen_share is None


def test_what_was_seen_is_added_up():
    found = seen([(1, 5, Sightings(3, {"x": (2, 0.5, 1.0), "y": (1, 0.25, 0.0)}, {"lh": 0.5}))])
    assert found == [Seen(1, 5, 3, 0.75, 1.0, {"lh": 0.5}, {"x": 1.5, "y": 0.25})]


instants = st.floats(0, 10, allow_nan=False).map(lambda s: round(s, 3))


@given(
    st.lists(st.tuples(instants, instants, st.sampled_from([None, "lh", "rh"])), max_size=20),
    st.floats(0.001, 1e6),
)
def test_any_division_keeps_the_sum(times, watts):
    steps = [step(f"s{i % 5}", min(a, b), max(a, b), side) for i, (a, b, side) in enumerate(times)]
    found = of(*(s for s in steps if s.end_ns > s.start_ns), watts=watts)
    assert fsum(part.energy_share for part in found.parts) == pytest.approx(1, rel=1e-9)
    assert fsum(part.cpu_share for part in found.parts) == pytest.approx(1, rel=1e-9)
    assert len({part.name for part in found.parts}) == len(found.parts)
