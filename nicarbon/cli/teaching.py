# SPDX-License-Identifier: Apache-2.0
"""``--taught-by RUN``: what other runs teach of the watts of unlike nodes, for several verbs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from nicarbon.cli.folders import each
from nicarbon.pooled import taught
from nicarbon.run import Run
from nicarbon.watts import Watts


def add_taught(parser: argparse.ArgumentParser) -> None:
    """Add the runs that teach."""
    parser.add_argument(
        "--taught-by",
        metavar="RUN",
        action="append",
        default=[],
        help="share measured energy not by CPU time alone, but also by what a CPU second of each "
        "kind of node costs, as far as these runs on machines of the same type teach it together: "
        "run folders or patterns, at least three runs",
    )


def taught_by(patterns: Sequence[str]) -> tuple[dict[str, Watts] | None, list[str]]:
    """Return what runs teach, and what could not be read; None where none are given."""
    if not patterns:
        return None, []
    runs, unread = each(patterns, lambda path: Run.open(path).facts)
    return taught(runs.values()), unread
