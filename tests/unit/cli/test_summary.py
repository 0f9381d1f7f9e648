# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import time

import pytest

from nicarbon.cli import main
from nicarbon.cli.summary import show


@pytest.fixture
def runs(run_folders, tmp_path, monkeypatch):
    """Two good runs and a killed one, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name, killed in (("a", False), ("b", False), ("killed", True)):
        facts = run_folders.facts(run_id=f"run-{name}", killed=killed)
        run_folders.write(tmp_path / "runs" / name, facts)
    return tmp_path


def test_a_table(runs, capsys):
    assert main(["summary", "runs/a"]) == 0
    out = capsys.readouterr().out
    assert "run run-a, 2026-09-21T14:13:20Z, 10 s" in out
    assert "= counter 100.0 J (95.0-105.0), 80 % in nodes" in out
    assert "! the pipeline failed" in out
    assert out.splitlines()[-2:] == [
        "grams: nicarbon price runs/a --country CODE (or --intensity G)",
        "next: nicarbon summary runs/a --by node",
    ]


def test_a_killed_run_says_what_is_missing(runs, capsys):
    assert main(["summary", "runs/killed"]) == 0
    out = capsys.readouterr().out
    assert "the run has no end" in out
    assert "wf.fast" in out


def test_patterns_that_the_shell_left_alone(runs, capsys):
    (runs / "runs" / "notes.txt").write_text("no run")
    assert main(["summary", "runs/*", "runs/a", "--format", "json", "--by", "host"]) == 0
    documents = json.loads(capsys.readouterr().out)
    assert [document["run_id"] for document in documents] == ["run-a", "run-b", "run-killed"]
    assert documents[0]["rows"][0]["name"] == "scanner"


def test_notes_go_to_standard_error_where_a_program_reads(runs, capsys):
    assert main(["summary", "runs/a", "--format", "tsv"]) == 0
    out, err = capsys.readouterr()
    assert [line.split("\t")[1] for line in out.splitlines()] == [
        "name",
        "segmentation",
        "brain extraction",
    ]
    assert "nicarbon: run-a: the pipeline failed" in err


def test_broken_runs_do_not_hide_the_others(runs, capsys):
    (runs / "runs" / "empty").mkdir()
    assert main(["summary", "runs/a", "runs/empty", "runs/none", "nothing*"]) == 2
    out, err = capsys.readouterr()
    assert "run run-a" in out
    assert [line.split(":")[1].strip() for line in err.splitlines()] == [
        "nothing*",
        "runs/empty",
        "runs/none",
    ]


@pytest.mark.parametrize("argument", ["none", "none*"])
def test_one_broken_run_is_one_line(runs, capsys, argument):
    assert main(["summary", argument]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert argument in err


def test_several_broken_runs_are_all_named(runs, capsys):
    assert main(["summary", "none", "neither"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_own_rules(runs, capsys):
    (runs / "mine.toml").write_text('[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nnode = "*"\n')
    assert main(["summary", "runs/a", "--stages", "mine.toml"]) == 0
    out = capsys.readouterr().out
    assert "mine  " in out
    assert out.splitlines()[-1].endswith("--by node --stages mine.toml")


def test_wrong_rules_are_one_line_however_many_runs(runs, capsys):
    (runs / "mine.toml").write_text("[[rule]\n")
    assert main(["summary", "runs/*", "--stages", "mine.toml"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "mine.toml: is not valid TOML" in err


def test_a_folder_named_like_a_pattern(runs, run_folders, capsys):
    run_folders.write(runs / "runs" / "[x]", run_folders.facts(run_id="odd"))
    assert main(["summary", "runs/[x]"]) == 0
    assert "run odd" in capsys.readouterr().out


def test_by_any_attribute(runs, capsys):
    assert main(["summary", "runs/a", "--by", "program"]) == 0
    out = capsys.readouterr().out
    assert "program " in out
    assert "bet  " in out
    assert out.splitlines()[-1] == "next: nicarbon summary runs/a --by program --format tsv"


@pytest.mark.parametrize("verb", [["summary"], ["price", "--intensity", "3"]])
def test_an_unknown_attribute_is_one_line_however_many_runs(runs, capsys, verb):
    assert main([*verb, "runs/a", "runs/b", "--by", "subjects"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "'subjects': no such attribute; did you mean subject?" in err
    assert not (runs / "runs" / "a" / "price.json").exists()


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["summary", "--help"])
    assert exit_info.value.code == 0
    assert "nicarbon summary 'nicarbon-runs/*' --format tsv" in capsys.readouterr().out


def test_show_is_the_same_table_beside_the_output_of_the_program(runs, capsys):
    show(runs / "runs" / "a")
    shown = capsys.readouterr()
    assert shown.out == ""
    main(["summary", str(runs / "runs" / "a")])
    assert capsys.readouterr().out == shown.err.lstrip("\n")


@pytest.fixture
def study(run_folders, tmp_path, monkeypatch):
    """Five tasks of an array job: the third was killed, the fourth has an empty folder."""
    monkeypatch.chdir(tmp_path)
    for i in (1, 2, 3, 5, 10):
        facts = run_folders.facts(run_id=f"run-{i}", killed=i == 3)
        folder = run_folders.write(tmp_path / "runs" / str(i), facts)
        for path in folder.iterdir():
            os.utime(path, (0, 0))
    (tmp_path / "runs" / "4").mkdir()
    return tmp_path


def test_many_runs_are_a_row_each_and_dead_and_missing_ones_are_named(study, capsys):
    assert main(["summary", "runs/*", "--expect", "1-10%4"]) == 2
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()[2:7]] == [
        ["1", "failed"],
        ["2", "failed"],
        ["3", "dead"],
        ["5", "failed"],
        ["10", "failed"],
    ]
    assert "! 1 run has no end and nobody writes to it any more: it was killed: 3" in out
    assert out.splitlines()[-1] == "next: nicarbon summary runs/3"
    unreadable, missing = err.splitlines()
    assert unreadable.startswith("nicarbon: runs/4: is not a run folder")
    assert missing == "nicarbon: 5 of 10 runs expected are missing: 4,6-9"


def test_runs_of_the_same_name_are_told_apart_by_their_paths(study, capsys):
    shutil.copytree("runs/1", "again/1")
    main(["summary", "runs/*", "again/1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("again/1 ")
    assert lines[3].startswith("runs/1 ")


def test_what_is_missing_is_said_where_a_program_reads(study, capsys):
    (study / "subjects.txt").write_text("1\nsub-x\n")
    for form in ("tsv", "json"):
        assert main(["summary", "runs/1", "--expect", "subjects.txt", "--format", form]) == 2
        assert "nicarbon: 1 of 2 runs expected is missing: sub-x" in capsys.readouterr().err
    assert main(["summary", "runs/1", "--expect", "1"]) == 0
    assert main(["summary", "none*", "--expect", "1-2"]) == 2
    assert "2 of 2 runs expected are missing: 1-2" in capsys.readouterr().err


def test_a_wrong_list_is_found_before_anything_is_read(study, capsys):
    assert main(["summary", "runs/*", "--expect", "none.txt"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "there is no file none.txt" in err


def test_many_runs_are_read_quickly(run_folders, tmp_path, capsys):
    for i in range(200):
        run_folders.write(tmp_path / str(i), run_folders.facts(run_id=f"run-{i}"))
    cpu_s = time.process_time()
    assert main(["summary", f"{tmp_path}/*"]) == 0
    # Measured: 0.5 s; each with rules of its own took 2.5 s.
    assert time.process_time() - cpu_s < 2.0
    assert "200 runs" in capsys.readouterr().out


def test_what_was_wasted_is_told(run_folders, tmp_path, capsys):
    folder = str(run_folders.write(tmp_path / "a", run_folders.facts()))
    assert main(["price", folder, "--intensity", "100"]) == 0
    capsys.readouterr()
    assert main(["summary", folder]) == 0
    said = "wasted: 40 J (38-42 J), 1.11 mg, 50.0 % of the nodes: 1 execution failed (40 J)\n"
    assert said in capsys.readouterr().out
    run_folders.write(tmp_path / "b", run_folders.ok(run_folders.facts(), "b"))
    assert main(["summary", str(tmp_path / "b")]) == 0
    assert "wasted: " not in capsys.readouterr().out
