# SPDX-License-Identifier: Apache-2.0
"""``nicarbon figure``: where the energy of runs went, as a figure for a paper."""

from __future__ import annotations

import argparse
import os
import shlex

from nicarbon.cli.arguments import add_rows, add_runs, repeat
from nicarbon.cli.folders import complain, each, expand
from nicarbon.errors import NicarbonError
from nicarbon.files import write_whole
from nicarbon.grouping import check
from nicarbon.notes import count, some
from nicarbon.run import Run

_FORMATS = ("pdf", "svg", "png")
# Narrower there is no room for bars beside their names; no page is wider.
_WIDTHS_MM = (60.0, 400.0)
_WIDTH_MM = 180.0

_EXAMPLES = """\
examples:
  nicarbon figure RUN -o energy.pdf                 two columns wide, by stage
  nicarbon figure RUN -o energy.svg --width 85      one column
  nicarbon figure RUN -o nodes.png --by node        the nodes that used most
  nicarbon figure 'nicarbon-runs/*' -o runs.pdf     a page for each run

The whiskers are the range of each figure. More than 12 bars are too many: the smallest become one.
Text stays text that can be searched and edited; the same run gives the same file.
It is drawn by matplotlib: pip install 'nicarbon[report]'.
"""

_LACKING = (
    "{2}: no font on this machine has {0} in it, written as \ufffd: {1}; install one that has "
    "(for Chinese, Japanese and Korean, on Debian: apt install fonts-noto-cjk), or write .svg"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_runs(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="what to write: .pdf, .svg or .png; several runs need .pdf",
    )
    add_rows(parser)
    parser.add_argument(
        "--width",
        metavar="MM",
        type=float,
        default=_WIDTH_MM,
        help="width in millimetres, such as 85 for one column (60 to 400, default: 180)",
    )
    parser.add_argument(
        "--scale",
        choices=("auto", "linear", "log"),
        default="auto",
        help="of the axis (default: whichever shows the ranges)",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the runs into one file.

    Returns
    -------
    int
        0, or 2 if any run could not be drawn.
    """
    kind = os.path.splitext(args.output)[1].lower().lstrip(".")
    if kind not in _FORMATS:
        raise NicarbonError(f"{args.output}: name a file that ends in .pdf, .svg or .png")
    check(args.by)
    least, most = _WIDTHS_MM
    if not least <= args.width <= most:
        raise NicarbonError(f"a width of {args.width:g} mm: give {least:g} to {most:g}")
    paths, _ = expand(args.runs)
    if len(paths) > 1 and kind != "pdf":
        raise NicarbonError(
            f"{args.output}: {len(paths)} runs are as many pages: name a .pdf, or give one run"
        )
    from nicarbon.reports.bars import bars_of
    from nicarbon.reports.figure import draw, lacking

    pages, failed = each(
        args.runs,
        lambda path: bars_of(Run.open(path).summary(args.by, args.stages), args.scale),
    )
    if pages:
        write_whole(args.output, draw(list(pages.values()), kind, args.width))
        print(f"wrote {args.output}")
        signs = "" if kind == "svg" else lacking(list(pages.values()))
        if signs:
            complain([_LACKING.format(count(len(signs), "sign"), some(tuple(signs)), args.output)])
        print(f"next: nicarbon methods {shlex.quote(next(iter(pages)))}{repeat(args.stages)}")
    return complain(failed)
