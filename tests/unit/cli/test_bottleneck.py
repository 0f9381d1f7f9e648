# SPDX-License-Identifier: Apache-2.0
import json

import msgspec
import pytest

from nicarbon.cli import main


@pytest.fixture
def runs(run_folders, tmp_path, monkeypatch):
    """A good run, a killed one, and one without a graph, in the working directory."""
    monkeypatch.chdir(tmp_path)
    facts = run_folders.facts(run_id="run-a")
    run_folders.write(tmp_path / "runs" / "a", facts)
    run_folders.write(tmp_path / "runs" / "no-graph", msgspec.structs.replace(facts, graphs=()))
    run_folders.write(tmp_path / "runs" / "killed", run_folders.facts(killed=True))
    return tmp_path


def test_a_table(runs, capsys):
    assert main(["bottleneck", "runs/a"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "run run-a, 10 s"
    assert "! the pipeline failed" in lines
    assert lines[-1] == "next: nicarbon summary runs/a --by node"


def test_json_is_for_programs(runs, capsys):
    assert main(["bottleneck", "runs/a", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["run_id"] == "run-a"
    assert [node["node"] for node in document["nodes"]] == ["wf.strip", "wf.mask", "wf.fast"]
    assert document["critical_path"]["total_s"] == 10
    assert "path" not in document
    assert "nicarbon: run-a: the pipeline failed" in err


def test_unfinished_runs_and_those_without_a_graph_say_so(runs, capsys):
    assert main(["bottleneck", "runs/killed"]) == 0
    assert "! the run has no end" in capsys.readouterr().out
    assert main(["bottleneck", "runs/no-graph"]) == 0
    assert "! no graph was recorded" in capsys.readouterr().out


def test_own_rules(runs, capsys):
    (runs / "mine.toml").write_text('[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nnode = "*"\n')
    assert main(["bottleneck", "runs/a", "--stages", "mine.toml"]) == 0
    out = capsys.readouterr().out
    assert "\nmine " in out
    assert out.splitlines()[-1].endswith("--by node --stages mine.toml")


def test_a_mistake_is_one_line(runs, capsys):
    assert main(["bottleneck", "none"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["bottleneck", "--help"])
    assert exit_info.value.code == 0
    out = capsys.readouterr().out
    assert "nicarbon bottleneck RUN --format json" in out
    assert "at least 10 % of the energy" in out
