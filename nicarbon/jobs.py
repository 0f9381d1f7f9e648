# SPDX-License-Identifier: Apache-2.0
"""Batch jobs of a run: which of them are known to be over, and how they ended.

A job that is killed has no time to say so, and a batch system that kills it kills its sampler as
well. What is then known comes from the scheduler, or from a later attempt of the same job.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from nicarbon.records import Driver, Job, JobFact, NodeFile, RunFacts
from nicarbon.units import NS_PER_S

# The scheduler's times are whole seconds, by the clock of its own host.
CLOCK_SLACK_S = 2.0


class Ending(msgspec.Struct, frozen=True):
    """The end of one attempt of a job.

    Attributes
    ----------
    how : str or None
        See `nicarbon.records.JobFact`; None where it ended as it should or nobody says.
    """

    how: str | None = None


def number_of(scheduler: str, job_id: str) -> tuple[str, str]:
    """Identify a job however its number is written: ``101.server``, ``101.0`` or ``101``."""
    return scheduler, job_id.partition(".")[0]


def endings(facts: RunFacts) -> dict[str, Ending]:
    """Return how the jobs ended that are known to be over, by the key of their process.

    Parameters
    ----------
    facts : RunFacts
        The run.
    """
    known = scheduler_facts(facts)
    again: dict[tuple[str, str], int] = {}
    for _, job in jobs(facts.node_files):
        if job.job_id:
            number = number_of(job.scheduler, job.job_id)
            again[number] = max(job.restart, again.get(number, 0))
    found = {}
    for file, job in jobs(facts.node_files):
        number = number_of(job.scheduler, job.job_id)
        fact = attempt_of(job, known.get(number, ()))
        if fact is not None and fact.over:
            found[file.process.key] = Ending(fact.how)
        elif job.job_id and job.restart < again[number]:
            found[file.process.key] = Ending("requeued")
        elif any(isinstance(line, Driver) and line.event == "end" for line in file.lines):
            found[file.process.key] = Ending()
    return found


def jobs(node_files: Iterable[NodeFile]) -> list[tuple[NodeFile, Job]]:
    """Return the processes that are batch jobs."""
    return [(file, file.job) for file in node_files if file.job is not None]


def scheduler_facts(facts: RunFacts) -> dict[tuple[str, str], tuple[JobFact, ...]]:
    """Return what the schedulers say of each job, its attempts in order; the last answer holds."""
    known: dict[tuple[str, str], tuple[JobFact, ...]] = {}
    for answer in sorted(facts.job_facts, key=lambda answer: answer.t_unix_ns):
        of_answer: dict[tuple[str, str], list[JobFact]] = {}
        for fact in answer.jobs:
            of_answer.setdefault(number_of(answer.scheduler, fact.job_id), []).append(fact)
        known |= {number: tuple(attempts) for number, attempts in of_answer.items()}
    return known


def attempt_of(job: Job, attempts: Iterable[JobFact]) -> JobFact | None:
    """Return what the scheduler says of this very attempt: the last that had begun by then."""
    t_unix_s = job.t_unix_ns / NS_PER_S + CLOCK_SLACK_S
    begun = [
        fact
        for fact in attempts
        if fact.t_start_unix_s is not None and fact.t_start_unix_s <= t_unix_s
    ]
    return begun[-1] if begun else None
