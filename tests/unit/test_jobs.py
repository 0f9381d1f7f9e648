# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.jobs import Ending, attempt_of, endings, number_of, scheduler_facts
from nicarbon.records import Driver, Job, JobFact, JobFacts, NodeFile, Process, RunFacts, RunInfo

S = 1_000_000_000


def job(key, t_s, job_id="12", restart=0, ended=False, scheduler="slurm"):
    lines = [
        Driver("start", t_s * S, t_s * S, 0.0),
        Job("wf.a", t_s * S, t_s * S, scheduler, job_id, restart),
    ]
    if ended:
        lines.append(Driver("end", (t_s + 5) * S, (t_s + 5) * S, 1.0))
    return NodeFile(Process("0a", "n1", 1, 1, key, key), tuple(lines))


def fact(state, start_s=None, how=None, over=True, job_id="12"):
    return JobFact(job_id, state, how, over, t_start_unix_s=start_s)


def run(*files, answers=()):
    return RunFacts(RunInfo("made-by-hand", 0), node_files=files, job_facts=tuple(answers))


def answer(*facts, t_s=1000):
    return JobFacts("slurm", t_s * S, facts)


def test_a_job_that_said_so_has_ended():
    assert endings(run(job("k", 100, ended=True))) == {"k": Ending()}


def test_of_a_job_that_says_nothing_nothing_is_known():
    assert endings(run(job("k", 100))) == {}


def test_the_scheduler_says_how_it_ended():
    facts = run(job("k", 100), answers=[answer(fact("TIMEOUT", 99, "time limit"))])
    assert endings(facts) == {"k": Ending("time limit")}


def test_what_goes_on_is_not_over():
    facts = run(job("k", 100), answers=[answer(fact("RUNNING", 99, over=False))])
    assert endings(facts) == {}


def test_the_scheduler_may_know_more_of_a_job_that_ended_itself():
    kill = answer(fact("OUT_OF_MEMORY", 99, "out of memory"))
    assert endings(run(job("k", 100, ended=True), answers=[kill])) == {
        "k": Ending("out of memory")
    }


def test_an_attempt_before_another_one_was_requeued():
    facts = run(job("first", 100), job("second", 200, restart=1))
    assert endings(facts) == {"first": Ending("requeued")}


def test_each_attempt_has_its_own_end():
    rows = answer(fact("NODE_FAIL", 99, "node failure"), fact("COMPLETED", 199))
    facts = run(job("first", 100), job("second", 200, restart=1, ended=True), answers=[rows])
    assert endings(facts) == {"first": Ending("node failure"), "second": Ending()}


def test_jobs_without_a_number_are_not_confused():
    facts = run(job("a", 100, ""), job("b", 200, "", restart=1))
    assert endings(facts) == {}


def test_the_last_answer_holds():
    before = answer(fact("RUNNING", 99, over=False), t_s=10)
    after = answer(fact("CANCELLED by 0", 99, "cancelled"), t_s=20)
    other = answer(fact("FAILED", 99, "failed", job_id="13"), t_s=30)
    known = scheduler_facts(run(answers=[after, other, before]))
    assert known["slurm", "12"][0].how == "cancelled"
    assert known["slurm", "13"][0].how == "failed"


@pytest.mark.parametrize("written", ["101", "101.server", "101.0"])
def test_a_number_is_the_same_however_it_is_written(written):
    assert number_of("pbs", written) == ("pbs", "101")


def test_an_attempt_is_the_last_that_had_begun():
    waiting, first, second = fact("PENDING"), fact("A", 99), fact("B", 150)
    at = Job("wf.a", 0, 100 * S)
    assert attempt_of(at, [first, second, waiting]) is first
    assert attempt_of(at, [waiting]) is None
    # The scheduler's clock may be a little late, and it counts whole seconds.
    assert attempt_of(at, [fact("A", 101)]) is not None
