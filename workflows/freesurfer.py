#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run FreeSurfer's recon-all as a nipype workflow whose nodes are its stages.

One node each: autorecon1, the volume part of autorecon2, the surfaces of each hemisphere, the
cortical ribbon, each hemisphere's statistics, autorecon3; then tables of all subjects' regions.
Needs FreeSurfer 6 or later and its licence, and nipype.
"""

from __future__ import annotations

import argparse
from pathlib import Path

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
    subjects,
    subjects_dir,
)

EXAMPLES = """
examples:
  %(prog)s --t1w sub-01_T1w.nii.gz --subjects-dir derivatives/freesurfer --openmp 4 --parallel
  %(prog)s --t1w a.nii.gz b.nii.gz --subjects anna bert --n-procs 8
  %(prog)s --t1w sub-01_T1w.nii.gz --monolithic      all of recon-all in one node
  nicarbon run -o run %(prog)s --t1w sub-01_T1w.nii.gz; nicarbon summary run --by program

Hours a subject: a run that was cut off goes on with --resume and the same --work-dir.
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
        "--openmp",
        type=positive_int,
        metavar="N",
        default=1,
        help="threads of recon-all, for each hemisphere (default: %(default)s)",
    )
    parser.add_argument(
        "--parallel",
        action="store_true",
        help="work on both hemispheres of a subject at once, with twice as many threads",
    )
    parser.add_argument(
        "--monolithic", action="store_true", help="run recon-all -all as one node, not its stages"
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
        default=Path("freesurfer-work"),
        help="nipype's own files and the tables; images are in --subjects-dir "
        "(default: %(default)s)",
    )
    add_run_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> Path:
    """Build the workflow and run it; return the folder of its results."""
    check_freesurfer()
    found = subjects(args)
    folder = subjects_dir(args.subjects_dir)
    needs = args.openmp * (2 if args.parallel else 1)
    n_procs = args.n_procs or needs
    if n_procs < (needs if args.monolithic else args.openmp):
        raise InputError(f"--n-procs {n_procs} is less than the {needs} threads of one node")
    make_folders(args.work_dir)
    check_plugin(args.plugin)

    # nipype asks FreeSurfer for its version when this is imported: not before it was found
    from surfer_parts.freesurfer_workflows import init_freesurfer_wf

    workflow = init_freesurfer_wf(
        found, folder, openmp=args.openmp, parallel=args.parallel, monolithic=args.monolithic
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
