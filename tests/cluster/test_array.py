# SPDX-License-Identifier: Apache-2.0
"""The recipe for array jobs, one subject a task, on a real Slurm: the tasks that are not whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RECIPE = Path(__file__).parents[2] / "docs/examples/array-job.sh"
# In place of the program that the recipe runs: one node, by what its subject is called.
PROGRAM = """\
#!{python}
import os, sys
from nipype import Function, Node, Workflow

def work(seconds):
    import time
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(20000))
    return seconds

subject = sys.argv[sys.argv.index("--participant-label") + 1]
wf = Workflow(name="wf", base_dir=os.path.abspath("work-" + subject))
node = Node(Function(function=work, input_names=["seconds"], output_names=["o"]), name="work")
node.inputs.seconds = {{"long": 600, "broken": "not a number"}}.get(subject, 1)
wf.add_nodes([node])
wf.run(plugin="Linear")
"""


def test_tasks_that_are_missing_or_dead_are_named(slurm, environment, tmp_path):
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    (bin_dir / "fmriprep").write_text(PROGRAM.format(python=sys.executable))
    (bin_dir / "fmriprep").chmod(0o755)
    (tmp_path / "subjects.txt").write_text("short\nbroken\nlong\nlate\n")
    (tmp_path / "array-job.sh").write_text(RECIPE.read_text())
    path = os.pathsep.join([str(bin_dir), str(Path(sys.executable).parent), os.environ["PATH"]])

    def run(*command):
        return subprocess.run(
            command,
            env=environment(PATH=path, **slurm.env),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    sizes = ["--array=1-4%3", "--cpus-per-task=1", "--time=10"]
    number = run("sbatch", "--parsable", *sizes, "array-job.sh").stdout.strip()
    slurm.ask("scancel", f"{number}_4")
    samples = (tmp_path / "runs/long").glob
    slurm.wait_for(
        lambda: any(b'"sample"' in path.read_bytes() for path in samples("samples-*")),
        "the long task",
    )
    slurm.wait_for(lambda: len(slurm.jobs()) == 1, "the end of the first two")
    slurm.ask("scancel", f"{number}_3")
    slurm.wait_for_jobs()

    summary = run("nicarbon", "summary", "runs/*", "--expect", "subjects.txt")
    assert summary.returncode == 2
    assert "1 of 4 runs expected is missing: late" in summary.stderr
    rows = {line.split()[0]: line.split() for line in summary.stdout.splitlines() if line.strip()}
    for subject, state in {"short": "ok", "broken": "failed", "long": "dead"}.items():
        assert state in rows[subject], summary.stdout
