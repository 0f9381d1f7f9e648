# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import pytest

from nicarbon.meter import messages


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(messages, "_failed", False)


def test_a_line_goes_to_standard_error(capfd):
    messages.say("hello")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "nicarbon: hello\n")


def test_a_program_that_replaced_standard_error_gets_it_there(capsys):
    messages.say("hello")
    assert capsys.readouterr().err == "nicarbon: hello\n"


def test_a_failure_is_said_once(capfd):
    for _ in range(3):
        messages.fail(ValueError("no space"))
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "the pipeline goes on: ValueError: no space" in said


def test_a_line_that_nobody_reads_fails_nothing(monkeypatch):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    messages.say("hello")
    messages.fail(ValueError("x"))


def test_what_nobody_reads_changes_no_exit_code():
    program = "import os; from nicarbon.meter.messages import say; os.close(2); say('hello')"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
