# SPDX-License-Identifier: Apache-2.0
"""``nicarbon summary``: where the energy of runs went."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from nicarbon import earlier
from nicarbon.cli import expected
from nicarbon.cli.arguments import add_format, add_rows, add_runs, repeat, terminal
from nicarbon.cli.folders import complain, each, expand
from nicarbon.cli.teaching import add_taught, taught_by
from nicarbon.grouping import check
from nicarbon.notes import count, listed
from nicarbon.run import Run
from nicarbon.summary import Summary

_EXAMPLES = """\
examples:
  nicarbon summary nicarbon-runs/20261122T101500Z_1f2e     per stage
  nicarbon summary RUN --by node                           per node
  nicarbon summary RUN --by program                        inside the nodes: mri_ca_register ...
  nicarbon summary RUN --by step                           by the pipeline's own steps: CA Reg ...
  nicarbon summary RUN --by subject                        or hemisphere, workflow, interface ...
  nicarbon summary 'runs/*'                                many runs, one a row
  nicarbon summary 'runs/*' --expect 1-500                 ... and which tasks are missing or dead
  nicarbon summary 'runs/*' --expect subjects.txt          the same for names, one on each line
  nicarbon summary 'nicarbon-runs/*' --format tsv          many runs in one table
  nicarbon summary RUN --taught-by 'runs/*'                watts of unlike nodes from other runs
  nicarbon summary RUN --stages mine.toml                  with your own stage rules

A run that is still going on, or was killed, is shown as far as it was recorded.
Exit code 2 if any run could not be read or is missing; the others are shown.
"""
# More runs than these are shown one a row.
_FEW = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_runs(parser)
    add_rows(parser)
    parser.add_argument(
        "--earlier",
        metavar="DIR",
        action="append",
        default=[],
        help="where else to look up what cached nodes once cost: an earlier run folder, or one "
        "that holds such; those beside RUN are looked through anyway",
    )
    parser.add_argument(
        "--expect",
        metavar="LIST",
        help="the runs that should be there, by the names of their folders: a file with one on "
        "each line, or task numbers as sbatch --array takes them",
    )
    add_taught(parser)
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Show the runs.

    Returns
    -------
    int
        0, or 2 if any run could not be read or is missing.
    """
    check(args.by)
    earlier.check(args.earlier)
    names = [] if args.expect is None else expected.expected(args.expect)
    # What the cache saved is told of a few runs; each of many would look through all the others.
    past = args.earlier if len(expand(args.runs)[0]) <= _FEW or args.earlier else None
    watts, unread = taught_by(args.taught_by)

    def summed(path: str) -> Summary:
        run = Run.open(path)
        run.watts = watts
        return run.summary(args.by, args.stages, past)

    shown, failed = each(args.runs, summed)
    failed += unread
    summaries = list(shown.values())
    missing = expected.absent(names, (summary.path for summary in summaries))
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        failed.append(
            f"{len(missing)} of {count(len(names), 'run')} expected {verb} missing: "
            f"{listed(missing)}"
        )
    if summaries:
        sys.stdout.write(_render(summaries, args))
        sys.stdout.flush()
    return complain(failed)


def show(run_dir: str | os.PathLike[str], stages_file: str | None = None) -> None:
    """Print one run per stage at the end of `nicarbon run`.

    It goes to standard error: standard output is the program's own.
    """
    summary = Run.open(run_dir).summary("stage", stages_file, earlier=())
    sys.stdout.flush()
    sys.stderr.write("\n" + _table([summary], stages_file, sys.stderr))
    sys.stderr.flush()


def _render(summaries: Sequence[Summary], args: argparse.Namespace) -> str:
    if args.format == "table" and (len(summaries) > _FEW or args.expect is not None):
        return _many(summaries, args.stages, sys.stdout)
    if args.format == "table":
        return _table(summaries, args.stages, sys.stdout)
    from nicarbon.reports import tables

    for summary in summaries:
        for note in summary.notes:
            print(f"nicarbon: {summary.run_id}: {note}", file=sys.stderr)
    return tables.to_json(summaries) if args.format == "json" else tables.to_tsv(summaries)


def _table(summaries: Sequence[Summary], stages_file: str | None, stream: TextIO) -> str:
    from nicarbon.reports.terminal import render

    width, color = terminal(stream)
    return render(summaries, width=width, color=color, command=repeat(stages_file))


def _many(summaries: Sequence[Summary], stages_file: str | None, stream: TextIO) -> str:
    from nicarbon.reports.runs import Shown, render_many

    names = [expected.name_of(summary.path) for summary in summaries]
    unique = len(set(names)) == len(names)
    runs = [
        Shown(name if unique else summary.path, expected.state(summary), summary)
        for name, summary in zip(names, summaries, strict=True)
    ]
    width, color = terminal(stream)
    return render_many(runs, width=width, color=color, command=repeat(stages_file))
