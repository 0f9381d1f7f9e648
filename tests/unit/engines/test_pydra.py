# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util
import os
import pickle
from types import SimpleNamespace

import pytest

from nicarbon.engines import pydra, pydra_names


class Worker:
    """A worker that is no pydra's; what it is asked to do is its job's."""

    is_async = False
    loop = None

    def __init__(self):
        self.ran = []

    @classmethod
    def plugin_name(cls):
        return "mine"

    def run(self, job, rerun=False):
        self.ran.append((job, rerun))
        return "result"

    def __eq__(self, other):
        return isinstance(other, Worker)

    __hash__ = None


def metered(worker, session):
    opener = pydra._Opener(None, [], False)
    opener._open = lambda: pydra.Recording(session, session.context)
    return pydra.Metered(worker, opener)


def test_it_is_the_worker_in_every_other_respect(session):
    worker = Worker()
    twin = metered(worker, session)
    assert isinstance(twin, Worker)
    assert twin.plugin_name() == "mine"
    twin.loop = "a loop"
    assert worker.loop == "a loop"
    content = pickle.dumps(twin)
    assert b"nicarbon" not in content
    assert type(pickle.loads(content)) is Worker


def test_a_worker_of_which_nothing_can_be_known_still_runs(session, capfd):
    worker = Worker()
    assert metered(worker, session).run("no job at all", rerun=True) == "result"
    assert worker.ran == [("no job at all", True)]
    assert "metering failed" in capfd.readouterr().err
    assert session.outcomes == ["ok"]


def test_a_workflow_that_fails_fails_the_run(session):
    worker = Worker()
    worker.run = lambda job, rerun: 1 / 0
    with pytest.raises(ZeroDivisionError):
        metered(worker, session).run("job")
    assert session.outcomes == ["failed"]
    assert pydra._active == {}


def test_what_was_recorded_elsewhere_is_not_this_processes(session, monkeypatch):
    other = pydra._Place(os.getpid() + 1, None, None, "main")
    token = pydra._place.set(other)
    try:
        metered(Worker(), session).run("job")
    finally:
        pydra._place.reset(token)
    assert session.outcomes == ["ok"]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (None, "pydra is not installed: pip install 'nicarbon[pydra]'"),
        ("0.25", "pydra 0.25 is too old, 1.0a9 is needed: pip install 'nicarbon[pydra]'"),
    ],
)
def test_one_line_says_what_to_install(monkeypatch, capfd, version, message):
    found = importlib.util.find_spec
    monkeypatch.setattr(pydra_names, "_version", lambda: version)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "pydra.compose" else found(n)
    )
    with pytest.raises(ImportError) as error:
        pydra.worker("cf")
    assert str(error.value) == message

    submitter = SimpleNamespace(__init__="as it was")
    pydra.meter_every_submitter(submitter, None)
    assert submitter.__init__ == "as it was"
    assert capfd.readouterr().err == f"nicarbon: {message}; its workflows run unmetered\n"
