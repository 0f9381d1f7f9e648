# SPDX-License-Identifier: Apache-2.0
"""Branches of the structural workflow: steps on volumes, and steps on one hemisphere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype import Node, Workflow
from nipype.interfaces.utility import IdentityInterface

from structural_parts import ants_steps, registration_steps, surface_steps, volume_steps
from structural_parts.interfaces import ClassifyTissue, Conform, Denoise
from structural_parts.nodes import step

TOOLS = ("dipy", "ants")
SURFACES = ("filled", "ball", "white", "pial", "thickness", "parcels")


def init_volume_wf(
    template: Path, atlas: Path, label_table: Path, tools: str = "dipy"
) -> Workflow:
    """Build the steps on volumes, from the head to its tissue classes and parcels.

    Parameters
    ----------
    template : pathlib.Path
        Skull-stripped T1w template, 1 mm.
    atlas : pathlib.Path
        Desikan-Killiany labels in the space of `template`.
    label_table : pathlib.Path
        CSV that names the labels.
    tools : str
        One of `TOOLS`: what corrects, denoises, classifies and registers the brain.

    Returns
    -------
    nipype.Workflow
        Input ``conform.in_file``; outputs ``denoise.out_file``, ``extract_brain.mask``,
        ``classify_tissue.tissue``, ``parcellate_volume.parcellation``, ``mask_cerebrum.cerebrum``,
        ``resample_atlas.atlas`` and ``register_nonlinear.coordinates``.
    """
    conform = Node(Conform(), name="conform", mem_gb=0.3)
    conform.stage = "input and output"
    by_ants = tools == "ants"
    denoise, classify = _ants_filters() if by_ants else _dipy_filters()
    bias = step(
        ants_steps.correct_bias if by_ants else volume_steps.correct_bias,
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
        ants_steps.register_affine if by_ants else registration_steps.register_affine,
        ["matrix"],
        "register_affine",
        stage="registration",
        mem_gb=0.5,
        template=str(template),
    )
    nonlinear = step(
        ants_steps.register_nonlinear if by_ants else registration_steps.register_nonlinear,
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
        # ANTs begins at the centres of mass, as the brain has no skull any more
        *([] if by_ants else [(align, affine, [("matrix", "initial")])]),
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


def _dipy_filters() -> tuple[Node, Node]:
    """Return the nodes that denoise a brain and classify its tissue."""
    denoise = Node(Denoise(), name="denoise", mem_gb=0.6)
    denoise.stage = "intensity correction"
    classify = Node(ClassifyTissue(), name="classify_tissue", mem_gb=1.5)
    classify.stage = "segmentation"
    return denoise, classify


def _ants_filters() -> tuple[Node, Node]:
    return step(
        ants_steps.denoise, ["out_file"], "denoise", stage="intensity correction", mem_gb=0.8
    ), step(
        ants_steps.classify_tissue,
        ["tissue"],
        "classify_tissue",
        stage="segmentation",
        mem_gb=1.5,
    )


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
