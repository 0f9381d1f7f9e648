# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from nicarbon.cli import main, trackers
from nicarbon.trials.results import COUNTERS, Row, Trial


@pytest.fixture
def tried(monkeypatch):
    """Replace the trials by what they were asked."""
    asked = []

    class Stand:
        def __init__(self, folder, load, seconds, limit_s, say):
            asked.append((load, seconds, limit_s))

        def row(self, tracker):
            asked.append("nicarbon" if tracker is None else tracker.name)
            return Row(asked[-1], Trial("not tried"))

        def counters(self):
            return Row(COUNTERS, Trial("not tried"))

    monkeypatch.setattr(trackers, "Bench", Stand)
    return asked


def test_all_are_tried_in_turn(tried, capsys):
    assert main(["trackers"]) == 0
    assert tried == [
        (["cpu"], 10.0, 100.0),
        *("nicarbon", "codecarbon-machine", "codecarbon-process", "carbontracker"),
        "experiment-impact-tracker",
    ]
    assert "raw counters" in capsys.readouterr().out


def test_a_command_of_the_users_and_trackers_by_name(tried, capsys):
    assert main(["trackers", "--tracker", "carbontracker", "--seconds", "2", "--", "true"]) == 0
    assert tried == [(["--", "true"], 2.0, 3600.0), "carbontracker"]


def test_for_programs(tried, capsys):
    assert main(["trackers", "--load", "children", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["load"] == "children, 10 CPU s"
    assert [row["load"]["problem"] for row in found["rows"]] == ["not tried"] * 6
    assert main(["trackers", "--format", "tsv"]) == 0
    assert capsys.readouterr().out.count("\n") == 7


def test_environments_are_made_only_when_asked_and_a_failure_is_a_row(tried, capsys, monkeypatch):
    made = []

    def install(tracker):
        made.append(tracker.environment)
        return "ERROR: no network" if tracker.environment == "codecarbon" else ""

    monkeypatch.setattr(trackers, "install", install)
    assert main(["trackers"]) == 0
    assert made == []
    capsys.readouterr()
    assert main(["trackers", "--install", "--format", "tsv"]) == 0
    assert made == ["codecarbon", "carbontracker", "experiment-impact-tracker"]
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if "could not be installed: ERROR: no network" in line]
    assert [line.split("\t")[0] for line in failed] == ["codecarbon-machine", "codecarbon-process"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seconds", "0"], "--seconds 0: give seconds above 0"),
        (["--seconds", "nan"], "--seconds nan"),
        (["--limit", "-3"], "--limit -3"),
        (["--load", "cpu", "--", "true"], "give one of them"),
        (["--", "no-such-command"], "there is no command no-such-command"),
    ],
)
def test_a_mistake_is_one_line(tried, capsys, arguments, says):
    assert main(["trackers", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert tried == []


def test_ctrl_c_is_one_line(tried, capsys, monkeypatch):
    def interrupted(self, tracker):
        raise KeyboardInterrupt

    monkeypatch.setattr(trackers.Bench, "row", interrupted)
    assert main(["trackers"]) == 130
    assert capsys.readouterr().err == "nicarbon: interrupted: nothing of the trials is left\n"
