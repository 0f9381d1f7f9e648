# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from math import fsum, sqrt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.programs import CACHED, NOT_SEEN, Told, by_program, by_stage, cut, told

SUMS = ("energy_j", "cpu_s", "sensor_low_j", "sensor_high_j", "shared_j", "active_j")


@pytest.fixture
def recon(run_folders):
    """A monolith of 100 J and 10 CPU s in which three programs were seen."""
    split = run_folders.split(mri_ca_register=(0.5, 50), tcsh=(0.1, 10), mris_sphere=(0.4, 40))
    more = {"active_j": 60.0, "shared_j": 20.0, "queue_wait_s": 7.0, "peak_memory_bytes": 9}
    return run_folders.span("wf.recon", 0, 10, 100.0, split=split, **more)


def sums(spans):
    return {key: pytest.approx(fsum(getattr(span, key) for span in spans)) for key in SUMS}


def test_parts_add_up_to_the_execution(recon):
    parts = by_program([recon])
    assert [part.part for part in parts] == ["mri_ca_register", "tcsh", "mris_sphere"]
    assert [part.energy_j for part in parts] == [50.0, pytest.approx(10.0), 40.0]
    assert sums(parts) == {key: getattr(recon, key) for key in SUMS}


def test_what_cannot_be_divided_is_in_one_part_or_none(recon):
    assert {part.queue_wait_s for part in by_program([recon])} == {None}
    parts = cut(recon, lambda program: program[:3], "mri")
    assert [(p.part, p.queue_wait_s, p.peak_memory_bytes) for p in parts] == [
        ("mri", 7.0, 9),
        ("tcs", None, None),
    ]


def test_a_part_knows_how_surely_it_is_told_from_the_others(recon):
    part = by_program([recon])[0]
    assert part.split_j == pytest.approx(100 * sqrt(0.25 / 101), rel=0.05)
    assert {part.split_j for part in cut(recon, lambda program: "all")} == {0.0}


def test_an_execution_that_is_one_group_stays_whole(recon):
    (part,) = cut(recon, lambda program: "all")
    assert part == msgspec.structs.replace(recon, part="all")


def test_what_was_not_seen_has_a_name_of_its_own(run_folders):
    spans = [run_folders.span("wf.fast"), run_folders.cached("wf.mask")]
    assert [part.part for part in by_program(spans)] == [NOT_SEEN, CACHED]


def stage_of_program(name):
    return {"mri_ca_register": "registration", "mris_sphere": "surface reconstruction"}.get(name)


def test_a_monolith_is_divided_among_the_stages_of_its_programs(recon, run_folders):
    other = run_folders.span("wf.fast", split=run_folders.split(fast=(1.0, 3)))
    stages = {"wf.recon": "surface reconstruction", "wf.fast": "segmentation"}
    parts = by_stage([recon, other], stages, {"wf.recon"}, stage_of_program)
    assert [(part.part, part.energy_j) for part in parts[:-1]] == [
        ("registration", 50.0),
        ("surface reconstruction", 50.0),  # what no rule names is with the node's own
    ]
    assert parts[-1] is other
    assert [part.queue_wait_s for part in parts[:-1]] == [None, 7.0]


def test_elements_of_a_monolith_are_divided_too(recon):
    element = msgspec.structs.replace(recon, node="wf.recon[0]", map_node="wf.recon")
    stages = {"wf.recon[0]": "surface reconstruction"}
    assert len(by_stage([element], stages, {"wf.recon"}, stage_of_program)) == 2


def test_a_monolith_in_which_nothing_was_seen_stays_whole(recon):
    blind = msgspec.structs.replace(recon, split=None)
    assert by_stage([blind], {}, {"wf.recon"}, stage_of_program) == [blind]


def test_how_surely_a_run_tells_programs_apart(recon, run_folders):
    assert told([]) is None
    assert told([run_folders.span("wf.fast")]) is None
    alone = told([recon])
    assert alone == Told(100, pytest.approx(recon.split.error), 0, 0)
    both = told([recon, msgspec.structs.replace(recon, node="wf.again")])
    assert both.n == 200
    assert both.error == pytest.approx(recon.split.error / sqrt(2))
    more = told([recon, run_folders.span("wf.fast"), run_folders.cached("wf.mask")])
    assert more == Told(100, alone.error, 1, 10.0)


def test_without_energy_cpu_time_weighs(recon):
    dark = msgspec.structs.replace(recon, energy_j=None)
    assert told([dark]).error == pytest.approx(recon.split.error)
    assert [part.energy_j for part in by_program([dark])] == [None] * 3
    assert fsum(part.cpu_s for part in by_program([dark])) == pytest.approx(10.0)


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=30),
    st.floats(1e-6, 1e9),
    st.sampled_from([1, 2, 3, 50]),
)
def test_any_cut_keeps_the_sum(run_folders, counts, energy_j, n_groups):
    whole = sum(counts)
    split = run_folders.split(**{f"p{i}": (n / whole, n) for i, n in enumerate(counts)})
    span = run_folders.span("wf.recon", 0, 1, energy_j, split=split)
    parts = cut(span, lambda program: str(int(program[1:]) % n_groups))
    assert fsum(part.energy_j for part in parts) == pytest.approx(energy_j, rel=1e-12)
    assert len({part.part for part in parts}) == len(parts)
