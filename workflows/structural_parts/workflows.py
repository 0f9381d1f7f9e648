# SPDX-License-Identifier: Apache-2.0
"""The structural workflow: steps on volumes, steps on each hemisphere, and what joins them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype import Node, Workflow
from nipype.interfaces.io import DataSink
from nipype.interfaces.utility import IdentityInterface, Merge

from structural_parts import registration_steps, surface_steps, table_steps, volume_steps
from structural_parts.interfaces import ClassifyTissue, Conform, Denoise
from structural_parts.nodes import step

SURFACES = ("filled", "ball", "white", "pial", "thickness", "parcels")
# the results' names in the output folder, after BIDS Derivatives
SUBSTITUTIONS = {
    "denoised.nii": "desc-brain_T1w.nii",
    "brain_mask.nii": "desc-brain_mask.nii",
    "tissue.nii": "desc-tissue_dseg.nii",
    "parcellation.nii": "desc-DesikanKilliany_dseg.nii",
}


def init_volume_wf(template: Path, atlas: Path, label_table: Path) -> Workflow:
    """Build the steps on volumes, from the head to its tissue classes and parcels.

    Parameters
    ----------
    template : pathlib.Path
        Skull-stripped T1w template, 1 mm.
    atlas : pathlib.Path
        Desikan-Killiany labels in the space of `template`.
    label_table : pathlib.Path
        CSV that names the labels.

    Returns
    -------
    nipype.Workflow
        Input ``conform.in_file``; outputs ``denoise.out_file``, ``extract_brain.mask``,
        ``classify_tissue.tissue``, ``parcellate_volume.parcellation``, ``mask_cerebrum.cerebrum``,
        ``resample_atlas.atlas`` and ``register_nonlinear.coordinates``.
    """
    conform = Node(Conform(), name="conform", mem_gb=0.3)
    conform.stage = "input and output"
    denoise = Node(Denoise(), name="denoise", mem_gb=0.6)
    denoise.stage = "intensity correction"
    classify = Node(ClassifyTissue(), name="classify_tissue", mem_gb=1.5)
    classify.stage = "segmentation"
    bias = step(
        volume_steps.correct_bias,
        ["out_file"],
        "correct_bias",
        stage="intensity correction",
        mem_gb=0.7,
    )
    align = step(
        registration_steps.align_template,
        ["matrix"],
        "align_template",
        stage="registration",
        mem_gb=0.6,
        template=str(template),
    )
    extract = step(
        volume_steps.extract_brain,
        ["brain", "mask"],
        "extract_brain",
        stage="brain extraction",
        mem_gb=0.9,
        template=str(template),
    )
    affine = step(
        registration_steps.register_affine,
        ["matrix"],
        "register_affine",
        stage="registration",
        mem_gb=0.5,
        template=str(template),
    )
    nonlinear = step(
        registration_steps.register_nonlinear,
        ["coordinates"],
        "register_nonlinear",
        stage="registration",
        mem_gb=0.9,
        template=str(template),
    )
    resample = step(
        registration_steps.resample_atlas,
        ["atlas"],
        "resample_atlas",
        stage="resampling",
        mem_gb=0.7,
        atlas=str(atlas),
    )
    parcellate = step(
        volume_steps.parcellate,
        ["parcellation"],
        "parcellate_volume",
        stage="parcellation",
        mem_gb=0.5,
        label_table=str(label_table),
    )
    cerebrum = step(
        volume_steps.mask_cerebrum, ["cerebrum"], "mask_cerebrum", stage="segmentation", mem_gb=0.6
    )
    workflow = Workflow("volume_wf")
    # fmt: off
    workflow.connect([
        (conform, bias, [("out_file", "in_file")]),
        (bias, align, [("out_file", "head")]),
        (bias, extract, [("out_file", "head")]),
        (align, extract, [("matrix", "matrix")]),
        (extract, denoise, [("brain", "in_file")]),
        (denoise, classify, [("out_file", "in_file")]),
        (denoise, affine, [("out_file", "brain")]),
        (align, affine, [("matrix", "initial")]),
        (denoise, nonlinear, [("out_file", "brain")]),
        (affine, nonlinear, [("matrix", "matrix")]),
        (nonlinear, resample, [("coordinates", "coordinates")]),
        (classify, parcellate, [("tissue", "tissue")]),
        (resample, parcellate, [("atlas", "atlas")]),
        (classify, cerebrum, [("tissue", "tissue")]),
        (resample, cerebrum, [("atlas", "atlas")]),
    ])
    # fmt: on
    return workflow


def init_hemisphere_wf(hemisphere: str, label_table: Path) -> Workflow:
    """Build the steps on one cortical hemisphere.

    Parameters
    ----------
    hemisphere : str
        ``L`` or ``R``.
    label_table : pathlib.Path
        CSV that names the labels of the atlas.

    Returns
    -------
    nipype.Workflow
        Inputs ``inputnode.tissue``, ``cerebrum``, ``coordinates`` and ``atlas``; outputs
        ``outputnode.filled``, ``ball``, ``white``, ``pial``, ``thickness`` and ``parcels``.
    """
    inputs = Node(
        IdentityInterface(["tissue", "cerebrum", "coordinates", "atlas"]), name="inputnode"
    )
    outputs = Node(IdentityInterface([*SURFACES]), name="outputnode")
    here: dict[str, Any] = {"stage": "surface reconstruction", "hemisphere": hemisphere}
    fill = step(
        surface_steps.fill_white_matter, ["filled"], "fill_white_matter", mem_gb=0.4, **here
    )
    correct = step(
        surface_steps.correct_topology,
        ["ball"],
        "correct_topology",
        mem_gb=0.4,
        stage="surface reconstruction",
    )
    tessellate = step(
        surface_steps.tessellate_white, ["white"], "tessellate_white", mem_gb=0.4, **here
    )
    white = step(
        surface_steps.place_white_surface, ["white"], "place_white_surface", mem_gb=0.5, **here
    )
    pial = step(
        surface_steps.place_pial_surface, ["pial"], "place_pial_surface", mem_gb=0.5, **here
    )
    thickness = step(
        surface_steps.measure_thickness, ["thickness"], "measure_thickness", mem_gb=0.4, **here
    )
    parcellate = step(
        surface_steps.parcellate_surface,
        ["parcels"],
        "parcellate_surface",
        mem_gb=0.5,
        stage="parcellation",
        hemisphere=hemisphere,
        label_table=str(label_table),
    )
    workflow = Workflow("left_wf" if hemisphere == "L" else "right_wf")
    # fmt: off
    workflow.connect([
        (inputs, fill, [(name, name) for name in ("tissue", "cerebrum", "coordinates")]),
        (fill, correct, [("filled", "filled")]),
        (correct, tessellate, [("ball", "ball")]),
        (correct, white, [("ball", "ball")]),
        (tessellate, white, [("white", "tessellated")]),
        (inputs, pial, [("tissue", "tissue")]),
        (correct, pial, [("ball", "ball")]),
        (white, pial, [("white", "white")]),
        (white, thickness, [("white", "white")]),
        (pial, thickness, [("pial", "pial")]),
        (white, parcellate, [("white", "white")]),
        (pial, parcellate, [("pial", "pial")]),
        (inputs, parcellate, [("atlas", "atlas")]),
        (fill, outputs, [("filled", "filled")]),
        (correct, outputs, [("ball", "ball")]),
        (white, outputs, [("white", "white")]),
        (pial, outputs, [("pial", "pial")]),
        (thickness, outputs, [("thickness", "thickness")]),
        (parcellate, outputs, [("parcels", "parcels")]),
    ])
    # fmt: on
    return workflow


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
        surface_steps.inflate_surface,
        ["inflated"],
        "inflate_surface",
        stage="surface reconstruction",
        mem_gb=0.4,
        iterfield=["white"],
    )
    smooth = step(
        surface_steps.smooth_thickness,
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
    t1w: Path, template: Path, atlas: Path, label_table: Path, out_dir: Path
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

    Returns
    -------
    nipype.Workflow
        Workflow that needs only a ``base_dir`` to run.
    """
    volume_wf = init_volume_wf(template, atlas, label_table)
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
