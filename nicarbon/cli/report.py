# SPDX-License-Identifier: Apache-2.0
"""``nicarbon report``: a run as one page for people, in one file."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from nicarbon.cli.arguments import add_run, add_stages, repeat
from nicarbon.cli.folders import complain
from nicarbon.cli.teaching import add_taught, taught_by
from nicarbon.files import write_whole
from nicarbon.reports import html
from nicarbon.run import Run

NAME = "report.html"
_EXAMPLES = """\
examples:
  nicarbon report nicarbon-runs/20261122T101500Z_1f2e   writes report.html into the run folder
  nicarbon report RUN -o sub-01.html                    elsewhere
  nicarbon report RUN --stages mine.toml                with your own stage rules

One file that needs nothing else: it opens in any browser, loads nothing from anywhere, and can be
sent, archived and printed. Price the run first (nicarbon price) and it shows grams.
A run that is still going on, or was killed, is shown as far as it was recorded.
Needs: pip install 'nicarbon[report]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_run(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=f"the page, replaced if it is there (default: {NAME} in the run folder); in a folder "
        f"it is called {NAME}",
    )
    add_stages(parser)
    add_taught(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page.

    Returns
    -------
    int
        0, or 2 if a run that teaches could not be read.
    """
    path = Path(args.output if args.output is not None else args.run)
    opened = Run.open(args.run)
    opened.watts, unread = taught_by(args.taught_by)
    if path.is_dir():
        path /= NAME
    page = html.render(opened, args.stages, repeat(args.stages))
    write_whole(path, page, "write it where you can, with -o FILE")
    print(f"wrote {path}")
    print(f"next: nicarbon bottleneck {shlex.quote(args.run)}{repeat(args.stages)}")
    return complain(unread)
