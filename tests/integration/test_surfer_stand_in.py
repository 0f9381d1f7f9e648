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


def test_what_another_part_makes_is_missed(recon_all):
    recon_all("-i", recon_all.head, "-motioncor")
    assert "ERROR: cannot find surf/lh.inflated" in recon_all("-autorecon3", code=1)
    assert "ERROR: cannot find mri/filled.mgz" in recon_all("-autorecon-hemi", "rh", code=1)
    assert (recon_all.scripts / "recon-all-rh.log").exists()


def test_a_step_that_fails_ends_it(recon_all):
    said = recon_all("-i", recon_all.head, "-autorecon1", code=1, STAND_IN_FAIL="Skull Stripping")
    assert "exited with ERRORS" in said
    assert (recon_all.scripts / "recon-all.error").exists()
    assert not (recon_all.scripts / "recon-all.done").exists()
    assert not (recon_all.scripts / "IsRunning.lh+rh").exists()
    (run,) = read_log(recon_all.scripts / "recon-all.log").invocations
    assert [s.title for s in run.steps if s.outcome == "failed"] == ["Skull Stripping"]


def test_a_hemisphere_that_dies_ends_both(recon_all):
    recon_all("-i", recon_all.head, "-motioncor")
    (recon_all.scripts.parent / "mri" / "filled.mgz").touch()
    steps = ("-tessellate", "-smooth1", "-inflate1")
    said = recon_all(*steps, "-parallel", code=139, STAND_IN_FAIL="Smooth1 rh=11")
    assert "exited with ERRORS" in said
    assert "#@# Smooth1 lh" in said
    assert "#@# Inflation1" not in said


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
