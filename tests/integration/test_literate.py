# SPDX-License-Identifier: Apache-2.0
"""niworkflows' own Workflow and plugin: what fMRIPrep and its family are built with."""

from __future__ import annotations

import pytest

pytest.importorskip("niworkflows", reason="niworkflows is missing: pip install niworkflows")

PROGRAM = """
import os, sys
import nodes_for_tests as t
from nipype import MapNode, Node
from niworkflows.engine.workflows import LiterateWorkflow

if __name__ == "__main__":
    wf = LiterateWorkflow(name="literate", base_dir=os.path.abspath("w"))
    inner = LiterateWorkflow(name="inner")
    inner.__desc__ = "What it does."
    first = Node(t._function(t.three, ["x"], ["l"]), name="first")
    first.inputs.x = 1
    each = MapNode(t._work(), iterfield=["x"], name="each")
    inner.connect(first, "l", each, "x")
    wf.add_nodes([inner])
    wf.config["execution"] = {"poll_sleep_duration": "0.02"}
    plugin, plugin_args = sys.argv[1], {"n_procs": 2}
    if plugin == "niworkflows":
        from niworkflows.engine.plugin import MultiProcPlugin

        plugin, plugin_args = MultiProcPlugin(plugin_args=plugin_args), None
    wf.run(plugin=plugin, plugin_args=plugin_args)
    print("DESCRIBED", inner.visit_desc())
"""


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc", "niworkflows"])
def test_a_literate_workflow(script, read_run, tmp_path, plugin):
    done = script(PROGRAM, plugin)
    assert done.returncode == 0, done.stderr
    assert "DESCRIBED What it does." in done.stdout
    run = read_run(tmp_path / "run")
    ran = sorted(run.by_span[e["span"]]["node"] for e in run.ends if e["outcome"] == "ran")
    each = "literate.inner.each"
    assert ran == [each, *(f"{each}[{k}]" for k in range(3)), "literate.inner.first"]
