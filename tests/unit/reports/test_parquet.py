# SPDX-License-Identifier: Apache-2.0
import builtins
import gc
import tracemalloc

import pandas as pd
import pytest

from nicarbon.errors import MissingExtraError, OutputError
from nicarbon.reports import parquet
from nicarbon.run import Run

pq = pytest.importorskip("pyarrow.parquet")


def test_one_row_a_node(run_folders, tmp_path):
    run = Run(run_folders.facts(run_id="run-a"))
    assert parquet.write(tmp_path / "a.parquet", [run, run]) == 8
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert tuple(table.columns) == parquet.COLUMNS
    assert len(table) == 8
    assert table["energy_j"].sum() == pytest.approx(160)
    fast = table[table["node"] == "wf.fast"].iloc[0]
    assert (fast["stage"], fast["outcome"], fast["run_outcome"]) == (
        "segmentation",
        "failed",
        "failed",
    )
    assert fast["hosts"] == "scanner"
    assert fast["duration_s"] == pytest.approx(4)
    assert fast["started"] == pd.Timestamp(run_folders.UNIX_S, unit="s", tz="UTC")


def test_what_is_not_known_is_null(run_folders, tmp_path):
    parquet.write(tmp_path / "a.parquet", [Run(run_folders.facts())])
    table = pd.read_parquet(tmp_path / "a.parquet").set_index("node")
    never = table.loc["wf.smooth"]
    assert never["outcome"] == "missing"
    assert never[["energy_j", "cpu_s", "duration_s", "carbon_g", "hosts"]].isna().all()
    assert table["subject"].isna().all()
    assert str(table["n_procs"].dtype) in ("float64", "Int64")


def test_kinds_are_the_same_for_every_file(run_folders, tmp_path):
    parquet.write(tmp_path / "a.parquet", [Run(run_folders.facts())])
    assert pq.read_schema(tmp_path / "a.parquet").equals(parquet.schema())


def test_a_cohort_takes_no_more_memory_than_its_runs(run_folders, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "GROUP_ROWS", 1)
    path = run_folders.write(tmp_path / "many", run_folders.many(100))

    def peak(n):
        gc.collect()
        tracemalloc.start()
        parquet.write(tmp_path / "a.parquet", (Run.open(path) for _ in range(n)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is loaded and cached once
    assert peak(9) < 2 * peak(3)
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3  # written last


def test_no_half_file_is_left(run_folders, tmp_path):
    def broken():
        yield Run(run_folders.facts())
        raise OutputError("no more")

    with pytest.raises(OutputError, match="no more"):
        parquet.write(tmp_path / "a.parquet", broken())
    with pytest.raises(OutputError, match="no node"):
        parquet.write(tmp_path / "a.parquet", [])
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="cannot be written"):
        parquet.write(tmp_path / "none" / "a.parquet", [Run(run_folders.facts())])


def test_without_pyarrow(run_folders, tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=r"nicarbon\[parquet\]"):
        parquet.write(tmp_path / "a.parquet", [Run(run_folders.facts())])
