# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from nicarbon.engines import command


def shell(text):
    return ["/bin/sh", "-c", text]


@pytest.mark.parametrize(
    ("text", "code", "outcome", "error"),
    [
        ("exit 0", 0, "ran", None),
        ("exit 3", 3, "failed", "exit code 3"),
        ("kill -9 $$", 137, "failed", "signal 9"),
    ],
)
def test_the_exit_code_is_a_shells(session, text, code, outcome, error):
    assert command.run(shell(text), session) == code
    (end,) = session.records("end")
    assert (end["outcome"], end.get("error")) == (outcome, error)


def test_it_is_one_node_named_by_its_program_alone(session):
    command.run(["/bin/true", "sub-secret"], session)
    assert session.graphs == [("true", "command", [{"name": "true", "program": "true"}], [])]
    assert session.nodes() == [("true", "ran")]
    for name in os.listdir(session.run_dir):
        with open(os.path.join(session.run_dir, name)) as file:
            assert "secret" not in file.read()


def test_its_whole_tree_counts(session):
    code = "import time\nwhile time.process_time() < 0.2: pass"
    python = f"{sys.executable} -I -S -c '{code}'"
    # One in the background that outlives the shell: adopted, and read before it ends.
    command.run(shell(f"{python}; {python}"), session)
    assert session.records("end")[0]["cpu_s"] >= 0.4


@pytest.mark.parametrize(("mode", "error"), [(None, FileNotFoundError), (0o644, PermissionError)])
def test_what_cannot_start_is_recorded_as_failed(session, tmp_path, mode, error):
    program = tmp_path / "tool"
    if mode is not None:
        program.write_text("#!/bin/sh\n")
        program.chmod(mode)
    with pytest.raises(error):
        command.run([str(program)], session)
    assert session.records("end")[0]["outcome"] == "failed"


def handlers():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    return [signal.getsignal(number) for number in numbers]


@pytest.mark.parametrize("name", ["TERM", "HUP", "USR1", "USR2", "INT"])
def test_signals_are_passed_on(session, tmp_path, name):
    before = handlers()
    ready = tmp_path / "ready"

    def send():
        while not ready.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), getattr(signal, f"SIG{name}"))

    thread = threading.Thread(target=send)
    thread.start()
    text = f"trap 'exit 9' {name}; : > {ready}; while :; do sleep 0.01; done"
    assert command.run(shell(text), session, interrupts=name == "INT") == 9
    thread.join()
    assert handlers() == before


def test_signals_that_come_before_the_command_wait_for_it(session, monkeypatch):
    start = subprocess.Popen

    def slow_start(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGTERM)
        return start(*args, **kwargs)

    monkeypatch.setattr(command.subprocess, "Popen", slow_start)
    assert command.run(["sleep", "60"], session) == 128 + signal.SIGTERM
    assert session.records("end")[0]["error"] == f"signal {signal.SIGTERM:d}"


def test_ctrl_c_is_the_commands_to_answer(session, tmp_path):
    ready = tmp_path / "ready"

    def send():
        while not ready.exists():
            time.sleep(0.01)
        # As a terminal does: to both.
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(int(ready.read_text()), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    said = f"echo $$ > {ready}.part; mv {ready}.part {ready}"
    text = f"trap 'exit 7' INT; {said}; while :; do sleep 0.01; done"
    assert command.run(shell(text), session) == 7
    thread.join()
