# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the programs of ANTs, FSL, FreeSurfer, AFNI, Workbench and MSM.

One file, called by many names: what it makes goes by the name it was called by. It computes
nothing: it makes the files that a real program would have made, as copies of small ready ones
that `smriprep_site` puts beside it, uses a little CPU time, and starts processes of its own where
the real one does (recon-all). Standard library only, so that it starts fast.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SEEDS = os.path.join(os.path.dirname(HERE), "seeds")
NAME = os.path.basename(sys.argv[0])
# The environment variable that names a file where each call is noted.
TRACE = "BRAIN_TOOLS_TRACE"

PROGRAMS = (
    *("antsAI", "antsAffineInitializer", "antsApplyTransforms", "antsRegistration"),
    *("Atropos", "DenoiseImage", "ImageMath", "MultiplyImages", "N4BiasFieldCorrection"),
    *("ResampleImageBySpacing", "ThresholdImage"),
    *("fast", "fslmaths", "msm"),
    *("lta_convert", "mri_binarize", "mri_convert", "mri_coreg", "mri_robust_template"),
    *("mri_robust_register", "mri_vol2vol", "mris_convert", "mris_expand", "recon-all"),
    *("mri_ca_label", "mri_ca_reg", "mri_normalize", "mri_nu_correct.mni", "mri_segment"),
    *("mri_segstats", "mri_tessellate", "mri_watershed", "mris_ca_label", "mris_inflate"),
    *("mris_make_surfaces", "mris_register", "mris_sphere"),
    *("3dresample", "3dvolreg", "wb_command"),
)
# What a file is made of, by the end of its name: the first that fits.
KINDS = (
    (r"mask[^/]*\.nii\.gz$", "mask.nii.gz"),
    (r"(seg|label|aseg|aparc|ribbon)[^/]*\.nii\.gz$", "labels.nii.gz"),
    (r"mask[^/]*\.mgz$", "mask.mgz"),
    (r"(seg|aparc|ribbon)[^/]*\.mgz$", "labels.mgz"),
    (r"\.nii\.gz$", "volume.nii.gz"),
    (r"\.nii$", "volume.nii"),
    (r"\.mgz$", "volume.mgz"),
    (r"\.surf\.gii$", "surface.surf.gii"),
    (r"\.label\.gii$", "labels.label.gii"),
    (r"\.(shape|func)\.gii$", "metric.shape.gii"),
    (r"(white|pial|smoothwm|inflated|midthickness|graymid|sphere)[^/]*\.gii$", "surface.surf.gii"),
    (r"\.gii$", "metric.shape.gii"),
    (r"_xfm$", "affine.txt"),
    (r"\.surf\.out$", "metric.shape.gii"),
    (r"\.(h5|mat|lta|txt|dat|xfm)$", "affine"),
)
# What a step of recon-all starts.
STEPS = {
    "autorecon1": ("mri_convert", "mri_nu_correct.mni", "mri_normalize", "mri_watershed"),
    "autorecon2-volonly": ("mri_ca_reg", "mri_ca_label", "mri_segment"),
    "autorecon-hemi": ("mri_tessellate", "mris_inflate", "mris_sphere", "mris_make_surfaces"),
    "autorecon2": ("mri_ca_reg", "mri_tessellate"),
    "autorecon3": ("mris_register", "mris_ca_label", "mri_segstats"),
}


def make(path: str, kind: str | None = None) -> None:
    """Make a file, of what its name says that it holds."""
    if kind is None:
        kind = next((seed for end, seed in KINDS if re.search(end, path)), None)
    if kind is None or os.path.exists(path):
        return
    if kind == "affine":
        kind += os.path.splitext(path)[1]
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    shutil.copyfile(os.path.join(SEEDS, kind), path)


def files_of(arguments: list[str]) -> list[str]:
    """Return the words of a command that can be names of files, those in brackets as well."""
    words = [word for argument in arguments for word in re.split(r"[\[\],\s]+", argument)]
    words = [word.partition("=")[2] if word.startswith("--") else word for word in words]
    return [word for word in words if word and not word.startswith("-")]


def after(arguments: list[str], *flags: str) -> str | None:
    """Return the word behind a flag, or behind ``flag=``."""
    for flag in flags:
        for index, argument in enumerate(arguments):
            if argument == flag and index + 1 < len(arguments):
                return arguments[index + 1]
            if argument.startswith(f"{flag}="):
                return argument.partition("=")[2]
    return None


def ants_registration(arguments: list[str]) -> None:
    """Make the transforms that an output prefix and the switches stand for."""
    # The shell has taken the brackets apart: --output [ prefix, warped.nii.gz ]
    text = re.search(r"(?:--output|-o) (\[[^\]]*\]|\S+)", " ".join(arguments))
    prefix, *images = files_of([text[1]] if text else ["transform"])
    composite = after(arguments, "--write-composite-transform") == "1"
    ends = ("Composite.h5", "InverseComposite.h5") if composite else ("0GenericAffine.mat",)
    if not composite and "SyN" in " ".join(arguments):
        ends += ("1Warp.nii.gz", "1InverseWarp.nii.gz")
    for path in (*(prefix + end for end in ends), *images):
        make(path)


def fast(arguments: list[str]) -> None:
    """Make the maps that a base name stands for: after ``-o``, or of the image."""
    base = after(arguments, "-o") or arguments[-1]
    base = re.sub(r"\.nii(\.gz)?$", "", base)
    for end in ("seg", "pveseg", "mixeltype"):
        make(f"{base}_{end}.nii.gz", "labels.nii.gz")
    for index in range(3):
        make(f"{base}_seg_{index}.nii.gz", "mask.nii.gz")
        for end in ("prob", "pve"):
            make(f"{base}_{end}_{index}.nii.gz", "mask.nii.gz")


def mris_convert(arguments: list[str]) -> None:
    """Make a surface or a metric; the real one puts the hemisphere before a bare name."""
    source, target = arguments[-2:]
    if os.path.sep not in target and not re.match(r"[lr]h\.", target):
        hemisphere = re.match(r"[lr]h\.", os.path.basename(source))
        target = (hemisphere[0] if hemisphere else "") + target
    metric = "-c" in arguments or "--curv" in arguments
    make(target, "metric.shape.gii" if metric else "surface.surf.gii")


def mris_expand(arguments: list[str]) -> None:
    """Make the surface that lies between two, beside the one that it begins from."""
    surface, target = arguments[-3], arguments[-1]
    if os.path.sep not in target:
        hemisphere = os.path.basename(surface)[:3]
        target = os.path.join(os.path.dirname(surface), hemisphere + target)
    make(target, "subject/surf/lh.white")


def msm(arguments: list[str]) -> None:
    """Make the registered sphere that a prefix stands for."""
    make(f"{after(arguments, '--out', '-o')}sphere.reg.surf.gii")
    make(f"{after(arguments, '--out', '-o')}sphere.LR.reg.surf.gii")


def recon_all(arguments: list[str]) -> None:
    """Run a step's programs one after the other, and leave the subject's folder and a log."""
    folder = os.path.join(
        after(arguments, "-sd") or os.environ["SUBJECTS_DIR"],
        after(arguments, "-s", "-subjid", "-subject") or "",
    )
    os.makedirs(os.path.join(folder, "scripts"), exist_ok=True)
    with open(os.path.join(folder, "scripts", "recon-all.log"), "a", encoding="utf-8") as log:
        log.write(f"{' '.join(sys.argv)}\n")
        for argument in arguments:
            for program in STEPS.get(argument.lstrip("-"), ()):
                log.write(f"{program} in out\n")
                log.flush()
                subprocess.run([os.path.join(HERE, program)], check=True)
        log.write("recon-all finished without error\n")
    source = os.path.join(SEEDS, "subject")
    for place, _, names in os.walk(source):
        for name in names:
            path = os.path.join(place, name)
            make(os.path.join(folder, os.path.relpath(path, source)), path)


def anything(arguments: list[str]) -> None:
    """Make each file that is named and does not exist, three where a number stands for many."""
    for path in files_of(arguments):
        for made in [path % number for number in (1, 2, 3)] if "%02d" in path else [path]:
            make(made, "mask.nii.gz" if made != path else None)


SPECIAL = {
    "antsRegistration": ants_registration,
    "fast": fast,
    "mris_convert": mris_convert,
    "mris_expand": mris_expand,
    "msm": msm,
    "recon-all": recon_all,
}


def command_line(pid: int) -> str:
    """Return what a process was started with, without its numbers."""
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return re.sub(r"[0-9]+", "N", file.read().replace("\0", " "))


def trace(path: str) -> None:
    """Note which program it was, what process asked for it, and within what limits."""
    parent = command_line(os.getppid())
    if parent.startswith(("/bin/sh", "sh ")):  # nipype's, which may still be there
        with open(f"/proc/{os.getppid()}/stat", encoding="utf-8") as file:
            parent = command_line(int(file.read().rpartition(")")[2].split()[1]))
    limits = (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_STACK)
    line = json.dumps([NAME, parent, [resource.getrlimit(limit) for limit in limits]])
    with open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")


def main() -> None:
    """Do as the program of this name would seem to have done."""
    if TRACE in os.environ:
        trace(os.environ[TRACE])
    if "--version" in sys.argv or "-version" in sys.argv:
        print(f"{NAME} version 2.5.0.post0")
        return
    until_s = time.process_time() + 0.03
    while time.process_time() < until_s:
        pass
    SPECIAL.get(NAME, anything)(sys.argv[1:])


if __name__ == "__main__":
    main()
