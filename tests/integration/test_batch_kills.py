# SPDX-License-Identifier: Apache-2.0
"""Jobs that a batch system kills: what they used until then is kept, with what ended them."""

from __future__ import annotations

import json
import threading
import time

import pytest

from nicarbon.run import Run

PATIENCE_S = 60


@pytest.fixture
def running(workflow, batch_system, tmp_path):
    """Start the workflow that waits; give its batch system once the slow node has used CPU."""
    system = batch_system("slurm")
    done = {}

    def start(plugin, **plugin_args):
        def run():
            done["workflow"] = workflow(
                "waiting",
                plugin,
                tmp_path / "run",
                plugin_args=plugin_args,
                env={**system.env, "NICARBON_TEST_GO": str(tmp_path / "go")},
            )

        system.thread = threading.Thread(target=run)
        system.thread.start()
        return system

    def slow(attempt=0):
        """Wait until an attempt of the slow node has been seen to use CPU; return its job."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            spans = [s for s in used(tmp_path / "run") if s[0] > 0.5]
            if len(spans) > attempt:
                return next(job for job in system.jobs() if job.state == "RUNNING")
            time.sleep(0.1)
        raise AssertionError("the slow node never ran")

    system.start, system.slow = start, slow
    system.ended = lambda: system.thread.join(PATIENCE_S) or done["workflow"].ended
    yield system
    (tmp_path / "go").touch()
    system.thread.join(PATIENCE_S)


def used(run_dir):
    """Return the CPU seconds that samplers saw each execution of the slow node use."""
    spans = {}
    for path in run_dir.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line) if line.endswith("}") else {}
            if record.get("node") == "waiting.slow" and record["kind"] == "start":
                spans.setdefault(record["span"], 0.0)
            for span, cpu_s in record.get("spans", {}).items():
                spans[span] = max(cpu_s, spans.get(span, 0.0))
    return [(cpu_s, span) for span, cpu_s in spans.items()]


def spans_of(run, node):
    return sorted((s for s in run.attribution.spans if s.node == node), key=lambda s: s.attempt)


def assert_sum_is_kept(run):
    (host,) = run.attribution.hosts
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    assert sum(s.energy_j or 0 for s in run.attribution.spans) == pytest.approx(host.nodes_j)


def test_a_cancelled_job_keeps_what_it_used_and_is_said_to_be_cancelled(running, tmp_path):
    running.start("SLURM")
    running.slow().cancel()
    # A job that leaves no result breaks nipype's own report of it: github.com/nipy/nipype #3372.
    assert running.ended()["type"] == "TypeError"
    run = Run.open(tmp_path / "run")
    (slow,) = spans_of(run, "waiting.slow")
    assert (slow.outcome, slow.ended_by) == ("killed", "cancelled")
    assert slow.cpu_s > 0.5
    assert slow.energy_j > 0
    (first,) = spans_of(run, "waiting.first")
    assert first.outcome == "ran"
    summary = run.summary("node")
    assert summary.missing == ("waiting.last",)
    assert "1 node killed, counted until then: waiting.slow (cancelled)" in summary.notes
    assert summary.details["waiting.slow"].ended_by == "cancelled"
    assert_sum_is_kept(run)


def test_a_requeued_job_is_two_attempts_and_the_first_is_waste(running, tmp_path):
    running.start("SLURMGraph", dont_resubmit_completed_jobs=False)
    running.slow().requeue()
    running.slow(attempt=1)
    (tmp_path / "go").touch()
    assert running.ended()["type"] is None
    running.wait()
    run = Run.open(tmp_path / "run")
    first, second = spans_of(run, "waiting.slow")
    assert (first.outcome, first.ended_by, first.wasted) == ("killed", "requeued", True)
    assert (second.outcome, second.ended_by, second.wasted) == ("ran", None, False)
    assert first.job == second.job
    # When it went back into the queue, nobody but the scheduler knows.
    assert first.queue_wait_s >= 0
    assert second.queue_wait_s is None
    summary = run.summary("node")
    row = next(row for row in summary.rows if row.name == "waiting.slow")
    assert row.wasted_j == pytest.approx(first.energy_j)
    assert row.wasted_j > 0
    assert row.energy_j == pytest.approx(first.energy_j + second.energy_j)
    assert any("1 execution did not deliver and was done again" in note for note in summary.notes)
    assert summary.total.n_failed == 0
    assert_sum_is_kept(run)


def test_gather_asks_for_what_a_graph_engine_could_not_wait_for(running, tmp_path, monkeypatch):
    from nicarbon.cli import main

    running.start("SLURMGraph", dont_resubmit_completed_jobs=False)
    running.slow().cancel("TIMEOUT")
    assert running.ended()["type"] is None
    running.wait()
    (slow,) = spans_of(Run.open(tmp_path / "run"), "waiting.slow")
    assert (slow.outcome, slow.ended_by) == ("running", None)
    for name, value in running.env.items():
        monkeypatch.setenv(name, value)
    assert main(["gather", str(tmp_path / "run")]) == 0
    run = Run.open(tmp_path / "run")
    (slow,) = spans_of(run, "waiting.slow")
    assert (slow.outcome, slow.ended_by) == ("killed", "time limit")
    assert run.summary("node").missing == ("waiting.last",)
