# SPDX-License-Identifier: Apache-2.0
import io
import json

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.graph import executed_graph, fold
from nicarbon.graph_files import exported, to_graphml, to_json
from nicarbon.stages import StageRules

NASTY = [
    "</script><script>",
    "]]>&amp;<",
    "a\x00b",
    "a\x01b",
    "\ud800",
    "\ufffe",
    "x" * 500,
    "عربي\u202e",
    " ",
    '"quoted"\n\ttwice',
]


def read_graphml(content):
    graph = nx.read_graphml(io.BytesIO(content))
    # What the reader adds of its own.
    for key in ("node_default", "edge_default"):
        graph.graph.pop(key, None)
    return graph


def read_json(content):
    return nx.node_link_graph(json.loads(content), edges="edges")


def same(one, other):
    return (
        dict(one.nodes(data=True)) == dict(other.nodes(data=True))
        and {(a, b): d for a, b, d in one.edges(data=True)}
        == {(a, b): d for a, b, d in other.edges(data=True)}
        and one.graph == other.graph
        and one.is_directed() == other.is_directed()
    )


@pytest.fixture
def graph(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 2, 20.0),
        run_folders.span("wf.fast", 2, 4, None),
        run_folders.span("wf.smooth[0]", 4, 5, 4.0, map_node="wf.smooth", index=0),
    ]
    run = run_folders.run(spans)
    stages = run.stage_of(StageRules.load())
    return executed_graph(run_folders.GRAPH, stages, spans, {run_folders.ID: "scanner"})


@pytest.mark.parametrize("by", [None, "stage", "program", "host"])
def test_networkx_reads_back_what_was_exported(graph, by):
    made = exported(graph if by is None else fold(graph, by), {"run_id": "r", "price": None})
    assert same(read_graphml(to_graphml(made)), made)
    assert same(read_json(to_json(made)), made)
    assert made.graph == {"run_id": "r"}


def test_what_is_exported(graph):
    made = exported(graph)
    strip = made.nodes["wf.strip"]
    assert (strip["energy_j"], strip["hosts"], strip["stage"], strip["map_node"]) == (
        20.0,
        "scanner",
        "brain extraction",
        False,
    )
    # What is not known is not there: no program takes it for 0.
    assert "energy_j" not in made.nodes["wf.fast"]
    assert {"carbon_g", "subject", "spans"}.isdisjoint(strip)
    assert made.edges["wf.smooth[0]", "wf.smooth"] == {"element": True}
    stages = exported(fold(graph))
    assert stages.nodes["segmentation"]["nodes"] == "wf.fast, wf.mask"


def test_names_survive_or_are_replaced_visibly():
    made = nx.DiGraph()
    made.add_nodes_from(NASTY, workflow="w\x00", hosts=tuple(NASTY))
    nx.add_path(made, NASTY, n_dependencies=1)
    out = exported(made)
    assert len(out) == len(NASTY)
    assert out.number_of_edges() == len(NASTY) - 1
    assert {"</script><script>", "]]>&amp;<", "a�b", "a�b#2", "�", "�#2", "x" * 500} < set(out)
    assert same(read_graphml(to_graphml(out)), out)
    assert same(read_json(to_json(out)), out)


scalars = st.none() | st.text(st.characters()) | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.dictionaries(
        st.text(st.characters()), st.tuples(scalars, st.integers(-(2**31), 2**31 - 1))
    ),
    st.data(),
)
def test_any_names_and_values_are_read_back(nodes, data):
    made = nx.DiGraph()
    for name, (value, n) in nodes.items():
        key = "text" if isinstance(value, str) else "energy_j"
        made.add_node(name, **{key: value, "n_nodes": n})
    if nodes:
        name = st.sampled_from(list(nodes))
        made.add_edges_from(data.draw(st.lists(st.tuples(name, name))), n_dependencies=2)
    out = exported(made)
    assert len(out) == len(made)
    assert same(read_graphml(to_graphml(out)), out)
    assert same(read_json(to_json(out)), out)
