# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
from copy import copy

import networkx as nx
import pytest

from nicarbon.engines.nipype_graph import envelop, workflow_name
from nicarbon.engines.nipype_node import Envelope, plain
from nicarbon.entities import entities
from nicarbon.meter.recorder import RunContext

pytest.importorskip("nipype")


def _use(subject_id, hemi, secret_file):
    return subject_id


@pytest.fixture
def collections():
    """Count the collector's searches for garbage."""
    seen = []
    gc.callbacks.append(lambda phase, info: seen.append(phase))
    yield seen
    gc.callbacks.pop()


@pytest.fixture
def nodes(tmp_path):
    from nipype import Node
    from nipype.interfaces.base import CommandLine
    from nipype.interfaces.utility import IdentityInterface

    made = []
    for name in ("first", "second", "second"):
        made.append(Node(IdentityInterface(["subject"]), name=name))
        made[-1]._hierarchy = "wf.inner"
    tool = Node(CommandLine("/opt/tools/bet"), name="tool")
    tool.stage = "brain extraction"
    tool.inputs.args = "sub-secret"
    return [*made, tool]


def test_every_node_is_enveloped_and_named_once(nodes):
    graph = nx.DiGraph([(nodes[0], nodes[1]), (nodes[0], nodes[2]), (nodes[2], nodes[3])])
    metered, (described, edges) = envelop(graph, RunContext("run", "driver"))
    assert {type(node) for node in metered} == {Envelope}
    assert {plain(node) for node in metered} == set(nodes)
    assert [node["name"] for node in described] == [
        "wf.inner.first",
        "wf.inner.second",
        "wf.inner.second#2",
        "tool",
    ]
    assert edges == [
        ("wf.inner.first", "wf.inner.second"),
        ("wf.inner.first", "wf.inner.second#2"),
        ("wf.inner.second#2", "tool"),
    ]
    assert [(plain(a), plain(b)) for a, b in metered.edges()] == list(graph.edges())


@pytest.mark.parametrize("enabled", [True, False])
def test_what_all_stays_is_not_searched_for_garbage(nodes, collections, enabled):
    graph = nx.DiGraph()
    graph.add_nodes_from(copy(nodes[0]) for _ in range(500))
    gc.collect()
    if not enabled:
        gc.disable()
    collections.clear()
    try:
        made = envelop(graph, RunContext("run", "driver"))
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
    assert len(made[1][0]) == 500
    assert len(collections) <= 2  # One search begins and ends as soon as they are all made.


def test_what_is_kept_names_program_and_stage_but_no_input(nodes):
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    _, (described, _) = envelop(graph, RunContext("run", "driver"))
    tool = described[-1]
    assert (tool["program"], tool["stage"], tool["workflow"]) == ("bet", "brain extraction", "")
    assert tool["interface"].endswith(".CommandLine")
    assert "program" not in described[0]
    assert "secret" not in str(described)


def test_of_iterables_only_subject_session_and_hemisphere_are_kept(tmp_path):
    iterables = [
        ("subject_id", ["sub-01", "pixar"]),
        ("hemi", ["L"]),
        ("secret_file", ["/data/jane_doe.nii"]),
    ]
    described = expanded(tmp_path, iterables)
    assert sorted(sorted(node["iterables"]) for node in described) == [
        ["hemi_L", "subject_id_pixar"],
        ["hemi_L", "subject_id_sub-01"],
    ]
    assert "jane" not in str(described)


def test_of_files_that_nodes_are_expanded_for_their_entities_are_kept(tmp_path):
    files = [
        "/data/jane/sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz",
        "/data/jane/sub-02/anat/sub-02_hemi-L_T1w.nii.gz",
        "/data/jane/sub-03_sub-04_T1w.nii.gz",
        "/data/jane/submit-5/asub-06_T1w.nii.gz",
        ["/data/jane/sub-07_bold.nii.gz", "/data/jane/sub-07_sbref.nii.gz"],
    ]
    described = expanded(tmp_path, [("in_file", files), ("secret_file", [1])])
    assert sorted(node.get("iterables", []) for node in described) == [
        [],
        ["sub-01", "ses-2"],
        ["sub-02", "hemi-L"],
        ["sub-03", "sub-04"],
        ["sub-07"],
    ]
    assert "jane" not in str(described)
    found = {entities(n["name"], n.get("iterables", [])).subject for n in described}
    assert found == {"sub-01", "sub-02", "sub-07", None}


def expanded(tmp_path, iterables):
    """Return what is kept of a node that nipype expands for these."""
    from nipype import Node, Workflow
    from nipype.interfaces.utility import Function, IdentityInterface

    fields = [name for name, _ in iterables]
    source = Node(IdentityInterface(fields), name="source")
    source.iterables = iterables
    use = Node(Function(fields, ["out"], _use), name="use")
    workflow = Workflow("wf", base_dir=str(tmp_path))
    workflow.connect([(source, use, [(field, field) for field in fields])])

    class Keep:
        plugin_args = {}  # noqa: RUF012

        def run(self, graph, config, updatehash=False):
            self.graph = graph

    keep = Keep()
    workflow.run(keep)
    _, (described, _) = envelop(keep.graph, RunContext("run", "driver"))
    return described


def test_the_workflow_is_the_outermost(nodes):
    graph = nx.DiGraph()
    assert workflow_name(graph) == ""
    graph.add_node(nodes[0])
    assert workflow_name(graph) == "wf"
