# SPDX-License-Identifier: Apache-2.0
"""The stand-ins for FreeSurfer: is what tests rely on as the real one does it?"""

from __future__ import annotations

import os
import subprocess

import pytest
from surfer_stand_in import install

from nicarbon.logs.formats import read_log


@pytest.fixture
def freesurfer(tmp_path):
    return install(tmp_path / "freesurfer", scale=2e-5)


@pytest.fixture
def recon_all(tmp_path, freesurfer):
    head = tmp_path / "head.nii.gz"
    head.write_bytes(b"no image")

    def run(*words, code=0, **env):
        done = subprocess.run(
            ["recon-all", "-s", "bert", *words],
            env={**os.environ, **freesurfer.env, **env},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    run.head = str(head)
    run.scripts = freesurfer.subjects / "bert" / "scripts"
    return run


def titles(log):
    return [(s.title, s.hemisphere) for s in log.steps() if s.title != "starting up"]


def test_a_whole_run_is_read_as_one_of_freesurfer_s(recon_all):
    recon_all(
        "-i", recon_all.head, "-all", "-parallel", "-threads", "2", STAND_IN_CLOCK="stretched"
    )
    log = read_log(recon_all.scripts / "recon-all.log")
    status = read_log(recon_all.scripts / "recon-all-status.log")
    (run,) = log.invocations
    assert (log.subject, run.outcome, run.threads, log.problems) == ("bert", "ran", 2, ())
    assert titles(log) == titles(status)
    assert len(titles(log)) == 90
    assert run.covered_s == pytest.approx(run.stated_s, abs=run.resolution_s)
    pairs = {s.title for s in run.steps if s.at_once}
    assert {"Inflation1", "Sphere", "Cortical Parc"} < pairs
    assert {"WhiteSurfs", "CA Reg", "BA_exvivo Labels"}.isdisjoint(pairs)
    (register,) = [c for s in run.steps for c in s.commands if c.program == "mri_ca_register"]
    assert register.cpu_s == pytest.approx(14127.82, rel=0.3)  # at this scale 0.28 s


def test_parts_make_what_the_next_ones_need_and_each_hemisphere_logs_apart(recon_all):
    recon_all("-i", recon_all.head, "-autorecon1")
    recon_all("-autorecon2-volonly")
    said = recon_all("-autorecon3", code=1)
    assert "ERROR: cannot find surf/lh.inflated" in said
    flags = ("-noparcstats", "-noparcstats2", "-noparcstats3")
    for hemi in ("lh", "rh"):
        recon_all("-autorecon-hemi", hemi, *flags)
        log = read_log(recon_all.scripts / f"recon-all-{hemi}.log")
        assert {side for _, side in titles(log)} == {hemi}
    recon_all("-cortribbon")
    recon_all("-autorecon3", "-nosphere", "-nosurfreg", "-nopial")
    log = read_log(recon_all.scripts / "recon-all.log")
    assert [i.outcome for i in log.invocations] == ["ran", "ran", "failed", "ran", "ran"]


def test_a_step_that_fails_ends_it(recon_all):
    said = recon_all("-i", recon_all.head, "-autorecon1", code=1, STAND_IN_FAIL="Skull Stripping")
    assert "exited with ERRORS" in said
    assert (recon_all.scripts / "recon-all.error").exists()
    assert not (recon_all.scripts / "recon-all.done").exists()
    assert not (recon_all.scripts / "IsRunning.lh+rh").exists()
    (run,) = read_log(recon_all.scripts / "recon-all.log").invocations
    assert [s.title for s in run.steps if s.outcome == "failed"] == ["Skull Stripping"]
    recon_all("-autorecon1", "-notalairach", "-nomotioncor")


def test_a_hemisphere_that_dies_ends_both(recon_all):
    recon_all("-i", recon_all.head, "-autorecon1")
    said = recon_all("-autorecon2", "-parallel", code=139, STAND_IN_FAIL="QSphere rh=11")
    assert "exited with ERRORS" in said
    assert "#@# Fix Topology" not in said


@pytest.mark.parametrize(
    ("words", "env", "message"),
    [
        (["-all"], {}, "cannot find subject bert"),
        (["-all", "-frobnicate"], {}, "Flag -frobnicate unrecognized"),
        (["-all", "-i", "/nowhere.nii"], {}, "cannot find /nowhere.nii"),
        (["-all"], {"FS_LICENSE": "/nowhere/license.txt"}, "license file"),
        (["-all"], {"FREESURFER_HOME": ""}, "FREESURFER_HOME not defined"),
        (["-all", "-sd", "/nowhere"], {}, "SUBJECTS_DIR /nowhere does not exist"),
    ],
)
def test_what_recon_all_refuses_is_refused(recon_all, words, env, message):
    assert message in recon_all(*words, code=1, **env)
