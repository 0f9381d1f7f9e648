# SPDX-License-Identifier: Apache-2.0
"""Arguments that several verbs take: the same name, meaning and help everywhere.

And what else is asked of a command line: what to repeat in the next one, where output goes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
from collections.abc import Sequence
from typing import TextIO

from nicarbon.grouping import BY


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the run folder of a verb that takes one."""
    parser.add_argument("run", metavar="RUN", help="a run folder")


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the run folders of a verb that takes several; see `nicarbon.cli.folders`."""
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help="a run folder, or a pattern such as 'nicarbon-runs/*'",
    )


def add_stages(parser: argparse.ArgumentParser) -> None:
    """Add the user's own stage rules."""
    parser.add_argument(
        "--stages", metavar="FILE", help="your stage rules (TOML), tried before the built-in ones"
    )


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Add what says which rows a run is folded into: other verbs show the same ones."""
    parser.add_argument(
        "--by",
        metavar="ATTRIBUTE",
        default="stage",
        help=f"what a row is (default: stage): {', '.join(BY)}",
    )
    add_stages(parser)


def add_format(parser: argparse.ArgumentParser, programs: Sequence[str] = ("tsv", "json")) -> None:
    """Add the choice between a table for eyes and formats for programs.

    Parameters
    ----------
    parser : ArgumentParser
        The verb's.
    programs : sequence of str
        The formats for programs.
    """
    parser.add_argument(
        "--format",
        choices=("table", *programs),
        default="table",
        help=f"table to read, {' or '.join(programs)} for programs (default: table)",
    )


def with_range(text: str) -> tuple[float, float | None, float | None]:
    """Read a number, or a number with its range as ``30:25:40``; for `type` of an argument."""
    parts = text.split(":")
    if len(parts) not in (1, 3):
        raise argparse.ArgumentTypeError(f"{text!r}: write 30, or 30:25:40 with its range")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    return (numbers[0], None, None) if len(numbers) == 1 else (numbers[0], numbers[1], numbers[2])


def repeat(stages_file: str | None) -> str:
    """Return the arguments that a next command should repeat to show the same stages."""
    return f" --stages {shlex.quote(stages_file)}" if stages_file else ""


def terminal(stream: TextIO) -> tuple[int | None, bool]:
    """Return the columns of a terminal and whether it wants colours; None and no for others."""
    if not stream.isatty():
        return None, False
    return shutil.get_terminal_size().columns, "NO_COLOR" not in os.environ
