# SPDX-License-Identifier: Apache-2.0
"""Arguments that several verbs take: the same name, meaning and help everywhere."""

from __future__ import annotations

import argparse

from nicarbon.grouping import BY


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the run folders of a verb that takes several; see `nicarbon.cli.summary.expand`."""
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


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the choice between a table for eyes and two formats for programs."""
    parser.add_argument(
        "--format",
        choices=("table", "tsv", "json"),
        default="table",
        help="table to read, tsv or json for programs (default: table)",
    )
