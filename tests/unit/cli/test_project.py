# SPDX-License-Identifier: Apache-2.0
import csv
import io
import json

import pytest

from nicarbon.cli import main
from nicarbon.datasets import datasets


@pytest.fixture
def runs(run_folders, tmp_path, monkeypatch):
    """Three runs of 80 J and 10 s each, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for n in range(3):
        facts = run_folders.ok(run_folders.facts(), f"a{n}")
        run_folders.write(tmp_path / "runs" / f"a{n}", facts)
    return tmp_path


def test_own_runs(runs, capsys):
    assert (
        main(["project", "runs/*", "--scans", "1e6", "--kwh-price", "2", "--format", "tsv"]) == 0
    )
    out, err = capsys.readouterr()
    (row,) = csv.DictReader(io.StringIO(out), delimiter="\t")
    assert (row["side"], row["n"], row["scans"]) == ("wf CPU", "3", "1000000.0")
    assert float(row["machine_days"]) == pytest.approx(1e7 / 86400)
    assert float(row["machine_days_low"]) == pytest.approx(1e7 / 86400)
    assert float(row["energy_kwh"]) == pytest.approx(80e6 / 3.6e6)
    assert float(row["energy_kwh_low"]) == pytest.approx(0.95 * 80e6 / 3.6e6)
    assert float(row["money"]) == pytest.approx(2 * 80e6 / 3.6e6)
    assert row["carbon_kg"] == "n/a"
    assert err == ""


def test_kilograms_of_priced_runs(runs, capsys):
    assert main(["price", "runs/*", "--intensity", "30"]) == 0
    capsys.readouterr()
    assert main(["project", "runs", "--dataset", "ukbiobank", "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["scans"] == 100_000
    assert found["carbon_kg"]["value"] == pytest.approx(80e5 / 3.6e6 * 30 / 1000)
    assert found["researcher_day_kg"] == found["machine_day_kg"]


def test_published_figures_beside_what_they_print(capsys):
    assert main(["project", "published:*", "--scans", "10000"]) == 0
    out = capsys.readouterr().out
    assert "3,458 CPU-days" in out
    assert "667 GPU-days" in out
    assert "3,471 CPU-days (here -0.4 %), 32 kg (here +1.9 %)" in out
    assert "0.401 kWh, 12 g" in out


def test_a_table_to_read(runs, capsys):
    arguments = ["--dataset", "abcd", "--scans", "20", "--machines", "3", "--researchers", "2"]
    money = ["--kwh-price", "0.3", "--currency", "EUR"]
    assert main(["project", "runs/a0", *arguments, *money]) == 0
    out = capsys.readouterr().out
    assert "11,877" in out
    assert "EUR" in out
    assert "3 machines, of 2: each, a day" in out
    assert "! wf CPU: one run" in out
    assert "grams: price the runs" in out


def test_the_datasets_with_their_sources(capsys):
    assert main(["project", "--datasets"]) == 0
    out = capsys.readouterr().out
    for name, one in datasets().items():
        assert name in out
        assert one.source in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scans", "10"], "no run"),
        (["runs/a0"], "how many scans?"),
        (["runs/a0", "--scans", "nan"], "a number above 0"),
        (["runs/a0", "--scans", "-3"], "a number above 0"),
        (["runs/a0", "--dataset", "biobank"], "did you mean ukbiobank?"),
        (["runs/a0", "--scans", "3", "--machines", "0"], "--machines 0: give 1 or more"),
        (["runs/a0", "--scans", "3", "--kwh-price", "inf"], "give a price"),
        (["nowhere", "--scans", "3"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line(runs, capsys, arguments, message):
    assert main(["project", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
