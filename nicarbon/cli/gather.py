# SPDX-License-Identifier: Apache-2.0
"""``nicarbon gather``: pack the files of finished runs."""

from __future__ import annotations

import argparse
import contextlib
import shlex

from rich.filesize import decimal

from nicarbon.cli.arguments import add_runs
from nicarbon.cli.folders import complain, each, expand
from nicarbon.errors import RunFolderError
from nicarbon.meter.accounting import ask_for_run
from nicarbon.meter.gather import Gathered, GatherError, gather, unpack
from nicarbon.notes import count, some
from nicarbon.printable import clean

_EXAMPLES = """\
examples:
  nicarbon gather nicarbon-runs/20261122T101500Z_1f2e     a run whose jobs have ended
  nicarbon gather 'runs/*'                                many
  nicarbon gather RUN --force                             a node of the cluster failed
  nicarbon gather RUN --unpack DIR                        a copy with loose files, byte for byte

The records of a run become one file, records-*.jsonl.gz, beside run.json; every verb reads both
forms alike, and reports of yours stay as they are. Files that a process may still write to are
left and named: a process of this host that lives, or one of another host that wrote no end and
was not silent for ten minutes. To run it again costs nothing and harms nothing.
Exit code 1 if any file was left, 2 if any run could not be packed; the others are.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_runs(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--force",
        action="store_true",
        help="pack all: you know that no process writes there any more",
    )
    what.add_argument(
        "--unpack", metavar="DIR", help="copy one run to a new folder where every file is loose"
    )


def run(args: argparse.Namespace) -> int:
    """Pack the runs.

    Returns
    -------
    int
        0; 1 if files of living processes were left; 2 if any run could not be packed.
    """
    if args.unpack is not None:
        return _unpack(expand(args.runs)[0], args.unpack)
    packed, failed = each(args.runs, lambda path: _pack(path, args.force), GatherError)
    if packed:
        print(clean(f"next: nicarbon summary {' '.join(map(shlex.quote, args.runs))}"))
    return complain(failed) or int(any(done.left for done in packed.values()))


def _pack(path: str, force: bool) -> Gathered:
    # How jobs ended that could not say it themselves, while the scheduler still knows.
    with contextlib.suppress(OSError):
        ask_for_run(path)
    done = gather(path, force)
    print(clean(f"{path}: {_said(done)}"))
    return done


def _unpack(paths: list[str], into: str) -> int:
    if len(paths) != 1:
        raise RunFolderError(f"--unpack {into}: takes one run, not {len(paths)}")
    try:
        n_files = unpack(paths[0], into)
    except GatherError as error:
        raise RunFolderError(str(error)) from None
    print(clean(f"{paths[0]}: {count(n_files, 'file')} in {into}"))
    print(clean(f"next: nicarbon summary {shlex.quote(into)}"))
    return 0


def _said(done: Gathered) -> str:
    parts = []
    if done.pack is not None:
        parts.append(
            f"{count(done.n_packed, 'file')} packed into {done.pack} "
            f"({decimal(done.bytes_before)} -> {decimal(done.bytes_after)})"
        )
    elif not done.left:
        parts.append("is packed already")
    if done.left:
        who = some(list(dict.fromkeys(done.left.values())))
        parts.append(
            f"{count(len(done.left), 'file')} left, the run is still going on ({who}): "
            "gather it again when it has ended"
        )
    return "; ".join(parts)
