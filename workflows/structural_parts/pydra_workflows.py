# SPDX-License-Identifier: Apache-2.0
"""The structural workflow as a pydra workflow: the same nodes by the same names.

Three nested workflows, as there: on volumes, on each hemisphere, and on both together. pydra
begins one of them when the one that it needs is over as a whole.
"""

from __future__ import annotations

from typing import Any

from fileformats.generic import File
from pydra.compose import workflow

from structural_parts import pydra_steps as steps

SURFACES = ("filled", "ball", "white", "pial", "thickness", "parcels")
_VOLUMES = ("brain", "mask", "tissue", "parcellation", "cerebrum", "atlas", "coordinates")


@workflow.define(outputs=dict.fromkeys(_VOLUMES, str))
def VolumeWf(t1w: File, template: str, atlas: str, label_table: str) -> Any:  # noqa: N802
    """Build the steps on volumes, from the head to its tissue classes and parcels."""
    add = workflow.add
    conform = add(steps.Conform(in_file=t1w), name="conform")
    bias = add(steps.CorrectBias(in_file=conform.out_file), name="correct_bias")
    align = add(steps.AlignTemplate(head=bias.out_file, template=template), name="align_template")
    extract = add(
        steps.ExtractBrain(head=bias.out_file, template=template, matrix=align.matrix),
        name="extract_brain",
    )
    denoise = add(steps.Denoise(in_file=extract.brain), name="denoise")
    classify = add(steps.ClassifyTissue(in_file=denoise.out_file), name="classify_tissue")
    affine = add(
        steps.RegisterAffine(brain=denoise.out_file, template=template, initial=align.matrix),
        name="register_affine",
    )
    nonlinear = add(
        steps.RegisterNonlinear(brain=denoise.out_file, template=template, matrix=affine.matrix),
        name="register_nonlinear",
    )
    resampled = add(
        steps.ResampleAtlas(atlas=atlas, coordinates=nonlinear.coordinates), name="resample_atlas"
    )
    parcellate = add(
        steps.Parcellate(tissue=classify.tissue, atlas=resampled.atlas, label_table=label_table),
        name="parcellate_volume",
    )
    cerebrum = add(
        steps.MaskCerebrum(tissue=classify.tissue, atlas=resampled.atlas), name="mask_cerebrum"
    )
    return (
        denoise.out_file,
        extract.mask,
        classify.tissue,
        parcellate.parcellation,
        cerebrum.cerebrum,
        resampled.atlas,
        nonlinear.coordinates,
    )


@workflow.define(outputs=dict.fromkeys(SURFACES, str))
def HemisphereWf(  # noqa: N802
    hemisphere: str, tissue: str, cerebrum: str, coordinates: str, atlas: str, label_table: str
) -> Any:
    """Build the steps on one cortical hemisphere, ``L`` or ``R``."""
    add = workflow.add
    fill = add(
        steps.FillWhiteMatter(
            tissue=tissue, cerebrum=cerebrum, coordinates=coordinates, hemisphere=hemisphere
        ),
        name="fill_white_matter",
    )
    correct = add(steps.CorrectTopology(filled=fill.filled), name="correct_topology")
    tessellate = add(
        steps.TessellateWhite(ball=correct.ball, hemisphere=hemisphere), name="tessellate_white"
    )
    white = add(
        steps.PlaceWhiteSurface(
            tessellated=tessellate.white, ball=correct.ball, hemisphere=hemisphere
        ),
        name="place_white_surface",
    )
    pial = add(
        steps.PlacePialSurface(
            white=white.white, ball=correct.ball, tissue=tissue, hemisphere=hemisphere
        ),
        name="place_pial_surface",
    )
    thickness = add(
        steps.MeasureThickness(white=white.white, pial=pial.pial, hemisphere=hemisphere),
        name="measure_thickness",
    )
    parcels = add(
        steps.ParcellateSurface(
            white=white.white,
            pial=pial.pial,
            atlas=atlas,
            label_table=label_table,
            hemisphere=hemisphere,
        ),
        name="parcellate_surface",
    )
    return (
        fill.filled,
        correct.ball,
        white.white,
        pial.pial,
        thickness.thickness,
        parcels.parcels,
    )


_MAPS = ("inflated", "smoothed")
_TABLES = ("regions", "regions_sidecar", "volumes", "volumes_sidecar", "check")


@workflow.define(outputs={**dict.fromkeys(_MAPS, list[str]), **dict.fromkeys(_TABLES, str)})
def MeasureWf(  # noqa: N802
    tissue: str,
    parcellation: str,
    label_table: str,
    filled: list[str],
    ball: list[str],
    white: list[str],
    pial: list[str],
    thickness: list[str],
    parcels: list[str],
) -> Any:
    """Build the steps that take both hemispheres together."""
    add = workflow.add
    inflate = add(
        steps.InflateSurface().split(white=white).combine("white"), name="inflate_surface"
    )
    smooth = add(
        steps.SmoothThickness(fwhm=10.0)
        .split(
            ("thickness", "white", "parcels"), thickness=thickness, white=white, parcels=parcels
        )
        .combine(["thickness", "white", "parcels"]),
        name="smooth_thickness",
    )
    regions = add(
        steps.SummariseRegions(
            parcellation=parcellation,
            label_table=label_table,
            whites=white,
            thicknesses=thickness,
            parcels=parcels,
        ),
        name="summarise_regions",
    )
    volumes = add(steps.SummariseTissue(tissue=tissue), name="summarise_tissue")
    check = add(
        steps.CheckSurfaces(whites=white, pials=pial, balls=ball, filled=filled),
        name="check_surfaces",
    )
    return (
        inflate.inflated,
        smooth.smoothed,
        regions.table,
        regions.sidecar,
        volumes.table,
        volumes.sidecar,
        check.report,
    )


@workflow.define(outputs={"files": list[str]})
def StructuralWf(  # noqa: N802
    t1w: File, template: str, atlas: str, label_table: str, out_dir: str
) -> Any:
    """Build the structural workflow.

    Parameters
    ----------
    t1w : File
        T1-weighted head, three-dimensional NIfTI.
    template : str
        Skull-stripped T1w template, 1 mm.
    atlas : str
        Desikan-Killiany labels in the space of `template`.
    label_table : str
        CSV with the columns ``id``, ``label``, ``hemisphere`` and ``structure``.
    out_dir : str
        Folder for the results, in ``anat``, ``surf`` and ``stats``.
    """
    add = workflow.add
    volume = add(
        VolumeWf(t1w=t1w, template=template, atlas=atlas, label_table=label_table),
        name="volume_wf",
    )
    sides = [
        add(
            HemisphereWf(
                hemisphere=hemisphere,
                tissue=volume.tissue,
                cerebrum=volume.cerebrum,
                coordinates=volume.coordinates,
                atlas=volume.atlas,
                label_table=label_table,
            ),
            name=name,
        )
        for hemisphere, name in (("L", "left_wf"), ("R", "right_wf"))
    ]
    both = {
        name: add(
            steps.Both(left=getattr(sides[0], name), right=getattr(sides[1], name)),
            name=f"both_{name}",
        ).out
        for name in SURFACES
    }
    measure = add(
        MeasureWf(
            tissue=volume.tissue,
            parcellation=volume.parcellation,
            label_table=label_table,
            **both,
        ),
        name="measure_wf",
    )
    sink = add(
        steps.Sink(
            out_dir=out_dir,
            **{name: getattr(volume, name) for name in _VOLUMES[:4]},
            **{name: both[name] for name in ("white", "pial", "thickness", "parcels")},
            **{name: getattr(measure, name) for name in (*_MAPS, *_TABLES)},
        ),
        name="sink",
    )
    return sink.files
