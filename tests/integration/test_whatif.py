# SPDX-License-Identifier: Apache-2.0
"""What would have been is held against what was: the same graph, run on other processors."""

from __future__ import annotations

import pytest

from nicarbon.run import Run
from nicarbon.whatif import what_if

# Nodes that sleep known times, with nipype's own pace: it looks every two seconds.
NAPS = """
import sys
import nipype.pipeline.engine as pe
from nipype.interfaces.utility import Function

def nap(s, after=None):
    import time
    time.sleep(s)
    return s

wf = pe.Workflow("naps", base_dir=sys.argv[1])
nodes = []
for i, (s, after) in enumerate(
    [(1.2, None), (0.6, None), (0.9, None), (0.5, 0), (0.4, 1), (1.1, 2), (0.3, 3), (0.3, 6)]
):
    node = pe.Node(Function(["s", "after"], ["out"], nap), f"nap{i}")
    node.inputs.s = s
    wf.add_nodes([node])
    if after is not None:
        wf.connect(nodes[after], "out", node, "after")
    nodes.append(node)
wf.run(plugin="MultiProc", plugin_args={"n_procs": int(sys.argv[2])})
"""


@pytest.fixture
def measured(script, tmp_path):
    """Run the naps on two processors and on three."""
    runs = {}
    for n in (2, 3):
        done = script(NAPS, str(tmp_path / f"work{n}"), str(n), run_dir=f"run{n}")
        assert done.returncode == 0, done.stderr[-2000:]
        runs[n] = Run.open(tmp_path / f"run{n}")
    return runs


def test_other_processors_are_foretold(measured):
    for seen, run in measured.items():
        for n, other in measured.items():
            found = what_if(run, n_procs=n)
            assert found.n_procs_seen == seen
            assert abs(found.makespan_error) < 0.05
            assert found.changed.makespan_s == pytest.approx(makespan_s(other), rel=0.05)


def makespan_s(run):
    return max(host.duration_s for host in run.attribution.hosts)
