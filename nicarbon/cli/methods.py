# SPDX-License-Identifier: Apache-2.0
"""``nicarbon methods``: the paragraphs for a paper that say how a run was metered."""

from __future__ import annotations

import argparse
import shlex
import sys

from nicarbon.cli.arguments import add_run, add_stages, repeat
from nicarbon.run import Run

_EXAMPLES = """\
examples:
  nicarbon methods RUN                       plain text, with references
  nicarbon methods RUN --format md           Markdown
  nicarbon methods RUN --format bib > nicarbon.bib

Every sentence rests on the record of the run: what was measured and what modelled, by which
sensor, how energy was divided, what grams rest on, what was not seen. Only what was used is cited.
Price the run before (nicarbon price) to have emissions in it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_run(parser)
    parser.add_argument(
        "--format",
        choices=("text", "md", "bib"),
        default="text",
        help="plain text, Markdown, or the BibTeX of what they cite (default: text)",
    )
    add_stages(parser)


def run(args: argparse.Namespace) -> int:
    """Write the paragraphs.

    Returns
    -------
    int
        0.
    """
    from nicarbon.reports.manuscript import render
    from nicarbon.reports.methods import methods_of

    sys.stdout.write(render(methods_of(Run.open(args.run), args.stages), args.format))
    sys.stdout.flush()
    # Not among what is pasted.
    next_command = f"nicarbon figure {shlex.quote(args.run)} -o energy.pdf{repeat(args.stages)}"
    print(f"next: {next_command}", file=sys.stderr)
    return 0
