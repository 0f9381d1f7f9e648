# SPDX-License-Identifier: Apache-2.0
import csv
import io
import json

import msgspec
import pytest

from nicarbon.cli import main


@pytest.fixture
def runs(run_folders, tmp_path, monkeypatch):
    """Three runs that went well, of 80 J each, and one that failed, in the working directory."""
    monkeypatch.chdir(tmp_path)
    facts = run_folders.facts()
    for n in range(3):
        run_folders.write(tmp_path / "runs" / f"a{n}", run_folders.ok(facts, f"a{n}"))
    run_folders.write(tmp_path / "other" / "b0", run_folders.ok(facts, "b0"))
    run_folders.write(tmp_path / "failed", facts)
    return tmp_path


def rows(out):
    return list(csv.DictReader(io.StringIO(out), delimiter="\t"))


def test_two_runs(runs, capsys):
    assert main(["compare", "runs/a0", "other/b0"]) == 0
    out, err = capsys.readouterr()
    assert "segmentation" in out
    assert "a0: 1 run\n" in out
    assert "0.0 %?" in out
    assert "! a single run of a0, b0" in out
    assert err == ""


def test_several_runs_of_a_side_have_noise(runs, capsys):
    assert main(["compare", "mine=runs/*", "theirs=other/*", "--format", "tsv"]) == 0
    table = rows(capsys.readouterr().out)
    whole = [row for row in table if row["stage"] == "whole run"]
    assert [(row["side"], row["n"]) for row in whole] == [("mine", "3"), ("theirs", "1")]
    assert float(whole[0]["energy_j"]) == pytest.approx(80)
    assert float(whole[0]["energy_j_sd"]) == pytest.approx(0, abs=1e-9)
    assert whole[1]["energy_beyond_noise"] == "False"
    assert whole[0]["energy_difference"] == "n/a"


def test_a_folder_of_run_folders_is_a_side(runs, capsys):
    assert main(["compare", "runs", "other", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(side["name"], side["n"]) for side in document["sides"]] == [("runs", 3), ("other", 1)]


def test_the_table_of_pipelines_reproduces_what_is_published(capsys):
    assert main(["compare", "--table", "published:*", "--format", "tsv"]) == 0
    table = rows(capsys.readouterr().out)
    columns = ("runtime_h", "runtime_h_sd", "energy_wh", "energy_wh_sd", "carbon_g", "carbon_g_sd")
    figures = [tuple(float(row[c]) for c in columns) for row in table]
    assert figures == [
        pytest.approx((8.3, 1.03, 108.5, 19.8, 3.26, 0.5)),
        pytest.approx((9.8, 0.74, 126.4, 16.1, 3.79, 0.5)),
        pytest.approx((1.6, 0.47, 26.7, 7.7, 0.80, 0.2)),
    ]
    assert {row["published"] for row in table} == {"True"}


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_the_table_to_read_has_a_column_a_device(capsys, form):
    assert main(["compare", "--table", "published:*", "--format", form]) == 0
    out = capsys.readouterr().out
    assert "run time (h), GPU" in out
    fast = next(line for line in out.splitlines() if "FastSurfer (published)" in line)
    for cell in ("9.8 (0.74)", "1.6 (0.47)", "126.4 (16.1)", "26.7 (7.7)", "0.80 (0.2)"):
        assert cell in fast
    assert out.count("Tesla V100") == 1


def test_own_runs_in_that_table_by_pipeline(runs, capsys):
    assert main(["compare", "--table", "runs/*", "other/b0", "published:freesurfer-cpu"]) == 0
    out = capsys.readouterr().out
    own = next(line for line in out.splitlines() if line.startswith("wf "))
    assert "0.00278 (0)" in own
    assert "0.0222 (" in own
    assert "wf CPU: mean (SD) of 4 runs" in out
    assert main(["compare", "--table", "all=runs/*", "--format", "markdown"]) == 0
    assert "| all | 0.00278 (0) |" in capsys.readouterr().out


def test_the_gate(runs, run_folders, capsys):
    facts = run_folders.ok(run_folders.facts(), "more")
    sample_files = tuple(
        msgspec.structs.replace(
            file,
            samples=tuple(
                msgspec.structs.replace(s, readings={"package-0": 2 * s.readings["package-0"]})
                for s in file.samples
            ),
        )
        for file in facts.sample_files
    )
    run_folders.write(runs / "more", msgspec.structs.replace(facts, sample_files=sample_files))
    assert main(["compare", "runs", "other/b0", "--fail-over", "5%"]) == 0
    capsys.readouterr()
    assert main(["compare", "runs", "more", "--fail-over", "5%"]) == 1
    err = capsys.readouterr().err
    assert err == "nicarbon: more: energy is 100.0 % above runs, more than 5 %\n"
    assert main(["compare", "runs", "more", "--fail-over", "5", "--of", "cpu"]) == 0


def test_failed_runs_are_left_out_where_others_went_well(runs, capsys):
    assert main(["compare", "a=runs/a0", "a=failed", "b=other/*"]) == 0
    assert "! a: left out, as they did not end well" in capsys.readouterr().out


def test_what_cannot_be_read_hides_nothing_else(runs, capsys):
    (runs / "empty").mkdir()
    assert main(["compare", "a=runs/*", "a=empty", "b=other/b0", "b=none*"]) == 2
    out, err = capsys.readouterr()
    assert "whole run" in out
    assert "empty: is not a run folder" in err
    assert "none*: no folder matches" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs/a0"], "one side only"),
        (["runs/a0", "nowhere"], "nowhere"),
        (["runs/a0", "none*"], "none*: no folder matches"),
        (["runs/a0", "published:fs"], "no such published figures"),
        (["runs/a0", "other/b0", "--fail-over", "much"], "give a percentage"),
        (["runs/a0", "other/b0", "--fail-over=-5%"], "give a percentage"),
        (["runs/a0", "other/b0", "--fail-over", "nan"], "give a percentage"),
        (["runs/a0", "--table", "--fail-over", "5%"], "leave out --table"),
    ],
)
def test_a_mistake_is_one_line(runs, capsys, arguments, message):
    assert main(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_run_of_a_newer_format(runs, capsys):
    path = runs / "runs" / "a0" / "run.json"
    path.write_text(path.read_text().replace('"schema_version":"0"', '"schema_version":"99"'))
    assert main(["compare", "runs/a0", "other/b0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_names_from_pipelines_are_harmless(runs, capsys):
    assert main(["compare", "a\x1b[31m=runs/a0", "b=other/b0"]) == 0
    assert "\x1b" not in capsys.readouterr().out
