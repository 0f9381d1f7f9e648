# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from math import fsum

import msgspec
import pytest

from nicarbon.marked import by_hemisphere, by_stage, by_step, marked, step_of
from nicarbon.records import Graph, Node
from nicarbon.steps import NO_STEP, Doubt, Part, Steps


def part(name, share, seen=None, sigma=0.01, outcome="ran", **more):
    title, _, side = name.partition("_")
    return Part(
        f"recon-all.{name}", "recon-all", title, side or None, outcome, share, share,
        ((0.0, 1.0),), seen, None if seen is None else sigma, **more,
    )  # fmt: skip


def steps(*parts, doubts=()):
    return Steps(tuple(parts), tuple(doubts))


@pytest.fixture
def recon(run_folders):
    """A node of 100 J and 10 CPU s."""

    def make(*parts, doubts=(), node="wf.recon", **more):
        return run_folders.span(node, 0, 10, 100.0, steps=steps(*parts, doubts=doubts), **more)

    return make


def test_steps_add_up_to_the_execution(recon):
    span = recon(part("Fill", 0.25), part("Sphere_lh", 0.75), shared_j=20.0, active_j=60.0)
    parts = by_step([span], {})
    assert [(p.part, p.energy_j, p.cpu_s) for p in parts] == [
        ("recon-all.Fill", 25.0, 2.5),
        ("recon-all.Sphere_lh", 75.0, 7.5),
    ]
    for key in ("energy_j", "cpu_s", "sensor_low_j", "sensor_high_j", "shared_j", "active_j"):
        assert fsum(getattr(p, key) for p in parts) == pytest.approx(getattr(span, key))


def test_only_the_step_that_was_open_failed(recon):
    span = recon(part("Fill", 0.5), part("Sphere_lh", 0.5, outcome="failed"), outcome="failed")
    assert [p.outcome for p in by_step([span], {})] == ["ran", "failed"]


def test_a_step_knows_how_surely_it_is_told_from_its_neighbours(recon):
    doubt = Doubt("recon-all.Fill", "recon-all.Sphere_lh", 0.12)
    span = recon(part("Fill", 0.5), part("Sphere_lh", 0.5), doubts=[doubt])
    assert [p.split_j for p in by_step([span], {})] == [pytest.approx(12 / 12**0.5)] * 2


def test_hemispheres_are_those_of_the_steps_and_add_up(recon, run_folders):
    parts = [part("Fill", 0.5), part("Sphere_lh", 0.2), part("Sphere_rh", 0.1, outcome="failed")]
    parts += [part("Pial_lh", 0.2)]
    doubt = Doubt("recon-all.Sphere_lh", "recon-all.Pial_lh", 0.12)
    span = recon(*parts, doubts=[doubt], outcome="failed", peak_memory_bytes=7)
    cut = by_hemisphere([span], {})
    assert [(p.part, p.energy_j, p.cpu_s, p.outcome) for p in cut] == [
        ("no hemisphere", pytest.approx(50), pytest.approx(5), "ran"),
        ("hemi-L", pytest.approx(40), pytest.approx(4), "ran"),
        ("hemi-R", pytest.approx(10), pytest.approx(1), "failed"),
    ]
    assert [p.peak_memory_bytes for p in cut] == [7, None, None]
    # Which of its own two steps it was makes no difference to a hemisphere.
    assert [p.split_j for p in cut] == [0, 0, 0]
    whole = run_folders.span("wf.fast")
    assert by_hemisphere([span, whole], {"wf.recon": "hemi-L"}) == [span, whole]


def test_nodes_without_markers_are_the_step_that_they_are_or_none(run_folders):
    spans = [run_folders.span("recon-all.Fill"), run_folders.span("wf.fast")]
    assert [p.part for p in by_step(spans, {"recon-all.Fill": "recon-all.Fill"})] == [
        "recon-all.Fill",
        NO_STEP,
    ]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (Node("recon-all.Fill", "recon-all", "recon-all step", "mri_fill"), "recon-all.Fill"),
        (Node("recon-all.Fill.mri_fill", "recon-all.Fill", "recon-all step", "mri_fill"),
         "recon-all.Fill"),
        (Node("recon-surf_sh.Fill", "recon-surf_sh", "recon-surf.sh step"), "recon-surf_sh.Fill"),
        (Node("wf.recon.Fill", "wf.recon", "recon-all step"), "recon-all.Fill"),
        (Node("wf.fast", "wf", "nipype.interfaces.fsl.FAST", "fast"), None),
    ],
)  # fmt: skip
def test_which_step_of_an_imported_log_a_node_is(node, expected):
    assert step_of(node) == expected


def test_two_counts_that_agree_within_their_errors_do_not_disagree(recon):
    found = marked([recon(part("Fill", 0.4, 0.36), part("Sphere_lh", 0.6, 0.64))])
    assert found.disagree == ()
    assert (found.apart, found.apart_error) == (pytest.approx(0.04), pytest.approx(0.008))
    assert found.steps["recon-all.Fill"].agrees


def test_two_counts_that_differ_by_more_are_named(recon):
    found = marked([recon(part("Fill", 0.4, 0.3), part("Sphere_lh", 0.6, 0.7))])
    assert found.disagree == ("recon-all.Fill", "recon-all.Sphere_lh")


def test_what_no_digit_shows_is_no_disagreement(recon):
    found = marked([recon(part("Fill", 0.004, 0.0, 0.0001), part("WMParc", 0.996, 1.0, 0.0001))])
    assert found.disagree == ()


def test_where_programs_were_not_looked_at_there_is_one_count(recon):
    found = marked([recon(part("Fill", 1.0))])
    assert (found.apart, found.apart_error, found.disagree) == (None, None, ())
    assert found.steps["recon-all.Fill"].agrees is None


def test_steps_of_several_executions_add_up(recon, run_folders):
    first = recon(part("Fill", 0.5, 0.5), part("WMParc", 0.5, 0.5))
    second = recon(part("Fill", 1.0, 1.0), node="wf.again")
    found = marked([first, second, run_folders.span("wf.fast")])
    assert found.steps["recon-all.Fill"].cpu_s == 15
    assert found.steps["recon-all.Fill"].seen_cpu_s == pytest.approx(15)
    assert marked([run_folders.span("wf.fast")]) is None


def test_the_error_is_that_of_what_was_divided(recon, run_folders):
    doubt = Doubt("recon-all.Fill", "recon-all.WMParc", 0.2)
    split = run_folders.split(a=(0.5, 50), b=(0.5, 50))
    span = recon(part("Fill", 0.5), part("WMParc", 0.5), doubts=[doubt], split=split)
    alone = marked([span])
    assert alone.error == pytest.approx(span.steps.error)
    assert alone.programs_error == pytest.approx(split.error)
    two = marked([span, msgspec.structs.replace(span, node="wf.again")])
    assert two.error == pytest.approx(alone.error / 2**0.5)


def test_where_no_program_was_seen_steps_tell_the_stages(recon, run_folders):
    stages = {"recon-all.Fill": "surfaces", "recon-all.CA": "registration"}
    nothing = part("x", 0.1)
    nothing = msgspec.structs.replace(nothing, name=NO_STEP)
    span = recon(part("Fill", 0.5), part("CA", 0.4), nothing, queue_wait_s=3.0)
    parts = by_stage(span, stages, "surfaces")
    assert [(p.part, p.energy_j, p.queue_wait_s) for p in parts] == [
        ("surfaces", pytest.approx(60.0), 3.0),
        ("registration", 40.0, None),
    ]
    seen = recon(part("Fill", 1.0), split=run_folders.split(a=(1.0, 5)))
    assert by_stage(seen, stages, "surfaces") == [seen]


def test_a_summary_by_stage_divides_a_monolith_by_its_steps(recon, run_folders):
    node = Node("wf.recon", "wf", "nipype.interfaces.freesurfer.preprocess.ReconAll", "recon-all")
    span = recon(part("CA", 0.0), part("Fill", 0.3), part("CA_Reg", 0.7))
    run = run_folders.run([span], graph=Graph("wf", "", (node,), ()))
    rows = {row.name: row.energy_j for row in run.summary().rows}
    assert rows["registration"] == pytest.approx(70.0)
    assert rows["surface reconstruction"] == pytest.approx(30.0)
