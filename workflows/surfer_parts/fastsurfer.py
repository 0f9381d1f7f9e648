# SPDX-License-Identifier: Apache-2.0
"""nipype interface of FastSurfer's ``run_fastsurfer.sh``, installed or in an Apptainer image.

Henschel et al., 2020, doi:10.1016/j.neuroimage.2020.117012; options as of FastSurfer 2.
"""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    CommandLine,
    CommandLineInputSpec,
    Directory,
    File,
    TraitedSpec,
    isdefined,
    traits,
)

IN_IMAGE = "/fastsurfer/run_fastsurfer.sh"
# Below the subject's folder; what each part leaves for those that come after it.
SEGMENTED = {
    "aparc_aseg": "mri/aparc.DKTatlas+aseg.deep.mgz",
    "mask": "mri/mask.mgz",
    "aseg": "mri/aseg.auto_noCCseg.mgz",
}
RECONSTRUCTED = {
    f"{hemi}_{name}": f"surf/{hemi}.{name}"
    for hemi in ("lh", "rh")
    for name in ("white", "pial", "thickness")
}
_TIMEOUT_S = 60


class _FastSurferInput(CommandLineInputSpec):  # type: ignore[misc]
    t1_file = File(exists=True, mandatory=True, argstr="--t1 %s", desc="T1-weighted head")
    subject_id = traits.Str(mandatory=True, argstr="--sid %s", desc="name of the subject")
    subjects_dir = Directory(
        exists=True, mandatory=True, argstr="--sd %s", desc="folder of the subjects' folders"
    )
    part = traits.Enum(
        "seg_only",
        "surf_only",
        argstr="--%s",
        desc="only the networks, or only the surfaces, which need the networks' results",
    )
    device = traits.Enum("cpu", "cuda", usedefault=True, argstr="--device %s", desc="of networks")
    threads = traits.Range(low=1, value=1, usedefault=True, argstr="--threads %d")
    parallel = traits.Bool(argstr="--parallel", desc="surfaces of both hemispheres at once")
    three_tesla = traits.Bool(argstr="--3T", desc="the atlas for Talairach registration")
    fs_license = File(exists=True, argstr="--fs_license %s", desc="FreeSurfer's licence")
    python = File(exists=True, argstr="--py %s", desc="Python of FastSurfer's environment")
    no_cereb = traits.Bool(argstr="--no_cereb", desc="leave out the cerebellum's parts")
    no_hypothal = traits.Bool(argstr="--no_hypothal", desc="leave out the hypothalamus's parts")
    no_biasfield = traits.Bool(argstr="--no_biasfield", desc="leave out bias correction")
    script = traits.Str(
        "run_fastsurfer.sh", usedefault=True, desc="FastSurfer's script, where it is no image"
    )
    image = File(exists=True, desc="Apptainer image of FastSurfer")
    runtime = traits.Enum("apptainer", "singularity", usedefault=True, desc="what runs the image")


class _FastSurferOutput(TraitedSpec):  # type: ignore[misc]
    subject_id = traits.Str(desc="name of the subject")
    subjects_dir = Directory(exists=True, desc="folder of the subjects' folders")
    aparc_aseg = File(exists=True, desc="95 labels: cortical areas and subcortical regions")
    mask = File(exists=True, desc="brain mask")
    aseg = File(exists=True, desc="subcortical regions")
    lh_white = File(exists=True, desc="grey-white border, left")
    rh_white = File(exists=True, desc="grey-white border, right")
    lh_pial = File(exists=True, desc="pial surface, left")
    rh_pial = File(exists=True, desc="pial surface, right")
    lh_thickness = File(exists=True, desc="cortical thickness, left")
    rh_thickness = File(exists=True, desc="cortical thickness, right")


class FastSurfer(CommandLine):  # type: ignore[misc]
    """Segment a head by networks, and reconstruct its cortex, with FastSurfer.

    Examples
    --------
    >>> fastsurfer = FastSurfer(subject_id="sub-01", part="seg_only", threads=4)
    >>> fastsurfer.inputs.device
    'cpu'
    """

    _cmd = "run_fastsurfer.sh"
    input_spec = _FastSurferInput
    output_spec = _FastSurferOutput

    @property
    def cmd(self) -> str:
        """FastSurfer's script."""
        return IN_IMAGE if isdefined(self.inputs.image) else shlex.quote(self.inputs.script)

    @property
    def _cmd_prefix(self) -> str:
        """What runs the image; its end is a blank, since nipype puts the script behind it."""
        if not isdefined(self.inputs.image):
            return ""
        gpu = ["--nv"] if self.inputs.device == "cuda" else []
        folders = [self.inputs.subjects_dir]
        given = (self.inputs.t1_file, self.inputs.fs_license)
        folders += [str(Path(path).parent) for path in given if isdefined(path)]
        binds = [word for folder in dict.fromkeys(folders) for word in ("-B", folder)]
        words = [self.inputs.runtime, "exec", *gpu, "--no-home", *binds, self.inputs.image]
        return shlex.join(words) + " "

    def _run_interface(self, runtime: Any, correct_return_codes: tuple[int, ...] = (0,)) -> Any:
        runtime = super()._run_interface(runtime, correct_return_codes)
        if runtime.returncode not in correct_return_codes:
            # nipype would look for the outputs first, and say that one is not there.
            scripts = os.path.join(self.inputs.subjects_dir, self.inputs.subject_id, "scripts")
            raise RuntimeError(
                f"{runtime.stdout}\n{runtime.stderr}\n{self.cmd} ended with exit code "
                f"{runtime.returncode}: see its logs in {scripts}"
            )
        return runtime

    def _list_outputs(self) -> dict[str, str]:
        folder = os.path.join(self.inputs.subjects_dir, self.inputs.subject_id)
        outputs: dict[str, str] = self.output_spec().get()
        outputs["subject_id"] = self.inputs.subject_id
        outputs["subjects_dir"] = self.inputs.subjects_dir
        made = dict(SEGMENTED)
        if self.inputs.part != "seg_only":
            made |= RECONSTRUCTED
        return outputs | {name: os.path.join(folder, path) for name, path in made.items()}

    @property
    def version(self) -> str | None:
        """What ``--version`` says; None where nothing was said."""
        image = [self.inputs.runtime, "exec", self.inputs.image, IN_IMAGE]
        command = image if isdefined(self.inputs.image) else [self.inputs.script]
        return _version(*command)


@functools.cache
def _version(*command: str) -> str | None:
    try:
        done = subprocess.run(
            [*command, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split() if done.returncode == 0 else []
    return next((word for word in words if word[0].isdigit()), None)
