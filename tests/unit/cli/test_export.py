# SPDX-License-Identifier: Apache-2.0
import pandas as pd
import pytest

from nicarbon.cli import main

pytest.importorskip("pyarrow")


@pytest.fixture
def runs(run_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        run_folders.write(tmp_path / "runs" / name, run_folders.facts(run_id=name))
    return tmp_path


def test_many_runs_in_one_file(runs, capsys):
    assert main(["export", "runs/*", "-o", "cohort.parquet"]) == 0
    out, err = capsys.readouterr()
    query = "select stage, sum(energy_j) from 'cohort.parquet' group by stage"
    assert out == f'wrote cohort.parquet: 8 nodes of 2 runs\nnext: duckdb -c "{query}"\n'
    assert err == ""
    table = pd.read_parquet("cohort.parquet")
    assert sorted(table["run_id"].unique()) == ["a", "b"]


def test_what_cannot_be_read_hides_nothing_else(runs, capsys):
    (runs / "runs" / "empty").mkdir()
    assert main(["export", "runs/*", "none*", "-o", "cohort.parquet"]) == 2
    out, err = capsys.readouterr()
    assert "8 nodes of 2 runs" in out
    assert "empty: is not a run folder" in err
    assert "none*: no folder matches" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none*", "-o", "x.parquet"], "no folder matches"),
        (["runs/a", "-o", "none/x.parquet"], "cannot be written"),
        (["runs/a", "-o", "x.parquet", "--stages", "none.toml"], "none.toml"),
    ],
)
def test_a_mistake_is_one_line(runs, capsys, arguments, message):
    assert main(["export", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert not list(runs.glob("*.parquet*"))
