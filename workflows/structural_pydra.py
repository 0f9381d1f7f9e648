#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Segment a T1-weighted head, reconstruct its cortex and measure it: as a pydra workflow.

The steps, their names and their results are those of structural.py, a nipype workflow: made to
compare what the two engines cost.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path

from running import InputError, run_and_say
from structural import REQUIRED, check_installed, get_inputs, get_parser

EXAMPLES = """
examples:
  %(prog)s                                  the demo image, into ./structural-output
  %(prog)s --t1w sub-01_T1w.nii.gz --n-procs 2
  %(prog)s --worker debug                   one task after another, in this process
  %(prog)s --worker nicarbon-cf             metered; or, unedited: nicarbon run structural_pydra.py

A second run with the same --work-dir finds all results there.  pydra notices a changed image, and
changed code of the steps; not that results were deleted from --out-dir.
"""


def run(args: argparse.Namespace) -> Path:
    """Build the workflow and run it; return the folder of its results."""
    check_installed({"pydra": "'pydra>=1.0a9'", **REQUIRED})
    if importlib.util.find_spec("pydra.compose") is None:
        raise InputError("this pydra is too old: pip install 'pydra>=1.0a9'")
    # One thread each, as in the nipype workflow: what runs side by side here are the tasks.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    inputs = {name: str(path.resolve()) for name, path in get_inputs(args).items()}

    from pydra.engine.submitter import Submitter
    from structural_parts.pydra_workflows import StructuralWf

    options = {} if args.worker.endswith("debug") else {"n_procs": args.n_procs}
    try:
        submitter = Submitter(worker=args.worker, cache_root=args.work_dir, **options)
    except ValueError as error:
        raise InputError(str(error)) from None
    with submitter:
        submitter(StructuralWf(**inputs), raise_errors=True)
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
        0, 1 where a task failed, 2 where the input cannot be used.
    """
    parser = get_parser(__doc__, EXAMPLES)
    parser.add_argument(
        "--worker",
        metavar="NAME",
        default="cf",
        help="pydra worker: cf, debug, or nicarbon-cf and so on (default: %(default)s)",
    )
    return run_and_say(parser, parser.parse_args(argv), run)


if __name__ == "__main__":
    raise SystemExit(main())
