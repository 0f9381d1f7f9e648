# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from nicarbon.meter import gather, messages, span
from nicarbon.meter import session as module
from nicarbon.meter.session import (
    Session,
    SessionError,
    make_run_dir,
    new_run_id,
)


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "_failed", False)
    monkeypatch.setattr(span, "_meters", {})
    monkeypatch.chdir(tmp_path)


def test_a_run_from_start_to_end(records, ended):
    session = Session("run", "pipeline.py", "nipype", ["--interval", "0.1"])
    assert session.run_dir == os.path.abspath("run")
    context = session.start()
    sampler = context.sampler_pid
    assert sampler is not None
    os.kill(sampler, 0)
    session.write_graph("wf", "Linear", [{"name": "wf.a"}, {"name": "wf.b"}], [("wf.a", "wf.b")])
    session.write_graph("wf2", "Linear", [], [])
    session.stop("ok")
    assert session.warnings == []
    assert ended(sampler)

    with open("run/run.json") as file:
        info = json.load(file)
    assert (info["program"], info["engine"]) == ("pipeline.py", "nipype")
    assert info["run_id"] == session.run_id
    graphs = sorted(name for name in os.listdir("run") if name.startswith("graph-"))
    assert [re.sub(r"^graph-[0-9a-f]+-\d+-\d+-", "", name) for name in graphs] == [
        "0.json",
        "1.json",
    ]
    with open(f"run/{graphs[0]}") as file:
        assert json.load(file)["edges"] == [["wf.a", "wf.b"]]
    start, end = records(session.run_dir, "nodes-", "driver")
    assert (start["event"], end["event"], end["outcome"]) == ("start", "end", "ok")
    assert end["cpu_s"] >= start["cpu_s"]
    assert end["t_monotonic_ns"] > start["t_monotonic_ns"]
    samples = records(session.run_dir, "samples-", "sample")
    assert len(samples) >= 2
    # The window lies inside the samples.
    assert samples[0]["t_monotonic_ns"] <= start["t_monotonic_ns"]
    assert samples[-1]["t_monotonic_ns"] >= end["t_monotonic_ns"]
    assert records(session.run_dir, "samples-", "close")


def test_the_default_folder_is_new_each_time():
    first, second = Session(), Session()
    assert first.run_dir != second.run_dir
    for session in (first, second):
        assert os.path.dirname(session.run_dir) == os.path.abspath("nicarbon-runs")
        assert os.path.basename(session.run_dir) == session.run_id
    assert re.fullmatch(r"\d{8}-\d{6}_[0-9a-f]{6}", new_run_id())


def test_an_empty_folder_is_taken_and_a_full_one_never():
    os.mkdir("run")
    assert make_run_dir("run", "id") == os.path.abspath("run")
    with pytest.raises(SessionError, match=r"run is not empty: choose another one with -o"):
        make_run_dir("run", "id")


def test_a_folder_that_another_run_is_writing_is_named_with_its_writer():
    first = Session("run")
    first.start()
    with pytest.raises(SessionError, match=rf"another run is writing .*process {os.getpid()} on"):
        make_run_dir("run", "id")
    first.stop("ok")
    with pytest.raises(SessionError, match="run is not empty"):
        make_run_dir("run", "id")


def test_of_two_runs_that_begin_at_once_one_gets_the_folder(monkeypatch):
    make_run_dir("run", "id")
    monkeypatch.setattr(module.os, "listdir", lambda path: [])
    with pytest.raises(SessionError, match="another run has just begun in"):
        make_run_dir("run", "id")


def many_files(session):
    """Let workers have written to a run, and end it."""
    session.start()
    for pid in range(module.HANDFUL):
        with open(f"run/nodes-{session.driver.key}9{pid}.jsonl", "w") as file:
            file.write(f'{{"kind":"process","driver":"{session.driver.key}"}}\n')


def test_many_files_are_packed_at_the_end():
    session = Session("run")
    many_files(session)
    session.stop("ok")
    assert session.warnings == []
    assert session.hint == ""
    assert sorted(name.split("-")[0] for name in os.listdir("run")) == ["records", "run.json"]


def test_a_handful_is_left_to_be_looked_at():
    session = Session("run")
    session.start()
    session.stop("ok")
    assert "records" not in {name.split("-")[0] for name in os.listdir("run")}


def test_nothing_is_packed_while_jobs_go_on():
    session = Session("run")
    many_files(session)
    session.outlived = True
    session.stop("ok")
    assert session.hint.endswith(f"nicarbon gather {os.path.abspath('run')}")
    assert "records" not in {name.split("-")[0] for name in os.listdir("run")}


def test_what_a_job_still_writes_is_left_and_said():
    session = Session("run")
    many_files(session)
    with open("run/nodes-e15e00000000-1-1.jsonl", "w") as file:
        file.write('{"kind":"process"}\n{"kind":"driver","event":"start"}\n')
    session.stop("failed")
    assert "nicarbon gather" in session.hint
    assert sorted(name.split("-")[0] for name in os.listdir("run")) == [
        "nodes",
        "records",
        "run.json",
    ]


def test_a_run_that_cannot_be_packed_costs_a_warning(monkeypatch):
    session = Session("run")
    many_files(session)
    monkeypatch.setattr(gather.pack, "write", lambda path, entries: os.stat("/no/where"))
    session.stop("ok")
    (warning,) = session.warnings
    assert warning.startswith("the run's files are left as they are: ")


def test_a_forked_child_packs_nothing():
    session = Session("run")
    many_files(session)
    child = os.fork()
    if child == 0:
        session.stop("ok")
        os._exit(0)
    os.waitpid(child, 0)
    assert "records" not in {name.split("-")[0] for name in os.listdir("run")}
    session.stop("ok")


def test_a_file_in_the_way_is_one_clear_line():
    with open("file", "w"):
        pass
    with pytest.raises(SessionError, match=r"file/run cannot be written: Not a directory"):
        make_run_dir("file/run", "id")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_clear_line(tmp_path):
    os.mkdir("locked", 0o500)
    with pytest.raises(SessionError, match="cannot be written: Permission denied"):
        make_run_dir("locked/run", "id")


def test_a_run_leaves_no_file_open():
    before = sorted(os.listdir("/proc/self/fd"))
    for k in range(3):
        session = Session(f"run{k}")
        session.start()
        span.end(session.context, span.begin(session.context, "node"), "ran")
        session.stop("ok")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_folder_that_vanished_is_said_and_stops_nothing(capfd):
    session = Session("run")
    session.start()
    subprocess.run(["rm", "-r", "run"], check=True)
    span.end(session.context, span.begin(session.context, "node"), "ran")
    session.write_graph("wf", "Linear", [], [])
    session.stop("ok")
    assert any("cannot be written: No such file" in warning for warning in session.warnings)


def test_a_graph_is_seen_whole_or_not_at_all(monkeypatch):
    session = Session("run")

    def fails(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.json, "dumps", fails)
    session.write_graph("wf", "Linear", [], [])
    assert not [name for name in os.listdir("run") if name.endswith("-0.json")]
    assert "No space left on device" in session.warnings[0]


def test_a_graph_that_grows_takes_its_own_place():
    session = Session("run")
    number = session.write_graph("wf", "cf", [], [])
    assert session.write_graph("other", "cf", [], []) == number + 1
    assert session.write_graph("wf", "cf", [{"name": "main"}], [], number=number) == number
    graphs = [json.loads(path.read_text()) for path in sorted(Path("run").glob("graph-*"))]
    assert [graph["nodes"] for graph in graphs] == [[{"name": "main"}], []]


def test_which_engine_a_program_uses_may_turn_out_late():
    session = Session("run", "script.py", "nipype")
    with open("run/run.json") as file:
        before = json.load(file)
    session.uses("pydra")
    with open("run/run.json") as file:
        assert json.load(file) == before | {"engine": "pydra"}


def test_stop_without_start_raises_nothing(capfd):
    Session("run").stop("failed")
    assert "Traceback" not in capfd.readouterr().err
