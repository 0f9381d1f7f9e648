# SPDX-License-Identifier: Apache-2.0
"""An executed nipype graph: an envelope around each node, and what the run folder keeps of it.

No inputs are kept: they name subjects. Only which subject, session and hemisphere a node is
expanded for is, as names of workflows say no less.
"""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterator
from typing import Any

from nicarbon.engines.nipype_node import Envelope
from nicarbon.meter.recorder import RunContext

# nipype joins the names and values of iterables: ``_fwhm_4_subject_id_01``. MRIQC's are files:
# ``_in_file_..data..sub-01..anat..sub-01_T1w.nii.gz``.
_ITERABLE = re.compile(
    r"(?<![A-Za-z0-9])(?:subject|subj|sub|participant|session|ses|hemisphere|hemi)"
    r"(?:_?id|_label)?_(?:sub[-_]|ses[-_])?[A-Za-z0-9]+"
    r"|(?<![A-Za-z0-9])(?:(?:sub|ses)-[A-Za-z0-9]+|hemi-[LR](?![A-Za-z0-9]))"
)


def envelop(
    graph: Any, context: RunContext, armed: bool = False
) -> tuple[Any, tuple[list[Any], list[Any]]]:
    """Put an envelope around each node; describe nodes and edges for the run folder.

    Parameters
    ----------
    graph : networkx.DiGraph
        The executed graph.
    context : RunContext
        The run.
    armed : bool
        Whether these very envelopes, not copies of them, may travel to a worker.
    """
    import networkx as nx

    with _nothing_collected():
        names = _unique_names(graph)
        envelopes = {
            node: Envelope(node, context, names[node], armed=armed) for node in graph.nodes()
        }
        nodes = [_describe(node, names[node]) for node in graph.nodes()]
        edges = [(names[source], names[target]) for source, target in graph.edges()]
        return nx.relabel_nodes(graph, envelopes, copy=True), (nodes, edges)


@contextlib.contextmanager
def _nothing_collected() -> Iterator[None]:
    """Make objects that all stay, half a dozen a node: no search of them for garbage finds any.

    Python would search after each 700, and bring its next search of the whole process nearer.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _unique_names(graph: Any) -> dict[Any, str]:
    """Name the nodes: iterables share a full name, so the expanded name is used."""
    names: dict[Any, str] = {}
    seen: dict[str, int] = {}
    for node in graph.nodes():
        name = node.itername
        seen[name] = seen.get(name, 0) + 1
        names[node] = name if seen[name] == 1 else f"{name}#{seen[name]}"
    return names


def _describe(node: Any, name: str) -> dict[str, Any]:
    """Describe a node as `nicarbon.records.Node`, without its inputs: they name subjects."""
    interface = node.interface
    kind = type(interface)
    described: dict[str, Any] = {
        "name": name,
        "workflow": node._hierarchy or "",
        "interface": f"{kind.__module__}.{kind.__name__}",
        "map_node": hasattr(node, "iterfield"),
        "n_procs": node.n_procs,
        "mem_gb": node._mem_gb,
    }
    command = getattr(interface, "_cmd", None)
    if isinstance(command, str) and command:
        described["program"] = command.split()[0].rsplit("/", 1)[-1]
    iterables = _ITERABLE.findall(
        "__".join(map(str, getattr(node, "parameterization", None) or ()))
    )
    if iterables:
        described["iterables"] = list(dict.fromkeys(iterables))
    stage = vars(node).get("stage")
    if isinstance(stage, str):
        described["stage"] = stage
    return described


def workflow_name(graph: Any) -> str:
    """Return the name of the workflow that an executed graph comes from."""
    for node in graph.nodes():
        return str((node._hierarchy or node.name).split(".")[0])
    return ""
