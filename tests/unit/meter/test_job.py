# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nicarbon.meter import job

# A job from its start to its end: what is registered to happen at its exit really happens there.
JOB = """
import sys
from nicarbon.meter import job, span
context = job.begin(sys.argv[1], "wf.a", ("--interval", "0.2"), [("slurm", "1")])
span.end(context, span.begin(context, "wf.a"), "ran")
"""


def run(run_dir, **environ):
    env = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
    return subprocess.run(
        [sys.executable, "-c", JOB, str(run_dir)],
        env={**env, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_job_from_start_to_end(tmp_path, records):
    done = run(tmp_path, SLURM_JOB_ID="12", SLURM_RESTART_COUNT="1")
    assert (done.returncode, done.stderr) == (0, "")
    (process,) = records(tmp_path, "nodes-", "process")
    (fact,) = records(tmp_path, "nodes-", "job")
    assert (fact["node"], fact["scheduler"], fact["job_id"], fact["restart"]) == (
        "wf.a",
        "slurm",
        "12",
        1,
    )
    start, end = records(tmp_path, "nodes-", "driver")
    assert (start["event"], end["event"]) == ("start", "end")
    assert "outcome" not in end
    # It answers for itself: it is not below any driver.
    assert process["driver"] == process["key"]
    (host,) = records(tmp_path, "samples-", "host")
    assert (host["driver"], host["interval_s"]) == (process["key"], 0.2)
    (close,) = records(tmp_path, "samples-", "close")
    assert close["reason"] == "stopped"


def test_the_job_that_the_driver_is_in_is_not_this_one(tmp_path, records):
    run(tmp_path, SLURM_JOB_ID="1")
    (fact,) = records(tmp_path, "nodes-", "job")
    assert (fact["scheduler"], fact["job_id"]) == ("", "")


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_run_folder_that_the_job_cannot_see_is_one_line(tmp_path, capfd, folder):
    (tmp_path / "file").write_text("")
    assert job.begin(str(tmp_path / folder), "wf.a") is None
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"nicarbon: {tmp_path / folder} cannot be written on ")
    assert "wf.a runs unmetered; the run folder must be on a file system" in line
    assert not (tmp_path / "missing").exists()


def test_what_went_wrong_is_said_at_the_end(tmp_path):
    code = "from nicarbon.meter import attend; attend._BOOT = 'raise SystemExit(1)'\n" + JOB
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert "nicarbon: the sampler did not start" in done.stderr


JOINED = """
import os, sys
from nicarbon.meter import job
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.recorder import RunContext
run_dir, below = sys.argv[1:]
driver = ProcFS("/").key(os.getppid() if below == "yes" else 1)
if below != "yes":
    driver = driver.replace("-1-", "-1-9")
context = RunContext(run_dir, driver, None, ("--interval", "0.2"))
first = job.joined(context, "main/a")
assert job.joined(context, "main/b") is first
if os.fork() == 0:
    os._exit(0 if job.joined(context, "main/c") == first else 1)
assert os.wait()[1] == 0
print(first == context)
"""


@pytest.mark.parametrize(("below", "n_jobs"), [("yes", 0), ("no", 1)])
def test_a_job_begins_only_where_no_driver_is_above(tmp_path, records, below, n_jobs):
    done = subprocess.run(
        [sys.executable, "-c", JOINED, str(tmp_path), below],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (f"{not n_jobs}\n", "")
    assert len(records(tmp_path, "nodes-", "job")) == n_jobs
