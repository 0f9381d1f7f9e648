# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from nicarbon.meter import messages, recorder, span
from nicarbon.meter.processes import ProcFS


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "_failed", False)
    monkeypatch.setattr(span, "_meters", {})
    return recorder.RunContext(str(tmp_path), ProcFS("/").key(os.getpid()))


def test_a_process_has_one_meter_for_a_run_and_a_forked_child_its_own(context):
    meter = span.meter_of(context)
    assert span.meter_of(context) is meter
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, b"own" if span.meter_of(context) is not meter else b"its parent's")
        os._exit(0)
    assert os.read(read, 20) == b"own"
    os.wait()
    os.close(read)
    os.close(write)


def test_inside_a_node_it_is_known(context):
    assert not span.inside_node()
    started = span.begin(context, "node")
    assert span.inside_node()
    span.end(context, started, "ran")
    assert not span.inside_node()


def test_a_node_without_a_folder_runs_on_and_it_is_said_once(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(messages, "_failed", False)
    monkeypatch.setattr(span, "_meters", {})
    gone = span.RunContext(str(tmp_path / "gone"), "none", None)
    for _ in range(3):
        span.end(gone, span.begin(gone, "node"), "ran")
        span.cached(gone, "other")
    said = capfd.readouterr().err
    assert said.count("metering failed in process") == 1
    assert "pipeline goes on" in said


def test_nothing_raises_into_a_node(context, monkeypatch, capfd):
    def fails(*arguments):
        raise RuntimeError("broken")

    started = span.begin(context, "node")
    monkeypatch.setattr(recorder, "take", fails)
    assert span.begin(context, "other") is None
    span.end(context, started, "ran")
    span.end(context, None, "ran")
    assert "RuntimeError: broken" in capfd.readouterr().err
