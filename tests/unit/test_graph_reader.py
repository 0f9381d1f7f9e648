# SPDX-License-Identifier: Apache-2.0
import json

import msgspec
import pytest

from nicarbon.errors import GraphError
from nicarbon.graph_reader import read_graph
from nicarbon.records import Node

BET = "nipype.interfaces.fsl.preprocess.BET"


def write(tmp_path, content):
    path = tmp_path / "graph.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_nodes_are_described_as_a_run_describes_them(tmp_path):
    nodes = [
        {"fullname": "wf.pre.strip", "name": "strip", "interface": BET, "cmd": "/opt/bet in out"},
        {"fullname": "wf.count", "interface": None, "cmd": None, "mem_gb": 0.2, "stage": "mine"},
        {"fullname": "alone"},
    ]
    graph = read_graph(write(tmp_path, {"meta": 3, "nodes": nodes}))
    assert graph.nodes == (
        Node("wf.pre.strip", "wf.pre", BET, "bet"),
        Node("wf.count", "wf", stage="mine"),
        Node("alone"),
    )
    assert graph.edges == ()


def test_nodes_of_iterables_are_told_apart(tmp_path):
    nodes = [
        {"fullname": "wf.plot", "itername": f"wf.plot.aI.a{n}", "name": "plot"} for n in range(2)
    ]
    edges = [["wf.plot.aI.a0", "wf.plot.aI.a1"]]
    graph = read_graph(write(tmp_path, {"nodes": nodes, "edges": edges}))
    assert [node.name for node in graph.nodes] == ["wf.plot.aI.a0", "wf.plot.aI.a1"]
    assert {node.workflow for node in graph.nodes} == {"wf"}
    assert graph.edges == (("wf.plot.aI.a0", "wf.plot.aI.a1"),)


def test_the_graph_of_a_run_folder_is_one(tmp_path, run_folders):
    read = read_graph(write(tmp_path, msgspec.json.encode(run_folders.GRAPH)))
    described = [(n.name, n.workflow, n.interface, n.program) for n in run_folders.GRAPH.nodes]
    assert [(n.name, n.workflow, n.interface, n.program) for n in read.nodes] == described
    assert read.edges == run_folders.GRAPH.edges


def test_edges_to_nowhere_are_left_out(tmp_path):
    nodes = [{"fullname": "wf.a"}, {"fullname": "wf.b"}]
    edges = [["wf.a", "wf.b"], ["wf.a", "ghost"], ["ghost", "wf.b"]]
    graph = read_graph(write(tmp_path, {"nodes": nodes, "edges": edges}))
    assert graph.edges == (("wf.a", "wf.b"),)


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = write(tmp_path, b'\xef\xbb\xbf{"nodes": [{"fullname": "a"}]}')
    assert [node.name for node in read_graph(path).nodes] == ["a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"\x1f\x8b\x08", "is not JSON"),
        (b'{"nodes": [', "is not JSON"),
        (b'{"nodes": ' + b"[" * 100_000, "is no"),
        (b'{"nodes": [{"fullname": "\xff"}]}', "is no"),
        (b'{"nodes": [{"fullname": "\\ud800"}]}', "is not JSON"),
        ([], "is no graph: Expected `object`, got `array`; a graph is"),
        ({}, "is no graph: Object missing required field `nodes`"),
        ({"nodes": {}}, r"is no graph: .* at `\$.nodes`"),
        ({"nodes": ["a"]}, r"is no graph: .*nodes\[0\]"),
        ({"nodes": []}, "has no nodes"),
        ({"nodes": [{"fullname": "a"}, {"interface": BET}]}, "node 2 has no fullname"),
        ({"nodes": [{"fullname": 3}]}, r"is no graph: .*nodes\[0\].fullname"),
        ({"nodes": [{"fullname": "a"}], "edges": [["a"]]}, r"is no graph: .*edges\[0\]"),
        ({"nodes": [{"fullname": "a"}] * 2}, "two nodes are called 'a'"),
    ],
)
def test_mistakes_are_one_line(tmp_path, content, message):
    with pytest.raises(GraphError, match=message) as error:
        read_graph(write(tmp_path, content))
    assert str(error.value).startswith(str(tmp_path))
    assert len(str(error.value).splitlines()) == 1


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(GraphError, match="cannot be read"):
        read_graph(tmp_path)
