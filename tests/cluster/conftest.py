# SPDX-License-Identifier: Apache-2.0
"""A real Slurm for the session; its tests are skipped, with the reason, where it can't start."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("local_slurm.py")
# Long enough for any loaded machine; nothing here is timed.
PATIENCE_S = 90


@dataclass(frozen=True)
class Slurm:
    """A running cluster.

    Attributes
    ----------
    env : dict
        What a client's environment has beside its own; nipype wants to know who logs in.
    nodes : list of str
        Names of its nodes, all on this machine.
    limits_memory : bool
        Whether a job that takes more memory than it asked for is killed.
    own_hostnames : bool
        Whether a job sees its node's name as the machine's.
    """

    env: dict[str, str]
    nodes: list[str]
    limits_memory: bool
    own_hostnames: bool

    @property
    def nipype(self):
        """What the fixture `workflow` must be told for nipype to run on it."""
        # Each question to squeue costs nipype 0.2 s.
        return {"env": self.env, "settle": self.wait_for_jobs, "poll_s": 0.5}

    def ask(self, *command):
        """Run a client; return what it prints."""
        return subprocess.run(
            command,
            env={**os.environ, **self.env},
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        ).stdout

    def jobs(self):
        """Return the state of each job that is waiting or running, by id."""
        return dict(line.split() for line in self.ask("squeue", "-h", "-o", "%A %T").splitlines())

    def accounts(self, job, fields):
        """Return what accounting has of each attempt of a job, oldest first, a dict each."""
        options = ["-D", "-X", "-n", "-P", "--noconvert", "-j", str(job), "-o", ",".join(fields)]
        rows = self.ask("sacct", *options).splitlines()
        return [dict(zip(fields, row.split("|"), strict=True)) for row in rows]

    def wait_for(self, condition, what):
        """Return the condition's value as soon as it holds."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            value = condition()
            if value:
                return value
            time.sleep(0.1)
        pytest.fail(f"waited in vain for {what}; jobs: {self.jobs()}")
        return None

    def wait_for_jobs(self):
        """Wait until no job waits or runs."""
        self.wait_for(lambda: not self.jobs(), "the end of all jobs")


@contextlib.contextmanager
def running_slurm():
    """Run a cluster; it ends with this process, however that ends."""
    folder = Path(tempfile.mkdtemp(prefix="nicarbon-slurm-"))
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder / "slurm")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        answer = process.stdout.readline()
        found = json.loads(answer) if answer.startswith("{") else {"cannot": answer}
        try:
            if "cannot" in found:
                pytest.skip(f"no Slurm: {found['cannot']}")
            ready = found["ready"]
            conf, user = ready.pop("slurm_conf"), os.environ.get("LOGNAME", "user")
            yield Slurm(env={"SLURM_CONF": conf, "LOGNAME": user}, **ready)
        finally:
            process.stdin.close()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def slurm_session():
    with running_slurm() as cluster:
        yield cluster


@pytest.fixture
def another_slurm():
    """What runs a further cluster, beside that of the session."""
    return running_slurm


@pytest.fixture
def slurm(slurm_session):
    """The cluster, without a job when a test begins and when it has ended."""
    yield slurm_session
    for job in slurm_session.jobs():
        slurm_session.ask("scancel", job)
    slurm_session.wait_for_jobs()
