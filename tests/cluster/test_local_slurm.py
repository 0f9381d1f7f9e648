# SPDX-License-Identifier: Apache-2.0
"""The cluster of the tests is a real one, and nothing of it stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("local_slurm.py")


def test_jobs_run_on_two_names_of_one_machine(slurm, tmp_path):
    text = "#!/bin/sh\ncat /proc/sys/kernel/random/boot_id; hostname; echo $SLURMD_NODENAME\n"
    (tmp_path / "job.sh").write_text(text)
    for name in slurm.nodes:
        slurm.ask("sbatch", "--wait", "-w", name, "-o", f"{tmp_path}/{name}", tmp_path / "job.sh")
    said = [(tmp_path / name).read_text().split() for name in slurm.nodes]
    assert said[0][0] == said[1][0]
    assert [node for _, _, node in said] == slurm.nodes
    if slurm.own_hostnames:
        assert [hostname for _, hostname, _ in said] == slurm.nodes


def test_jobs_are_accounted(slurm, tmp_path):
    (tmp_path / "job.sh").write_text("#!/bin/sh\nexit 3\n")
    done = subprocess.run(
        ["sbatch", "--parsable", "--wait", "-o", "/dev/null", tmp_path / "job.sh"],
        env={**os.environ, **slurm.env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    job = done.stdout.strip()
    rows = slurm.wait_for(
        lambda: [r for r in slurm.accounts(job, ["State", "ExitCode"]) if r["State"] == "FAILED"],
        "the account of the job",
    )
    assert rows == [{"State": "FAILED", "ExitCode": "3:0"}]


def test_a_killed_job_leaves_no_zombie(slurm, tmp_path):
    out = tmp_path / "out"
    # The shell is killed with the job; its child has then no parent but the cluster's.
    job = slurm.ask("sbatch", "--parsable", "-o", out, "--wrap", "sleep 1000 & echo $!; wait")
    pid = int(slurm.wait_for(lambda: out.exists() and out.read_text(), "the job's child"))
    slurm.ask("scancel", "--signal=KILL", "--full", job.strip())
    slurm.wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the end of the child")


def belonging_to(cluster):
    """Return the processes whose command line or environment names the cluster's folder."""
    folder = os.path.dirname(cluster.env["SLURM_CONF"]).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            found += [said] * (folder in said)
    return found


def test_nothing_stays_behind(slurm, another_slurm, tmp_path):
    out = tmp_path / "out"
    with another_slurm() as other:
        assert not set(other.nodes) & set(slurm.nodes)
        # A job that ignores what it is politely told, and leaves its session.
        other.ask("sbatch", "-o", out, "--wrap", "trap '' TERM; setsid sleep 1000")
        other.wait_for(out.exists, "the job's start")
        assert len(belonging_to(other)) > 5
    assert belonging_to(other) == []
    assert not Path(other.env["SLURM_CONF"]).parent.parent.exists()
    for name in other.nodes:
        assert list(Path("/sys/fs/cgroup").glob(f"*/slurm_{name}")) == []
    assert slurm.ask("sinfo", "-h", "-o", "%D").strip() == "2"


def test_what_is_missing_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "slurm")],
        env={"PATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == ""
    assert "sbatch missing:" in json.loads(done.stdout)["cannot"]
    assert not (tmp_path / "slurm").exists()
