# SPDX-License-Identifier: Apache-2.0
"""The recipe for array jobs in the pages, run as a scheduler would run it, without one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

# Stands in for the pipeline: it sees its subject and one of them runs for ever.
FMRIPREP = """\
#!{python}
import sys, time
bids, out, level, option, subject = sys.argv[1:]
assert (bids, out, level, option) == ("bids", "derivatives", "participant", "--participant-label")
print("subject", subject, flush=True)
time.sleep(600 if subject == "sub-03" else 0)
sys.exit(subject == "sub-02")
"""


@pytest.fixture
def study(tmp_path, environment):
    """Run tasks of the recipe; return what starts one."""
    (tmp_path / "subjects.txt").write_text("".join(f"sub-{i:02}\n" for i in range(1, 6)))
    program = tmp_path / "bin" / "fmriprep"
    program.parent.mkdir()
    program.write_text(FMRIPREP.format(python=sys.executable))
    program.chmod(0o755)
    (tmp_path / "bin" / "nicarbon").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m nicarbon "$@"\n'
    )
    (tmp_path / "bin" / "nicarbon").chmod(0o755)
    env = environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}")

    def start(*command, **more):
        return subprocess.Popen(
            command,
            env={**env, **more},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


def finished(process, code=0):
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    return out, err


def test_tasks_that_are_missing_dead_or_failed_are_named(study, tmp_path):
    script = str(EXAMPLES / "array-job.sh")
    subprocess.run(["bash", "-n", script], check=True)
    tasks = {i: study("bash", script, SLURM_ARRAY_TASK_ID=str(i)) for i in (1, 2, 3)}
    assert "subject sub-01" in finished(tasks[1])[0]
    finished(tasks[2], code=1)
    while "subject" not in tasks[3].stdout.readline():
        assert tasks[3].poll() is None
    summary = ("nicarbon", "summary", "runs/*", "--expect", "subjects.txt")
    assert "! 1 run is still going on: sub-03" in finished(study(*summary), code=2)[0]
    # What a time limit ends with: everything that the task started.
    os.killpg(tasks[3].pid, signal.SIGKILL)
    tasks[3].communicate(timeout=60)
    again = study("bash", script, SLURM_ARRAY_TASK_ID="1", SLURM_RESTART_COUNT="1")
    finished(again)

    until = time.monotonic() + 30
    while True:
        out, err = finished(study(*summary), code=2)
        if "going on" not in out or time.monotonic() > until:
            break
    assert "sub-01.restart-1" in out
    assert "it was killed: sub-03" in out
    assert "! 1 run failed: sub-02" in out
    assert err == "nicarbon: 2 of 5 runs expected are missing: sub-04, sub-05\n"
    for _ in range(2):
        out, _ = finished(study("nicarbon", "gather", "runs/*"))
        assert len(out.splitlines()) == 5
    assert {len(os.listdir(run)) for run in (tmp_path / "runs").iterdir()} == {2}
    assert "it was killed: sub-03" in finished(study(*summary), code=2)[0]
