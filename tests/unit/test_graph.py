# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest

from nicarbon.errors import NicarbonError
from nicarbon.graph import executed_graph, fold
from nicarbon.records import Graph, Node
from nicarbon.stages import StageRules
from nicarbon.steps import Part, Steps


@pytest.fixture
def graph(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 2, 20.0),
        run_folders.span("wf.fast", 2, 4, 30.0),
        run_folders.span("wf.smooth", 4, 7, 1.0),
        run_folders.span("wf.smooth[0]", 4, 5, 4.0, map_node="wf.smooth", index=0),
        run_folders.span("wf.smooth[1]", 5, 7, 5.0, map_node="wf.smooth", index=1),
    ]
    run = run_folders.run(spans)
    return executed_graph(run_folders.GRAPH, run.stage_of(StageRules.load()), spans)


def test_nodes_carry_what_they_are_and_used(graph):
    strip = graph.nodes["wf.strip"]
    assert (strip["program"], strip["stage"]) == ("bet", "brain extraction")
    assert (strip["energy_j"], strip["outcome"], strip["n_missing"]) == (20.0, "ran", 0)


def test_nodes_without_a_record_stay_visible(graph):
    mask = graph.nodes["wf.mask"]
    assert (mask["outcome"], mask["energy_j"], mask["n_nodes"]) == ("missing", None, 0)
    assert mask["stage"] == "segmentation"


def test_elements_stand_before_their_mapnode(graph):
    element = graph.nodes["wf.smooth[1]"]
    assert (element["stage"], element["map_node"]) == ("smoothing and filtering", False)
    assert list(graph.predecessors("wf.smooth[1]")) == ["wf.fast"]
    assert list(graph.successors("wf.smooth[1]")) == ["wf.smooth"]
    assert graph.has_edge("wf.fast", "wf.smooth")


def test_recorded_nodes_that_no_graph_names_are_kept(run_folders):
    graph = executed_graph(
        run_folders.GRAPH,
        {"wf.lost": "x"} | dict.fromkeys((n.name for n in run_folders.GRAPH.nodes), "y"),
        [run_folders.span("wf.lost")],
    )
    assert graph.nodes["wf.lost"]["energy_j"] == 10.0


def test_fold_keeps_the_sum_and_counts_dependencies(graph):
    stages = fold(graph)
    assert stages.nodes["smoothing and filtering"]["energy_j"] == 10.0
    assert stages.nodes["smoothing and filtering"]["duration_s"] == 3.0
    assert stages.nodes["smoothing and filtering"]["n_nodes"] == 3
    assert stages.nodes["segmentation"]["nodes"] == ("wf.fast", "wf.mask")
    assert stages.nodes["segmentation"]["n_missing"] == 1
    assert {(a, b): n for a, b, n in stages.edges(data="n_dependencies")} == {
        ("brain extraction", "segmentation"): 1,
        ("segmentation", "smoothing and filtering"): 1,
    }


def test_fold_by_any_attribute_or_function(graph):
    assert set(fold(graph, "outcome")) == {"ran", "missing"}
    first = fold(graph, lambda name, data: name[3])
    assert set(first) == {"s", "f", "m"}
    assert first.edges["m", "f"]["n_dependencies"] == 1


def test_an_unknown_attribute_is_one_line_with_near_names(graph):
    with pytest.raises(
        NicarbonError, match=r"'programm': no such attribute; did you mean program"
    ):
        fold(graph, "programm")
    for data in graph.nodes.values():
        data["mine"] = "x"
    assert list(fold(graph, "mine")) == ["x"]


def test_groups_come_in_the_order_in_which_they_began(graph):
    assert list(fold(graph)) == ["brain extraction", "segmentation", "smoothing and filtering"]
    assert list(fold(graph, "node"))[-1] == "wf.mask"


def test_a_node_on_two_hosts_counts_where_it_used_energy(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 1, 3.0, host="b"),
        run_folders.span("wf.strip", 2, 4, 1.0, host="a"),
        run_folders.span("wf.strip", 5, 6, None, host="b", outcome="failed"),
        run_folders.span("wf.mask", 7, 8, 8.0, host="a"),
    ]
    stages = {node.name: "x" for node in run_folders.GRAPH.nodes}

    def priced(row, of_row):
        return msgspec.structs.replace(row, carbon_g=10 * sum(s.energy_j or 0 for s in of_row))

    graph = executed_graph(run_folders.GRAPH, stages, spans, {"a": "alpha", "b": "beta"}, priced)
    assert graph.nodes["wf.strip"]["carbon_g"] == 40.0
    assert graph.nodes["wf.strip"]["hosts"] == ("alpha", "beta")
    hosts = fold(graph, "host")
    assert dict(hosts.nodes(data="energy_j")) == {"alpha": 9.0, "beta": 3.0, "no host": None}
    assert dict(hosts.nodes(data="carbon_g")) == {"alpha": 90.0, "beta": 30.0, "no host": 0.0}
    assert dict(hosts.nodes(data="duration_s")) == {"alpha": 3.0, "beta": 2.0, "no host": 0.0}
    assert hosts.nodes["alpha"]["nodes"] == ("wf.mask", "wf.strip")
    # The result that wf.mask used is that of the last execution.
    assert hosts.edges["beta", "alpha"]["n_dependencies"] == 1


def test_an_empty_run_folds_to_an_empty_graph():
    assert len(fold(executed_graph(Graph("", "", (), ()), {}, []))) == 0


def test_a_monolith_is_folded_into_the_hemispheres_of_its_steps(run_folders):
    def part(name, side, share):
        return Part(name, "recon-all", name, side, "ran", share, share, ((0.0, 1.0),))

    parts = (part("Fill", None, 0.5), part("Pial_lh", "lh", 0.3), part("Pial_rh", "rh", 0.2))
    steps = Steps(parts, ())
    spans = [
        run_folders.span("wf.bet", 0, 1, 7.0),
        run_folders.span("wf.recon", 1, 2, 100.0, steps=steps),
    ]
    nodes = (Node("wf.bet"), Node("wf.recon"))
    graph = executed_graph(
        Graph("wf", "Linear", nodes, (("wf.bet", "wf.recon"),)),
        dict.fromkeys(("wf.bet", "wf.recon"), "s"),
        spans,
    )
    folded = fold(graph, "hemisphere")
    energies = dict(folded.nodes(data="energy_j"))
    assert energies == {
        "no hemisphere": pytest.approx(57),
        "hemi-L": pytest.approx(30),
        "hemi-R": pytest.approx(20),
    }
    assert folded.nodes["no hemisphere"]["nodes"] == ("wf.bet", "wf.recon")
    assert fold(graph, "node").nodes["wf.recon"]["energy_j"] == 100.0
