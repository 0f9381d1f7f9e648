# SPDX-License-Identifier: Apache-2.0
"""Real batch systems for the session; where one can't start, its tests are skipped and say why."""

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

HERE = Path(__file__).parent
# Long enough for any loaded machine; nothing here is timed.
PATIENCE_S = 90


@dataclass(frozen=True)
class Cluster:
    """A running batch system.

    Attributes
    ----------
    env : dict
        What a client's environment has beside its own; nipype wants to know who logs in.
    nodes : list of str
        Names of its nodes, all on this machine.
    enter : list of str
        The command by which a client reaches it, to be put in front of its own.
    limits_memory : bool
        Whether a job that takes more memory than it asked for is killed.
    own_hostnames : bool
        Whether a job sees its node's name as the machine's.
    """

    env: dict[str, str]
    nodes: list[str]
    enter: tuple[str, ...] = ()
    limits_memory: bool = False
    own_hostnames: bool = True

    @property
    def nipype(self):
        """What the fixture `workflow` must be told for nipype to run on it."""
        # Each question to squeue costs nipype 0.2 s.
        how = {"env": self.env, "enter": self.enter, "poll_s": 0.5}
        return {**how, "settle": self.wait_for_jobs}

    def ask(self, *command):
        """Run a client; return what it prints."""
        return subprocess.run(
            [*self.enter, *command],
            env={**os.environ, **self.env},
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        ).stdout

    def jobs(self):
        """Return the state of each job that is waiting or running, by id."""
        raise NotImplementedError

    def cancel(self, job):
        """Cancel a job, whatever its state."""
        raise NotImplementedError

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


class Slurm(Cluster):
    """A running Slurm, with accounting."""

    def jobs(self):
        return dict(line.split() for line in self.ask("squeue", "-h", "-o", "%A %T").splitlines())

    def cancel(self, job):
        self.ask("scancel", job)

    def accounts(self, job, fields):
        """Return what accounting has of each attempt of a job, oldest first, a dict each."""
        options = ["-D", "-X", "-n", "-P", "--noconvert", "-j", str(job), "-o", ",".join(fields)]
        rows = self.ask("sacct", *options).splitlines()
        return [dict(zip(fields, row.split("|"), strict=True)) for row in rows]

    def wait_for_accounts(self):
        """Wait until accounting, which comes some seconds late, says that all jobs are over."""
        command = ("sacct", "-D", "-X", "-n", "-P", "-o", "State")
        going = {"PENDING", "RUNNING"}
        self.wait_for(lambda: not going & set(self.ask(*command).split()), "the jobs' accounts")


class GridEngine(Cluster):
    """A running Grid Engine."""

    def jobs(self):
        # Two lines of heading, then number, priority, name, user, state ...
        lines = self.ask("qstat", "-u", "*").splitlines()[2:]
        return {line.split()[0]: line.split()[4] for line in lines}

    def cancel(self, job):
        self.ask("qdel", "-f", job)


@contextlib.contextmanager
def running(kind, script):
    """Run a batch system; it ends with this process, however that ends."""
    folder = Path(tempfile.mkdtemp(prefix="nicarbon-cluster-"))
    with subprocess.Popen(
        [sys.executable, str(HERE / script), str(folder / "cluster")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        answer = process.stdout.readline()
        found = json.loads(answer) if answer.startswith("{") else {"cannot": answer}
        try:
            if "cannot" in found:
                pytest.skip(f"no {kind.__name__}: {found['cannot']}")
            ready = found["ready"]
            ready["env"]["LOGNAME"] = os.environ.get("LOGNAME", "user")
            yield kind(**ready)
        finally:
            process.stdin.close()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def without_jobs(cluster):
    """Lend a cluster to a test; no job of it is left afterwards."""
    yield cluster
    for job in cluster.jobs():
        with contextlib.suppress(subprocess.CalledProcessError):  # It has ended by now.
            cluster.cancel(job)
    cluster.wait_for_jobs()


@pytest.fixture(scope="session")
def slurm_session():
    with running(Slurm, "local_slurm.py") as cluster:
        yield cluster


@pytest.fixture
def slurm(slurm_session):
    yield from without_jobs(slurm_session)


@pytest.fixture
def another_slurm():
    """What runs a further Slurm, beside that of the session."""
    return lambda: running(Slurm, "local_slurm.py")


@pytest.fixture(scope="session")
def grid_engine_session():
    with running(GridEngine, "local_sge.py") as cluster:
        yield cluster


@pytest.fixture
def grid_engine(grid_engine_session):
    yield from without_jobs(grid_engine_session)


@pytest.fixture
def python(environment, tmp_path):
    """Run Python in the test's folder as a user of a cluster does."""

    def run(cluster, *arguments):
        return subprocess.run(
            [*cluster.enter, sys.executable, *arguments],
            env=environment(**cluster.env),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


@pytest.fixture
def nicarbon(python):
    """Run a verb."""
    return lambda cluster, *arguments: python(cluster, "-m", "nicarbon", *arguments)


@pytest.fixture
def burn(python):
    """Run nodes that use CPU time: see `burning_nodes`."""

    def run(cluster, plugin, run_dir, nodes):
        return python(cluster, "-m", "burning_nodes", plugin, run_dir, json.dumps(nodes))

    return run


@pytest.fixture
def used_s(tmp_path):
    """What a burning node says that it has used so far."""

    def read(name):
        path = tmp_path / f"{name}.used"
        return float(path.read_text()) if path.exists() else 0.0

    return read
