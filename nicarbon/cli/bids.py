# SPDX-License-Identifier: Apache-2.0
"""``nicarbon bids``: what runs used as a BIDS derivative, beside the pipeline's own."""

from __future__ import annotations

import argparse
import shlex

from nicarbon.cli.arguments import add_runs, add_stages, repeat
from nicarbon.cli.folders import complain, each
from nicarbon.run import Run

_EXAMPLES = """\
examples:
  nicarbon bids RUN OUT                     write OUT/nicarbon, where OUT is fMRIPrep's output
  nicarbon bids nicarbon-runs/* OUT         several runs into one dataset
  nicarbon run --bids OUT fmriprep BIDS OUT participant    the same at the end of a run

Each subject (and session) gets a table by stage, one by node, and a figure of its stages; what
belongs to no subject is in tables of the whole dataset, and so are the hosts: sums are kept. Each
row names its run. Writing a run again replaces that run's rows and no other's; figures are of the
run that was written last. Price runs before (nicarbon price) to have grams in it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_runs(parser)
    parser.add_argument("output", metavar="OUT", help="the folder with the derivatives")
    add_stages(parser)


def run(args: argparse.Namespace) -> int:
    """Write the runs.

    Returns
    -------
    int
        0, or 2 if any run could not be written.
    """
    from nicarbon.reports.bids import target, write

    folder = target(args.output)
    written, failed = each(args.runs, lambda path: write(Run.open(path), args.output, args.stages))
    if written:
        first, (_, lacking) = next(iter(written)), list(written.values())[-1]
        print(f"wrote {folder}")
        print(f"next: nicarbon summary {shlex.quote(first)} --by subject{repeat(args.stages)}")
        if lacking:
            complain([f"no figures: {lacking}"])
    return complain(failed)
