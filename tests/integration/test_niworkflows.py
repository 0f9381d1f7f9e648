# SPDX-License-Identifier: Apache-2.0
"""niworkflows' own Workflow and plugin, of which fMRIPrep and its family are made: run for real.

They are those of sMRIPrep's environment, which `smriprep_site` makes once for all tests.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter

import pytest
import smriprep_site

from nicarbon.run import Run

PATIENCE_S = 200
PROGRAM = """
import os, sys
import nodes_for_tests as t
from nipype import MapNode, Node
from niworkflows.engine.workflows import LiterateWorkflow


class UsersMapNode(MapNode):
    pass


def literate():
    wf = LiterateWorkflow(name="literate", base_dir=os.path.abspath("w"))
    inner = LiterateWorkflow(name="inner")
    inner.__desc__ = "What it does."
    first = Node(t._function(t.three, ["x"], ["l"]), name="first")
    first.inputs.x = 1
    each = MapNode(t._work(), iterfield=["x"], name="each")
    users = UsersMapNode(t._work(), iterfield=["x"], name="users")
    here = Node(t._work(), name="here", run_without_submitting=True)
    here.inputs.x = 7
    inner.connect([(first, each, [("l", "x")]), (first, users, [("l", "x")])])
    inner.add_nodes([here])
    wf.add_nodes([inner])
    wf.config["execution"] = {"poll_sleep_duration": "0.02"}
    return wf


if __name__ == "__main__":
    plugin, plugin_args = sys.argv[1], {"n_procs": 2}
    if plugin == "niworkflows":
        from niworkflows.engine.plugin import MultiProcPlugin

        plugin, plugin_args = MultiProcPlugin(plugin_args=plugin_args), None
    wf = literate()
    wf.run(plugin=plugin, plugin_args=plugin_args)
    print("DESCRIBED", wf.get_node("inner").visit_desc())
"""


@pytest.fixture(scope="module")
def programs():
    """The programs of an environment with niworkflows and this nicarbon."""
    try:
        return smriprep_site.environment()
    except smriprep_site.NotHereError as error:
        pytest.skip(str(error))


@pytest.mark.timeout(smriprep_site.INSTALL_S + PATIENCE_S)
@pytest.mark.parametrize("plugin", ["Linear", "MultiProc", "niworkflows"])
def test_a_literate_workflow(programs, environment, tmp_path, plugin):
    (tmp_path / "program.py").write_text(PROGRAM)

    def run(run_dir):
        done = subprocess.run(
            [programs / "nicarbon", "run", "-o", run_dir, "program.py", plugin],
            # Nothing of this interpreter's packages: they have another nipype.
            env={
                **environment(NICARBON_TEST_LOG=str(tmp_path / "log.txt")),
                "PYTHONPATH": str(smriprep_site.SUPPORT),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        assert "metering failed" not in done.stderr
        assert "DESCRIBED What it does." in done.stdout
        return Run.open(tmp_path / run_dir)

    first, again = run("run"), run("again")
    inner = "literate.inner"
    elements = {f"{inner}.{name}[{k}]" for name in ("each", "users") for k in range(3)}
    nodes = {f"{inner}.{name}" for name in ("first", "each", "users", "here")}
    executed = Counter(s.node for s in first.attribution.spans if s.outcome == "ran")
    assert executed == Counter(nodes | elements)
    processes = {s.span.rpartition("-")[0] for s in first.attribution.spans}
    assert (len(processes) > 1) == (plugin != "Linear")
    (host,) = first.attribution.hosts
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    assert host.nodes_j > 0
    assert "ran" not in {span.outcome for span in again.attribution.spans}
    assert nodes <= {span.node for span in again.attribution.spans}


def test_it_is_niworkflows_own(programs):
    """Its plugin inherits nothing of nipype's plugins: what is metered above is not those."""
    code = (
        "from niworkflows.engine.plugin import MultiProcPlugin as own\n"
        "from nipype.pipeline.plugins.base import DistributedPluginBase\n"
        "print(issubclass(own, DistributedPluginBase))\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [programs / "python", "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
