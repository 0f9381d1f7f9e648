# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.graph import executed_graph, fold
from nicarbon.reports.boxes import Scale, box, escape, figures, legend, shortened, title
from nicarbon.stages import StageRules


@pytest.fixture
def graph(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 2, 20.0),
        run_folders.span("wf.fast", 2, 4, 60.0, method="modelled"),
    ]
    run = run_folders.run(spans)
    return executed_graph(run_folders.GRAPH, run.stage_of(StageRules.load()), spans)


@pytest.fixture
def stages(graph):
    return fold(graph, "stage")


def test_a_box_says_energy_share_range_time_and_nodes(stages):
    data = stages.nodes["segmentation"]
    assert figures(data, Scale(stages)) == ["~60 J, 75.0 %", "(57-63 J)", "2 s, 2 nodes"]
    measured = stages.nodes["brain extraction"]
    assert figures(measured, Scale(stages))[0] == "20 J, 25.0 %"


def test_grams_are_shown_where_there_is_a_price(stages):
    stages.nodes["segmentation"]["carbon_g"] = 0.002
    scale = Scale(stages)
    assert figures(stages.nodes["segmentation"], scale)[2] == "~2 mg CO2e"
    assert figures(stages.nodes["brain extraction"], scale)[2] == "n/a CO2e"


def test_what_has_no_energy_says_so_and_is_dashed(graph):
    assert figures(graph.nodes["wf.mask"], Scale(graph))[0] == "n/a"
    attributes = box("wf.mask", graph.nodes["wf.mask"], Scale(graph))
    assert attributes["style"].endswith("dashed")
    assert attributes["fillcolor"] == "#ffffff"


def test_a_box_of_one_node_says_where_it_is_and_its_stage(graph):
    data = graph.nodes["wf.fast"]
    data["carbon_g"] = 1.0
    label = box("wf.fast", data, Scale(graph))["label"]
    assert label.startswith("<<B>fast</B>")
    lines = label.split("<BR/>")[1:]
    assert lines[:4] == ["wf", "~60 J, 75.0 %", "~1 g CO2e", "2 s"]
    assert lines[4].startswith("segmentation<")
    assert title("wf.fast", data, Scale(graph)).startswith("wf.fast: segmentation, ~60 J")


def test_a_node_without_a_workflow_keeps_its_name(graph):
    data = graph.nodes["wf.fast"] | {"workflow": ""}
    assert "<B>wf.fast</B>" in box("wf.fast", data, Scale(graph))["label"]


def test_names_are_no_markup(stages):
    assert escape('<b>&amp;"\x1b[31m\u202e') == "&lt;b&gt;&amp;amp;&quot;�[31m�"
    label = box("</B><script>", stages.nodes["segmentation"], Scale(stages))["label"]
    assert "<B>&lt;/B&gt;&lt;script&gt;</B>" in label


@pytest.mark.parametrize("length", [2, 3, 10, 499, 500, 501])
def test_long_names_are_shortened_in_the_middle(length):
    name = "a" * 250 + "b" * 250
    short = shortened(name, length)
    assert len(short) == min(length, 500)
    assert short[0] == "a"
    assert short[-1] == ("…" if length == 2 else "b")


def test_the_title_has_the_whole_name(stages):
    name = "n" * 500
    assert title(name, stages.nodes["segmentation"], Scale(stages)).startswith(name + ": ~60 J")


def test_the_legend_says_what_is_in_the_picture(stages):
    text = legend(Scale(stages), "a bottleneck", True)
    for line in ("~60 J", "not measured", "double border: a bottleneck", "number on an arrow"):
        assert line in text
    stages.nodes["segmentation"]["method"] = "measured"
    text = legend(Scale(stages), None, False)
    for line in ("~", "double border", "number on an arrow"):
        assert line not in text
    for data in stages.nodes.values():
        data["energy_j"] = None
    assert legend(Scale(stages), None, False) == ""
    assert "only drawn in part" in legend(Scale(stages), None, False, "only drawn in part")
