# SPDX-License-Identifier: Apache-2.0
"""The structs agree with the graphs that engines store."""

import msgspec
import pytest

from nicarbon import records


@pytest.mark.parametrize(
    ("name", "workflow", "own"),
    [
        ("wf.preproc.smooth.aI.a0[3]", "wf.preproc", "smooth"),
        ("wf.smooth", "wf", "smooth"),
        ("main/sub[0]/smooth[3]", "main.sub", "smooth"),
        ("run_fastsurfer.sh", "", "run_fastsurfer.sh"),
        ("wfx.smooth", "wf", "wfx.smooth"),
    ],
)
def test_a_nodes_own_name_is_without_its_workflow_and_place(name, workflow, own):
    assert records.Node(name, workflow).own_name == own


def test_a_graph_survives_being_written_and_read():
    nodes = (records.Node("wf.a", "wf", stage="segmentation"), records.Node("wf.b", n_procs=2))
    graph = records.Graph("wf", "Linear", nodes, (("wf.a", "wf.b"),))
    assert msgspec.json.decode(msgspec.json.encode(graph), type=records.Graph) == graph
