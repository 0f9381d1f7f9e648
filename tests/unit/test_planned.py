# SPDX-License-Identifier: Apache-2.0
from nicarbon.planned import merged, missing, unplanned
from nicarbon.records import Graph, Node


def test_graphs_are_united():
    a, b = Node("a", stage="x"), Node("b")
    one = Graph("w", "Linear", (a, b), (("a", "b"),))
    two = Graph("v", "Linear", (Node("a"), Node("c")), (("a", "b"), ("a", "c")))
    united = merged([one, two])
    assert united == Graph("w, v", "Linear", (a, b, Node("c")), (("a", "b"), ("a", "c")))


def test_what_is_missing_and_what_no_graph_has(run_folders):
    spans = run_folders.few()
    assert missing(run_folders.GRAPH, spans) == ("wf.mask",)
    only_elements = [span for span in spans if span.map_node]
    assert "wf.smooth" not in missing(run_folders.GRAPH, only_elements)
    lost = unplanned(spans, {"wf.strip", "wf.fast", "wf.smooth"})
    assert [node.name for node in lost.nodes] == ["wf.smooth[0]", "wf.smooth[1]"]


def test_what_only_collects_elements_is_never_missing():
    nodes = (Node("wf.all", "wf", collects=True), Node("wf.one", "wf"))
    assert missing(Graph("wf", "", nodes, ()), []) == ("wf.one",)
