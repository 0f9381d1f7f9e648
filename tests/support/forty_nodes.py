# SPDX-License-Identifier: Apache-2.0
"""The workflow of forty nodes that every engine must run alike: each kind that nipype has.

The constants below it say what a run of it is: they are written by hand from nipype's documented
rules of expansion, not taken from what was metered.
"""

from __future__ import annotations

import os

from nipype import Function, IdentityInterface, MapNode, Node, Workflow
from nipype.interfaces.base import CommandLine
from nipype.interfaces.io import DataSink
from nipype.interfaces.utility import Merge
from nodes_for_tests import boom, boom_if_two, every_kind, one, work

# 200 characters with ".a0", which nipype adds for the first value of an iterable.
LONG = "long_" + "name" * 48

N_NODES = 40
# A plain node, and one element of a MapNode. A MapNode over an empty list is not among them: to
# nipype it has no input, and on batch engines that ends the whole run (its issue 3372).
FAILING = {"top.bad", "top.m_bad"}
NEVER_RUN = {"top.after_bad", "top.after_after_bad"}
# Where elements are nodes of their own, a MapNode with a failed one never runs itself.
NEVER_RUN_EXPANDED = NEVER_RUN | {"top.m_bad"}
# Besides what failed: `full` replaces run(), `again` is told to, and a sink always runs.
RUNS_EACH_TIME = {"top.full", "top.again", "top.sink"}
N_ELEMENTS = {
    "top.m_wide": 3,
    "top.m_serial": 3,
    "top.m_single": 1,
    "top.m_nested": 3,
    "top.m_user": 3,
    "top.m_here": 3,
    "top.m_command": 2,
    "top.m_deep": 2,
    "top.m_bad": 3,
}


def nothing(x):
    return []


def forty_nodes(base):
    """Return the workflow; `every_kind` is the half of it that never fails."""
    wf = every_kind(base)
    wf.add_nodes([wf.get_node("sub").clone("sub_cloned"), _deep(5), _picked()])
    long_name = Node(_function(one, ["x"], ["l"]), name=LONG)
    long_name.iterables = ("x", ["value" * 40])
    again = Node(_function(work, ["x"], ["f", "x"]), name="again", overwrite=True)
    again.inputs.x = "again"
    wf.add_nodes([long_name, again])

    empty = Node(_function(nothing, ["x"], ["l"]), name="empty")
    empty.inputs.x = 0
    sink = Node(DataSink(base_directory=os.path.join(base, "sink")), name="sink")
    wf.connect(wf.get_node("user"), "f", sink, "texts")
    m_command = MapNode(CommandLine("bash"), iterfield=["args"], name="m_command")
    m_command.inputs.args = [f"-c 'echo {k} > cmd.txt'" for k in range(2)]
    # Nested and serial at once: elements two lists deep, run in the MapNode's own process.
    m_deep = MapNode(
        _function(one, ["x"], ["l"]), iterfield=["x"], name="m_deep", nested=True, serial=True
    )
    m_deep.inputs.x = [[1], [2]]
    merge = Node(Merge(2), name="merge")
    wf.connect(empty, "l", merge, "in1")
    wf.connect(m_deep, "l", merge, "in2")
    wf.add_nodes([m_command])

    bad = Node(_function(boom, ["x"], ["o"]), name="bad")
    bad.inputs.x = 5
    after_bad = Node(_function(one, ["x"], ["l"]), name="after_bad")
    after_after_bad = Node(_function(one, ["x"], ["l"]), name="after_after_bad")
    m_bad = MapNode(_function(boom_if_two, ["x"], ["o"]), iterfield=["x"], name="m_bad")
    m_bad.inputs.x = [1, 2, 3]
    wf.connect([(bad, after_bad, [("o", "x")]), (after_bad, after_after_bad, [("l", "x")])])
    wf.add_nodes([m_bad])
    return wf


def _function(function, inputs, outputs):
    return Function(function=function, input_names=inputs, output_names=outputs)


def _deep(n_levels):
    """Return one node below that many workflows."""
    node = Node(_function(work, ["x"], ["f", "x"]), name="node")
    node.inputs.x = "deep"
    inner = node
    for level in range(n_levels, 0, -1):
        outer = Workflow(name=f"deep{level}")
        outer.add_nodes([inner])
        inner = outer
    return inner


def _picked():
    """Return a node whose iterables depend on another's: itersource."""
    wf = Workflow(name="picking")
    source = Node(IdentityInterface(fields=["x"]), name="source")
    source.iterables = ("x", [1, 2])
    picked = Node(_function(work, ["x", "n"], ["f", "x"]), name="picked")
    picked.itersource = ("source", "x")
    picked.iterables = [("n", {1: [100, 200], 2: [300]})]
    wf.connect(source, "x", picked, "x")
    return wf
