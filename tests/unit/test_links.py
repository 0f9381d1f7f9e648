# SPDX-License-Identifier: Apache-2.0
import networkx as nx
import pytest

from nicarbon.graph import fold
from nicarbon.links import NOTE, handed_on

OF = {
    "read": "input and output",
    "strip": "brain extraction",
    "merge": "engine",
    "select": "engine",
    "fast": "segmentation",
    "pial": "surface reconstruction",
    "convert": "input and output",
    "sink": "input and output",
}
LINKS = (
    ("read", "strip"),
    ("strip", "merge"),
    ("fast", "merge"),
    ("merge", "select"),
    ("select", "pial"),
    ("select", "fast2"),
    ("strip", "fast"),
    ("pial", "convert"),
    ("convert", "fast2"),
    ("pial", "sink"),
    ("merge", "sink"),
)


@pytest.fixture
def make(run_folders):
    def make(links, stages):
        names = dict.fromkeys(name for link in links for name in link)
        graph = nx.DiGraph(clock_offsets={})
        for name in names:
            span = run_folders.span(name, energy_j=3.0)
            graph.add_node(name, stage=stages[name], spans=(span,), n_missing=0, carbon_g=None)
        graph.add_edges_from(links, element=False)
        return graph

    return make


@pytest.fixture
def graph(make):
    return make(LINKS, OF | {"fast2": "segmentation"})


def arrows(graph):
    return {(a, b): n for a, b, n in graph.edges(data="n_dependencies")}


def test_arrows_lead_from_the_maker_to_the_user_of_a_result(graph):
    assert arrows(handed_on(graph, fold(graph))) == {
        ("input and output", "brain extraction"): 1,
        ("brain extraction", "segmentation"): 2,  # one of them through two that hand on
        ("brain extraction", "surface reconstruction"): 1,
        ("segmentation", "surface reconstruction"): 1,
        ("surface reconstruction", "input and output"): 1,  # files that another node uses
        ("input and output", "segmentation"): 1,
    }


def test_stages_and_their_figures_stay(graph):
    footprint = fold(graph)
    drawn = handed_on(graph, footprint)
    assert dict(drawn.nodes(data=True)) == dict(footprint.nodes(data=True))
    assert arrows(footprint)[("surface reconstruction", "input and output")] == 2


def test_the_picture_says_what_it_leaves_out(graph, make):
    assert handed_on(graph, fold(graph)).graph["note"] == NOTE
    plain = make((("strip", "fast"),), OF)
    drawn = handed_on(plain, fold(plain))
    assert "note" not in drawn.graph
    assert arrows(drawn) == arrows(fold(plain))


def test_elements_of_mapnodes_count_in_no_arrow(graph):
    graph.add_edge("strip", "pial", element=True)
    assert (
        arrows(handed_on(graph, fold(graph)))[("brain extraction", "surface reconstruction")] == 1
    )


def test_a_circle_is_drawn_as_it_is(make):
    graph = make((("strip", "merge"), ("merge", "select"), ("select", "merge")), OF)
    footprint = fold(graph)
    assert handed_on(graph, footprint) is footprint
