# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from nicarbon.cli import main
from nicarbon.meter.processes import ProcFS


@pytest.fixture
def runs(run_folders, tmp_path, monkeypatch):
    """Two runs that ended, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        run_folders.write(tmp_path / "runs" / name, run_folders.facts(run_id=f"run-{name}"))
    return tmp_path / "runs"


def leave_one(run):
    """Let this process be one that still writes to a run."""
    namespace = ProcFS("/").pid_namespace()
    (run / f"nodes-{ProcFS('/').key(os.getpid())}.jsonl").write_text(
        f'{{"kind":"process","hostname":"n\\u001b1","pid_namespace":{namespace}}}\n'
    )


def figures(capsys, run="runs/a"):
    for verb in ("summary", "bottleneck"):
        assert main([verb, run, "--format", "json"]) == 0
    return capsys.readouterr().out


def test_every_figure_is_the_same_before_and_after(runs, capsys):
    loose = figures(capsys)
    assert main(["gather", "runs/*"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0].startswith("runs/a: 3 files packed into records-")
    assert lines[-1] == "next: nicarbon summary 'runs/*'"
    assert len(os.listdir(runs / "a")) == 2
    assert figures(capsys) == loose
    assert main(["price", "runs/a", "--intensity", "30"]) == 0
    assert len(os.listdir(runs / "a")) == 3
    capsys.readouterr()
    priced = figures(capsys)
    assert main(["gather", "runs/a", "--unpack", "loose"]) == 0
    assert capsys.readouterr().out == "runs/a: 5 files in loose\nnext: nicarbon summary loose\n"
    assert figures(capsys, "loose") == priced


def test_twice_is_once(runs, capsys):
    main(["gather", "runs/a"])
    capsys.readouterr()
    assert main(["gather", "runs/a"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "runs/a: is packed already"


def test_a_run_that_goes_on_is_named(runs, capsys):
    leave_one(runs / "a")
    assert main(["gather", "runs/a"]) == 1
    assert (
        f"1 file left, the run is still going on (process {os.getpid()} on n�1): "
        "gather it again when it has ended"
    ) in capsys.readouterr().out
    assert main(["gather", "runs/a"]) == 1
    assert capsys.readouterr().out.startswith("runs/a: 1 file left")
    assert main(["gather", "runs/a", "--force"]) == 0


def test_one_mistake_is_one_line(runs, capsys):
    (runs / "empty").mkdir()
    assert main(["gather", "runs/empty"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "nicarbon: runs/empty: is not a run folder (it holds no run.json)\n"


def test_mistakes_do_not_keep_the_others_from_being_packed(runs, capsys):
    (runs / "empty").mkdir()
    assert main(["gather", "runs/*", "none*"]) == 2
    out, err = capsys.readouterr()
    assert out.count("packed into") == 2
    assert len(err.splitlines()) == 2


def test_unpacking_takes_one_run_and_a_new_folder(runs, capsys):
    assert main(["gather", "runs/*", "--unpack", "loose"]) == 2
    assert "takes one run, not 2" in capsys.readouterr().err
    assert main(["gather", "runs/a", "--unpack", "runs"]) == 2
    assert "runs: is not empty" in capsys.readouterr().err
