# SPDX-License-Identifier: Apache-2.0
import json
import tomllib

import msgspec
import pytest

from nicarbon.cli import main
from nicarbon.records import Graph, Node

FSL = "nipype.interfaces.fsl"
NODES = [
    {"fullname": "wf.strip", "interface": f"{FSL}.preprocess.BET"},
    {"fullname": "wf.mask", "interface": f"{FSL}.maths.ApplyMask"},
    {"fullname": "wf.fast", "interface": f"{FSL}.preprocess.FAST"},
    {"fullname": "wf.zzq", "interface": "mine.Zzq"},
]
EDGES = [["wf.strip", "wf.mask"], ["wf.mask", "wf.fast"]]


@pytest.fixture
def place(run_folders, tmp_path, monkeypatch):
    """A run, one whose graph lacks a node that ran, and a graph that was never run."""
    monkeypatch.chdir(tmp_path)
    facts = run_folders.facts(run_id="run-a")
    run_folders.write(tmp_path / "run", facts)
    graph = facts.graphs[0]
    nodes = tuple(node for node in graph.nodes if node.name != "wf.mask")
    lost = msgspec.structs.replace(graph, nodes=nodes)
    run_folders.write(tmp_path / "lost", msgspec.structs.replace(facts, graphs=(lost,)))
    (tmp_path / "graph.json").write_text(json.dumps({"nodes": NODES, "edges": EDGES}))
    (tmp_path / "mine.toml").write_text('[[rule]]\nstage = "statistics"\nnode = ["zz*"]\n')
    (tmp_path / "notes.txt").write_text("wf.strip\n")
    return tmp_path


def test_a_graph_that_was_never_run(place, capsys):
    assert main(["stages", "graph.json"]) == 0
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()[2:6]]
    assert [row[0] for row in rows] == ["wf.strip", "wf.mask", "wf.fast", "wf.zzq"]
    assert rows[3][1:] == ["unclassified", "n/a"]
    assert "! 1 of 4 nodes unclassified, 25.0 %" in out.splitlines()
    assert out.endswith("next: nicarbon stages graph.json --stages mine.toml\n")
    assert err == ""


def test_the_rule_that_is_suggested_names_what_had_no_name(place, capsys):
    assert main(["stages", "graph.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = lines.index("  [[rule]]")
    rule = "\n".join(lines[first : first + 3])
    assert tomllib.loads(rule) == {"rule": [{"stage": "...", "node": ["zzq"]}]}
    (place / "own.toml").write_text(rule.replace("...", "statistics"))
    assert main(["stages", "graph.json", "--stages", "own.toml"]) == 0
    out = capsys.readouterr().out
    assert "own.toml:1 (node zzq -> statistics)" in out
    assert "0 of 4 nodes unclassified, 0.0 %" in out.splitlines()
    assert out.splitlines()[-1].endswith("--explain wf.strip --stages own.toml")


def test_tsv_is_name_stage_and_rule(place, capsys):
    assert main(["stages", "graph.json", "--format", "tsv"]) == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == ["name", "stage", "rule"]
    assert [row[:2] for row in rows[1:]] == [
        ["wf.strip", "brain extraction"],
        ["wf.mask", "segmentation"],
        ["wf.fast", "segmentation"],
        ["wf.zzq", "unclassified"],
    ]
    assert rows[1][2].startswith("31-fsl.toml:")
    assert rows[2][2].endswith("(interface *ApplyMask -> downstream)")
    assert rows[4][2] == "n/a"
    assert err == "nicarbon: 1 of 4 nodes unclassified, 25.0 %\n"


def test_a_run_says_how_much_of_its_energy_has_no_stage(place, capsys):
    assert main(["summary", "lost", "--format", "json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    used = {row["name"]: row["energy_j"] for row in summary["rows"]}
    assert main(["stages", "lost", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    energy = document["energy"]
    assert energy["unclassified_j"] == pytest.approx(used["unclassified"])
    assert energy["total_j"] == pytest.approx(summary["total"]["energy_j"])
    assert energy["share"] == pytest.approx(used["unclassified"] / summary["total"]["energy_j"])
    assert energy["share_low"] <= energy["share"] <= energy["share_high"]
    assert energy["method"] == "measured"
    # What ran and is in no graph is there; nobody knows who used the mask.
    stages = {node["name"]: node["stage"] for node in document["nodes"]}
    assert [name for name, stage in stages.items() if stage == "unclassified"] == ["wf.mask"]
    assert (document["n_nodes"], document["n_unclassified"]) == (4, 1)
    assert main(["stages", "lost"]) == 0
    assert f"of the nodes' energy: {energy['unclassified_j']:.0f} J (" in capsys.readouterr().out


def test_a_run_that_rules_name_wholly(place, capsys):
    assert main(["stages", "run"]) == 0
    out = capsys.readouterr().out
    assert "0 of 4 nodes unclassified, 0.0 %; no part of the nodes' energy" in out.splitlines()


def test_elements_count_with_their_map_node(place, run_folders, capsys):
    spans = [
        run_folders.span(f"wf.smooth[{n}]", n, n + 1, map_node="wf.smooth", index=n)
        for n in range(3)
    ]
    found = run_folders.run(spans).reasons()
    assert [reason.name for reason in found.nodes] == [n.name for n in run_folders.GRAPH.nodes]
    assert found.unclassified.energy_j is None
    assert found.energy_share == (0.0, 0.0, 0.0)


def test_one_node_explained(place, capsys):
    assert main(["stages", "graph.json", "--explain", "mask", "--stages", "mine.toml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "wf.mask: segmentation"
    assert lines[1] == f"  node mask, workflow wf, interface {FSL}.maths.ApplyMask"
    assert lines[2].startswith("  rule 80-generic.toml:")
    assert "the stage of the nodes that use its result" in lines[3]
    assert lines[4] == "    wf.fast: segmentation"
    assert lines[-1] == "next: nicarbon stages graph.json --stages mine.toml"
    assert main(["stages", "graph.json", "--explain", "wf.zzq"]) == 0
    assert "no rule fits it" in capsys.readouterr().out
    assert main(["stages", "graph.json", "--explain", "wf.zzq", "--format", "tsv"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["wf.zzq\tunclassified\tn/a"]
    assert main(["stages", "graph.json", "--explain", "wf.zzq", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [node["name"] for node in document["nodes"]] == ["wf.zzq"]
    assert document["n_nodes"] == 4


def test_monoliths_and_given_stages_explained(place, run_folders, capsys):
    nodes = (Node("recon-all", program="recon-all"), Node("wf.a", "wf", stage="statistics"))
    given = {"nodes": [msgspec.to_builtins(node) for node in nodes], "edges": []}
    (place / "given.json").write_text(json.dumps(given))
    assert main(["stages", "given.json", "--explain", "recon-all"]) == 0
    assert "it runs several stages" in capsys.readouterr().out
    assert main(["stages", "given.json", "--explain", "a"]) == 0
    assert "given to the node in Python" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["table", "tsv"])
def test_hostile_names_stay_in_their_line(place, capsys, form):
    names = ["wf.a\x1b[31m\n\tb", "wf." + "x" * 500, "wf.\u202etxt", "wf.[bold]"]
    hostile = {"nodes": [{"fullname": name} for name in names]}
    (place / "hostile.json").write_text(json.dumps(hostile))
    assert main(["stages", "hostile.json", "--format", form]) == 0
    out = capsys.readouterr().out
    if form == "table":
        assert not set(out) & {"\x1b", "\u202e", "\t"}
        assert "wf.[bold]" in out
    else:
        assert [line.count("\t") for line in out.splitlines()] == [2] * 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.json"], "none.json: there is no such run folder, and no such graph"),
        (["."], "is not a run folder"),
        (["notes.txt"], "notes.txt: is not JSON that can be read"),
        (["run/run.json"], "run.json: is no graph: Object missing required field `nodes`"),
        (["graph.json", "--explain", "wf.fst"], "no node is called 'wf.fst'; did you mean"),
        (["graph.json", "--explain", "wf.fst"], "'wf.fast'"),
        (["run", "--explain", "strp"], "did you mean 'strip'"),
        (["graph.json", "--stages", "none.toml"], "none.toml: cannot be read"),
        (["run", "--stages", "graph.json"], "is not valid TOML"),
    ],
)
def test_mistakes_are_one_line(place, capsys, arguments, message):
    assert main(["stages", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


def test_a_run_without_a_graph_names_what_it_recorded(place, run_folders, capsys):
    facts = run_folders.facts()
    run_folders.write(place / "no-graph", msgspec.structs.replace(facts, graphs=()))
    assert main(["stages", "no-graph", "--format", "tsv"]) == 0
    rows = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == ["wf.fast", "wf.mask", "wf.strip"]
    run_folders.write(
        place / "nothing",
        msgspec.structs.replace(
            facts, graphs=(Graph("wf", "", (), ()),), node_files=(), sample_files=()
        ),
    )
    assert main(["stages", "nothing"]) == 0
    assert "0 of 0 nodes unclassified, n/a" in capsys.readouterr().out
