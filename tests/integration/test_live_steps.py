# SPDX-License-Identifier: Apache-2.0
"""Steps of a recon-all while it is metered, against its own log and against its programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from math import fsum, hypot

import pytest
from surfer_stand_in import install, install_fastsurfer

from nicarbon.logs.formats import read_log
from nicarbon.logs.names import step_name
from nicarbon.meter import perf
from nicarbon.run import Run


@pytest.fixture
def metered(tmp_path, environment):
    """Meter a command that finds FreeSurfer's stand-ins; return the run and what was said."""
    head = tmp_path / "head.nii.gz"
    head.write_bytes(b"no image")

    def run(scale, *words, code=0, name="run", options=(), **env):
        home = tmp_path / "freesurfer"
        if not home.exists():
            run.freesurfer = install(home)
        command = [sys.executable, "-m", "nicarbon", "run", "-o", name, *options, "--"]
        done = subprocess.run(
            [*command, *words],
            cwd=tmp_path,
            env=environment(**run.freesurfer.env | {"STAND_IN_SCALE": str(scale)} | env),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        return Run.open(tmp_path / name), done.stderr

    run.recon = ("recon-all", "-s", "bert", "-i", str(head))
    return run


def test_a_whole_run_is_cut_at_its_markers(metered):
    # By looks, of which a step of a second may get but two on a busy machine, the programs' count
    # says little here; by the kernel's account it is sharp.
    exact = ("--programs", "exact")
    whole = (*metered.recon, "-all", "-parallel", "-threads", "2")
    run, _ = metered(1e-4, *whole, options=exact)
    (span,) = run.attribution.spans
    rows = {row.name: row for row in run.summary("step").rows}
    # The same words as those of the log that it left.
    log = read_log(metered.freesurfer.subjects / "bert" / "scripts" / "recon-all.log")
    titles = {step_name("recon-all", step.title, step.hemisphere) for step in log.steps()}
    assert titles <= rows.keys() <= titles | {"no step", "recon-all.starting_up"}
    # Nothing is lost, nothing is counted twice.
    assert fsum(row.energy_j for row in rows.values()) == pytest.approx(span.energy_j, rel=1e-9)
    assert fsum(row.cpu_s for row in rows.values()) == pytest.approx(span.cpu_s, rel=1e-9)
    # What runs in one step only: the marker's count and the programs' count are the same.
    by_program = {program.name: program for program in span.split.programs}
    for program, step in (("mri_ca_register", "CA_Reg"), ("mri_ca_label", "SubCort_Seg")):
        part = next(p for p in span.steps.parts if p.name == f"recon-all.{step}")
        seen = by_program[program]
        error = hypot(span.split.sigma(seen.n), span.steps.sigma([part.name]))
        # What the kernel did not tell may be of any, and where it tells nothing looks are few.
        error = 4 * error + (span.split.lost if span.split.traced else 0.05)
        # fs_time, tee and the shell belong to the step as well.
        assert seen.energy_share == pytest.approx(part.energy_share, abs=error + 0.02)
    found = run.summary("step").marked
    if _kernel_tells():
        assert span.split.traced > 0.9
        assert found.disagree == ()
        assert span.split.error < 0.3
    assert 0 < found.error < 1
    assert found.apart <= 3 * found.apart_error
    # Nobody is named.
    for path in run.path.iterdir():
        assert b"bert" not in path.read_bytes()


def _kernel_tells():
    try:
        os.close(perf.open_task_records(min(os.sched_getaffinity(0)), inherit=True))
    except OSError:
        return False
    return True


def test_a_step_that_fails_is_the_one_that_failed(metered):
    fails = {"STAND_IN_FAIL": "Skull Stripping"}
    run, _ = metered(5e-4, *metered.recon, "-autorecon1", code=1, **fails)
    rows = {row.name: row.n_failed for row in run.summary("step").rows}
    assert rows["recon-all.Skull_Stripping"] == 1
    assert sum(rows.values()) == 1


def test_a_run_that_is_resumed_is_not_mixed_up_with_the_one_before(metered):
    metered(2e-5, *metered.recon, "-autorecon1")
    run, _ = metered(1e-4, "recon-all", "-s", "bert", "-autorecon2-volonly", name="again")
    names = {row.name for row in run.summary("step").rows}
    assert "recon-all.CA_Reg" in names
    assert "recon-all.MotionCor" not in names
    document = json.loads(
        subprocess.run(
            [sys.executable, "-m", "nicarbon", "summary", "again", "--by", "step",
             "--format", "json"],
            cwd=run.path.parent, capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    stages = {row["name"]: row["stage"] for row in document["rows"]}
    assert stages["recon-all.CA_Reg"] == "registration"
    assert stages["no step"] is None
    assert document["steps"]["disagree"] == []


def test_fastsurfer_is_cut_into_networks_and_surfaces(metered, tmp_path):
    home = install_fastsurfer(tmp_path / "fastsurfer")
    (tmp_path / "out").mkdir()
    words = ("--sid", "bert", "--sd", str(tmp_path / "out"), "--t1", str(tmp_path / "head.nii.gz"))
    licence = ("--fs_license", str(tmp_path / "freesurfer" / "license.txt"), "--parallel")
    run, _ = metered(1e-4, str(home / "run_fastsurfer.sh"), *words, *licence)
    rows = {row.name: row.cpu_s for row in run.summary("step").rows}
    assert {"FastSurfer.coronal_inference", "recon-surf_sh.Fill"} <= rows.keys()
    # A step of both hemispheres is there with each.
    assert {f"recon-surf_sh.Sphere_{side}" for side in ("lh", "rh")} <= rows.keys()
    assert fsum(rows.values()) == pytest.approx(run.summary().total.cpu_s, rel=1e-9)
    stages = run.summary("step").stages
    assert stages["FastSurfer.coronal_inference"] == "segmentation"
    for path in run.path.iterdir():
        assert b"bert" not in path.read_bytes()


def test_a_log_that_is_none_costs_the_steps_and_nothing_else(metered, tmp_path):
    # In both logs' places folders, which nobody can read lines from.
    script = tmp_path / "recon-all"
    script.write_text(
        "#!/bin/sh\nmkdir -p $SUBJECTS_DIR/bert/scripts/recon-all.log "
        "$SUBJECTS_DIR/bert/scripts/recon-all-status.log\nsleep 2\n"
    )
    script.chmod(0o755)
    run, said = metered(2e-5, str(script), "-s", "bert", "-all")
    assert run.summary("step").marked is None
    assert said.count("can't be followed") == 1
    assert run.summary().total.energy_j is not None


def test_another_pipeline_is_cut_by_a_rule(metered, tmp_path):
    (tmp_path / "rule.toml").write_text(
        "name = 'mine'\ndetect = 'mine version'\nstep = 'Starting (?P<title>.+)'\nend = 'done'\n"
    )
    burn = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done"
    script = tmp_path / "pipeline"
    script.write_text(
        f"#!/bin/sh\nexec >{tmp_path}/mine.log\necho mine version 1\necho Starting bias\n{burn}\n"
        f"echo Starting sphere\n{burn}\necho done\n"
    )
    script.chmod(0o755)
    command = [sys.executable, "-m", "nicarbon", "run", "-o", "run", "--keep-arguments"]
    subprocess.run(
        [*command, "--rule", "rule.toml", "--", str(script), "sub-01"],
        cwd=tmp_path, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    run = Run.open(tmp_path / "run")
    rows = {row.name: row.cpu_s for row in run.summary("step").rows}
    assert rows["mine.bias"] > 0
    assert rows["mine.sphere"] > 0
    assert fsum(rows.values()) == pytest.approx(run.summary().total.cpu_s, rel=1e-9)
    assert any("sub-01" in line for line in run.summary("program").arguments["pipeline"])
