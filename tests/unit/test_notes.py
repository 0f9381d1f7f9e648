# SPDX-License-Identifier: Apache-2.0
import pytest
from msgspec.structs import replace

from nicarbon.energies import Turn
from nicarbon.marked import marked
from nicarbon.notes import apart_notes, ending, notes
from nicarbon.records import Close, Host, NodeFile, Process, RunInfo, SampleFile, Sensor


def notes_of(run, **given):
    summary_missing = given.pop("missing", ())
    return notes(run.facts, run.attribution, summary_missing, given.pop("wholes", ()))


@pytest.fixture
def run(run_folders):
    return lambda spans=(), hosts=None, **facts: run_folders.run(spans, hosts, **facts)


def test_a_complete_run_lacks_nothing(run):
    assert notes_of(run()) == ()


def test_no_run_json(run):
    (note,) = notes_of(run(info=RunInfo("folder", 0)))
    assert note.startswith("run.json is missing")


def test_no_end_of_the_driver(run, run_folders):
    (note,) = notes_of(run(node_files=(run_folders.ended(has_end=False),)))
    assert note == "the run has no end: it is still going on, or it was killed"
    worker = NodeFile(Process(run_folders.ID, "scanner", 1, 1, "k"), ())
    assert notes_of(run(node_files=(worker,))) == (note,)
    assert notes_of(run(node_files=(worker, run_folders.ended()))) == ()


@pytest.mark.parametrize(
    ("outcome", "text"),
    [("failed", "the pipeline failed"), ("interrupted", "the pipeline was interrupted")],
)
def test_how_the_pipeline_ended(run, run_folders, outcome, text):
    assert notes_of(run(node_files=(run_folders.ended(outcome=outcome),))) == (text,)


def test_a_sampler_that_ended_early(run, run_folders):
    host = Host(run_folders.ID, "scanner", "", 1, 4, 0, 0, ())
    assert notes_of(run(sample_files=(SampleFile(host, ()),))) == (
        "the sampler ended early on scanner",
    )
    assert notes_of(run(sample_files=(SampleFile(host, (), (), Close(0, "")),))) == ()


def test_skipped_lines(run):
    assert notes_of(run(n_skipped_lines=1)) == ("1 line skipped as unreadable",)


def test_a_record_that_a_kill_cut_off_is_no_damage(run):
    (note,) = notes_of(run(n_cut_lines=2))
    assert note == "2 last records cut off, as by a kill or a full disk"


def test_uncovered_seconds(run, run_folders):
    (note,) = notes_of(run(hosts=[run_folders.host(uncovered_s=2.0)]))
    assert note == "2 s of 10 s on scanner are covered by no reading: their energy is in no figure"
    assert notes_of(run(hosts=[run_folders.host(uncovered_s=0.01)])) == ()


def test_accounts_that_took_turns(run, run_folders):
    rapl = Turn(("rapl (package-0)",), "measured", 80.0, 8.0)
    model = Turn(("virtual (host)",), "modelled", 20.0, 2.0)
    (note,) = notes_of(run(hosts=[run_folders.host(turns=(rapl, model))]))
    assert note == (
        "on scanner the samplers saw different sensors, and each moment is counted once, by the "
        "best of them: rapl (package-0) measured for 8 s, virtual (host) modelled for 2 s"
    )
    assert notes_of(run(hosts=[run_folders.host(turns=(rapl,))])) == ()


def test_no_reading_at_all(run, run_folders):
    dark = run_folders.host(nodes_j=0.0, energy_j=0.0, uncovered_s=10.0)
    for host in (dark, run_folders.host(sensors=())):
        assert notes_of(run(hosts=[host])) == ("no energy reading covers scanner: CPU time only",)


def test_killed_running_and_incomplete_nodes(run, run_folders):
    spans = [
        run_folders.span("a", outcome="killed"),
        run_folders.span("b", outcome="running", cpu_incomplete="no perf"),
    ]
    assert notes_of(run(spans)) == (
        "1 node killed, counted until then: a",
        "1 node still running, counted so far: b",
        "CPU time may be incomplete for 1 node (no perf): b",
    )


def test_missing_and_whole_nodes_are_named_a_handful(run):
    names = tuple("abcdefg")
    assert notes_of(run(), missing=names, wholes=("recon",)) == (
        "7 nodes of the graph have no record: not run, or not metered: a, b, c, d, e and 2 more",
        "1 node runs several stages and is counted in one, as a whole: recon",
    )


def test_a_broken_sum_and_scaled_shares(run, run_folders):
    (note,) = notes_of(run(hosts=[run_folders.host(residual_j=1e-3)]))
    assert note.startswith("BROKEN: on scanner the parts differ from the counter by 0.001 J")
    assert notes_of(run(hosts=[run_folders.host(residual_j=1e-8)])) == ()
    (note,) = notes_of(run(hosts=[run_folders.host(scaled_cpu_s=1.5)]))
    assert "claimed 1.5 CPU seconds more" in note


def test_how_a_run_ended_in_a_word(run, run_folders):
    def word(*files, **more):
        return ending(run(node_files=files, **more).facts)

    ended = run_folders.ended
    assert word(ended()) == "ok"
    assert word(ended(), ended("b-1-1", outcome="interrupted")) == "interrupted"
    assert word(ended(outcome="interrupted"), ended("b-1-1", outcome="failed")) == "failed"
    assert word(ended(), ended("b-1-1", has_end=False)) == "no end"
    worker = NodeFile(Process(run_folders.ID, "scanner", 1, 1, "k"), ())
    assert word(worker) == "no record"
    assert word() == "no record"
    host = Host(run_folders.ID, "scanner", "", 1, 4, 0, 0, ())
    assert word(sample_files=(SampleFile(host, ()),)) == "no end"


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("candidate", "process numbers of another namespace"),
        ("candidates", "shared among them alike"),
        ("holders", "does not tell which process computes"),
        ("unknown", "none of it is known to be idle"),
    ],
)
def test_how_it_is_known_whose_a_gpus_energy_is(run, run_folders, told, says):
    host = run_folders.host(devices=(run_folders.device(told=told),))
    (note,) = notes_of(run(hosts=[host]))
    assert note.startswith("gpu-0 on scanner: ")
    assert says in note


def test_a_gpu_that_vanished_or_was_never_read(run, run_folders):
    host = run_folders.host(devices=(run_folders.device(uncovered_s=4.0),))
    (note,) = notes_of(run(hosts=[host]))
    assert note.startswith("gpu-0 on scanner: 4 s of 10 s are covered by no reading")
    unread = Sensor("nvml", "measured", (), note="GPU energy is missing: no driver")
    host = run_folders.host(sensors=(run_folders.RAPL, unread))
    assert notes_of(run(hosts=[host])) == ("on scanner GPU energy is missing: no driver",)


def test_counters_that_stand_still(run, run_folders):
    """As in virtual machines that show counters and let none count."""
    parts = dict.fromkeys(("engine_j", "meter_j", "other_j", "unattributed_j"), 0.0)
    still = run_folders.host(0.0, energy_j=0.0, **parts)
    (note,) = notes_of(run(hosts=[still]))
    assert "the counters of scanner stood still" in note


def test_steps_whose_two_counts_differ_are_named(run_folders):
    steps = run_folders.steps(CA_Reg=(0.5, {}), Fill=(0.5, {}))
    apart = [replace(part, seen_share=share) for part, share in
             zip(steps.parts, (0.2, 0.8), strict=True)]  # fmt: skip
    span = run_folders.span("wf.recon", 0, 100, 10.0, steps=replace(steps, parts=tuple(apart)))
    (note,) = apart_notes(marked([span]))
    assert note == (
        "2 steps of 2 are counted differently by markers and by programs, beyond the errors of "
        "both: recon-all.CA_Reg (50 s of CPU time by its markers, 20 s by its programs, ± 1 s), "
        "recon-all.Fill (50 s of CPU time by its markers, 1 min 20 s by its programs, ± 1 s)"
    )
    assert apart_notes(marked([run_folders.span("wf.recon", steps=steps)])) == ()
    assert apart_notes(None) == ()
