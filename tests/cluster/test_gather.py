# SPDX-License-Identifier: Apache-2.0
"""Packing runs of batch jobs: by the driver that waited for them, and later where none did."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nicarbon.reader import read_run
from nicarbon.run import Run

N_NODES = 4
PROGRAM = f"""
import os, sys
from nipype import Function, Node, Workflow

def work(seconds):
    import time
    time.sleep(seconds)

wf = Workflow(name="wf", base_dir=os.path.abspath("work"))
for k in range({N_NODES}):
    function = Function(function=work, input_names=["seconds"], output_names=["o"])
    node = Node(function, name=f"n{{k}}")
    node.inputs.seconds = float(sys.argv[2])
    wf.add_nodes([node])
wf.run(plugin=sys.argv[1], plugin_args={{"dont_resubmit_completed_jobs": False}})
"""


@pytest.fixture
def nicarbon(slurm, environment, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "nicarbon", *arguments],
            env=environment(**slurm.env),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def assert_whole(folder):
    assert len(os.listdir(folder)) <= 3, os.listdir(folder)
    run = Run.open(folder)
    assert [span.outcome for span in run.attribution.spans] == ["ran"] * N_NODES
    assert len({file.process.key for file in run.facts.node_files if file.job}) == N_NODES
    assert all(file.close for file in run.facts.sample_files)
    [host] = run.attribution.hosts
    assert host.energy_j > 0
    assert abs(host.residual_j) <= 1e-9 * host.energy_j


def test_a_driver_that_waits_for_its_jobs_packs_them(nicarbon, tmp_path):
    done = nicarbon("run", "-o", "run", "program.py", "SLURM", "0")
    assert done.returncode == 0, done.stderr
    assert "nicarbon gather" not in done.stderr
    assert_whole(tmp_path / "run")


def test_jobs_that_outlive_their_driver_are_gathered_later(nicarbon, slurm, tmp_path):
    done = nicarbon("run", "-o", "run", "program.py", "SLURMGraph", "3")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].endswith(f"nicarbon gather {tmp_path / 'run'}")
    slurm.wait_for(lambda: read_run(tmp_path / "run").node_files[1:], "the first job")
    # Jobs that have begun are left alone; what they write goes on to be where they write it.
    assert nicarbon("gather", "run").returncode == 1
    slurm.wait_for_jobs()
    assert nicarbon("gather", "run").returncode == 0
    assert_whole(tmp_path / "run")
