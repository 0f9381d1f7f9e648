# SPDX-License-Identifier: Apache-2.0
"""Read a graph that was never run, from JSON of any program's: nodes, and what depends on what."""

from __future__ import annotations

from pathlib import Path

import msgspec

from nicarbon.errors import GraphError
from nicarbon.records import Graph, Node

_SHAPE = (
    'a graph is {"nodes": [{"fullname": "wf.strip", "interface": "module.Class"}, ...], '
    '"edges": [["wf.strip", "wf.mask"], ...]}'
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Node(msgspec.Struct):
    """A node as another program writes it, or as a run folder's ``graph-*.json`` has it."""

    fullname: str | None = None
    itername: str | None = None
    name: str | None = None
    workflow: str | None = None
    interface: str | None = None
    program: str | None = None
    cmd: str | None = None
    stage: str | None = None


class _Graph(msgspec.Struct):
    nodes: list[_Node]
    edges: list[tuple[str, str]] = []


_decoder = msgspec.json.Decoder(_Graph)


def read_graph(path: Path) -> Graph:
    """Read a graph.

    Parameters
    ----------
    path : Path
        JSON: ``nodes``, of which each has a ``fullname`` (its workflows and its own name, joined
        by dots), and may have an ``interface`` (``module.Class``), a ``cmd`` or ``program``, a
        ``stage`` that its user gave it, and, where iterables make several of one node, an
        ``itername`` that is its alone; and ``edges``, pairs of such names. Whatever else a node
        has is passed over.

    Returns
    -------
    Graph
        Edges whose ends are no nodes are left out.

    Raises
    ------
    GraphError
        If the file cannot be read, is not JSON, or holds something else.
    """
    try:
        content = path.read_bytes().removeprefix(_BYTE_ORDER_MARK)
    except OSError as error:
        raise GraphError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        found = _decoder.decode(content)
    except msgspec.ValidationError as error:
        raise GraphError(f"{path}: is no graph: {error}; {_SHAPE}") from None
    # ValueError: bytes that are no UTF-8, or integers of thousands of digits.
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise GraphError(f"{path}: is not JSON that can be read: {error}; {_SHAPE}") from None
    nodes: dict[str, Node] = {}
    for number, described in enumerate(found.nodes, 1):
        node = _node(described)
        if not node.name:
            raise GraphError(f"{path}: is no graph: node {number} has no fullname; {_SHAPE}")
        if node.name in nodes:
            raise GraphError(
                f"{path}: two nodes are called {node.name!r}; give each an itername of its own"
            )
        nodes[node.name] = node
    if not nodes:
        raise GraphError(f"{path}: has no nodes; {_SHAPE}")
    edges = tuple(edge for edge in found.edges if edge[0] in nodes and edge[1] in nodes)
    return Graph("", "", tuple(nodes.values()), edges)


def _node(described: _Node) -> Node:
    fullname = described.fullname or ""
    own = f".{described.name or fullname.rpartition('.')[2]}"
    workflow = fullname.removesuffix(own) if fullname.endswith(own) else ""
    program = (described.program or described.cmd or "").split()
    return Node(
        name=described.itername or fullname or described.name or "",
        workflow=workflow if described.workflow is None else described.workflow,
        interface=described.interface or "",
        program=program[0].rpartition("/")[2] if program else "",
        stage=described.stage or None,
    )
