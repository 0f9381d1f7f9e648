# SPDX-License-Identifier: Apache-2.0
"""What executions are to each other: attempts of one node, waste, and waiting in a queue.

No energy is computed or moved here: what a failed attempt used stays in the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum

import msgspec

from nicarbon.energies import Attribution, SpanEnergy
from nicarbon.jobs import CLOCK_SLACK_S, attempt_of, jobs, number_of, scheduler_facts
from nicarbon.records import Driver, Job, NodeFile, RunFacts, Submitted
from nicarbon.rows import FAILED
from nicarbon.units import NS_PER_S


class Queue(msgspec.Struct, frozen=True):
    """How long jobs waited in a scheduler's queue; never part of any duration.

    Attributes
    ----------
    n_jobs : int
        Jobs whose wait is known.
    n_unknown : int
        Jobs whose wait is not: nobody recorded since when they waited.
    total_s : float
        The sum of the waits.
    longest_s : float
        The longest one.
    longest : str
        Its node.
    """

    n_jobs: int
    n_unknown: int
    total_s: float
    longest_s: float
    longest: str


def with_history(attribution: Attribution, facts: RunFacts) -> Attribution:
    """Return the same executions numbered, with what was wasted and how long jobs waited.

    Parameters
    ----------
    attribution : Attribution
        As `nicarbon.attribution.attribute` returns it.
    facts : RunFacts
        The same run's.
    """
    spans = _numbered(attribution.spans)
    waits = _waits(facts, spans)
    names = {
        file.process.key: f"{job.scheduler} {job.job_id}".strip() or "job"
        for file, job in jobs(facts.node_files)
    }
    described = []
    for span in spans:
        process = span.span.rpartition("-")[0]
        if process in names and span.parent is None:
            # A job that runs several nodes has waited once.
            job, wait_s = names.pop(process), waits[process]
            span = msgspec.structs.replace(span, job=job, queue_wait_s=wait_s)
        described.append(span)
    return msgspec.structs.replace(attribution, spans=tuple(described))


def queue(spans: Iterable[SpanEnergy]) -> Queue | None:
    """Sum up the waits of some executions; None where none of them was a job."""
    waited = [span for span in spans if span.job is not None]
    known = [span for span in waited if span.queue_wait_s is not None]
    if not waited:
        return None
    longest = max(known, key=lambda span: span.queue_wait_s or 0.0, default=None)
    return Queue(
        n_jobs=len(known),
        n_unknown=len(waited) - len(known),
        total_s=fsum(span.queue_wait_s or 0.0 for span in known),
        longest_s=(longest.queue_wait_s or 0.0) if longest else 0.0,
        longest=longest.node if longest else "",
    )


def _numbered(spans: Sequence[SpanEnergy]) -> list[SpanEnergy]:
    """Return executions numbered by node; one that failed before another one is waste."""
    of_node: dict[str, list[SpanEnergy]] = {}
    for span in spans:
        if span.outcome != "cached":
            of_node.setdefault(span.node, []).append(span)
    again: dict[str, tuple[int, bool]] = {}
    for attempts in of_node.values():
        if len(attempts) == 1:
            continue
        attempts.sort(key=lambda span: (span.start_unix_s, span.span))
        for number, span in enumerate(attempts, 1):
            again[span.span] = (number, span.outcome in FAILED and number < len(attempts))
    return [
        msgspec.structs.replace(span, attempt=again[span.span][0], wasted=again[span.span][1])
        if span.span in again
        else span
        for span in spans
    ]


def _waits(facts: RunFacts, spans: Sequence[SpanEnergy]) -> dict[str, float | None]:
    """Return how long each job waited, by the key of its process; None where that is unknown.

    It waits from its submission, or from the end of the last node that it needs, whichever was
    later, until its process starts. Clocks of two hosts may disagree: no wait is less than 0.
    """
    known = scheduler_facts(facts)
    submissions = [
        line for file in facts.node_files for line in file.lines if isinstance(line, Submitted)
    ]
    by_number = {number_of(s.scheduler, s.job_id): s for s in submissions if s.job_id}
    by_node: dict[str, list[float]] = {}
    for submitted in submissions:
        by_node.setdefault(submitted.node, []).append(submitted.t_unix_ns / NS_PER_S)
    needs = _needs(facts, spans)
    waits: dict[str, float | None] = {}
    for file, job in jobs(facts.node_files):
        number = number_of(job.scheduler, job.job_id)
        start_s = _start_s(file, job)
        since_s: float | None = None
        if job.restart:
            # It went back into the queue, and only the scheduler knows when.
            fact = attempt_of(job, known.get(number, ()))
            since_s = fact.t_submit_unix_s if fact is not None else None
        elif number in by_number:
            # Nothing is submitted by itself before all that it needs is there.
            since_s = by_number[number].t_unix_ns / NS_PER_S
        elif job.node in by_node:
            ready_s = [_last_end(ends, start_s) for ends in needs.get(job.node, ())]
            since_s = _latest([_last_before(by_node[job.node], start_s), *ready_s])
        waits[file.process.key] = None if since_s is None else max(start_s - since_s, 0.0)
    return waits


def _latest(times_s: Sequence[float | None]) -> float | None:
    """Return the last of some times; None where any of them is not known."""
    known = [t_s for t_s in times_s if t_s is not None]
    return max(known) if len(known) == len(times_s) else None


def _last_end(ends_s: Sequence[float], start_s: float) -> float | None:
    """Return when a node that a job needs had ended, by the time that the job started.

    One that ended later, as far as the clocks of two hosts can say, ended just then.
    """
    before = [end_s for end_s in ends_s if end_s <= start_s]
    return max(before) if before else start_s if ends_s else None


def _start_s(file: NodeFile, job: Job) -> float:
    """Return when a job's process started to be metered, as Unix time."""
    marks = [line.t_unix_ns for line in file.lines if isinstance(line, Driver)]
    return min([job.t_unix_ns, *marks]) / NS_PER_S


def _last_before(times_s: Sequence[float], start_s: float) -> float:
    """Return the last of several submissions that can have led to a job that started then."""
    before = [t_s for t_s in times_s if t_s <= start_s + CLOCK_SLACK_S]
    return max(before) if before else min(times_s)


def _needs(facts: RunFacts, spans: Iterable[SpanEnergy]) -> Mapping[str, list[list[float]]]:
    """Return by node when each of the nodes that it needs ended, nothing where that is unknown."""
    ends: dict[str, list[float]] = {}
    for span in spans:
        if span.outcome != "running" and span.parent is None:
            end_s = span.start_unix_s + span.end_s - span.start_s
            ends.setdefault(span.node, []).append(end_s)
    needs: dict[str, list[list[float]]] = {}
    for graph in facts.graphs:
        for before, after in graph.edges:
            needs.setdefault(after, []).append(ends.get(before, []))
    return needs
