# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.energies import Attribution
from nicarbon.history import Queue, queue, with_history
from nicarbon.records import (
    Driver,
    Graph,
    Job,
    JobFact,
    JobFacts,
    Node,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
    Submitted,
)

S = 1_000_000_000
UNIX_S = 1_790_000_000
GRAPH = Graph(
    "wf",
    "SLURMGraph",
    (Node("wf.a"), Node("wf.b"), Node("wf.m", map_node=True)),
    (("wf.a", "wf.b"), ("wf.a", "wf.m")),
)


def unix(t_s):
    return round((UNIX_S + t_s) * S)


def driver(*submitted):
    lines = tuple(Submitted(node, unix(t_s), unix(t_s), *place) for node, t_s, *place in submitted)
    return NodeFile(Process("0d", "login", 1, 1, "0d-1-1", "0d-1-1"), lines)


def job(pid, node, t_s, job_id="", restart=0):
    lines = (
        Driver("start", round(t_s * S), unix(t_s), 0.0),
        Job(node, round((t_s + 0.2) * S), unix(t_s + 0.2), "slurm", job_id, restart),
    )
    key = f"0a-{pid}-1"
    return NodeFile(Process("0a", "n1", pid, 1, key, key), lines)


@pytest.fixture
def spans_of(run_folders):
    """Attribute a made-up run, its executions as (process, node, start, end, what else)."""

    def make(*executions, files=(), answers=()):
        spans = []
        for pid, node, start_s, end_s, *more in executions:
            given = more[0] if more else {}
            number = sum(span.span.startswith(f"0a-{pid}-") for span in spans)
            given = {"start_unix_s": UNIX_S + start_s, **given}
            spans.append(
                run_folders.span(
                    node, start_s, end_s, host="0a", **{"span": f"0a-{pid}-1-{number}", **given}
                )
            )
        facts = RunFacts(
            RunInfo("made-by-hand", 0), (GRAPH,), tuple(files), job_facts=tuple(answers)
        )
        return with_history(Attribution((), tuple(spans)), facts).spans

    return make


def test_a_node_that_is_executed_once_has_one_attempt(spans_of):
    (span,) = spans_of((1, "wf.a", 0, 1, {"outcome": "failed"}))
    assert (span.attempt, span.wasted, span.job, span.queue_wait_s) == (1, False, None, None)


def test_an_attempt_that_did_not_deliver_is_waste_once_there_is_another(spans_of):
    spans = spans_of(
        (3, "wf.a", 9, 10),
        (1, "wf.a", 0, 1, {"outcome": "killed"}),
        (2, "wf.a", 5, 6, {"outcome": "failed"}),
        (4, "wf.b", 0, 1, {"outcome": "killed"}),
    )
    assert [(s.attempt, s.wasted) for s in spans] == [(3, False), (1, True), (2, True), (1, False)]


def test_what_delivered_is_no_waste_even_if_it_is_done_again(spans_of):
    spans = spans_of((1, "wf.a", 0, 1), (2, "wf.a", 5, 6))
    assert [(s.attempt, s.wasted) for s in spans] == [(1, False), (2, False)]


def test_a_cached_look_is_no_attempt(spans_of):
    spans = spans_of(
        (1, "wf.a", 0, 1, {"outcome": "failed"}), (1, "wf.a", 3, 3, {"outcome": "cached"})
    )
    assert [(s.attempt, s.wasted) for s in spans] == [(1, False), (1, False)]


def test_elements_of_a_killed_map_node_that_delivered_are_no_waste(spans_of):
    whole = {"outcome": "killed"}
    inside = {"parent": "0a-1-1-0", "map_node": "wf.m"}
    spans = spans_of(
        (1, "wf.m", 0, 5, whole),
        (1, "wf.m[0]", 0, 2, inside),
        (1, "wf.m[1]", 2, 5, {**inside, "outcome": "killed"}),
        (2, "wf.m", 10, 15),
        (2, "wf.m[0]", 10, 10, {"parent": "0a-2-1-0", "map_node": "wf.m", "outcome": "cached"}),
        (2, "wf.m[1]", 10, 15, {"parent": "0a-2-1-0", "map_node": "wf.m"}),
    )
    assert [s.node for s in spans if s.wasted] == ["wf.m", "wf.m[1]"]


def test_a_job_waits_from_its_submission_until_its_process_starts(spans_of):
    files = [driver(("wf.a", 1.0, "slurm", "12")), job(1, "wf.a", 4.0, "12")]
    (span,) = spans_of((1, "wf.a", 5, 6), files=files)
    assert span.job == "slurm 12"
    assert span.queue_wait_s == pytest.approx(3.0, abs=1e-6)
    assert span.end_s - span.start_s == 1


def test_a_graphs_job_waits_from_the_end_of_what_it_needs(spans_of):
    files = [
        driver(("wf.a", 1.0), ("wf.b", 1.0)),
        job(1, "wf.a", 2.0, "12"),
        job(2, "wf.b", 8.0, "13"),
    ]
    first, second = spans_of((1, "wf.a", 3, 6), (2, "wf.b", 9, 10), files=files)
    assert first.queue_wait_s == pytest.approx(1.0, abs=1e-6)
    assert second.queue_wait_s == pytest.approx(2.0, abs=1e-6)


def test_what_is_submitted_by_itself_has_all_that_it_needs(spans_of):
    files = [driver(("wf.b", 7.0, "slurm", "13")), job(2, "wf.b", 9.0, "13")]
    (span,) = spans_of((2, "wf.b", 9, 10), files=files)
    assert span.queue_wait_s == pytest.approx(2.0, abs=1e-6)


def test_a_graphs_job_that_needs_what_left_no_record_waited_nobody_knows_how_long(spans_of):
    files = [driver(("wf.a", 1.0), ("wf.b", 1.0)), job(2, "wf.b", 8.0)]
    (span,) = spans_of((2, "wf.b", 9, 10), files=files)
    assert (span.job, span.queue_wait_s) == ("slurm", None)


def test_what_is_needed_may_have_been_found_in_the_cache(spans_of):
    files = [driver(("wf.a", 1.0), ("wf.b", 1.0)), job(1, "wf.a", 2.0), job(2, "wf.b", 8.0)]
    cached = (1, "wf.a", 4, 5, {"outcome": "cached"})
    _, span = spans_of(cached, (2, "wf.b", 9, 10), files=files)
    assert span.queue_wait_s == pytest.approx(3.0, abs=1e-6)


def test_what_is_needed_ended_before_whatever_the_clocks_say(spans_of):
    files = [driver(("wf.a", 1.0), ("wf.b", 1.0)), job(1, "wf.a", 2.0), job(2, "wf.b", 8.0)]
    _, span = spans_of((1, "wf.a", 4, 8.5), (2, "wf.b", 9, 10), files=files)
    assert span.queue_wait_s == 0.0


def test_clocks_that_disagree_make_no_negative_wait(spans_of):
    files = [driver(("wf.a", 5.0, "slurm", "12")), job(1, "wf.a", 4.0, "12")]
    (span,) = spans_of((1, "wf.a", 5, 6), files=files)
    assert span.queue_wait_s == 0.0


def test_of_several_submissions_without_a_number_the_last_before_the_job_counts(spans_of):
    files = [driver(("wf.a", 1.0), ("wf.a", 10.0)), job(1, "wf.a", 4.0), job(2, "wf.a", 12.0)]
    first, second = spans_of((1, "wf.a", 5, 6), (2, "wf.a", 13, 14), files=files)
    assert first.queue_wait_s == pytest.approx(3.0, abs=1e-6)
    assert second.queue_wait_s == pytest.approx(2.0, abs=1e-6)


def test_only_the_scheduler_knows_since_when_a_requeued_job_waited(spans_of):
    files = [driver(("wf.a", 1.0, "slurm", "12")), job(2, "wf.a", 50.0, "12", restart=1)]
    (span,) = spans_of((2, "wf.a", 51, 52), files=files)
    assert (span.job, span.queue_wait_s) == ("slurm 12", None)
    rows = (
        JobFact("12", t_submit_unix_s=UNIX_S + 1.0, t_start_unix_s=UNIX_S + 2.0),
        JobFact("12", t_submit_unix_s=UNIX_S + 20.0, t_start_unix_s=UNIX_S + 50.0),
    )
    answers = [JobFacts("slurm", unix(90), rows)]
    (span,) = spans_of((2, "wf.a", 51, 52), files=files, answers=answers)
    assert span.queue_wait_s == pytest.approx(30.0, abs=1e-6)


def test_a_job_that_runs_several_nodes_waited_once(spans_of):
    files = [driver(("wf.m", 1.0, "slurm", "12")), job(1, "wf.m", 4.0, "12")]
    inside = {"parent": "0a-1-1-0", "map_node": "wf.m"}
    spans = spans_of((1, "wf.m", 5, 9), (1, "wf.m[0]", 5, 7, inside), files=files)
    assert [(s.job is not None, s.queue_wait_s is not None) for s in spans] == [
        (True, True),
        (False, False),
    ]


def test_a_run_without_jobs_has_no_queue(spans_of):
    assert queue(spans_of((1, "wf.a", 0, 1))) is None


def test_waits_are_added_up(spans_of):
    files = [
        driver(("wf.a", 1.0, "slurm", "12"), ("wf.b", 6.0, "slurm", "13")),
        job(1, "wf.a", 2.0, "12"),
        job(2, "wf.b", 11.0, "13"),
        job(3, "wf.c", 11.0, "14"),
    ]
    spans = spans_of((1, "wf.a", 3, 6), (2, "wf.b", 12, 13), (3, "wf.c", 12, 13), files=files)
    found = queue(spans)
    assert (found.n_jobs, found.n_unknown, found.longest) == (2, 1, "wf.b")
    assert found.total_s == pytest.approx(1.0 + 5.0, abs=1e-6)
    assert found.longest_s == pytest.approx(5.0, abs=1e-6)
    assert queue(spans[2:]) == Queue(0, 1, 0.0, 0.0, "")
