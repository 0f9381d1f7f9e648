# SPDX-License-Identifier: Apache-2.0
"""nipype interfaces of FreeSurfer's programs that gather subjects' statistics in one table."""

from __future__ import annotations

import os

from nipype.interfaces.base import File, InputMultiPath, TraitedSpec, traits
from nipype.interfaces.freesurfer.base import FSCommand, FSTraitedSpec


class _TableInput(FSTraitedSpec):  # type: ignore[misc]
    subjects = InputMultiPath(
        traits.Str(), mandatory=True, argstr="--subjects %s", desc="one row each"
    )
    measure = traits.Str(argstr="--meas %s", desc="volume, thickness, area ...")
    delimiter = traits.Enum("tab", "comma", usedefault=True, argstr="--delimiter %s")
    skip = traits.Bool(argstr="--skip", desc="leave out subjects without the statistics")


class _TableOutput(TraitedSpec):  # type: ignore[misc]
    table = File(exists=True, desc="a row for each subject, a column for each region")


class _Table(FSCommand):  # type: ignore[misc]
    output_spec = _TableOutput

    def _list_outputs(self) -> dict[str, str]:
        return {"table": os.path.abspath(self.inputs.table)}


class _AsegTableInput(_TableInput):
    table = File("aseg.tsv", usedefault=True, argstr="--tablefile %s")


class AsegTable(_Table):
    """Gather the volumes of subcortical regions with ``asegstats2table``."""

    _cmd = "asegstats2table"
    input_spec = _AsegTableInput


class _AparcTableInput(_TableInput):
    hemi = traits.Enum("lh", "rh", mandatory=True, argstr="--hemi %s")
    parcellation = traits.Str("aparc", usedefault=True, argstr="--parc %s")
    table = File("aparc.tsv", usedefault=True, argstr="--tablefile %s")


class AparcTable(_Table):
    """Gather a measure of cortical areas with ``aparcstats2table``."""

    _cmd = "aparcstats2table"
    input_spec = _AparcTableInput
