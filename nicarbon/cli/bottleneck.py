# SPDX-License-Identifier: Apache-2.0
"""``nicarbon bottleneck``: what limited a run, and where it could save."""

from __future__ import annotations

import argparse
import sys

from nicarbon.bottleneck import Bottlenecks
from nicarbon.cli.arguments import add_format, add_run, add_stages, repeat, terminal
from nicarbon.cli.folders import complain
from nicarbon.cli.teaching import add_taught, taught_by
from nicarbon.run import Run

_EXAMPLES = """\
examples:
  nicarbon bottleneck nicarbon-runs/20261122T101500Z_1f2e
  nicarbon bottleneck RUN --format json     every node with its slack, for programs
  nicarbon bottleneck RUN --stages mine.toml

The critical path is the chain of nodes, each needing the one before, that took longest: no number
of processors makes the run shorter. What a node beside it takes longer, up to its slack, costs
the path no time.

A stage is a bottleneck of
  time     when it holds at least 10 % of the node time on the critical path
  energy   when it holds at least 10 % of the energy of all nodes
and free to slow down when it is neither, and each of its nodes could take 10 % longer.

A run that is still going on, or was killed, is shown as far as it was recorded.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_run(parser)
    add_format(parser, ["json"])
    add_stages(parser)
    add_taught(parser)


def run(args: argparse.Namespace) -> int:
    """Show what limited the run.

    Returns
    -------
    int
        0, or 2 if a run that teaches could not be read.
    """
    opened = Run.open(args.run)
    opened.watts, unread = taught_by(args.taught_by)
    sys.stdout.write(_render(opened.bottlenecks(args.stages), args))
    sys.stdout.flush()
    return complain(unread)


def _render(found: Bottlenecks, args: argparse.Namespace) -> str:
    from nicarbon.reports import bottleneck

    if args.format == "json":
        for note in found.notes:
            print(f"nicarbon: {found.run_id}: {note}", file=sys.stderr)
        return bottleneck.to_json(found)
    width, color = terminal(sys.stdout)
    return bottleneck.render(found, width=width, color=color, command=repeat(args.stages))
