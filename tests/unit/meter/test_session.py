# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import pytest

from nicarbon.meter import messages, span
from nicarbon.meter import session as module
from nicarbon.meter.session import Session, SessionError, make_run_dir, new_run_id


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "_failed", False)
    monkeypatch.setattr(span, "_meters", {})
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def boot(monkeypatch):
    """Put a program of the test's in the place of the sampler."""

    def replace(text):
        monkeypatch.setattr(module, "_BOOT", "import sys; sys.argv.pop(1)\n" + text)

    return replace


def records(session, prefix, kind):
    found = []
    for name in sorted(os.listdir(session.run_dir)):
        if name.startswith(prefix):
            with open(os.path.join(session.run_dir, name)) as file:
                found += [r for r in map(json.loads, file) if r["kind"] == kind]
    return found


def ends(pid):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_a_run_from_start_to_end():
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
    assert ends(sampler)

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
    start, end = records(session, "nodes-", "driver")
    assert (start["event"], end["event"], end["outcome"]) == ("start", "end", "ok")
    assert end["cpu_s"] >= start["cpu_s"]
    assert end["t_monotonic_ns"] > start["t_monotonic_ns"]
    samples = records(session, "samples-", "sample")
    assert len(samples) >= 2
    # The window lies inside the samples.
    assert samples[0]["t_monotonic_ns"] <= start["t_monotonic_ns"]
    assert samples[-1]["t_monotonic_ns"] >= end["t_monotonic_ns"]
    assert records(session, "samples-", "close")


def test_the_sampler_is_nobodys_child():
    session = Session("run")
    session.start()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    with open(f"/proc/{session.context.sampler_pid}/stat") as file:
        ppid, _, own_session = file.read().rpartition(")")[2].split()[1:4]
    assert int(ppid) != os.getpid()
    assert int(own_session) != os.getsid(0)
    session.stop("ok")


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


def test_a_sampler_that_does_not_start_is_said_and_the_run_goes_on(boot):
    boot("raise SystemExit(1)")
    session = Session("run")
    context = session.start()
    assert context.sampler_pid is None
    session.stop("ok")
    assert session.warnings == ["the sampler did not start: CPU time is recorded, energy is not"]
    assert len(records(session, "nodes-", "driver")) == 2


def test_no_interpreter_for_the_sampler(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    session = Session("run")
    session.start()
    session.stop("ok")
    (warning,) = session.warnings
    assert warning.startswith("the sampler could not be started: ")


def test_a_late_sampler_is_still_ended(boot, monkeypatch):
    monkeypatch.setattr(module, "_READY_TIMEOUT_S", 0.0)
    boot(
        "import os, time\n"
        "if os.fork(): os._exit(0)\n"
        "time.sleep(0.2); print('ready', os.getpid(), flush=True); time.sleep(600)"
    )
    session = Session("run")
    session.start()
    assert session.context.sampler_pid is None
    time.sleep(0.5)
    session.stop("ok")
    assert ends(session._sampler_pid)


def test_a_sampler_that_was_killed_is_said_once():
    session = Session("run")
    session.start()
    os.kill(session.context.sampler_pid, signal.SIGKILL)
    assert ends(session.context.sampler_pid)
    session.stop("ok")
    session.stop("ok")
    assert session.warnings == ["the sampler ended before the run: energy is missing from then on"]


def test_a_sampler_that_ends_between_two_calls_raises_nothing(monkeypatch, capfd):
    session = Session("run")
    session.start()
    kill = os.kill

    def gone(pid, number):
        kill(pid, number)
        raise ProcessLookupError(pid)

    monkeypatch.setattr(os, "kill", gone)
    session.stop("ok")
    assert capfd.readouterr().err == ""


def test_a_sampler_that_does_not_end_is_not_waited_for_for_ever(boot, monkeypatch):
    monkeypatch.setattr(module, "_CLOSE_TIMEOUT_S", 0.05)
    boot(
        "import os, signal, time\n"
        "if os.fork(): os._exit(0)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', os.getpid(), flush=True); time.sleep(600)"
    )
    session = Session("run")
    session.start()
    session.stop("ok")
    os.kill(session.context.sampler_pid, signal.SIGKILL)


def test_a_process_with_many_open_files():
    """select() can't watch a file descriptor above 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048 and hard != resource.RLIM_INFINITY:
        pytest.skip("no more than 2048 files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        session = Session("run")
        session.start()
        session.stop("ok")
        assert session.warnings == []
    finally:
        for fd in files:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_run_leaves_no_file_open():
    before = sorted(os.listdir("/proc/self/fd"))
    for k in range(3):
        session = Session(f"run{k}")
        session.start()
        span.end(session.context, span.begin(session.context, "node"), "ran")
        session.stop("ok")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_forked_child_ends_no_run():
    session = Session("run")
    session.start()
    pid = os.fork()
    if pid == 0:
        session.stop("failed")
        os._exit(0)
    os.waitpid(pid, 0)
    os.kill(session.context.sampler_pid, 0)
    session.stop("ok")
    assert [r["outcome"] for r in records(session, "nodes-", "driver")[1:]] == ["ok"]


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


def test_stop_without_start_raises_nothing(capfd):
    Session("run").stop("failed")
    assert "Traceback" not in capfd.readouterr().err
