# SPDX-License-Identifier: Apache-2.0
"""The steps of the structural workflow as pydra tasks: the same functions and programs.

Every task class has a ``stage``, a word of the field that says what it is for; pydra ignores it.
Files travel as paths: what is in a cache never changes, so only the T1w image itself is hashed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fileformats.generic import File
from pydra.compose import python, shell

from structural_parts import (
    map_steps,
    registration_steps,
    results,
    surface_steps,
    table_steps,
    volume_steps,
)


def _line(text: str) -> list[str]:
    """Return the words of a command that this Python environment has."""
    program, *arguments = text.split()
    return [str(Path(sys.executable).parent / program), *arguments]


def _step(function: Callable[..., Any], *outputs: str, stage: str, kind: type = str) -> Any:
    """Make a task of a function, in this module, so that jobs hold no copy of it.

    Parameters
    ----------
    function : callable
        A function of one of the step modules.
    *outputs : str
        Names of what it returns.
    stage : str
        What the task is for.
    kind : type
        Of its outputs.
    """
    name = "".join(word.capitalize() for word in function.__name__.split("_"))
    task: Any = python.define(function, outputs=dict.fromkeys(outputs, kind), name=name)
    task.__module__ = __name__
    task.stage = stage
    return task


def _left_in(name: str) -> Callable[[Path], str]:
    """Return what says where a program leaves its file of this name."""

    def path(cache_dir: Path) -> str:
        return str(cache_dir / name)

    return path


@shell.define
class Conform(shell.Task["Conform.Outputs"]):
    """Resample a volume to a standard grid with ``nib-conform``."""

    executable = _line("nib-conform --out-shape 256 256 256 --voxel-size 1 1 1")
    in_file: File = shell.arg(argstr="", position=1)
    out_name: str = shell.arg(argstr="", position=2, default="T1w_conformed.nii.gz")

    class Outputs(shell.Outputs):
        """Where the result is."""

        out_file: str = shell.out(callable=_left_in("T1w_conformed.nii.gz"))


@shell.define
class Denoise(shell.Task["Denoise.Outputs"]):
    """Remove noise by non-local means with ``dipy_denoise_nlmeans``."""

    executable = _line(
        "dipy_denoise_nlmeans --force --block_radius 1 --out_denoised denoised.nii.gz"
    )
    in_file: str = shell.arg(argstr="", position=1)

    class Outputs(shell.Outputs):
        """Where the result is."""

        out_file: str = shell.out(callable=_left_in("denoised.nii.gz"))


@shell.define
class ClassifyTissue(shell.Task["ClassifyTissue.Outputs"]):
    """Classify tissue by a hidden Markov random field with ``dipy_classify_tissue``."""

    executable = _line(
        "dipy_classify_tissue --method hmrf --force --nclass 3 --beta 0.1 --max_iter 15 "
        "--out_tissue tissue.nii.gz --out_pve probabilities.nii.gz"
    )
    in_file: str = shell.arg(argstr="", position=1)

    class Outputs(shell.Outputs):
        """Where the results are."""

        tissue: str = shell.out(callable=_left_in("tissue.nii.gz"))
        probabilities: str = shell.out(callable=_left_in("probabilities.nii.gz"))


Conform.stage = "input and output"
Denoise.stage = "intensity correction"
ClassifyTissue.stage = "segmentation"

SURFACE = "surface reconstruction"
CorrectBias = _step(volume_steps.correct_bias, "out_file", stage="intensity correction")
AlignTemplate = _step(registration_steps.align_template, "matrix", stage="registration")
ExtractBrain = _step(volume_steps.extract_brain, "brain", "mask", stage="brain extraction")
RegisterAffine = _step(registration_steps.register_affine, "matrix", stage="registration")
RegisterNonlinear = _step(
    registration_steps.register_nonlinear, "coordinates", stage="registration"
)
ResampleAtlas = _step(registration_steps.resample_atlas, "atlas", stage="resampling")
Parcellate = _step(volume_steps.parcellate, "parcellation", stage="parcellation")
MaskCerebrum = _step(volume_steps.mask_cerebrum, "cerebrum", stage="segmentation")
FillWhiteMatter = _step(surface_steps.fill_white_matter, "filled", stage=SURFACE)
CorrectTopology = _step(surface_steps.correct_topology, "ball", stage=SURFACE)
TessellateWhite = _step(surface_steps.tessellate_white, "white", stage=SURFACE)
PlaceWhiteSurface = _step(surface_steps.place_white_surface, "white", stage=SURFACE)
PlacePialSurface = _step(surface_steps.place_pial_surface, "pial", stage=SURFACE)
MeasureThickness = _step(surface_steps.measure_thickness, "thickness", stage=SURFACE)
ParcellateSurface = _step(surface_steps.parcellate_surface, "parcels", stage="parcellation")
InflateSurface = _step(map_steps.inflate_surface, "inflated", stage=SURFACE)
SmoothThickness = _step(map_steps.smooth_thickness, "smoothed", stage="smoothing and filtering")
SummariseRegions = _step(table_steps.summarise_regions, "table", "sidecar", stage="morphometry")
SummariseTissue = _step(table_steps.summarise_tissue, "table", "sidecar", stage="morphometry")
CheckSurfaces = _step(table_steps.check_surfaces, "report", stage="quality control")
Both = _step(results.both, "out", stage="engine", kind=list[str])
Sink = _step(results.sink, "files", stage="input and output", kind=list[str])
