# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest

from nicarbon.engines.pydra_hooks import Runtime, Transport
from nicarbon.engines.pydra_recording import Recording
from nicarbon.meter import job as one_job
from nicarbon.meter import span


class Task:
    kind = "python"

    @classmethod
    def _task_type(cls):
        return cls.kind


class Flow(Task):
    kind = "workflow"


def job(cache, name="main", task=None, number=None, uid="u1", checksum="python-1"):
    (cache / checksum).mkdir(parents=True, exist_ok=True)
    return SimpleNamespace(
        name=name,
        task=task or Task(),
        state_index=number,
        uid=uid,
        checksum=checksum,
        _checksum=checksum,
        cache_root=cache,
        cache_dir=cache / checksum,
        hooks="the user's",
        return_values={},
    )


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def recording(session):
    def write_graph(*graph, number=None, workflows=None):
        graph = (*graph, dict(workflows))
        if number is None:
            session.graphs.append(graph)
            return len(session.graphs) - 1
        session.graphs[number] = graph
        return number

    session.write_graph = write_graph
    return Recording(session, session.context)


def visit(recording, one, root, above="", worker="cf"):
    return recording.arrive(one, root, above, worker)


def made(one, uid):
    """Leave in the cache what the job of this number leaves."""
    (one.cache_dir / "_job.pklz").write_bytes(b"\x80pickled " + uid.encode())
    (one.cache_dir / "_result.pklz").write_bytes(b"result")


def test_the_same_job_has_the_same_name_and_others_have_a_number(recording, cache):
    first = job(cache, checksum="python-1")
    names = [
        recording.root(one, "cf").name
        for one in (first, job(cache, checksum="python-2"), job(cache, checksum="python-1"))
    ]
    assert names == ["main", "main#2", "main"]


def test_names_say_where_a_job_is(recording, cache):
    top = job(cache, task=Flow())
    root = recording.root(top, "cf")
    assert visit(recording, top, root).ticket.is_workflow
    ticket = visit(recording, job(cache, "smooth", number=3), root, "main/sub[0]").ticket
    assert ticket.node == "main/sub[0]/smooth[3]"
    assert (ticket.map_node, ticket.number) == ("main/sub[0]/smooth", 3)


def test_a_result_that_stays_as_it_was_is_cached(recording, cache, session):
    one = job(cache)
    made(one, "earlier")
    root = recording.root(one, "cf")
    seen = visit(recording, one, root)
    assert type(one.hooks) is Transport
    recording.leave(one, root, seen, failed=False)
    assert one.hooks == "the user's"
    (cached,) = session.records("cached")
    assert (cached["node"], cached["inputs_hash"]) == ("main", "python-1")


@pytest.mark.parametrize(("uid", "kind"), [("u1", "unmetered"), ("another submitter's", "cached")])
def test_a_new_result_that_nobody_recorded(recording, cache, session, uid, kind):
    one = job(cache)
    root = recording.root(one, "cf")
    seen = visit(recording, one, root)
    made(one, uid)
    recording.leave(one, root, seen, failed=False)
    recording.end(root, "cf")
    (record,) = session.records(kind)
    assert record["node"] == "main"


def test_a_new_result_that_was_recorded_is_left_alone(recording, cache, session):
    one = job(cache)
    root = recording.root(one, "cf")
    seen = visit(recording, one, root)
    span.end(session.context, span.begin(session.context, "main"), "ran")
    made(one, "u1")
    recording.leave(one, root, seen, failed=False)
    recording.end(root, "cf")
    assert session.records("cached") + session.records("unmetered") == []


def test_a_failed_job_is_not_found_in_a_cache(recording, cache, session):
    one = job(cache)
    made(one, "earlier")
    root = recording.root(one, "cf")
    recording.leave(one, root, visit(recording, one, root), failed=True)
    recording.end(root, "cf")
    assert one.hooks == "the user's"
    assert not (cache.parent / "run").exists() or not any((cache.parent / "run").iterdir())


def test_a_job_that_raised_between_the_hooks_has_failed(recording, cache, session, monkeypatch):
    monkeypatch.setattr(one_job, "_joined", {})
    one = job(cache)
    root = recording.root(one, "debug")
    one.hooks = SimpleNamespace(pre_run=lambda job: None, pre_run_task=lambda job: None)
    seen = visit(recording, one, root, worker="debug")
    one.hooks.pre_run(one)
    one.hooks.pre_run_task(one)
    try:
        raise ModuleNotFoundError
    except ModuleNotFoundError:
        recording.leave(one, root, seen, failed=True)
    (end,) = session.records("end")
    assert (end["outcome"], end["error"]) == ("failed", "ModuleNotFoundError")


def test_a_scheduler_is_given_a_job_at_a_known_time(recording, cache, session):
    one = job(cache)
    visit(recording, one, recording.root(one, "slurm"), worker="slurm")
    (submitted,) = session.records("submitted")
    assert (submitted["node"], submitted["scheduler"]) == ("main", "slurm")


def test_the_graph_is_written_again_as_it_grows(recording, cache, session):
    top = job(cache, task=Flow())
    root = recording.root(top, "cf")
    seen = visit(recording, top, root)
    assert session.graphs == []
    child = SimpleNamespace(
        name="a",
        node=SimpleNamespace(_task=Task(), state=None),
        _tasks={None: job(cache, "a")},
        successful={None: None},
        errored={},
        unrunnable={},
    )
    top.return_values = {"exec_graph": SimpleNamespace(nodes=[child], edges=[])}
    # As soon as its first job comes: whoever is killed from then on leaves a graph.
    visit(recording, job(cache, "b"), root, "main")
    assert [n["name"] for n in session.graphs[0][2]] == ["main/a"]
    transport = top.hooks
    transport.expanded("main", top)
    top.hooks = Runtime(transport.inner, transport.ticket)
    top.hooks.began = True
    recording.leave(top, root, seen, failed=False)
    recording.end(root, "cf")
    (graph,) = session.graphs
    assert graph[:2] == ("Flow", "cf")
    assert [n["name"] for n in graph[2]] == ["main/a"]
    assert graph[4] == {"main": "python-1"}
    # Never given to the worker: a twin was executed for it.
    assert [record["node"] for record in session.records("cached")] == ["main/a"]


def test_a_job_that_cannot_be_described_runs_all_the_same(recording, capfd):
    root = SimpleNamespace(name="main", running={})
    assert recording.arrive(SimpleNamespace(name="x"), root, "", "cf") is None
    recording.leave(None, root, None, failed=False)
    assert "metering failed" in capfd.readouterr().err
