# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from nicarbon.cli import main


@pytest.fixture
def runs(run_folders, tmp_path, monkeypatch):
    """Two runs of 10 s in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        run_folders.write(tmp_path / name, run_folders.ok(run_folders.facts(), f"run-{name}"))
    return tmp_path


def test_the_replay_alone(runs, capsys):
    assert main(["whatif", "a"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("run run-a: what if\n  nothing is other than it was\n")
    assert "off by +0.0 % of its time, its energy by +0.0 % (on 1 processor" in out
    assert "that is" not in out
    assert out.splitlines()[-1] == "next: nicarbon bottleneck a"


def test_a_change(runs, capsys):
    assert main(["price", "a", "--intensity", "100"]) == 0
    capsys.readouterr()
    arguments = ["--stage", "segmentation", "--drop", "--stage", "brain extraction"]
    assert main(["whatif", "a", *arguments, "--speedup", "3", "--n-procs", "2"]) == 0
    out = capsys.readouterr().out
    assert "  segmentation: left out\n  brain extraction: 3 times as fast\n" in out
    assert "  2 processors instead of 1 that were used\n" in out
    assert "that is " in out
    assert "CO2e" in out


def test_a_stage_from_another_run(runs, capsys):
    assert main(["whatif", "a", "--stage", "segmentation", "--from", "b"]) == 0
    assert "segmentation: 1 times as fast, as in b" in capsys.readouterr().out


def test_json(runs, capsys):
    arguments = ["--stage", "segmentation", "--drop", "--grid", "30", "--format", "json"]
    assert main(["whatif", "a", *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["changes"] == [
        {"stage": "segmentation", "speedup": None, "power": 1.0, "source": ""}
    ]
    assert document["changed"]["makespan_s"] == pytest.approx(5)
    assert document["price"].startswith("30 g/kWh")
    assert document["makespan_error"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n-procs", "0"], "give 1 or more"),
        (["--stage", "segmentation"], "what of it?"),
        (["--stage", "nothing", "--drop"], "no such stage; it has"),
        (["--stage", "segmentation", "--drop", "--speedup", "2"], "leave the rest"),
        (["--stage", "segmentation", "--speedup", "0"], "a number above 0"),
        (["--stage", "segmentation", "--power", "nan"], "a number above 0"),
        (["--stage", "segmentation", "--from", "nowhere"], "nowhere"),
        (["--grid", "-3"], "an intensity of -3"),
        (["--start", "2026-01-01"], "goes with --grid FILE"),
    ],
)
def test_a_mistake_is_one_line(runs, capsys, arguments, message):
    assert main(["whatif", "a", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--drop"], "of which stage?"),
        (["--stage", "x", "--speedup", "2", "--speedup", "3"], "given twice"),
    ],
)
def test_arguments_in_the_wrong_order(runs, capsys, arguments, message):
    with pytest.raises(SystemExit) as left:
        main(["whatif", "a", *arguments])
    assert left.value.code == 2
    assert message in capsys.readouterr().err
