# SPDX-License-Identifier: Apache-2.0
"""The structural workflow: its branches, what takes both hemispheres together, and the sink."""

from __future__ import annotations

from pathlib import Path

from nipype import Node, Workflow
from nipype.interfaces.io import DataSink
from nipype.interfaces.utility import IdentityInterface, Merge

from structural_parts import map_steps, table_steps
from structural_parts.branches import SURFACES, init_hemisphere_wf, init_volume_wf
from structural_parts.nodes import step
from structural_parts.results import SUBSTITUTIONS


def init_measure_wf(label_table: Path) -> Workflow:
    """Build the steps that take both hemispheres together.

    Parameters
    ----------
    label_table : pathlib.Path
        CSV that names the labels of the atlas.

    Returns
    -------
    nipype.Workflow
        Inputs ``inputnode.tissue`` and ``parcellation``, and as lists of left and right
        ``filled``, ``ball``, ``white``, ``pial``, ``thickness`` and ``parcels``; the outputs are
        those of its nodes.
    """
    inputs = Node(IdentityInterface(["tissue", "parcellation", *SURFACES]), name="inputnode")
    inflate = step(
        map_steps.inflate_surface,
        ["inflated"],
        "inflate_surface",
        stage="surface reconstruction",
        mem_gb=0.4,
        iterfield=["white"],
    )
    smooth = step(
        map_steps.smooth_thickness,
        ["smoothed"],
        "smooth_thickness",
        stage="smoothing and filtering",
        mem_gb=0.4,
        iterfield=["thickness", "white", "parcels"],
        fwhm=10.0,
    )
    regions = step(
        table_steps.summarise_regions,
        ["table", "sidecar"],
        "summarise_regions",
        stage="morphometry",
        mem_gb=0.5,
        label_table=str(label_table),
    )
    tissue = step(
        table_steps.summarise_tissue,
        ["table", "sidecar"],
        "summarise_tissue",
        stage="morphometry",
        mem_gb=0.4,
    )
    check = step(
        table_steps.check_surfaces,
        ["report"],
        "check_surfaces",
        stage="quality control",
        mem_gb=0.5,
    )
    workflow = Workflow("measure_wf")
    # fmt: off
    workflow.connect([
        (inputs, inflate, [("white", "white")]),
        (inputs, smooth, [(name, name) for name in ("thickness", "white", "parcels")]),
        (inputs, regions, [("parcellation", "parcellation"), ("white", "whites"),
                           ("thickness", "thicknesses"), ("parcels", "parcels")]),
        (inputs, tissue, [("tissue", "tissue")]),
        (inputs, check, [("white", "whites"), ("pial", "pials"),
                         ("ball", "balls"), ("filled", "filled")]),
    ])
    # fmt: on
    return workflow


def init_structural_wf(
    t1w: Path,
    template: Path,
    atlas: Path,
    label_table: Path,
    out_dir: Path,
    tools: str = "dipy",
) -> Workflow:
    """Build the structural workflow.

    Parameters
    ----------
    t1w : pathlib.Path
        T1-weighted head, three-dimensional NIfTI.
    template : pathlib.Path
        Skull-stripped T1w template, 1 mm.
    atlas : pathlib.Path
        Desikan-Killiany labels in the space of `template`.
    label_table : pathlib.Path
        CSV with the columns ``id``, ``label``, ``hemisphere`` and ``structure``.
    out_dir : pathlib.Path
        Folder for the results, in ``anat``, ``surf`` and ``stats``.
    tools : str
        One of `structural_parts.branches.TOOLS`.

    Returns
    -------
    nipype.Workflow
        Workflow that needs only a ``base_dir`` to run.
    """
    volume_wf = init_volume_wf(template, atlas, label_table, tools)
    volume_wf.inputs.conform.in_file = str(t1w.resolve())
    measure_wf = init_measure_wf(label_table)
    sink = Node(DataSink(base_directory=str(out_dir.resolve())), name="sink")
    sink.inputs.parameterization = False
    sink.inputs.substitutions = list(SUBSTITUTIONS.items())
    merges = {x: Node(Merge(2), name=f"both_{x}", run_without_submitting=True) for x in SURFACES}
    workflow = Workflow("structural_wf")
    # fmt: off
    for number, side in enumerate("LR", start=1):
        hemisphere_wf = init_hemisphere_wf(side, label_table)
        workflow.connect([
            (volume_wf, hemisphere_wf, [
                ("classify_tissue.tissue", "inputnode.tissue"),
                ("mask_cerebrum.cerebrum", "inputnode.cerebrum"),
                ("register_nonlinear.coordinates", "inputnode.coordinates"),
                ("resample_atlas.atlas", "inputnode.atlas"),
            ]),
            *((hemisphere_wf, merge, [(f"outputnode.{name}", f"in{number}")])
              for name, merge in merges.items()),
        ])
    workflow.connect([
        (volume_wf, measure_wf, [
            ("classify_tissue.tissue", "inputnode.tissue"),
            ("parcellate_volume.parcellation", "inputnode.parcellation"),
        ]),
        *((merge, measure_wf, [("out", f"inputnode.{name}")]) for name, merge in merges.items()),
        *((merges[name], sink, [("out", f"surf.@{name}")])
          for name in ("white", "pial", "thickness", "parcels")),
        (volume_wf, sink, [
            ("denoise.out_file", "anat.@brain"),
            ("extract_brain.mask", "anat.@mask"),
            ("classify_tissue.tissue", "anat.@tissue"),
            ("parcellate_volume.parcellation", "anat.@parcellation"),
        ]),
        (measure_wf, sink, [
            ("inflate_surface.inflated", "surf.@inflated"),
            ("smooth_thickness.smoothed", "surf.@smoothed"),
            ("summarise_regions.table", "stats.@regions"),
            ("summarise_regions.sidecar", "stats.@regions_sidecar"),
            ("summarise_tissue.table", "stats.@tissue"),
            ("summarise_tissue.sidecar", "stats.@tissue_sidecar"),
            ("check_surfaces.report", "stats.@check"),
        ]),
    ])
    # fmt: on
    return workflow
