# SPDX-License-Identifier: Apache-2.0
"""Every kind of node in real jobs, plain and metered taking turns on one folder."""

from __future__ import annotations

from datetime import datetime

import pytest
from every_engine import assert_metered, take_turns

from nicarbon.reader import read_run
from nicarbon.records import Job, Start
from nicarbon.run import Run

# What starting a Python takes on a busy machine, at most.
START_S = 20
# More than the four that run, so that jobs wait; each that waits is asked for in every turn.
MAX_JOBS = 8
# What is not to be submitted runs in the driver, if the engine has one that stays.
IN_DRIVER = {"top.here", "top.m_here", *(f"top.m_here[{index}]" for index in range(3))}


@pytest.mark.parametrize(
    ("plugin", "plugin_args", "expanded", "in_driver"),
    [
        ("SLURM", {"max_jobs": MAX_JOBS}, True, IN_DRIVER),
        ("SLURMGraph", {"dont_resubmit_completed_jobs": True}, False, set()),
    ],
)
def test_forty_nodes(slurm, workflow, tmp_path, plugin, plugin_args, expanded, in_driver):
    base, run_dir = take_turns(workflow, tmp_path, plugin, plugin_args=plugin_args, **slurm.nipype)
    result = assert_metered(base, run_dir, expanded)
    # Two names of one machine are one host.
    assert len(result.hosts) == 1
    files = read_run(run_dir).node_files
    if slurm.own_hostnames:
        assert {file.process.hostname for file in files} >= set(slurm.nodes)

    in_jobs, numbers = set(), []
    for file in files:
        jobs = [line for line in file.lines if isinstance(line, Job)]
        starts = [line.node for line in file.lines if isinstance(line, Start)]
        assert {job.scheduler for job in jobs} <= {"slurm"}
        # A job is for one node: the first that runs there, be it with its elements.
        assert [job.node for job in jobs] == starts[:1] * len(jobs)
        in_jobs |= set(starts) if jobs else set()
        numbers += [job.job_id for job in jobs]
    assert len(set(numbers)) == len(numbers)
    assert {span.node for span in result.spans} - in_jobs == in_driver
    assert_waits_are_known(slurm, run_dir, numbers)


def assert_waits_are_known(slurm, run_dir, numbers):
    """Each job's wait is its own figure, as long as Slurm's account of it or shorter."""
    run = Run.open(run_dir)
    waits = {s.job: s.queue_wait_s for s in run.attribution.spans if s.job is not None}
    assert waits.keys() == {f"slurm {number}" for number in numbers}
    for number in numbers:
        (account,) = slurm.accounts(number, ["Submit", "Start"])
        submit, start = (datetime.fromisoformat(account[key]) for key in ("Submit", "Start"))
        # Slurm counts from the submission even where a job waits for another, in whole seconds;
        # here a wait ends when the job's Python runs.
        assert 0 <= waits[f"slurm {number}"] <= (start - submit).total_seconds() + START_S
    queue = run.summary().queue
    assert (queue.n_jobs, queue.n_unknown) == (len(numbers), 0)
    # Four jobs at a time, and more at once.
    assert queue.total_s > 10
