# SPDX-License-Identifier: Apache-2.0
"""Law 2: folding keeps the sum; a group's duration is the union of its nodes' intervals."""

from math import fsum

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicarbon.carbon.intensity import given as given_by_user
from nicarbon.carbon.price import Price
from nicarbon.carbon.pricing import Pricing
from nicarbon.graph import executed_graph, fold
from nicarbon.grouping import BY
from nicarbon.records import Graph, Node
from nicarbon.rows import clock_offsets, fold_one

NAMES = [f"wf.n{i}" for i in range(6)]
ENTITIES = ["{}", "sub_01_wf.{}", "sub_02_ses_a_wf.{}", "{}_lh", "right.{}"]
STAGES = ["segmentation", "registration", "unclassified"]


@st.composite
def executions(draw, span):
    found = []
    for n in range(draw(st.integers(0, 12))):
        start = draw(st.integers(0, 50))
        end = start + draw(st.integers(0, 20))
        energy = draw(st.none() | st.floats(0, 1e6))
        element = draw(st.booleans())
        name = draw(st.sampled_from(NAMES))
        more = {"map_node": name, "index": n} if element else {}
        found.append(
            span(
                f"{name}[{n}]" if element else name,
                start,
                end,
                energy,
                host=draw(st.sampled_from(["h1", "h2"])),
                span=f"s{n}",
                shared_j=draw(st.floats(0, 1)) * (energy or 0.0),
                outcome=draw(st.sampled_from(["ran", "failed", "killed", "running", "cached"])),
                **more,
            )
        )
    return found


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_fold_keeps_the_sum(run_folders, data):
    spans = data.draw(executions(run_folders.span))
    edges = data.draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES))))
    edges = {(a, b) for a, b in edges if a < b}
    stage = {name: data.draw(st.sampled_from(STAGES)) for name in NAMES}
    stages = stage | {s.node: stage[s.map_node] for s in spans if s.map_node}
    graph = executed_graph(
        Graph("wf", "", tuple(Node(name) for name in NAMES), tuple(edges)), stages, spans
    )
    folded = fold(graph)
    total = fold_one("total", spans, clock_offsets(spans))

    for column in ("energy_j", "cpu_s"):
        for level in (graph, folded):
            parts = fsum(d[column] or 0.0 for _, d in level.nodes(data=True))
            assert parts == pytest.approx(getattr(total, column) or 0.0, rel=1e-12, abs=1e-9)
    for column in ("n_nodes", "n_cached", "n_failed"):
        assert sum(d[column] for _, d in folded.nodes(data=True)) == getattr(total, column)
    assert sum(d["n_missing"] for _, d in folded.nodes(data=True)) == sum(
        d["n_missing"] for _, d in graph.nodes(data=True)
    )
    between = sum(stages[a] != stages[b] for a, b in edges)
    assert sum(n for *_, n in folded.edges(data="n_dependencies")) == between
    _check_durations(folded, spans, stages, total)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), by=st.sampled_from([*BY, "energy_j"]))
def test_fold_by_anything_keeps_the_sum(run_folders, data, by):
    spans = data.draw(executions(run_folders.span))
    names = {name: data.draw(st.sampled_from(ENTITIES)).format(name) for name in NAMES}
    spans = [_renamed(span, names) for span in spans]
    edges = data.draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES))))
    edges = {(names[a], names[b]) for a, b in edges if a < b}
    nodes = tuple(
        Node(name, program=data.draw(st.sampled_from(["", "bet"])), n_procs=n % 3 or None)
        for n, name in enumerate(names.values())
    )
    stages = {node.name: "x" for node in nodes} | {s.node: "x" for s in spans}
    priced = Pricing(Price(given_by_user(2.0)), spans).row
    graph = executed_graph(Graph("wf", "", nodes, tuple(edges)), stages, spans, None, priced)
    folded = fold(graph, by)

    total = fold_one("total", spans, clock_offsets(spans))
    for column, scale in (("energy_j", 1), ("cpu_s", 1), ("carbon_g", 2 / 3.6e6)):
        whole = getattr(total, column if column != "carbon_g" else "energy_j") or 0.0
        parts = fsum(d[column] or 0.0 for _, d in folded.nodes(data=True))
        assert parts == pytest.approx(scale * whole, rel=1e-12, abs=1e-9)
    assert {name for _, names in folded.nodes(data="nodes") for name in names} == set(graph)
    n_edges = sum(n for *_, n in folded.edges(data="n_dependencies"))
    assert n_edges <= sum(not element for *_, element in graph.edges(data="element"))
    if by != "host":
        assert sum(d["n_nodes"] for _, d in folded.nodes(data=True)) == total.n_nodes


def _renamed(span, names):
    of = span.map_node or span.node
    node = span.node.replace(of, names[of], 1)
    return msgspec.structs.replace(span, node=node, map_node=span.map_node and names[of])


def _check_durations(folded, spans, stages, total):
    """Times are whole seconds, so the union can be counted second by second."""
    ran = [s for s in spans if s.outcome != "cached"]
    busy = {s: {t for x in ran if stages[x.node] == s for t in _seconds(x)} for s in STAGES}
    for name, data in folded.nodes(data=True):
        assert data["duration_s"] == pytest.approx(len(busy[name]), abs=1e-6)
    assert total.duration_s == pytest.approx(len(set().union(*busy.values())), abs=1e-6)


def _seconds(span):
    return range(int(span.start_s), int(span.end_s))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_ranges_hold_the_energy(run_folders, data):
    spans = data.draw(executions(run_folders.span))
    row = fold_one("row", spans, clock_offsets(spans))
    if row.energy_j is not None:
        assert 0.0 <= row.energy_low_j <= row.energy_j <= row.energy_high_j
