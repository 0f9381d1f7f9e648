# SPDX-License-Identifier: Apache-2.0
"""What nodes held in memory, as their run shows it."""

from __future__ import annotations

import pytest

from nicarbon.run import Run

MB = 1 << 20

HOLDERS = """
import os, sys
import nicarbon
from nipype import Function, MapNode, Node, Workflow

def hold(mb):
    import os, subprocess, sys
    text = f"import time; block = b'x' * ({mb} << 20); time.sleep(1.5)"
    subprocess.run([sys.executable, "-c", text], check=True)
    return mb

def function():
    return Function(function=hold, input_names=["mb"], output_names=["o"])

if __name__ == "__main__":
    wf = Workflow(name="w", base_dir=os.path.abspath("w"))
    wf.config["execution"] = {"poll_sleep_duration": "0.02"}
    node = Node(function(), name="node", mem_gb=0.5)
    node.inputs.mb = 700
    elements = MapNode(function(), iterfield=["mb"], name="elements")
    elements.inputs.mb = [500, 20]
    wf.add_nodes([node, elements])
    plugin_args = {"n_procs": 3} if sys.argv[1] != "Linear" else {}
    wf.run(plugin=nicarbon.plugin(sys.argv[1], run_dir="run", interval_s=0.2, **plugin_args))
"""


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])
def test_each_node_shows_the_most_that_its_tree_held(script, tmp_path, plugin):
    done = script(HOLDERS, plugin, metered=False)
    assert done.returncode == 0, done.stderr
    nodes = Run.open(tmp_path / "run").nodes
    held_mb = nodes["peak_memory_bytes"] / MB
    # The Python that runs the node, and the one that it starts, hold some more.
    assert 700 < held_mb["w.node"] < 1100
    assert 500 < held_mb["w.elements[0]"] < 900
    assert 20 < held_mb["w.elements[1]"] < 420
    assert nodes["mem_gb"]["w.node"] == 0.5
    if plugin == "Linear":
        assert held_mb["w.elements"] >= held_mb["w.elements[0]"]
