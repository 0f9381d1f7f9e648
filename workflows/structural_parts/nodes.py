# SPDX-License-Identifier: Apache-2.0
"""Nodes of functions.

Every node has a ``stage``, a word of the field that says what it is for; nipype ignores it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nipype import MapNode, Node
from nipype.interfaces.utility import Function


def step(
    function: Callable[..., Any],
    outputs: Sequence[str],
    name: str,
    *,
    stage: str,
    mem_gb: float,
    iterfield: Sequence[str] = (),
    **inputs: Any,
) -> Node:
    """Make a node of a function.

    Parameters
    ----------
    function : callable
        A function of one of the step modules.
    outputs : sequence of str
        Names of what it returns.
    name : str
        Name of the node.
    stage : str
        What the node is for, in words of the field; meters can group nodes by it.
    mem_gb : float
        Peak memory of the worker in GB, imports included.
    iterfield : sequence of str
        Inputs to iterate over, which makes it a MapNode.
    **inputs
        Values of inputs that are not connected.
    """
    interface = Function(function=function, output_names=list(outputs))
    # one thread each: what runs side by side here are the nodes
    options: dict[str, Any] = {"name": name, "n_procs": 1, "mem_gb": mem_gb}
    if iterfield:
        node = MapNode(interface, iterfield=list(iterfield), **options)
    else:
        node = Node(interface, **options)
    node.stage = stage
    for key, value in inputs.items():
        setattr(node.inputs, key, value)
    return node
