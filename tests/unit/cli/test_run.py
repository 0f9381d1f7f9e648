# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nicarbon import cli
from nicarbon.cli import run as verb
from nicarbon.errors import NicarbonError
from nicarbon.meter.session import SessionError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class FakeSession:
    pid = os.getpid()
    hint = ""

    def __init__(self, run_dir, program, engine, sampler_args):
        self.given = (run_dir, program, engine)
        self.sampler_args = sampler_args
        self.run_dir = run_dir or "nicarbon-runs/id"
        self.warnings = []
        self.outcome = None

    def start(self):
        pass

    def stop(self, outcome):
        self.outcome = outcome


class FakeProgram:
    name = "program"
    code = 0

    def __init__(self, arguments):
        self.arguments = arguments

    def execute(self, session):
        if isinstance(self.code, BaseException):
            raise self.code
        return self.code


@pytest.fixture
def called(monkeypatch):
    """Note what would be run."""
    found = {}

    def program(arguments):
        found["program"] = list(arguments)
        return FakeProgram(arguments)

    def session(*arguments):
        found["session"] = FakeSession(*arguments)
        return found["session"]

    def command(arguments, session):
        found["command"] = list(arguments)
        return 0

    monkeypatch.setattr(verb, "Program", program)
    monkeypatch.setattr(verb, "Session", session)
    monkeypatch.setattr(verb.command, "run", command)
    monkeypatch.setattr(verb.shutil, "which", lambda name: name)
    monkeypatch.setattr(verb, "_report", lambda *arguments: None)
    return found


@pytest.mark.parametrize(
    ("line", "run_dir", "program", "command"),
    [
        ("s.py", None, ["s.py"], None),
        ("s.py -o x --interval 9", None, ["s.py", "-o", "x", "--interval", "9"], None),
        ("s.py -- a", None, ["s.py", "--", "a"], None),
        ("s.py -m x -- -o y", None, ["s.py", "-m", "x", "--", "-o", "y"], None),
        ("-o d s.py -- a", "d", ["s.py", "--", "a"], None),
        ("--run-dir d s.py", "d", ["s.py"], None),
        ("-m mod a -o x -- b", None, ["-m", "mod", "a", "-o", "x", "--", "b"], None),
        ("-o d -m mod --n 3", "d", ["-m", "mod", "--n", "3"], None),
        ("fmriprep in out participant --nthreads 2", None, None, None),
        ("-- recon-all -s bert", None, None, ["recon-all", "-s", "bert"]),
        ("-o d -- tool -o x -- -m y", "d", None, ["tool", "-o", "x", "--", "-m", "y"]),
        ("-- -tool", None, None, ["-tool"]),
    ],
)
def test_whose_argument_is_whose(called, line, run_dir, program, command):
    assert cli.main(["run", *line.split()]) == 0
    assert called["session"].given[0] == run_dir
    assert called.get("command") == command
    if command is None:
        assert called["program"] == (program or line.split())
        assert called["session"].given[1:] == ("program", "nipype")
    else:
        assert "program" not in called
        assert called["session"].given[1:] == (command[0], "command")
    assert called["session"].outcome == "ok"


@pytest.mark.parametrize("line", ["", "--", "-o d", "-o d --"])
def test_nothing_to_run(called, capfd, line):
    assert cli.main(["run", *line.split()]) == 2
    said = capfd.readouterr().err
    assert said.startswith("nicarbon: nothing to run: ")
    assert said.count("\n") == 1
    assert "session" not in called


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--interval 0 s.py", "'0' is not a number of seconds from 0.01 to 3600"),
        ("--interval x s.py", "'x' is not a number of seconds"),
        ("--interval nan s.py", "'nan' is not a number of seconds"),
        ("--unknown s.py", "unrecognized arguments: --unknown"),
        ("--progress fancy s.py", "invalid choice: 'fancy'"),
        ("-o", "expected one argument"),
    ],
)
def test_a_wrong_option(called, capfd, line, said):
    with pytest.raises(SystemExit) as left:
        cli.main(["run", *line.split()])
    assert left.value.code == 2
    assert said in capfd.readouterr().err
    assert "session" not in called


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--stages no.toml s.py", "--stages: there is no file no.toml"),
        ("--replay no.jsonl s.py", "--replay: there is no file no.jsonl"),
        ("--host-root no s.py", "--host-root: there is no folder no"),
    ],
)
def test_a_missing_file_is_said_before_anything_runs(called, capfd, line, said):
    assert cli.main(["run", *line.split()]) == 2
    assert capfd.readouterr().err == f"nicarbon: {said}\n"
    assert "session" not in called


def test_a_broken_stage_file_is_said_before_anything_runs(called, capfd):
    Path("stages.toml").write_text("[[rule]\n")
    assert cli.main(["run", "--stages", "stages.toml", "s.py"]) == 2
    said = capfd.readouterr().err
    assert "stages.toml" in said
    assert said.count("\n") == 1
    assert "session" not in called


def test_what_the_sampler_is_told(called):
    Path("host").mkdir()
    Path("old.jsonl").touch()
    cli.main(["run", "--interval", "2", "--host-root", "host", "--replay", "old.jsonl", "s.py"])
    here = os.getcwd()
    assert called["session"].sampler_args == [
        *("--interval", "2.0"),
        *("--host-root", f"{here}/host"),
        *("--replay", f"{here}/old.jsonl"),
        *("--progress", "lines"),
    ]
    cli.main(["run", "--progress", "none", "s.py"])
    assert called["session"].sampler_args == []


def test_a_live_line_only_on_a_terminal(called, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    cli.main(["run", "s.py"])
    assert called["session"].sampler_args == ["--progress", "tty"]
    cli.main(["run", "--progress", "lines", "s.py"])
    assert called["session"].sampler_args == ["--progress", "lines"]


@pytest.mark.parametrize(
    ("ended", "code", "outcome"),
    [(0, 0, "ok"), (7, 7, "failed"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_the_exit_code_is_the_programs(called, monkeypatch, ended, code, outcome):
    monkeypatch.setattr(FakeProgram, "code", ended)
    assert cli.main(["run", "s.py"]) == code
    assert called["session"].outcome == outcome


def test_a_command_that_is_missing_is_said_before_anything_is_made(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.txt").touch()
    for name in ("no-such-command", "./plain.txt"):
        assert cli.main(["run", "--", name]) == 2
        said = capfd.readouterr().err
        assert said == f"nicarbon: there is no command {name}, or it is not executable\n"
    assert [path.name for path in tmp_path.iterdir()] == ["plain.txt"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(FileNotFoundError(), 127), (PermissionError(13, "no"), 126), (OSError(8, "bad"), 126)],
)
def test_a_command_that_cannot_start(called, monkeypatch, capfd, error, code):
    def fails(arguments, session):
        raise error

    monkeypatch.setattr(verb.command, "run", fails)
    assert cli.main(["run", "--", "tool"]) == code
    assert called["session"].outcome == "failed"
    said = capfd.readouterr().err
    assert "tool" in said
    assert said.count("\n") == 1


def test_a_run_folder_that_cannot_be_made(called, monkeypatch, capfd):
    def fails(*arguments):
        raise SessionError("the run folder x is not empty: choose another one with -o")

    monkeypatch.setattr(verb, "Session", fails)
    assert cli.main(["run", "-o", "x", "s.py"]) == 2
    assert capfd.readouterr().err == (
        "nicarbon: the run folder x is not empty: choose another one with -o\n"
    )


def test_a_summary_that_fails_is_not_the_pipelines_failure(monkeypatch, capfd):
    from nicarbon.cli import summary

    def fails(*arguments):
        raise RuntimeError("no table today")

    monkeypatch.setattr(summary, "show", fails)
    session = FakeSession("r", "", "", [])
    session.warnings = ["energy is missing"]
    verb._report(session, None)
    said = capfd.readouterr().err
    assert "nicarbon: energy is missing\n" in said
    assert "nicarbon: no summary (no table today); the run is in r\n" in said


def test_a_forked_child_shows_no_summary(called, monkeypatch):
    shown = []
    monkeypatch.setattr(verb, "_report", lambda *arguments: shown.append(arguments))
    monkeypatch.setattr(FakeSession, "pid", -1)
    cli.main(["run", "s.py"])
    assert shown == []


def test_errors_of_a_user_are_nicarbon_errors():
    assert not issubclass(SessionError, NicarbonError)


# The whole of it, in processes of their own.


def nicarbon(*arguments, **keywords):
    return subprocess.run(
        [sys.executable, "-m", "nicarbon", "run", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        **keywords,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.py"], "nicarbon: there is no file missing.py"),
        (["-m", "no.module"], "nicarbon: there is no module no.module"),
        (["no-command"], "nicarbon: there is no file or command no-command"),
    ],
)
def test_what_is_missing_is_one_line(arguments, said):
    done = nicarbon(*arguments)
    assert done.returncode == 2
    assert done.stderr == said + "\n"
    assert not Path("nicarbon-runs").exists()


def test_a_run_folder_is_never_overwritten():
    Path("run").mkdir()
    Path("run/mine").touch()
    Path("s.py").write_text("print('ran')")
    done = nicarbon("-o", "run", "s.py")
    assert done.returncode == 2
    assert "is not empty: choose another one with -o" in done.stderr
    assert done.stdout == ""
    assert os.listdir("run") == ["mine"]


@pytest.mark.parametrize(
    ("text", "code", "outcome"),
    [
        ("raise SystemExit(5)", 5, "failed"),
        ("raise ValueError('boom')", 1, "failed"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
    ],
)
def test_a_script_that_raises_leaves_a_run(text, code, outcome):
    Path("s.py").write_text(text)
    done = nicarbon("-o", "run", "s.py")
    assert done.returncode == code
    assert ("ValueError: boom" in done.stderr) == ("boom" in text)
    assert "nicarbon/" not in done.stderr
    (path,) = Path("run").glob("nodes-*.jsonl")
    assert json.loads(path.read_text().splitlines()[-1])["outcome"] == outcome


def test_a_command_is_one_node_and_its_output_its_own():
    done = nicarbon("-o", "run", "--", "sh", "-c", "echo out; echo err >&2; exit 4")
    assert done.returncode == 4
    assert done.stdout.startswith("out\n")
    assert "err\n" in done.stderr
    (path,) = Path("run").glob("graph-*.json")
    assert json.loads(path.read_text())["nodes"] == [{"name": "sh", "program": "sh"}]


def test_the_standard_input_is_the_programs():
    Path("s.py").write_text("import sys; print(sys.stdin.read().upper())")
    assert "HELLO" in nicarbon("s.py", input="hello").stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 15), (signal.SIGINT, 130)])
def test_signals_during_a_script(number, code):
    Path("s.py").write_text("import time; open('ready', 'w').close(); time.sleep(600)")
    process = subprocess.Popen(
        [sys.executable, "-m", "nicarbon", "run", "-o", "run", "s.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not Path("ready").exists():
        time.sleep(0.01)
    process.send_signal(number)
    # Death by SIGTERM is left to the kernel, as without us.
    assert process.wait(timeout=60) == (code if code > 128 else -code)
    assert list(Path("run").glob("nodes-*.jsonl"))


def test_jobs_that_go_on_are_named_in_the_last_line(monkeypatch, capfd):
    session = FakeSession("runs/a b", "x.py", "nipype", [])
    verb._report(session, None)
    assert "nicarbon gather" not in capfd.readouterr().err
    session.hint = "nicarbon gather 'runs/a b'"
    verb._report(session, None)
    assert capfd.readouterr().err.splitlines()[-1].endswith("nicarbon gather 'runs/a b'")


def test_a_wrong_rule_file_is_said_before_anything_runs(tmp_path, capsys):
    rule = tmp_path / "rule.toml"
    rule.write_text("name = 'a'\ndetect = '('\nstep = 'x'\n")
    code = cli.main(["run", "-o", str(tmp_path / "run"), "--rule", str(rule), "--", "true"])
    assert code == 2
    assert "is not a regular expression" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
