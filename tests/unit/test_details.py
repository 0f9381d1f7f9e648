# SPDX-License-Identifier: Apache-2.0
from nicarbon.details import Detail, details, last_hash
from nicarbon.records import Graph, Node

GRAPH = Graph(
    "wf",
    "Linear",
    (Node("wf.a", n_procs=2, mem_gb=0.5), Node("wf.m", map_node=True, mem_gb=4.0)),
    (),
)


def test_what_a_node_asked_for_and_its_inputs(run_folders):
    spans = [
        run_folders.span("wf.a", inputs_hash="0a"),
        run_folders.span("wf.m[3]", map_node="wf.m", inputs_hash="0b"),
        run_folders.span("wf.lost"),
    ]
    assert details(GRAPH, spans) == {
        "wf.a": Detail(2, 0.5, "0a"),
        "wf.m[3]": Detail(None, 4.0, "0b"),
        "wf.lost": Detail(),
    }


def test_the_hash_is_that_of_the_last_execution_that_has_one(run_folders):
    spans = [
        run_folders.span("wf.a", 3, 4, inputs_hash="new"),
        run_folders.span("wf.a", 0, 1, inputs_hash="old"),
        run_folders.span("wf.a", 5, 6),
    ]
    assert last_hash(spans) == "new"
    assert last_hash(spans[2:]) is None
