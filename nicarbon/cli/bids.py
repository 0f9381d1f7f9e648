# SPDX-License-Identifier: Apache-2.0
"""``nicarbon bids``: what runs used as a BIDS derivative, beside the pipeline's own."""

from __future__ import annotations

import argparse
import shlex
import sys

from nicarbon.cli.arguments import add_runs, add_stages
from nicarbon.cli.summary import expand, repeat
from nicarbon.errors import NicarbonError, StageRuleError
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
    paths, unmatched = expand(args.runs)
    failed = [f"{pattern}: no folder matches" for pattern in unmatched]
    written, lacking = [], None
    for path in paths:
        try:
            folder, lacking = write(Run.open(path), args.output, args.stages)
            written.append(path)
        except StageRuleError:
            raise  # the user's rules are wrong for every run alike
        except NicarbonError as error:
            failed.append(str(error))
    if written:
        print(f"wrote {folder}")
        print(
            f"next: nicarbon summary {shlex.quote(written[0])} --by subject{repeat(args.stages)}"
        )
    if lacking:
        print(f"nicarbon: no figures: {lacking}", file=sys.stderr)
    for message in failed:
        print(f"nicarbon: {message}", file=sys.stderr)
    return 2 if failed else 0
