# SPDX-License-Identifier: Apache-2.0
"""Make what sMRIPrep reads: two subjects, its templates, FreeSurfer's home, ready-made results.

Run by the Python that has sMRIPrep: ``python smriprep_files.py FOLDER``. Images are a ball of 20
voxels a side, surfaces a sphere of 162 vertices: small, and real files of their kinds.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import stat
import sys
import zipfile
from pathlib import Path

import brain_tools
import nibabel as nb
import numpy as np
from nibabel import freesurfer
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiLabel, GiftiLabelTable

SIDE = 20
AFFINE = np.diag([8.0, 8.0, 8.0, 1.0])
AFFINE[:3, 3] = -80.0
TEMPLATES = ("MNI152NLin2009cAsym", "MNI152NLin6Asym", "OASIS30ANTs", "fsLR", "fsaverage")
ATLASES = ("HCP",)  # Of CIFTI files' subcortical part.
SUBJECTS = ("01", "02")
# A transform that moves nothing, in the formats that the tools write.
ITK = (
    "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
    "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n"
)


def ball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return intensities, a mask and labels (1 outside to 3 inside) of a ball."""
    place = np.indices((SIDE, SIDE, SIDE)) - (SIDE - 1) / 2
    radius = np.sqrt((place**2).sum(axis=0))
    mask = radius < 8
    labels = np.where(radius < 5, 3, np.where(radius < 6.5, 2, 1)) * mask
    noise = np.random.default_rng(0).normal(0, 3, labels.shape)
    return (labels * 40 + 5 + noise).clip(0.1), mask, labels


def sphere() -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices and faces of a sphere of 50 mm."""
    rings, sides = 10, 16
    points = [(0.0, 0.0, 1.0)]
    for ring in range(1, rings + 1):
        polar = np.pi * ring / (rings + 1)
        for side in range(sides):
            turn = 2 * np.pi * side / sides
            points.append(
                (np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar))
            )
    points.append((0.0, 0.0, -1.0))
    faces = []
    for side in range(sides):
        after = (side + 1) % sides
        faces.append((0, 1 + side, 1 + after))
        faces.append(
            (len(points) - 1, rings * sides + 1 - sides + after, 1 + (rings - 1) * sides + side)
        )
        for ring in range(rings - 1):
            a, b = 1 + ring * sides + side, 1 + ring * sides + after
            faces += [(a, a + sides, b), (b, a + sides, b + sides)]
    return np.array(points, "f4") * 50, np.array(faces, "i4")


def image(data: np.ndarray, kind: str) -> nb.spatialimages.SpatialImage:
    """Return a volume in a space that is said to be the scanner's."""
    if kind == "mgz":
        return nb.MGHImage(data, AFFINE)
    volume = nb.Nifti1Image(data, AFFINE)
    volume.header.set_xyzt_units("mm", "sec")
    volume.set_qform(AFFINE, 1)
    volume.set_sform(AFFINE, 1)
    return volume


def write_seeds(seeds: Path) -> None:
    """Write what the stand-ins copy."""
    seeds.mkdir(parents=True)
    intensity, mask, labels = ball()
    for kind in ("nii.gz", "nii", "mgz"):
        image(intensity.astype("f4"), kind).to_filename(seeds / f"volume.{kind}")
        image(mask.astype("u1"), kind).to_filename(seeds / f"mask.{kind}")
        image(labels.astype("i2" if kind != "mgz" else "i4"), kind).to_filename(
            seeds / f"labels.{kind}"
        )
    points, faces = sphere()
    metric = (points[:, 2] / 25 + 3).astype("f4")
    surface = GiftiImage(
        darrays=[
            GiftiDataArray(points, "NIFTI_INTENT_POINTSET", "NIFTI_TYPE_FLOAT32"),
            GiftiDataArray(faces, "NIFTI_INTENT_TRIANGLE", "NIFTI_TYPE_INT32"),
        ]
    )
    surface.to_filename(seeds / "surface.surf.gii")
    GiftiImage(
        darrays=[GiftiDataArray(metric, "NIFTI_INTENT_SHAPE", "NIFTI_TYPE_FLOAT32")]
    ).to_filename(seeds / "metric.shape.gii")
    table = GiftiLabelTable()
    table.labels = [GiftiLabel(key=1, red=1, green=0, blue=0, alpha=1)]
    table.labels[0].label = "cortex"
    areas = np.ones(len(points), "i4")
    GiftiImage(
        labeltable=table,
        darrays=[GiftiDataArray(areas, "NIFTI_INTENT_LABEL", "NIFTI_TYPE_INT32")],
    ).to_filename(seeds / "labels.label.gii")
    for end in (".txt", ".mat", ".h5", ".xfm", ".dat"):
        (seeds / f"affine{end}").write_text(ITK)
    (seeds / "affine.lta").write_text(LTA)
    write_subject(seeds / "subject", points, faces, metric, seeds)


def write_subject(
    folder: Path, points: np.ndarray, faces: np.ndarray, metric: np.ndarray, seeds: Path
) -> None:
    """Write what recon-all leaves of a subject, as far as anybody reads it."""
    for place in ("mri/transforms", "surf", "label", "stats", "scripts"):
        (folder / place).mkdir(parents=True)
    volumes = {
        "volume": ("orig", "nu", "T1", "brain", "brainmask", "norm", "rawavg", "orig/001"),
        "labels": ("aseg", "aparc+aseg", "aparc.a2009s+aseg", "ribbon", "wm", "wmparc"),
    }
    for seed, names in volumes.items():
        for name in names:
            path = folder / "mri" / f"{name}.mgz"
            path.parent.mkdir(exist_ok=True)
            shutil.copyfile(seeds / f"{seed}.mgz", path)
    for side in ("lh", "rh"):
        for name in (
            *("white", "pial", "smoothwm", "inflated", "sphere", "sphere.reg", "orig"),
            *("midthickness", "graymid"),
        ):
            if name not in ("midthickness", "graymid"):
                freesurfer.write_geometry(str(folder / "surf" / f"{side}.{name}"), points, faces)
        for name in ("thickness", "curv", "sulc", "area", "volume", "avg_curv"):
            freesurfer.write_morph_data(str(folder / "surf" / f"{side}.{name}"), metric)
        freesurfer.write_annot(
            str(folder / "label" / f"{side}.aparc.annot"),
            np.zeros(len(points), "i4"),
            np.array([[1, 2, 3, 0, 1 + (2 << 8) + (3 << 16)]], "i4"),
            ["cortex"],
        )
        (folder / "label" / f"{side}.cortex.label").write_text("#!ascii label\n1\n0 0 0 0 0\n")
    for name in ("aseg", "lh.aparc", "rh.aparc"):
        (folder / "stats" / f"{name}.stats").write_text("# Measure\n")
    (folder / "mri" / "transforms" / "talairach.xfm").write_text("MNI Transform File\n")
    (folder / "scripts" / "recon-all.done").write_text("done\n")


LTA = """type      = 0
nxforms   = 1
mean      = 0.0000 0.0000 0.0000
sigma     = 1.0000
1 4 4
1.0 0.0 0.0 0.0
0.0 1.0 0.0 0.0
0.0 0.0 1.0 0.0
0.0 0.0 0.0 1.0
src volume info
valid = 1
filename = a.mgz
volume = 20 20 20
voxelsize = 8.0 8.0 8.0
xras   = 1.0 0.0 0.0
yras   = 0.0 1.0 0.0
zras   = 0.0 0.0 1.0
cras   = 0.0 0.0 0.0
dst volume info
valid = 1
filename = b.mgz
volume = 20 20 20
voxelsize = 8.0 8.0 8.0
xras   = 1.0 0.0 0.0
yras   = 0.0 1.0 0.0
zras   = 0.0 0.0 1.0
cras   = 0.0 0.0 0.0
subject bert
fscale 0.1
"""


def write_templates(folder: Path, seeds: Path) -> None:
    """Unpack the names that TemplateFlow's own client brings, and fill the files that we use.

    Each process of niworkflows' reads all names of the folder when it starts: 6 s for those of
    every template.
    """
    # Found, not imported: imported, it would unpack them all.
    client = importlib.util.find_spec("templateflow")
    skeleton = Path(client.origin).with_name("conf") / "templateflow-skel.zip"
    with zipfile.ZipFile(skeleton) as archive:
        for name in archive.namelist():
            atlas = re.search(r"_atlas-([^_]+)", name)
            if atlas and atlas[1] not in ATLASES:
                continue
            if "/" not in name or name.split("/")[0].removeprefix("tpl-") in TEMPLATES:
                archive.extract(name, folder)
    for path in folder.rglob("*"):
        if path.is_file() and not path.stat().st_size:
            path.unlink()
            # The stand-ins' own rules say what a file of this name holds.
            brain_tools.SEEDS = str(seeds)
            brain_tools.make(str(path))


def write_dataset(folder: Path, seeds: Path) -> None:
    """Write the subjects."""
    folder.mkdir()
    about = {"Name": "A ball", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (folder / "dataset_description.json").write_text(json.dumps(about))
    for subject in SUBJECTS:
        anat = folder / f"sub-{subject}" / "anat"
        anat.mkdir(parents=True)
        shutil.copyfile(seeds / "volume.nii.gz", anat / f"sub-{subject}_T1w.nii.gz")
        (anat / f"sub-{subject}_T1w.json").write_text('{"MagneticFieldStrength": 3}')


def write_programs(folder: Path) -> None:
    """Put the stand-ins on a path of their own."""
    folder.mkdir()
    source = Path(brain_tools.__file__).read_text(encoding="utf-8")
    tool = folder / ".brain_tools"
    tool.write_text(f"#!{sys.executable} -IS\n{source}", encoding="utf-8")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    for name in brain_tools.PROGRAMS:
        (folder / name).symlink_to(tool.name)


def main(folder: Path) -> None:
    """Make all of it."""
    seeds = folder / "seeds"
    write_seeds(seeds)
    write_templates(folder / "templateflow", seeds)
    write_dataset(folder / "bids", seeds)
    write_programs(folder / "bin")
    home = folder / "freesurfer"
    shutil.copytree(seeds / "subject", home / "subjects" / "fsaverage")
    (home / "build-stamp.txt").write_text(
        "freesurfer-linux-ubuntu22_x86_64-7.3.2-20220804-6354275\n"
    )
    (home / "license.txt").write_text("me@example.org\n1\n*A\nFSa\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
