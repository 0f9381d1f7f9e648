# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import typing
from types import SimpleNamespace

import pytest

from nicarbon.engines.pydra_hooks import (
    Runtime,
    Ticket,
    Transport,
    checksum,
    runs_below_a_daemon,
)
from nicarbon.meter import containers, job, span


class Hooks:
    """The user's."""

    def __init__(self):
        self.calls = []

    def pre_run(self, job):
        self.calls.append("pre_run")
        return "pre"

    def pre_run_task(self, job):
        self.calls.append("pre_run_task")

    def post_run_task(self, job, result):
        self.calls.append("post_run_task")

    def post_run(self, job, result):
        self.calls.append("post_run")

    def __eq__(self, other):
        return isinstance(other, Hooks)

    __hash__ = None


@pytest.fixture
def ticket(session, monkeypatch):
    monkeypatch.setattr(job, "_joined", {})
    return Ticket(session.context, "main/a[1]", "main/a", 1)


def a_job(hooks):
    return SimpleNamespace(hooks=hooks, _checksum="python-abc")


def through(hooks, errored=False, error=None):
    """Do with a job what `Job.run` does."""
    executed = a_job(hooks)
    executed.hooks.pre_run(executed)
    try:
        executed.hooks.pre_run_task(executed)
        try:
            if error is not None:
                raise error
        finally:
            executed.hooks.post_run_task(executed, SimpleNamespace(errored=errored))
    except type(error or Exception()):
        return executed
    executed.hooks.post_run(executed, None)
    return executed


def test_a_job_is_metered_between_the_users_hooks(ticket, session):
    user = Hooks()
    executed = through(Transport(user, ticket))
    assert user.calls == ["pre_run", "pre_run_task", "post_run_task", "post_run"]
    assert executed.hooks.began
    (start,), (end,) = session.records("start"), session.records("end")
    assert (start["node"], start["map_node"], start["index"]) == ("main/a[1]", "main/a", 1)
    assert (end["outcome"], end["inputs_hash"]) == ("ran", "python-abc")


def test_a_failure_is_named(ticket, session):
    through(Transport(Hooks(), ticket), errored=True, error=ValueError("x"))
    (end,) = session.records("end")
    assert (end["outcome"], end["error"]) == ("failed", "ValueError")


def test_what_is_handled_around_a_job_is_no_failure_of_its(ticket, session):
    try:
        raise KeyError
    except KeyError:
        through(Transport(Hooks(), ticket))
    (end,) = session.records("end")
    assert end["outcome"] == "ran"
    assert "error" not in end


def test_a_workflow_has_no_execution_of_its_own(ticket, session):
    seen = []
    workflow = ticket._replace(is_workflow=True)
    executed = through(Transport(Hooks(), workflow, lambda name, job: seen.append((name, job))))
    assert seen == [("main/a[1]", executed)]
    assert os.listdir(session.run_dir) == []


def test_hooks_of_a_running_job_are_pickled_as_the_users(ticket):
    for runtime in (Runtime(Hooks(), ticket), Runtime(Hooks(), ticket, print)):
        content = pickle.dumps(runtime)
        assert b"nicarbon" not in content
        assert type(pickle.loads(content)) is Hooks


def test_hooks_that_travel_arrive_with_their_ticket(ticket):
    arrived = pickle.loads(pickle.dumps(Transport(Hooks(), ticket, print)))
    assert type(arrived) is Transport
    assert (arrived.inner, arrived.ticket) == (Hooks(), ticket)
    assert arrived.calls == []


WITHOUT = """
import pickle, sys, types
sys.modules["nicarbon"] = None
class Hooks:
    def pre_run(self, job):
        return "user's"
__import__("__main__").Hooks = Hooks
hooks = pickle.load(open(sys.argv[1], "rb"))
job = types.SimpleNamespace(hooks=hooks)
hooks.calls
print(hooks.pre_run(job), type(job.hooks).__name__)
"""


def test_where_nicarbon_is_missing_a_job_runs_and_the_run_says_so(ticket, session, tmp_path):
    hooks = Hooks()
    Hooks.__module__, module = "__main__", Hooks.__module__
    sys.modules["__main__"].Hooks = Hooks
    try:
        (tmp_path / "job").write_bytes(pickle.dumps(Transport(hooks, ticket)))
    finally:
        Hooks.__module__ = module
        del sys.modules["__main__"].Hooks
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, tmp_path / "job"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == ("user's Hooks\n", "")
    (name,) = os.listdir(session.run_dir)
    with open(os.path.join(session.run_dir, name)) as file:
        record = json.load(file)
    assert (record["kind"], record["node"]) == ("unmetered", "main/a[1]")
    assert record["reason"].startswith("ModuleNotFoundError")


def test_a_broken_meter_costs_the_record_only(ticket, monkeypatch, capfd):
    def broken(*args):
        raise OSError("no disk")

    monkeypatch.setattr(span, "meter_of", broken)
    user = Hooks()
    through(Transport(user, ticket))
    assert user.calls[-1] == "post_run"
    assert "metering failed" in capfd.readouterr().err


def test_a_checksum_that_is_not_known_is_not_computed():
    assert checksum(SimpleNamespace()) is None
    assert checksum(SimpleNamespace(_checksum="x")) == "x"


class Docker:
    def __init__(self):
        self.image = "image"
        self.xargs = ["--rm"]


class Podman:
    xargs: typing.ClassVar = []


def contained(ticket, used):
    """Run a job in a container, whose CPU time is read or not; return what it was run with."""
    executed = a_job(Transport(Hooks(), ticket))
    executed.environment = own = Docker()
    executed.hooks.pre_run(executed)
    executed.hooks.pre_run_task(executed)
    words = executed.environment.xargs
    if used is not None:
        with open(os.path.join(os.path.dirname(words[-1]), "used"), "w") as file:
            file.write(used)
    executed.hooks.post_run_task(executed, SimpleNamespace(errored=False))
    # What pydra writes into its cache is the user's own.
    assert executed.environment is own
    assert own.xargs == ["--rm"]
    assert not os.path.exists(os.path.dirname(words[-1]))
    return words


def test_the_cpu_time_of_a_container_is_its_cgroups(ticket, session):
    words = contained(ticket, "12.5\n")
    assert words[:2] == ["--rm", "--cidfile"]
    (start,), (end,) = session.records("start"), session.records("end")
    assert start["container"] == os.path.dirname(words[2])
    assert end["cpu_container_s"] == 12.5
    assert end["cpu_s"] >= 12.5
    assert "cpu_incomplete" not in end


def test_a_container_that_is_not_seen_is_declared(ticket, session):
    contained(ticket, None)
    (end,) = session.records("end")
    assert end["cpu_incomplete"] == "the CPU time of its container is not seen"


def test_a_container_of_which_nothing_can_be_read_is_declared(ticket, session, monkeypatch):
    def fails():
        raise OSError("no space left")

    monkeypatch.setattr(containers, "expect", fails)
    executed = a_job(Transport(Hooks(), ticket))
    executed.environment = Docker()
    executed.hooks.pre_run(executed)
    executed.hooks.pre_run_task(executed)
    assert executed.environment.xargs == ["--rm"]
    executed.hooks.post_run_task(executed, SimpleNamespace(errored=False))
    (end,) = session.records("end")
    assert end["cpu_incomplete"] == "the CPU time of its container is not seen"


@pytest.mark.parametrize(
    ("environment", "below"),
    [(Docker(), True), (Podman(), False), (None, False), (SimpleNamespace(xargs=[]), False)],
)
def test_whose_processes_are_a_daemons(environment, below):
    assert runs_below_a_daemon(SimpleNamespace(environment=environment)) is below


def test_an_id_file_of_the_users_stays(ticket):
    own = Docker()
    own.xargs = ["--cidfile", "mine"]
    assert not runs_below_a_daemon(SimpleNamespace(environment=own))


def test_a_job_that_pydra_does_not_come_back_from_has_failed_when_the_next_begins(ticket, session):
    """Its auditing may raise between the two hooks."""
    lost = a_job(Transport(Hooks(), ticket))
    lost.hooks.pre_run(lost)
    lost.hooks.pre_run_task(lost)
    assert span.inside_node()
    through(Transport(Hooks(), ticket._replace(node="main/b")))
    assert not span.inside_node()
    ends = session.records("end")
    assert [end["outcome"] for end in ends] == ["failed", "ran"]
    assert [start.get("parent") for start in session.records("start")] == [None, None]
