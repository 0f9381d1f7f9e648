# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import defaultdict

import pytest
from recon_logs import STEPS, recon_all

from nicarbon.imports.cpus import named
from nicarbon.imports.facts import imported
from nicarbon.logs.formats import read_log
from nicarbon.marked import step_of
from nicarbon.markers import course, markers_of
from nicarbon.records import Host, Marker, Sample, SampleFile

S = 1_000_000_000
DATE = "Tue Jul 13 16:30:58 EDT 2021"


def marker(source, text="", at_s=0.0, since_s=None, tool="recon-all 8"):
    since_s = at_s if since_s is None else since_s
    return Marker(tool, source, text, round(since_s * S), round(at_s * S))


def begins(title, at_s, since_s=None, **more):
    return marker("recon-all", f"#@# {title} {DATE}", at_s, since_s, **more)


def ran(*markers, first_s=0, last_s=100, outcome="ran"):
    """Each step's name, begin, end in seconds and outcome."""
    found = course(markers, first_s * S, last_s * S, outcome)
    return found and [
        (s.name.partition(".")[2], s.start_ns / S, s.end_ns / S, s.outcome) for s in found.steps
    ]


SEEN = marker("seen", at_s=1)
END = marker("recon-all", "recon-all finished without error at", 90)
FAILED = marker("recon-all", "recon-all exited with ERRORS at", 90)


def test_a_step_lasts_until_the_next_one_or_the_end():
    assert ran(SEEN, begins("MotionCor", 5), begins("Cortical Parc 2 lh", 20), END) == [
        ("starting_up", 1, 5, "ran"),
        ("MotionCor", 5, 20, "ran"),
        ("Cortical_Parc_2_lh", 20, 90, "ran"),
    ]


def test_the_step_that_was_open_when_it_failed_failed():
    assert ran(SEEN, begins("MotionCor", 5), begins("Fill", 20), FAILED)[1:] == [
        ("MotionCor", 5, 20, "ran"),
        ("Fill", 20, 90, "failed"),
    ]


@pytest.mark.parametrize(
    ("outcome", "expected"), [("killed", "killed"), ("failed", "failed"), ("running", "running")]
)
def test_a_step_that_is_open_when_the_node_ends_is_closed_there(outcome, expected):
    assert ran(SEEN, begins("Fill", 5), outcome=outcome)[-1] == ("Fill", 5, 100, expected)


def test_a_tool_that_vanished_leaves_its_step_killed_and_the_rest_of_the_node_without_one():
    gone = marker("gone", at_s=40)
    assert ran(SEEN, begins("Fill", 5), gone)[-1] == ("Fill", 5, 40, "killed")


def test_a_run_that_is_resumed_in_the_same_node():
    again = marker("recon-all", "subjid ", 95)
    found = ran(SEEN, begins("Fill", 5), FAILED, again, begins("Fill", 97))
    assert found == [
        ("starting_up", 1, 5, "ran"),
        ("Fill", 5, 90, "failed"),
        ("starting_up", 95, 97, "ran"),
        ("Fill", 97, 100, "killed"),
    ]


def test_an_instant_is_expected_in_the_middle_between_two_looks():
    found = course((SEEN, begins("Fill", 10, since_s=9)), 0, 100 * S, "ran")
    assert found.steps[-1].start_ns == 9.5 * S
    assert found.within[round(9.5 * S)] == (9 * S, 10 * S, pytest.approx(1))


def test_steps_that_one_look_found_share_the_time_since_the_look_before():
    three = [begins(title, 13, since_s=9) for title in ("Fill", "Tessellate lh", "Smooth1 lh")]
    assert [(n, a, b) for n, a, b, _ in ran(SEEN, *three)[1:]] == [
        ("Fill", 10, 11),
        ("Tessellate_lh", 11, 12),
        ("Smooth1_lh", 12, 100),
    ]
    # The middle one of three numbers drawn alike from 0 to 1 has the variance 1/20, one 1/12.
    within = course((SEEN, *three), 0, 100 * S, "ran").within
    assert within[11 * S][2] == pytest.approx((12 / 20) ** 0.5)


@pytest.mark.parametrize("told", [True, False])
def test_hemispheres_whose_logs_are_joined_afterwards_ran_at_once(told):
    pair = [
        begins("Sphere lh", 10, 9),
        begins("Sphere rh", 10.5 if told else 10, 9.5 if told else 9),
    ]
    joined = [marker("recon-all", "PIDs (", 49)] if told else []
    found = ran(SEEN, begins("Fill", 5), *pair, *joined, begins("Fill", 50))
    (left,) = [step for step in found if step[0] == "Sphere_lh"]
    (right,) = [step for step in found if step[0] == "Sphere_rh"]
    assert left[2] == right[2] == 50
    assert abs(left[1] - right[1]) <= 0.5


def test_two_tools_in_one_node_ran_each_by_itself():
    other = "recon-all 9"
    found = ran(
        SEEN, begins("Fill", 5), marker("seen", at_s=6, tool=other),
        begins("Tessellate lh", 8, tool=other), begins("WMParc", 20),
    )  # fmt: skip
    assert ("Fill", 5, 20, "ran") in found
    assert ("Tessellate_lh", 8, 100, "killed") in found


def test_what_looks_like_a_marker_is_none():
    assert ran(SEEN, marker("recon-all", f"#@# 1/1 bert {DATE}", 5)) is None
    assert ran(SEEN, marker("recon-all", "#@# no date at 12:00:00 all", 5)) is None
    assert ran(SEEN) is None


def test_sections_of_fastsurfer_lie_around_the_recon_alls_inside():
    tool = {"tool": "recon-surf.sh 8"}

    def section(title, at_s):
        return marker("recon-surf", f"====== {title} ======", at_s, **tool)

    found = ran(
        marker("seen", at_s=1, **tool),
        section("Creating orig and rawavg from input", 5),
        section("Creating filled from brain", 10),
        marker("recon-all", "subjid ", 12, **tool),
        begins("Fill", 13, **tool),
        marker("recon-all", "recon-all finished without error at", 20, **tool),
        section("Creating surfaces lh - fix", 25),
        section("DONE", 30),
        marker("recon-surf", "recon-surf.sh finished without error at", 31, **tool),
    )
    assert found == [
        ("starting_up", 1, 5, "ran"),
        ("Creating_orig_and_rawavg_from_input", 5, 10, "ran"),
        ("Creating_filled_from_brain", 10, 13, "ran"),
        ("Fill", 13, 20, "ran"),
        ("Creating_filled_from_brain", 20, 25, "ran"),
        ("Creating_surfaces_-_fix_lh", 25, 31, "ran"),
    ]


FAST = {"tool": "run_fastsurfer.sh 8"}


def network(text, at_s):
    return marker("deep-seg", text, at_s, **FAST)


def test_networks_of_fastsurfer_are_told_at_their_end_with_their_length():
    found = ran(
        marker("seen", at_s=1, **FAST),
        network("Log file for segmentation", 2),
        network("python FastSurferCNN/run_prediction.py", 2),
        network("Coronal finished in 8 seconds", 12),
        network("Axial finished in 30 seconds", 22),  # Longer than since the one before.
        network("Creating brainmask", 23),
        network("python CerebNet/run_prediction.py", 24),
        network("step processed in 5 sec", 40),
        marker("recon-surf", "===== Creating orig =====", 50, **FAST),
    )
    assert [(name, a, b) for name, a, b, _ in found] == [
        ("coronal_inference", 4, 12),
        ("axial_inference", 12, 22),
        ("brainmask", 23, 35),
        ("CerebNet", 35, 40),
        ("starting_up", 40, 50),
        ("Creating_orig", 50, 100),
    ]


@pytest.mark.parametrize("at_once", [True, False])
def test_sections_of_hemispheres_end_with_the_next_of_their_own_if_they_run_at_once(at_once):
    def section(title, at_s):
        return marker("recon-surf", f"===== Creating surfaces {title} =====", at_s, **FAST)

    others = (12, 22) if at_once else (30, 40)
    markers = [
        marker("seen", at_s=1, **FAST),
        section("lh - fix", 10),
        section("rh - fix", others[0]),
        section("lh - inflate2", 20),
        section("rh - inflate2", others[1]),
        section("lh - fix", 49),  # Joined to the whole log afterwards.
        section("- ribbon", 50),
    ]
    found = ran(*sorted(markers, key=lambda m: m.t_monotonic_ns))
    ends = {name.partition("_-_")[2]: (a, b) for name, a, b, _ in found}
    ends.pop("", None)
    assert ends == {
        "fix_lh": (10, 20),
        "fix_rh": (others[0], others[1]),
        "inflate2_lh": (20, 50 if at_once else 30),
        "inflate2_rh": (others[1], 50),
        "ribbon": (50, 100),
    }


def by_rule(*texts, **more):
    found = [marker("seen", at_s=1, tool="my pipeline 8")]
    for n, text in enumerate(texts, 1):
        found.append(marker("rule", text, 10 * n, tool="my pipeline 8"))
    return ran(*found, **more)


def test_steps_by_a_rule_last_until_the_next_one_or_the_end():
    assert by_rule("step\tbias\t", "step\tsphere\tleft", "end") == [
        ("bias", 10, 20, "ran"),
        ("sphere_lh", 20, 30, "ran"),
    ]


def test_steps_by_a_rule_that_tells_their_ends_last_since_the_one_before():
    assert by_rule("done\tbias\t", "done\tsphere\tr", "end") == [
        ("bias", 1, 10, "ran"),
        ("sphere_rh", 10, 20, "ran"),
    ]


def test_a_step_by_a_rule_fails_while_it_goes_on_or_after_it_ended():
    assert [s[3] for s in by_rule("step\ta\t", "failed", "end")] == ["failed"]
    assert [s[3] for s in by_rule("done\ta\t", "failed", "end")] == ["failed"]
    assert [s[3] for s in by_rule("step\ta\t", "step\tb\t", "failed")] == ["ran", "failed"]


@pytest.mark.parametrize(("outcome", "expected"), [("ran", "ran"), ("killed", "killed")])
def test_the_last_step_by_a_rule_without_an_end_ends_as_its_node_did(outcome, expected):
    assert by_rule("step\ta\t", outcome=outcome) == [("a", 10, 100, expected)]


def test_of_two_samplers_the_one_that_found_more_counts():
    def sampler(pid, *found):
        samples = [Sample(t * S, 0, 0.0, {}, markers={"x": (m,)}) for t, m in enumerate(found)]
        return SampleFile(Host("h", "h", "b", pid, 4, 0, 0, ()), tuple(samples))

    found = markers_of([sampler(1, SEEN), sampler(2, SEEN, END)])
    assert found == {"x": (SEEN, END)}


@pytest.mark.parametrize("parallel", [False, True])
def test_steps_have_the_names_and_times_of_the_imported_log(tmp_path, parallel):
    text, truth = recon_all(STEPS, parallel=parallel, fstime=False)
    path = tmp_path / "recon-all.log"
    path.write_text(text)
    log = read_log(path)
    begin_s = log.invocations[0].start_s
    at_s, found = 0.0, [marker("seen", at_s=0)]
    starts = iter(step for step in truth if step[0] != "starting up")
    times = {}
    for step in log.steps():
        times[step.title, step.hemisphere] = step.start_s - begin_s
    for line in text.splitlines():
        if line.startswith("#@# ") and ":" in line:
            title, side, _ = next(starts)
            at_s = times[title, side]
            found.append(marker("recon-all", line, at_s))
        elif line.startswith("PIDs ("):
            found.append(marker("recon-all", "PIDs (", at_s))
    total_s = sum(s for _, side, s in truth if not (parallel and side == "rh"))
    found.append(marker("recon-all", "recon-all finished without error at", total_s))
    live = course(found, 0, round((total_s + 1) * S), "ran")
    nodes = imported([log], named("Xeon Gold 6148")).facts.graphs[0].nodes
    assert {step.name for step in live.steps} == {step_of(node) for node in nodes}
    live_s = defaultdict(float)
    for step in live.steps:
        live_s[step.title, step.hemisphere] += (step.end_ns - step.start_ns) / S
    imported_s = {(s.title, s.hemisphere): s.elapsed_s for s in log.steps()}
    assert {k: pytest.approx(v, abs=0.001) for k, v in live_s.items()} == imported_s
