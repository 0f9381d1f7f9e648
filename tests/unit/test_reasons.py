# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.reasons import Reasons, asked, reasons
from nicarbon.records import Graph, Node
from nicarbon.stages import StageRules

BET = "nipype.interfaces.fsl.preprocess.BET"
FAST = "nipype.interfaces.fsl.preprocess.FAST"
MATHS = "nipype.interfaces.fsl.maths.MathsCommand"
SINK = "nipype.interfaces.io.DataSink"


def graph_of(edges, **interfaces):
    nodes = tuple(Node(f"wf.{n}", "wf", interface) for n, interface in interfaces.items())
    pairs = [pair.split(">") for pair in edges.split()]
    return Graph("wf", "Linear", nodes, tuple((f"wf.{a}", f"wf.{b}") for a, b in pairs))


def found(graph, stages_file=None):
    rules = StageRules.load(stages_file)
    named = reasons(rules, graph)
    assert {reason.name: reason.stage for reason in named} == rules.classify(graph)
    assert [reason.name for reason in named] == [node.name for node in graph.nodes]
    return {reason.own_name: reason for reason in named}


def test_a_rule_is_named_by_file_line_and_the_pattern_that_fits(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '[[rule]]\nstage = "registration"\nnode = "elsewhere"\n\n'
        '[[rule]]\nstage = "segmentation"\nnode = ["x", "Str?p"]\ninterface = "re:fsl"\n'
    )
    reason = found(graph_of("", strip=BET), mine)["strip"]
    assert reason.rule == f"{mine}:5 (node Str?p, interface re:fsl -> segmentation)"
    assert (reason.way, reason.near, reason.hint) == ("rule", (), None)
    assert (reason.workflow, reason.interface) == ("wf", BET)


def test_built_in_files_are_named_without_their_folder():
    reason = found(graph_of("", strip=BET))["strip"]
    file, _, rest = reason.rule.partition(":")
    assert file == "31-fsl.toml"
    assert rest.endswith(" (interface *.BET -> brain extraction)")


def test_long_expressions_are_cut(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(f'[[rule]]\nstage = "engine"\nnode = "re:strip|{"x" * 500}"\n')
    assert len(found(graph_of("", strip=BET), mine)["strip"].rule) < len(str(mine)) + 100


def test_generic_nodes_say_whose_stage_they_have():
    graph = graph_of("first>op op>f op>ghost f>last last>s", first=BET, op=MATHS, f=FAST)
    nodes = (*graph.nodes, Node("wf.last", "wf", MATHS), Node("wf.s", "wf", SINK))
    named = found(Graph("wf", "", nodes, graph.edges))
    op, last = named["op"], named["last"]
    assert (op.stage, op.way, op.near) == ("segmentation", "users", ("wf.f",))
    assert (last.stage, last.way, last.near) == ("segmentation", "inputs", ("wf.f",))
    assert op.rule.endswith("(interface MathsCommand -> downstream)")


def test_a_hint_that_decided_is_named_too():
    node = Node("wf.brain_extraction_wf.last", "wf.brain_extraction_wf", MATHS)
    (reason,) = reasons(StageRules.load(), Graph("", "", (node,), ()))
    assert (reason.stage, reason.way) == ("brain extraction", "hint")
    assert reason.hint.startswith("90-hints.toml:")
    assert "-> downstream" in reason.rule


def test_given_stages_and_unclassified_nodes_have_no_rule():
    nodes = (
        Node("wf.a", "wf", BET, stage="mine"),
        Node("wf.zzq", "wf"),
        Node("wf.op", "wf", MATHS),
    )
    named = reasons(StageRules.load(), Graph("", "", nodes, ()))
    assert [(r.stage, r.way, r.rule is None) for r in named] == [
        ("mine", "given", True),
        ("unclassified", "none", True),
        ("unclassified", "none", False),
    ]
    counted = Reasons(named)
    assert (counted.n_unclassified, counted.node_share) == (2, pytest.approx(2 / 3))
    assert Reasons(()).node_share is None


def test_monoliths_are_marked():
    node = Node("recon-all", program="recon-all")
    assert reasons(StageRules.load(), Graph("", "", (node,), ()))[0].whole


def test_nodes_are_found_by_either_name_and_by_an_element():
    nodes = (Node("a.smooth", "a"), Node("b.smooth", "b"), Node("b.mask", "b"))
    named = reasons(StageRules.load(), Graph("", "", nodes, ()))

    def names(name):
        return [reason.name for reason in asked(named, name)]

    assert names("b.smooth") == ["b.smooth"]
    assert names("smooth") == ["a.smooth", "b.smooth"]
    assert names("b.mask[3]") == ["b.mask"]
    assert names("mask[3]") == ["b.mask"]
    assert names("smoo") == []
