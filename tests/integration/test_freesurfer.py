# SPDX-License-Identifier: Apache-2.0
"""The FreeSurfer workflow with stand-ins: metered, broken off, continued, refused."""

from __future__ import annotations

import subprocess
import sys
from math import fsum

import pytest
from surfer_site import SurferSite
from surfer_stand_in import programs

from nicarbon.logs.formats import read_log
from nicarbon.logs.freesurfer import STARTING
from nicarbon.run import Run
from nicarbon.stages import StageRules

pytest.importorskip("nipype")
NODES = {
    "autorecon1": "brain extraction",
    "autorecon2_vol": "registration",
    "autorecon_surfs_lh": "surface reconstruction",
    "autorecon_surfs_rh": "surface reconstruction",
    "cortribbon": "surface reconstruction",
    "parcstats_lh": "morphometry",
    "parcstats_rh": "morphometry",
    "autorecon3": "parcellation",
}
TABLES = ("aseg_table", "aparc_table_lh", "aparc_table_rh")


@pytest.fixture(scope="module")
def site(tmp_path_factory, environment):
    return SurferSite(tmp_path_factory.mktemp("freesurfer"), "freesurfer.py", environment)


@pytest.fixture(scope="module")
def runs(site):
    """Two runs: the first one fails in the middle of the right hemisphere, the second goes on."""
    options = ("--openmp", "2", "--parallel")
    said = site(*options, run_dir="first", code=1, STAND_IN_FAIL="WhiteSurfs rh")
    assert "freesurfer.py: node autorecon_surfs_rh failed: RuntimeError: subprocess" in said
    assert "See crash-*.txt in freesurfer-work" in said
    site(*options, "--resume", run_dir="second")
    return Run.open(site.folder / "first"), Run.open(site.folder / "second")


def outcomes(run):
    return {span.node.rpartition(".")[2]: span.outcome for span in run.attribution.spans}


def test_a_failure_in_one_hemisphere_leaves_the_other_and_ends_the_rest(runs):
    first, second = map(outcomes, runs)
    assert first["autorecon_surfs_rh"] == "failed"
    assert first["autorecon_surfs_lh"] == first["autorecon2_vol"] == "ran"
    assert set(first).isdisjoint({"cortribbon", "autorecon3", *TABLES})
    assert {second[name] for name in ("autorecon_surfs_rh", "cortribbon", *TABLES)} == {"ran"}
    assert {second.get(name, "cached") for name in ("autorecon1", "autorecon2_vol")} == {"cached"}


def test_every_node_has_its_stage_and_every_step_was_done_once(runs, site):
    _, run = runs
    stages = {n.rpartition(".")[2]: stage for n, stage in run.stage_of(run.rules()).items()}
    assert stages == {**NODES, **dict.fromkeys(TABLES, "morphometry"), "subjects": "engine"}
    logs = (site.freesurfer.subjects / "sub-01" / "scripts").glob("recon-all-status*.log")
    words = [line.split() for log in logs for line in log.read_text().splitlines()]
    done = [" ".join(line[1:-6]) for line in words if line[:1] == ["#@#"]]
    twice = {mark for mark in done if done.count(mark) > 1}
    assert twice <= {"WhiteSurfs rh"}, twice
    assert len(set(done)) == 90


def test_hemispheres_and_programs_add_up_to_the_nodes(runs):
    run = runs[0]
    total = run.summary("node").total
    sides = {row.name: row for row in run.summary("hemisphere").rows}
    assert set(sides) == {"hemi-L", "hemi-R", "no hemisphere"}
    # The right one failed half way.
    assert sides["hemi-L"].cpu_s > 1.1 * sides["hemi-R"].cpu_s
    for attribute in ("hemisphere", "program", "stage"):
        rows = run.summary(attribute).rows
        assert fsum(row.energy_j for row in rows) == pytest.approx(total.energy_j, rel=1e-9)
    # All are too short here for each to be seen every time.
    assert {row.name for row in run.summary("program").rows} & set(programs())
    stages = {row.name for row in run.summary("stage").rows}
    assert {"registration", "surface reconstruction"} < stages


def test_every_program_of_recon_all_has_a_stage():
    rules = StageRules.load()
    # mri_mask serves several purposes: it is counted with the node that runs it.
    assert [name for name in programs() if rules.of_program(name) is None] == ["mri_mask"]


def test_recon_all_is_one_node_if_asked_and_its_log_is_one_of_freesurfer_s(site):
    options = ("--subjects", "whole", "--monolithic", "--parallel", "-w", "whole")
    site(*options, run_dir="monolith", STAND_IN_CLOCK="stretched")
    run = Run.open(site.folder / "monolith")
    assert {name.rpartition(".")[2] for name in outcomes(run)} == {
        "recon_all",
        "subjects",
        *TABLES,
    }
    (row,) = [row for row in run.summary("node").rows if row.name.endswith("recon_all")]
    assert run.stage_of(run.rules())[row.name] == "surface reconstruction"
    # Its steps tell the hemispheres apart, which the node's name does not.
    sides = {row.name: row.cpu_s for row in run.summary("hemisphere").rows}
    assert min(sides["hemi-L"], sides["hemi-R"]) > 0.1 * fsum(sides.values())
    # Divided by its programs, few of which are seen every time.
    assert len(run.summary("stage").rows) > 2

    scripts = site.freesurfer.subjects / "whole" / "scripts"
    log = read_log(scripts / "recon-all.log")
    (whole,) = log.invocations
    assert (log.subject, whole.outcome, whole.threads, log.problems) == ("whole", "ran", 1, ())
    titles = [s.title for s in whole.steps if s.title != STARTING]
    assert len(titles) == 90
    assert whole.covered_s == pytest.approx(whole.stated_s, abs=whole.resolution_s)
    pairs = {s.title for s in whole.steps if s.at_once}
    assert {"Inflation1", "Sphere", "Cortical Parc"} < pairs
    assert pairs.isdisjoint({"WhiteSurfs", "CA Reg", "BA_exvivo Labels"})
    # What the table says, through a scale of 2e-5 and back: no more than starting it was added.
    (register,) = [c for s in whole.steps for c in s.commands if c.program == "mri_ca_register"]
    assert register.cpu_s == pytest.approx(14127.82, rel=0.3)
    status = read_log(scripts / "recon-all-status.log")
    assert [s.title for s in status.steps() if s.title != STARTING] == titles

    command = [sys.executable, "-m", "nicarbon", "import", str(scripts), "-o", "imported"]
    command += ["--cpu", "Xeon Gold 6148"]
    subprocess.run(command, cwd=site.folder, env=site.base, check=True, timeout=60)
    rows = {row.name for row in Run.open(site.folder / "imported").summary("hemisphere").rows}
    assert rows == {"hemi-L", "hemi-R", "no hemisphere"}


@pytest.mark.parametrize(
    ("words", "env", "message"),
    [
        ([], {"FREESURFER_HOME": None}, "FREESURFER_HOME is not set: install FreeSurfer, then"),
        ([], {"FREESURFER_HOME": "/nowhere"}, "FREESURFER_HOME is /nowhere, which is no folder"),
        ([], {"PATH": "/nowhere"}, "recon-all is not on the PATH"),
        ([], {"FS_LICENSE": "/nowhere/key"}, "no licence of FreeSurfer at /nowhere/key"),
        ([], {"SUBJECTS_DIR": None}, "give --subjects-dir or set SUBJECTS_DIR"),
        (["--subjects-dir", "/nowhere"], {}, "/nowhere: SUBJECTS_DIR has to be a folder"),
        (["--subjects", "a", "b"], {}, "--subjects names 2, --t1w gives 1"),
        (["--subjects", "../a"], {}, "subject '../a': use letters"),
        (["--subjects", "done"], {}, "subject done exists in"),
        (
            ["--subjects", "new", "--n-procs", "1", "--openmp", "2"],
            {},
            "--n-procs 1 is less than the 2 threads",
        ),
        (["--subjects", "new", "--plugin", "Nothing"], {}, "nipype has no plugin Nothing"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(site, words, env, message):
    (site.freesurfer.subjects / "done").mkdir(exist_ok=True)
    (line,) = site(*words, code=2, **env).splitlines()
    assert line.startswith("freesurfer.py: ")
    assert message in line


def test_heads_that_are_not_there_or_have_no_subject_are_refused(site):
    assert "no such file" in site(code=2, head="sub-02_T1w.nii.gz")
    assert "say --subjects NAME" in site(code=2, head="head.nii.gz")
    twice = site("sub-01_T1w.nii.gz", code=2)
    assert "two subjects are called sub-01" in twice or "exists" in twice
