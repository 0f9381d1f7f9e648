# SPDX-License-Identifier: Apache-2.0
"""What the kernel told of programs, joined with looks; the division is of `nicarbon.sightings`."""

from __future__ import annotations

from itertools import pairwise
from math import fsum, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.records import Host, Interpreted, Sample, SampleFile, Sightings, Traced
from nicarbon.sightings import divide, edges, stretches
from nicarbon.traced import named

S = 1_000_000_000


def shares(split):
    return {program.name: pytest.approx(program.energy_share) for program in split.programs}


def traced(programs, unnamed=None, seen=None):
    """A sample in which the kernel told of processes."""
    found = {comm: Interpreted(*of_comm) for comm, of_comm in (unnamed or {}).items()}
    return 0, seen or {}, {}, {}, Traced(programs, found)


def traced_split(*seen, cpu_s):
    samples = tuple(
        Sample(t * S, 0, 0.0, {}, sightings={"a": Sightings(*one)})
        for t, one in enumerate(seen, 1)
    )
    file = SampleFile(Host("h", "h", "b", 1, 4, 0, 0, ()), samples)
    (parts,) = stretches([file]).values()
    whole_s = fsum(cpu_s)
    at = edges(parts, 0, len(cpu_s) * S)
    return divide(parts, at, [whole_s * (b - a) / at[-1] for a, b in pairwise(at)], None)


def test_what_the_kernel_told_is_not_divided_by_looks():
    split = traced_split(traced({"bet": 3.0, "fast": 1.0}), cpu_s=[4.0])
    assert shares(split) == {"bet": 0.75, "fast": 0.25}
    assert (split.n, split.sampled, split.traced) == (0, 0.0, 1.0)
    # Its two accounts of a process differ by half a per cent.
    assert split.error == split.lost == 0.005


def test_what_the_kernel_did_not_tell_is_part_of_the_error():
    split = traced_split(traced({"bet": 3.0, "fast": 1.0}), cpu_s=[5.0])
    assert shares(split) == {"bet": 0.75, "fast": 0.25}
    assert split.error == pytest.approx(0.2)


def test_scripts_that_no_look_met_are_divided_by_those_that_looks_met():
    met = {"a.sh": (6, 0.3, 0.015), "b.sh": (6, 0.1, 0.002)}
    split = traced_split(traced({"a.sh": 1.0, "bet": 1.0}, {"sh": (2.0, met)}), cpu_s=[4.0])
    assert shares(split) == {"a.sh": 0.625, "bet": 0.25, "b.sh": 0.125}
    assert split.sampled == pytest.approx(0.5)
    # Twelve looks that do not weigh the same are worth 0.4**2 / 0.017.
    assert split.n == round(12 * 0.4**2 / 0.017 / 12)
    assert split.error > 0.75 / sqrt(12) * 0.5


def test_where_few_were_met_those_of_the_whole_node_count():
    met = {"a.sh": (40, 1.0, 0.025)}
    few = {"b.sh": (2, 0.05, 0.00125)}
    split = traced_split(
        traced({}, {"sh": (2.0, met)}), traced({}, {"sh": (2.0, few)}), cpu_s=[2.0, 2.0]
    )
    assert shares(split) == {
        "a.sh": pytest.approx((1 + 1 / 1.05) / 2),
        "b.sh": pytest.approx(0.05 / 1.05 / 2),
    }


def test_an_interpreter_whose_scripts_nobody_met_is_named_itself():
    split = traced_split(traced({"bet": 1.0}, {"sh": (3.0, {})}), cpu_s=[4.0])
    assert shares(split) == {"sh": 0.75, "bet": 0.25}
    assert split.sampled == 0.0


def test_a_name_that_the_kernel_cut_is_that_of_the_one_program_that_begins_so():
    split = traced_split(
        traced({"mri_relabel_hyp": 1.0, "mris_curvature_": 1.0}),
        traced({"mri_relabel_hypointensities": 1.0, "mris_curvature_a": 0.5, "bet": 0.5}),
        traced({"mris_curvature_b": 2.0}),
        cpu_s=[2.0, 2.0, 2.0],
    )
    assert shares(split) == {
        "mri_relabel_hypointensities": pytest.approx(1 / 3),
        "mris_curvature_b": pytest.approx(1 / 3),
        "mris_curvature_": pytest.approx(1 / 6),
        "mris_curvature_a": pytest.approx(1 / 12),
        "bet": pytest.approx(1 / 12),
    }


def test_looks_divide_what_the_kernel_is_kept_from():
    split = traced_split(traced({"bet": 3.0}, seen={"sudo": (4, 0.2, 0.0)}), cpu_s=[4.0])
    assert shares(split) == {"bet": 0.75, "sudo": 0.25}
    assert split.sampled == pytest.approx(0.25)
    assert (split.traced, split.lost) == (0.0, 0.0)


@given(
    st.lists(st.floats(0.001, 100), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.001, 10)), max_size=3),
    st.floats(0.0, 50.0),
    st.floats(0.01, 200.0),
)
def test_whatever_the_kernel_told_the_parts_are_the_whole(told_s, met, left_s, cpu_s):
    programs = {f"p{i}": used_s for i, used_s in enumerate(told_s)}
    scripts = {f"s{i}": (n, other_s, other_s**2 / n) for i, (n, other_s) in enumerate(met)}
    split = traced_split(traced(programs, {"sh": (left_s, scripts)}), cpu_s=[cpu_s])
    assert fsum(program.energy_share for program in split.programs) == pytest.approx(1)
    assert 0.005 <= split.error <= 1.0


def test_what_only_looks_saw_stays_as_it_is():
    found = [(0, S, Sightings(2, {"bet": (2, 0.5, 0.0)}))]
    assert named(found) is found
