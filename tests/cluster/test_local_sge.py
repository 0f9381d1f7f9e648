# SPDX-License-Identifier: Apache-2.0
"""The Grid Engine of the tests is a real one, and nipype's nodes are metered in its jobs."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from every_engine import assert_sum_is_kept
from science import assert_no_pickle_names_us, science

from nicarbon.attribution import attribute
from nicarbon.reader import read_run
from nicarbon.run import Run


def test_a_job_runs_and_is_accounted(grid_engine, tmp_path):
    out = tmp_path / "out"
    job = grid_engine.ask(
        *("qsub", "-terse", "-sync", "y", "-b", "y", "-j", "y", "-o", out, "hostname")
    ).split()[0]
    assert out.read_text().split() == grid_engine.nodes
    assert os.uname().nodename not in grid_engine.nodes
    assert not os.path.exists("/var/lib/gridengine/default/common/accounting")
    # Accounts come some seconds late.
    command = ("sh", "-c", f"qacct -j {job} 2>&1 || true")
    grid_engine.wait_for(lambda: "exit_status  0" in grid_engine.ask(*command), "the account")


# A polling plugin makes a job of each element, and runs what is not to be submitted itself.
@pytest.mark.parametrize(("plugin", "n_jobs"), [("SGE", 5), ("SGEGraph", 4)])
def test_every_node_is_metered_in_its_job(grid_engine, workflow, tmp_path, plugin, n_jobs):
    plain = science(workflow("small").base)
    (tmp_path / "work").rename(tmp_path / "plain")
    turns = []
    for run_dir in (tmp_path / "run", None):
        done = workflow("small", plugin, run_dir, **grid_engine.nipype)
        assert done.ended["type"] is None, done.stderr[-2000:]
        assert_no_pickle_names_us(done.base)
        found = science(done.base)
        assert (found["output"], found["hash"]) == (plain["output"], plain["hash"])
        turns.append(len(done.ran))
    assert turns == [3, 0]

    facts = read_run(tmp_path / "run")
    assert facts.n_skipped_lines == 0
    result = attribute(facts)
    nodes = {"small.first", "small.each", "small.last", "small.here"}
    ran = Counter(span.node for span in result.spans if span.outcome == "ran")
    assert ran == Counter([*nodes, "small.each[0]", "small.each[1]"])
    jobs = [file.job for file in facts.node_files if file.job is not None]
    assert {job.scheduler for job in jobs} == {"sge"}
    assert len({job.job_id for job in jobs}) == len(jobs) == n_jobs
    assert_sum_is_kept(result)
    assert len(result.hosts) == 1


def test_a_job_is_deleted(grid_engine, burn, nicarbon, used_s, tmp_path):
    nodes = {"deleted": {}, "fine": {"cpu_s": 2.0}}
    done = burn(grid_engine, "SGEGraph", "run", nodes)
    assert done.returncode == 0, done.stderr
    grid_engine.wait_for(lambda: used_s("deleted") > 1.5, "the node to have used CPU time")
    (job,) = {
        file.job.job_id
        for file in read_run(tmp_path / "run").node_files
        if file.job and file.job.node == "w.deleted"
    }
    grid_engine.ask("qdel", job)
    grid_engine.wait_for_jobs()
    grid_engine.wait_for(
        lambda: "jobnumber" in grid_engine.ask("sh", "-c", f"qacct -j {job} 2>&1 || true"),
        "the job's account",
    )
    assert nicarbon(grid_engine, "gather", "run").returncode == 0
    result = Run.open(tmp_path / "run").attribution
    assert_sum_is_kept(result)
    spans = {span.node: span for span in result.spans}
    assert spans["w.fine"].outcome == "ran"
    deleted = spans["w.deleted"]
    # Grid Engine says that a signal ended it, and not whose.
    assert (deleted.outcome, deleted.ended_by) == ("killed", None)
    assert abs(deleted.cpu_s - used_s("deleted")) < 1.5
    assert deleted.energy_j > 0
