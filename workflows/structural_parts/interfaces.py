# SPDX-License-Identifier: Apache-2.0
"""nipype interfaces of the console programs which nibabel and DIPY install.

nipype's own DIPY interfaces call Python functions; these start the programs themselves, found
beside the running interpreter even where its environment is not activated.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    CommandLine,
    CommandLineInputSpec,
    File,
    TraitedSpec,
    traits,
)


class _ConsoleProgram(CommandLine):  # type: ignore[misc]
    """A console program of this Python environment that leaves its results in the node folder."""

    def __init__(self, command: str | None = None, **inputs: Any) -> None:
        super().__init__(command, **inputs)
        folder = str(Path(sys.executable).parent)
        path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
        # one thread: as many as the nodes of this workflow declare
        self.inputs.environ = {**self.inputs.environ, "PATH": path, "OMP_NUM_THREADS": "1"}

    def _list_outputs(self) -> dict[str, str]:
        names = self.output_spec().copyable_trait_names()
        return {name: os.path.abspath(getattr(self.inputs, name)) for name in names}


class _ConformInput(CommandLineInputSpec):  # type: ignore[misc]
    in_file = File(exists=True, mandatory=True, argstr="%s", position=-2, desc="any 3-D volume")
    out_file = File("T1w_conformed.nii.gz", usedefault=True, argstr="%s", position=-1)
    out_shape = traits.Tuple(
        (256, 256, 256), types=(int,) * 3, usedefault=True, argstr="--out-shape %d %d %d"
    )
    voxel_size = traits.Tuple(
        (1.0, 1.0, 1.0), usedefault=True, argstr="--voxel-size %g %g %g", desc="millimetres"
    )


class _ConformOutput(TraitedSpec):  # type: ignore[misc]
    out_file = File(exists=True, desc="volume in RAS+ order on the requested grid")


class Conform(_ConsoleProgram):
    """Resample a volume to a standard grid with ``nib-conform``."""

    _cmd = "nib-conform"
    input_spec = _ConformInput
    output_spec = _ConformOutput


class _DenoiseInput(CommandLineInputSpec):  # type: ignore[misc]
    in_file = File(exists=True, mandatory=True, argstr="%s", position=-1)
    block_radius = traits.Int(1, usedefault=True, argstr="--block_radius %d", desc="voxels")
    out_file = File("denoised.nii.gz", usedefault=True, argstr="--out_denoised %s")


class _DenoiseOutput(TraitedSpec):  # type: ignore[misc]
    out_file = File(exists=True, desc="denoised volume")


class Denoise(_ConsoleProgram):
    """Remove noise by non-local means with ``dipy_denoise_nlmeans``."""

    _cmd = "dipy_denoise_nlmeans --force"
    input_spec = _DenoiseInput
    output_spec = _DenoiseOutput


class _ClassifyTissueInput(CommandLineInputSpec):  # type: ignore[misc]
    in_file = File(exists=True, mandatory=True, argstr="%s", position=-1, desc="brain, 0 outside")
    nclass = traits.Int(3, usedefault=True, argstr="--nclass %d")
    beta = traits.Float(0.1, usedefault=True, argstr="--beta %g", desc="strength of the field")
    max_iter = traits.Int(15, usedefault=True, argstr="--max_iter %d")
    tissue = File("tissue.nii.gz", usedefault=True, argstr="--out_tissue %s")
    probabilities = File("probabilities.nii.gz", usedefault=True, argstr="--out_pve %s")


class _ClassifyTissueOutput(TraitedSpec):  # type: ignore[misc]
    tissue = File(exists=True, desc="1 cerebrospinal fluid, 2 grey matter, 3 white matter")
    probabilities = File(exists=True, desc="probability of each class along the fourth axis")


class ClassifyTissue(_ConsoleProgram):
    """Classify tissue by a hidden Markov random field with ``dipy_classify_tissue``."""

    _cmd = "dipy_classify_tissue --method hmrf --force"
    input_spec = _ClassifyTissueInput
    output_spec = _ClassifyTissueOutput
