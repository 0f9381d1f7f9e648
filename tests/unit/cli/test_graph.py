# SPDX-License-Identifier: Apache-2.0
import json
import sys
from xml.etree import ElementTree

import msgspec
import networkx as nx
import pytest

from nicarbon.cli import main


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.svg", b"<?xml"),
        ("A.PNG", b"\x89PNG"),
        ("a.pdf", b"%PDF"),
        ("a.dot", b"digraph"),
        ("a.graphml", b"<?xml"),
        ("a.json", b"{"),
    ],
)
def test_a_file_of_the_kind_that_its_name_says(runs, capfd, name, begins):
    assert main(["graph", "runs/a", "-o", name]) == 0
    assert (runs / name).read_bytes().startswith(begins)
    out, err = capfd.readouterr()
    assert out.splitlines() == [
        f"wrote {name}: 3 stages, 2 arrows",
        "next: nicarbon bottleneck runs/a",
    ]
    assert err == ""


def texts(path):
    root = ElementTree.parse(path).getroot()
    return ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_marks_what_limited_time(runs):
    assert main(["price", "runs/a", "--intensity", "360"]) == 0
    assert main(["graph", "runs/a", "-o", "a.svg"]) == 0
    shown = texts(runs / "a.svg")
    assert "double border: a time bottleneck, on the critical path" in shown
    assert "50 J, 62.5 %" in shown
    assert "5 mg CO2e" in shown
    assert main(["graph", "runs/a", "-o", "a.svg", "--level", "node"]) == 0
    assert "double border: on the critical path" in texts(runs / "a.svg")
    assert main(["graph", "runs/a", "-o", "a.svg", "--by", "program"]) == 0
    assert not any("border" in text for text in texts(runs / "a.svg"))


def test_data_for_other_programs(runs, capsys):
    assert main(["graph", "runs/a", "-o", "a.json", "--level", "node"]) == 0
    graph = nx.node_link_graph(json.loads((runs / "a.json").read_text()), edges="edges")
    assert (graph.graph["run_id"], graph.graph["by"]) == ("run-a", "node")
    assert graph.nodes["wf.strip"]["energy_j"] == pytest.approx(30.0)
    assert set(graph.edges) == {
        ("wf.strip", "wf.mask"),
        ("wf.mask", "wf.fast"),
        ("wf.fast", "wf.smooth"),
    }
    assert main(["graph", "runs/a", "-o", "a.graphml", "--by", "program"]) == 0
    assert nx.read_graphml(runs / "a.graphml").nodes["bet"]["n_nodes"] == 1
    assert "wrote a.graphml: 4 groups, 3 arrows" in capsys.readouterr().out


def test_own_rules(runs, capsys):
    (runs / "mine.toml").write_text('[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nnode = "*"\n')
    assert main(["graph", "runs/a", "-o", "a.svg", "--stages", "mine.toml"]) == 0
    assert "mine" in texts(runs / "a.svg")
    assert capsys.readouterr().out.endswith("bottleneck runs/a --stages mine.toml\n")


def test_a_killed_run_is_drawn_as_far_as_it_was_recorded(runs):
    assert main(["graph", "runs/killed", "-o", "a.svg", "--level", "node"]) == 0
    assert "fast" in texts(runs / "a.svg")


def test_a_graph_with_a_cycle_is_drawn_without_a_critical_path(runs, run_folders, capsys):
    facts = run_folders.facts()
    graph = facts.graphs[0]
    turned = msgspec.structs.replace(graph, edges=(*graph.edges, ("wf.fast", "wf.strip")))
    run_folders.write(runs / "cycle", msgspec.structs.replace(facts, graphs=(turned,)))
    assert main(["graph", "cycle", "-o", "a.svg", "--level", "node"]) == 0
    assert not any("border" in text for text in texts(runs / "a.svg"))
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs/a", "-o", "a.gif"], "a.gif: name a file that ends in one of .svg, .png, .pdf"),
        (["runs/a", "-o", "-"], "-: name a file that ends in one of .svg"),
        (["runs/a", "-o", "no/where.svg"], "no/where.svg: cannot be written"),
        (["runs/a", "-o", "a.svg", "--by", "subjects"], "did you mean subject?"),
        (["runs/none", "-o", "a.svg"], "runs/none"),
    ],
)
def test_mistakes_are_one_line(runs, capsys, arguments, message):
    assert main(["graph", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


def test_without_pygraphviz_data_can_be_written_and_the_extra_is_named(runs, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert main(["graph", "runs/a", "-o", "a.graphml"]) == 0
    assert main(["graph", "runs/a", "-o", "a.svg"]) == 2
    assert "pip install 'nicarbon[report]'" in capsys.readouterr().err
    assert not (runs / "a.svg").exists()
