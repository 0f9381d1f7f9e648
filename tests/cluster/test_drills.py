# SPDX-License-Identifier: Apache-2.0
"""What a batch system does to a job that it ends: what was used until then is kept, and how.

Each node writes down what it has used so far, so that what is recorded of it can be compared with
its own account of itself.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from every_engine import assert_sum_is_kept

from nicarbon.reader import read_run
from nicarbon.run import Run

# A sample, and what a busy machine adds.
LATE_S = 1.5

PROGRAM = """
import json, os, sys
import nicarbon
from nipype import Function, MapNode, Node, Workflow

def burn(path, cpu_s, megabytes):
    import os, time
    with open(path + ".attempts", "a") as file:
        file.write("x")
    if os.path.getsize(path + ".attempts") > 1:
        return "at the second attempt"
    held, used_s, began = [], 0.0, time.process_time()
    while used_s < cpu_s or megabytes:
        if len(held) < megabytes / 10 and used_s > cpu_s:
            held.append(bytearray(b"x") * (10 << 20))
        used_s = time.process_time() - began
        with open(path + ".part", "w") as file:
            file.write(str(used_s))
        os.replace(path + ".part", path + ".used")
    return "at once"

def function():
    names = ["path", "cpu_s", "megabytes"]
    return Function(function=burn, input_names=names, output_names=["o"])

wf = Workflow(name="w", base_dir=os.path.abspath("work"))
wf.config["execution"] = {
    "poll_sleep_duration": "0.5", "crashdump_dir": os.path.abspath("."),
    "job_finished_timeout": "3",
}
plugin, nodes = sys.argv[1], json.loads(sys.argv[2])
for name, (args, cpu_s, megabytes) in nodes.items():
    node = Node(function(), name=name)
    node.inputs.path = os.path.abspath(name)
    node.inputs.cpu_s, node.inputs.megabytes = cpu_s, megabytes
    node.plugin_args = {"sbatch_args": args}
    wf.add_nodes([node])
if plugin == "SLURM":
    node = MapNode(function(), iterfield=["path"], name="m")
    node.inputs.path = [os.path.abspath(f"m{k}") for k in range(3)]
    node.inputs.cpu_s, node.inputs.megabytes = 2.5, 0
    wf.add_nodes([node])
plugin_args = {"dont_resubmit_completed_jobs": False} if plugin == "SLURMGraph" else {}
plugin = nicarbon.plugin(plugin, run_dir="run", interval_s=0.25, plugin_args=plugin_args)
wf.run(plugin=plugin)
"""


@pytest.fixture
def run_program(slurm, environment, tmp_path):
    """Run the program, and programs beside it."""
    (tmp_path / "program.py").write_text(PROGRAM)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment(**slurm.env),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=180,
        )

    return run


@pytest.fixture
def job_named(slurm):
    """Return the number of the job whose name has this in it."""

    def find(part):
        lines = slurm.ask("squeue", "-h", "-o", "%A %j").splitlines()
        (number,) = (line.split()[0] for line in lines if part in line.split()[1])
        return number

    return find


@pytest.fixture
def used_s(tmp_path):
    """Return what a node says that it has used so far."""

    def read(name):
        path = tmp_path / f"{name}.used"
        return float(path.read_text()) if path.exists() else 0.0

    return read


FOREVER = 1000.0
FATES = {
    "cancelled": "cancelled",
    "timed_out": "time limit",
    "failed_node": "node failure",
    "requeued": "requeued",
    "out_of_memory": "out of memory",
}


def test_how_a_job_ends(slurm, run_program, job_named, used_s, tmp_path):
    one, other = slurm.nodes
    # Of two slots, two jobs have them until they are ended; the others wait for their turn.
    nodes = {
        "cancelled": (f"-w {one}", FOREVER, 0),
        "timed_out": (f"-w {one} -t 1", FOREVER, 0),
        "failed_node": (f"-w {other} -c 2", FOREVER, 0),
        "requeued": (f"-w {one}", FOREVER, 0),
        "fine": (f"-w {one}", 2.0, 0),
    }
    if slurm.limits_memory:
        nodes["out_of_memory"] = (f"-w {one} --mem=300", 2.0, 1000)
    done = run_program("program.py", "SLURMGraph", json.dumps(nodes))
    assert done.returncode == 0, done.stderr
    for name in ("cancelled", "timed_out", "failed_node"):
        slurm.wait_for(lambda name=name: used_s(name) > 1.5, f"{name} to have used CPU time")
    slurm.ask("scancel", job_named("cancelled"))
    slurm.ask("scontrol", "update", f"jobid={job_named('timed_out')}", "EndTime=now+1")
    slurm.ask("scontrol", "update", f"nodename={other}", "state=down", "reason=drill")
    slurm.wait_for(lambda: used_s("requeued") > 1.5, "the next node to have used CPU time")
    with contextlib.suppress(subprocess.CalledProcessError):  # It may be back by itself.
        slurm.ask("scontrol", "update", f"nodename={other}", "state=resume")
    slurm.ask("scontrol", "requeue", job_named("requeued"))
    slurm.wait_for_jobs()
    # What is there can be read at once, and nobody has to have cleaned up.
    assert run_program("-m", "nicarbon", "summary", "run").returncode == 0
    slurm.wait_for_accounts()
    gathered = run_program("-m", "nicarbon", "gather", "run")
    assert gathered.returncode == 0, gathered.stderr
    facts = read_run(tmp_path / "run")
    assert facts.n_skipped_lines == 0
    run = Run.open(tmp_path / "run")
    assert_sum_is_kept(run.attribution)
    attempts = {}
    for span in run.attribution.spans:
        attempts.setdefault(span.node.removeprefix("w."), []).append(span)
    assert attempts.keys() == nodes.keys()

    (fine,) = attempts.pop("fine")
    assert (fine.outcome, fine.ended_by, fine.wasted) == ("ran", None, False)
    for name, spans in attempts.items():
        first, *again = spans
        assert (first.outcome, first.ended_by) == ("killed", FATES[name]), name
        assert used_s(name) - LATE_S < first.cpu_s < used_s(name) + LATE_S, name
        assert first.energy_j > 0
        # It ended when it was ended, not with the run.
        assert first.end_s - first.start_s < run.attribution.hosts[0].duration_s - 1
        came_again = name in ("failed_node", "requeued")
        assert [span.outcome for span in again] == ["ran"] * came_again
        assert first.wasted == came_again
    summary = run_program("-m", "nicarbon", "summary", "run")
    assert "wasted in 2 executions" in summary.stdout
    assert "time limit" in summary.stdout


def test_an_element_is_cancelled(slurm, run_program, job_named, used_s, tmp_path):
    nodes = {"plain": ("", 2.5, 0)}
    with ThreadPoolExecutor(1) as pool:
        driver = pool.submit(run_program, "program.py", "SLURM", json.dumps(nodes))
        slurm.wait_for(lambda: used_s("m1") > 1, "the element to have used CPU time")
        slurm.ask("scancel", job_named("_m1"))
        done = driver.result()
    # nipype can't report a node whose job left nothing (its issue 3372): that end is its own.
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(("TypeError", "nicarbon")), done.stderr
    slurm.wait_for_jobs()
    run = Run.open(tmp_path / "run")
    assert_sum_is_kept(run.attribution)
    spans = {span.node: span for span in run.attribution.spans}
    killed = spans.pop("w.m[1]")
    assert (killed.outcome, killed.ended_by) == ("killed", "cancelled")
    assert used_s("m1") - LATE_S < killed.cpu_s < used_s("m1") + LATE_S
    # The others went on without their driver, to their end.
    assert spans.keys() == {"w.plain", "w.m[0]", "w.m[2]"}
    assert {span.outcome for span in spans.values()} == {"ran"}
    assert all(span.cpu_s >= 2.5 for span in spans.values())
