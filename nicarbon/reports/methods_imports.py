# SPDX-License-Identifier: Apache-2.0
"""The sentences of a methods text about a run that was made of logs: nothing was metered there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nicarbon.records import IMPORTED, End
from nicarbon.reports.sentences import Sentence, joined, were
from nicarbon.run import Run
from nicarbon.summary import Summary
from nicarbon.units import format_duration


def what_ran(names: Sequence[str]) -> Iterator[Sentence]:
    """Say that logs are all there is."""
    what = f"logs of {joined(names)}" if names else "logs"
    yield Sentence(
        f"Nothing was metered while it ran: the {what} {were(2)} read afterwards, and a node is a "
        "step of them, or a command that a step timed"
    )


def cpu_time(run: Run) -> str:
    """Say how much of the CPU time the logs count; nothing of a run that was metered."""
    if run.facts.info.engine != IMPORTED:
        return ""
    ends = [line for file in run.facts.node_files for line in file.lines if isinstance(line, End)]
    assumed_s = sum(end.cpu_s for end in ends if end.cpu_source == "assumed")
    if not assumed_s:
        return ", by their logs"
    return (
        f", of which {format_duration(assumed_s)} are assumed from wall time (the square root of "
        "the allowed threads taken as busy) and the others counted by the logs"
    )


def division(summary: Summary) -> Iterator[Sentence]:
    """Say how the modelled energy was divided."""
    if summary.total.energy_j is not None:
        yield Sentence(
            "The modelled power, idle power included, was divided among the steps that ran at the "
            "same time by their CPU time"
        )
