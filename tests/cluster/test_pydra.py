# SPDX-License-Identifier: Apache-2.0
"""pydra's jobs on a real Slurm: metered where they run, on pickles that need no nicarbon."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

import nicarbon

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pydra") is None or importlib.util.find_spec("pydra.compose") is None,
    reason="not installed: pip install 'nicarbon[pydra]'",
)


# pydra fails a job that has left the queue and that accounting does not know yet.
PATIENT = """#!/bin/sh
for turn in $(seq 300); do
    found=$({sacct} "$@")
    [ -n "$found" ] && break
    sleep 0.1
done
echo "$found"
"""


@pytest.fixture
def patient(slurm, tmp_path):
    """The environment of a client of Slurm's whose accounting is waited for."""
    folder = tmp_path / "patient"
    folder.mkdir()
    (folder / "sacct").write_text(PATIENT.format(sacct=shutil.which("sacct")))
    (folder / "sacct").chmod(0o755)
    path = {**os.environ, **slurm.env}["PATH"]
    return {**slurm.env, "PATH": f"{folder}{os.pathsep}{path}"}


def test_metered_as_plain_and_cached(submit, slurm, patient, tmp_path):
    on = {"worker": "slurm"}
    plain, metered, again = submit(
        {**on, "task": "split", "base": "plain"},
        {**on, "task": "split", "run_dir": "run"},
        {**on, "task": "split", "run_dir": "again"},
        env=patient,
        enter=slurm.enter,
    ).steps
    assert metered.files == plain.files
    assert True not in plain.files.values()
    assert metered.outputs == plain.outputs == again.outputs
    assert metered.ran == plain.ran == ["Burn 1", "Burn 2"]
    assert again.ran == []

    run = nicarbon.open(tmp_path / "run")
    spans = run.attribution.spans
    assert {(s.node, s.outcome) for s in spans} == {
        ("main/Burn[0]", "ran"),
        ("main/Burn[1]", "ran"),
    }
    # Each was a job, with a wait of its own, and its energy is known where it ran.
    assert {span.job.split()[0] for span in spans} == {"slurm"}
    assert all(span.queue_wait_s is not None and span.energy_j > 0 for span in spans)
    assert {(s.node, s.outcome) for s in nicarbon.open(tmp_path / "again").attribution.spans} == {
        ("main", "cached")
    }


def test_a_failing_job(submit, slurm, patient, tmp_path):
    on = {"worker": "slurm", "task": "failing", "run_dir": "run"}
    (failing,) = submit(on, env=patient, enter=slurm.enter).steps
    assert (failing.errored, failing.ran) == (True, ["Burn 2"])
    run = nicarbon.open(tmp_path / "run")
    assert {(s.node, s.outcome, s.error) for s in run.attribution.spans} == {
        ("main/ok", "ran", None),
        ("main/bad", "failed", "ValueError"),
    }
