# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from nicarbon.cli import main
from nicarbon.cli import run as run_verb


@pytest.fixture(autouse=True)
def folders(run_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        run_folders.write(tmp_path / "runs" / name, run_folders.facts(run_id=f"run-{name}"))


def test_runs_into_one_dataset(capsys):
    assert main(["bids", "runs/*", "out"]) == 0
    out, err = capsys.readouterr()
    assert out == "wrote out/nicarbon\nnext: nicarbon summary runs/a --by subject\n"
    assert err == ""
    text = Path("out/nicarbon/desc-stages_footprint.tsv").read_text()
    assert "run-a" in text
    assert "run-b" in text


def test_a_run_that_is_none_stops_no_other(capsys):
    Path("runs/c").mkdir()
    assert main(["bids", "runs/a", "runs/c", "nowhere/*", "out"]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("wrote out/nicarbon\n")
    assert [line.partition(":")[0] for line in err.splitlines()] == ["nicarbon"] * 2
    assert "runs/c" in err
    assert "nowhere/*: no folder matches" in err


def test_somebody_elses_folder_is_refused(capsys):
    Path("out/nicarbon/theirs").mkdir(parents=True)
    assert main(["bids", "runs/a", "out"]) == 2
    assert "no derivative of nicarbon's" in capsys.readouterr().err
    assert main(["run", "--bids", "out", "--", "true"]) == 2
    assert "no derivative of nicarbon's" in capsys.readouterr().err
    assert not Path("nicarbon-runs").exists()


def test_at_the_end_of_a_run(capfd):
    code = main(
        ["run", "-o", "run", "--bids", "out", "--progress", "none", "--", "sh", "-c", "exit 3"]
    )
    assert code == 3
    assert "nicarbon: wrote out/nicarbon\n" in capfd.readouterr().err
    assert "\tsh\t" in Path("out/nicarbon/desc-nodes_footprint.tsv").read_text()


def test_what_can_not_be_written_is_not_the_pipelines_failure(monkeypatch, capfd):
    Path("out").touch()

    class Session:
        run_dir = "runs/a"

    run_verb._write_bids(Session(), "out", None)
    said = capfd.readouterr().err.splitlines()
    assert said[0].startswith("nicarbon: no BIDS derivative: out/nicarbon: cannot be written")
    assert said[1] == "nicarbon: once that is mended: nicarbon bids runs/a out"
