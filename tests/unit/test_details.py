# SPDX-License-Identifier: Apache-2.0
from nicarbon.details import Detail, details
from nicarbon.earlier import Cost
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
    earlier = {"wf.a": Cost(9.0, 8.0, 10.0, "modelled")}
    assert details(GRAPH, spans, earlier) == {
        "wf.a": Detail(2, 0.5, "0a", 1, None, 9.0, 8.0, 10.0, "modelled"),
        "wf.m[3]": Detail(None, 4.0, "0b", 1),
        "wf.lost": Detail(n_attempts=1),
    }
