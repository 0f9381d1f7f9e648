#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run FastSurfer as a nipype workflow of two nodes a subject: segmentation and surfaces.

FastSurfer 2 as it is installed (run_fastsurfer.sh and FreeSurfer), or its Apptainer image.
The surfaces need FreeSurfer's licence.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from running import (
    InputError,
    add_run_arguments,
    check_plugin,
    make_folders,
    positive_int,
    run_and_say,
    run_workflow,
)
from surfer_parts.subjects import (
    add_subject_arguments,
    check_freesurfer,
    check_path,
    licence,
    subjects,
    subjects_dir,
)

COMMAND = "run_fastsurfer.sh"
EXAMPLES = """
examples:
  %(prog)s --t1w sub-01_T1w.nii.gz --subjects-dir derivatives/fastsurfer --threads 4 --parallel
  %(prog)s --t1w sub-01_T1w.nii.gz --image fastsurfer-latest.sif --device cuda
  %(prog)s --t1w a.nii.gz b.nii.gz --subjects anna bert --seg-only
  nicarbon run -o run %(prog)s --t1w sub-01_T1w.nii.gz; nicarbon summary run --by program

an image:  apptainer build fastsurfer-latest.sif docker://deepmi/fastsurfer:latest
"""


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_subject_arguments(parser)
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where the networks run (default: %(default)s)",
    )
    parser.add_argument(
        "--image",
        type=Path,
        metavar="FILE",
        help=f"Apptainer image of FastSurfer (default: {COMMAND} on the PATH or in "
        "$FASTSURFER_HOME)",
    )
    parser.add_argument(
        "--py",
        type=Path,
        metavar="FILE",
        help="Python of the environment that FastSurfer is installed in (default: python3 on the "
        "PATH, which is nicarbon's where that is another one)",
    )
    parser.add_argument(
        "--threads",
        type=positive_int,
        metavar="N",
        default=1,
        help="threads of FastSurfer, for each hemisphere (default: %(default)s)",
    )
    parser.add_argument(
        "--parallel",
        action="store_true",
        help="work on both hemispheres of a subject at once, with twice as many threads",
    )
    parser.add_argument("--seg-only", action="store_true", help="leave out the surfaces")
    parser.add_argument(
        "--3T", action="store_true", dest="three_tesla", help="register to the atlas for 3 tesla"
    )
    parser.add_argument(
        "--n-procs",
        type=positive_int,
        metavar="N",
        help="threads of all nodes that run at once (default: those of one subject)",
    )
    parser.add_argument(
        "-w",
        "--work-dir",
        type=Path,
        metavar="DIR",
        default=Path("fastsurfer-work"),
        help="nipype's own files; images are in --subjects-dir (default: %(default)s)",
    )
    add_run_arguments(parser)
    return parser


def installed(image: Path | None) -> dict[str, Any]:
    """Return how FastSurfer is called, as inputs of its interface.

    Parameters
    ----------
    image : pathlib.Path or None
        Apptainer image that the user gave.
    """
    if image is not None:
        if not image.exists():
            raise InputError(
                f"{image}: there is no such image; apptainer build {image} "
                "docker://deepmi/fastsurfer:latest"
            )
        runtime = next(filter(shutil.which, ("apptainer", "singularity")), None)
        if runtime is None:
            raise InputError("--image needs apptainer or singularity, and neither is on the PATH")
        return {"image": str(image.absolute()), "runtime": runtime}
    home = os.environ.get("FASTSURFER_HOME")
    script = shutil.which(COMMAND) or (shutil.which(f"{home}/{COMMAND}") if home else None)
    if script is None:
        raise InputError(
            f"{COMMAND} is not on the PATH nor in $FASTSURFER_HOME: install FastSurfer, or give "
            "--image"
        )
    return {"script": script}


def check_gpu() -> None:
    """Refuse ``--device cuda`` where NVIDIA's driver finds no GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        done = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.startswith("GPU"):
            return
    raise InputError("--device cuda: nvidia-smi finds no GPU here; use --device cpu")


def run(args: argparse.Namespace) -> Path:
    """Build the workflow and run it; return the folder of its results."""
    if args.py is not None and args.image is not None:
        raise InputError("--py: an image has a Python of its own; leave it out")
    given = installed(args.image)
    if args.py is not None:
        if not args.py.is_file():
            raise InputError(f"{args.py}: there is no such Python")
        check_path(args.py.absolute())
        given["python"] = str(args.py.absolute())
    if not args.seg_only:
        given["fs_license"] = str(licence() if args.image else check_freesurfer())
    if args.device == "cuda":
        check_gpu()
    if args.three_tesla:
        given["three_tesla"] = True
    found = subjects(args)
    folder = subjects_dir(args.subjects_dir)
    both = args.parallel and not args.seg_only
    needs = args.threads * (2 if both else 1)
    n_procs = args.n_procs or needs
    if n_procs < needs:
        raise InputError(f"--n-procs {n_procs} is less than the {needs} threads of one node")
    make_folders(args.work_dir)
    check_plugin(args.plugin)

    from surfer_parts.fastsurfer_workflows import init_fastsurfer_wf

    workflow = init_fastsurfer_wf(
        found,
        folder,
        threads=args.threads,
        parallel=args.parallel,
        seg_only=args.seg_only,
        device=args.device,
        **given,
    )
    run_workflow(workflow, args, n_procs)
    return folder


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
    parser = get_parser()
    return run_and_say(parser, parser.parse_args(argv), run)


if __name__ == "__main__":
    raise SystemExit(main())
