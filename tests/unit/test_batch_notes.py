# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.batch_notes import batch_notes, explained
from nicarbon.records import (
    Driver,
    Job,
    JobFact,
    JobFacts,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
    Submitted,
    Unmetered,
)

S = 1_000_000_000


def driver(*names, job_ids=()):
    ids = dict(job_ids)
    lines = tuple(
        Submitted(name, S, S, "slurm" if name in ids else "", ids.get(name, "")) for name in names
    )
    return NodeFile(Process("0d", "login", 1, 1, "0d-1-1"), lines)


def job(pid, node, host="n1", ended=True, scheduler="slurm"):
    key = f"0a-{pid}-1"
    lines = [Driver("start", S, S, 0.0), Job(node, S, S, scheduler, str(100 + pid))]
    lines += [Driver("end", 2 * S, 2 * S, 1.0)] if ended else []
    return NodeFile(Process("0a", host, pid, 1, key, key), tuple(lines))


@pytest.fixture
def said(run_folders):
    def say(*files, spans=(), **more):
        facts = RunFacts(RunInfo("made-by-hand", 0), node_files=files, **more)
        made = [
            run_folders.span(node, span=f"0a-{pid}-1-0", **given) for pid, node, given in spans
        ]
        return list(batch_notes(facts, made)), explained(facts)

    return say


def test_a_run_without_jobs_needs_no_words(said):
    assert said(spans=[(1, "wf.a", {})]) == ([], set())


def test_jobs_that_ran_need_no_words(said):
    assert said(driver("wf.a"), job(1, "wf.a"), spans=[(1, "wf.a", {})]) == ([], set())


def test_unmetered_nodes_by_interpreter_host_and_reason(said):
    reason = "ModuleNotFoundError: No module named 'nicarbon'"
    unmetered = [Unmetered(name, "n1", "/opt/python3", reason) for name in ("wf.b", "wf.a")]
    unmetered.append(Unmetered("wf.c", "login", "", "an engine cannot import nicarbon"))
    lines, names = said(driver("wf.a", "wf.b"), unmetered=tuple(unmetered))
    assert lines == [
        "1 node ran unmetered (an engine cannot import nicarbon): wf.c",
        f"2 nodes ran unmetered by /opt/python3 on n1 ({reason}): wf.a, wf.b",
    ]
    assert names == {"wf.a", "wf.b", "wf.c"}


def test_nodes_whose_jobs_left_nothing(said):
    lines, names = said(driver("wf.a", "wf.b"), job(1, "wf.a"), spans=[(1, "wf.a", {})])
    assert names == {"wf.b"}
    (line,) = lines
    assert line.startswith("1 node submitted, and no record of a job yet: in the queue still, ")
    assert "it must be on a file system that the jobs share): wf.b" in line


def test_what_the_scheduler_says_of_them(said):
    files = driver("wf.a", "wf.b", job_ids=[("wf.a", "101"), ("wf.b", "102")])
    rows = (
        JobFact("101", "PENDING"),
        JobFact("102", "COMPLETED", over=True, hostname="n7", t_start_unix_s=1.0),
    )
    lines, _ = said(files, job_facts=(JobFacts("slurm", S, rows),))
    assert lines[0].endswith(": wf.a (pending), wf.b (completed)")
    assert lines[1:] == ["no job on n7 left a record: it seems not to share the run folder"]


def test_a_host_where_another_job_spoke_shares_the_folder(said):
    files = driver("wf.a", "wf.b", job_ids=[("wf.b", "102")])
    rows = (JobFact("102", "CANCELLED", "cancelled", True, hostname="n1", t_start_unix_s=1.0),)
    lines, _ = said(
        files,
        job(1, "wf.a"),
        spans=[(1, "wf.a", {})],
        job_facts=(JobFacts("slurm", S, rows),),
    )
    assert len(lines) == 1
    assert lines[0].endswith(": wf.b (cancelled)")


def test_a_job_that_ended_before_its_node_began(said):
    lines, _ = said(driver("wf.a"), job(1, "wf.a"))
    assert lines == ["1 job ended before its node began: wf.a"]


def test_a_job_without_an_end(said):
    lines, _ = said(driver("wf.a"), job(1, "wf.a", ended=False), spans=[(1, "wf.a", {})])
    (line,) = lines
    assert line.startswith("1 job without an end, still running or killed ")
    assert line.endswith("('nicarbon gather' asks the scheduler): wf.a")
    silent = job(1, "wf.a", ended=False, scheduler="lsf")
    (line,) = said(driver("wf.a"), silent, spans=[(1, "wf.a", {})])[0]
    assert line == "1 job without an end, still running or killed: wf.a"


def test_what_was_done_again_is_told_with_how_it_ended(said):
    spans = [
        (1, "wf.a", {"outcome": "killed", "wasted": True, "ended_by": "time limit"}),
        (2, "wf.b", {"outcome": "failed", "wasted": True, "energy_j": None}),
        (3, "wf.a", {"attempt": 2}),
    ]
    (line,) = said(spans=spans)[0]
    assert line == "2 executions did not deliver and were done again: wf.a (time limit), wf.b"
