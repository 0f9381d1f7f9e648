# SPDX-License-Identifier: Apache-2.0
"""``nicarbon export``: the nodes of many runs as one table for other programs."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Iterator

from nicarbon.cli.arguments import add_runs, add_stages
from nicarbon.cli.folders import complain, expand
from nicarbon.errors import NicarbonError, RunFolderError
from nicarbon.notes import count
from nicarbon.printable import clean
from nicarbon.run import Run
from nicarbon.stages import StageRules

_EXAMPLES = """\
examples:
  nicarbon export 'runs/*' -o cohort.parquet
  duckdb -c "select stage, sum(energy_j) from 'cohort.parquet' group by stage"
  python -c "import pandas; print(pandas.read_parquet('cohort.parquet').describe())"

One row a node, those that never ran included; what is not known is null. Runs are read one after
the other: a thousand take no more memory than the largest. Needs pip install 'nicarbon[parquet]'.
Exit code 2 if any run could not be read; the others are written.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_runs(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the Parquet file to write"
    )
    add_stages(parser)


def run(args: argparse.Namespace) -> int:
    """Write the table.

    Returns
    -------
    int
        0, or 2 if any run could not be read.
    """
    from nicarbon.reports import parquet

    StageRules.load(args.stages)
    paths, unmatched = expand(args.runs)
    failed = [f"{pattern}: no folder matches" for pattern in unmatched]
    if not paths:
        raise RunFolderError(failed[0])
    opened: list[str] = []
    try:
        n_rows = parquet.write(args.output, _runs(paths, opened, failed), args.stages)
    except NicarbonError as error:
        failed.append(str(error))
        return complain(failed)
    runs = count(len(opened), "run")
    print(clean(f"wrote {args.output}: {count(n_rows, 'node')} of {runs}"))
    file = args.output.replace("'", "''")
    query = f"select stage, sum(energy_j) from '{file}' group by stage"
    # Between double quotes, as the file's name is between single ones, unless a shell reads more.
    shown = shlex.quote(query) if re.search(r'["$`!\\\\]', query) else f'"{query}"'
    print(clean(f"next: duckdb -c {shown}"))
    return complain(failed)


def _runs(paths: Iterable[str], opened: list[str], failed: list[str]) -> Iterator[Run]:
    for path in paths:
        try:
            run = Run.open(path)
        except NicarbonError as error:
            failed.append(str(error))
        else:
            opened.append(path)
            yield run
