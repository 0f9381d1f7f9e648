# SPDX-License-Identifier: Apache-2.0
"""What a batch system does to a job that it ends: what was used until then is kept, and how.

Each node writes down what it has used so far, so that what is recorded of it can be compared with
its own account of itself.
"""

from __future__ import annotations

import contextlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from every_engine import assert_sum_is_kept

from nicarbon.reader import read_run
from nicarbon.run import Run

# A sample, and what a busy machine adds.
LATE_S = 1.5
FATES = {
    "cancelled": "cancelled",
    "timed_out": "time limit",
    "failed_node": "node failure",
    "requeued": "requeued",
    "out_of_memory": "out of memory",
}


@pytest.fixture
def job_named(slurm):
    """Return the number of the job whose name has this in it."""

    def find(part):
        lines = slurm.ask("squeue", "-h", "-o", "%A %j").splitlines()
        (number,) = (line.split()[0] for line in lines if part in line.split()[1])
        return number

    return find


def test_how_a_job_ends(slurm, burn, nicarbon, job_named, used_s, tmp_path):
    one, other = slurm.nodes
    # Of two slots, two jobs have them until they are ended; the others wait for their turn.
    nodes = {
        "cancelled": {"sbatch_args": f"-w {one}"},
        "timed_out": {"sbatch_args": f"-w {one} -t 1"},
        "failed_node": {"sbatch_args": f"-w {other} -c 2"},
        "requeued": {"sbatch_args": f"-w {one}"},
        "fine": {"sbatch_args": f"-w {one}", "cpu_s": 2.0},
    }
    if slurm.limits_memory:
        args = f"-w {one} --mem=300"
        nodes["out_of_memory"] = {"sbatch_args": args, "cpu_s": 2.0, "megabytes": 1000}
    done = burn(slurm, "SLURMGraph", "run", nodes)
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
    assert nicarbon(slurm, "summary", "run").returncode == 0
    slurm.wait_for_accounts()
    gathered = nicarbon(slurm, "gather", "run")
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
    summary = nicarbon(slurm, "summary", "run")
    assert "2 executions did not deliver and were done again" in summary.stdout
    assert "2 executions done again (" in " ".join(summary.stdout.split())
    assert "time limit" in summary.stdout


def test_an_element_is_cancelled(slurm, burn, job_named, used_s, tmp_path):
    nodes = {"plain": {"cpu_s": 2.5}, "m": {"cpu_s": 2.5, "elements": 3}}
    with ThreadPoolExecutor(1) as pool:
        driver = pool.submit(burn, slurm, "SLURM", "run", nodes)
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
