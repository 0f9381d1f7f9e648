# SPDX-License-Identifier: Apache-2.0
"""Say in plain sentences what is not known of a run's batch jobs, and which were done again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from nicarbon.energies import SpanEnergy
from nicarbon.jobs import endings, jobs, number_of, scheduler_facts
from nicarbon.meter.accounting import SCHEDULERS
from nicarbon.notes import count, some, with_how
from nicarbon.records import RunFacts, Submitted


def explained(facts: RunFacts) -> set[str]:
    """Return the nodes without an execution of which these notes say why."""
    return {*without_job(facts), *(record.node for record in facts.unmetered)}


def without_job(facts: RunFacts) -> tuple[str, ...]:
    """Return the nodes that were submitted, and whose jobs left no record whatever."""
    began = {job.node for _, job in jobs(facts.node_files)}
    began |= {record.node for record in facts.unmetered}
    return tuple(dict.fromkeys(s.node for s in _submitted(facts) if s.node not in began))


def batch_notes(facts: RunFacts, spans: Collection[SpanEnergy]) -> Iterator[str]:
    """Yield one sentence for each thing that is to be said.

    Parameters
    ----------
    facts : RunFacts
        The run.
    spans : collection of SpanEnergy
        Its executions, with their history.
    """
    yield from _unmetered(facts)
    yield from _without_job(facts)
    yield from _without_node(facts, spans)
    yield from _without_end(facts)
    wasted = [span for span in spans if span.wasted]
    if wasted:
        # What they used is told with all that was wasted.
        yield (
            f"{count(len(wasted), 'execution')} did not deliver and "
            f"{'was' if len(wasted) == 1 else 'were'} done again: "
            f"{some(sorted({with_how(span) for span in wasted}))}"
        )


def _submitted(facts: RunFacts) -> list[Submitted]:
    return [
        line for file in facts.node_files for line in file.lines if isinstance(line, Submitted)
    ]


def _unmetered(facts: RunFacts) -> Iterator[str]:
    by_cause: dict[tuple[str, str, str], list[str]] = {}
    for record in facts.unmetered:
        cause = (record.interpreter, record.hostname, record.reason)
        by_cause.setdefault(cause, []).append(record.node)
    for (interpreter, hostname, reason), nodes in sorted(by_cause.items()):
        names = sorted(set(nodes))
        by = f" by {interpreter}" if interpreter else ""
        where = f" on {hostname}" if hostname and interpreter else ""
        yield f"{count(len(names), 'node')} ran unmetered{by}{where} ({reason}): {some(names)}"


def _without_job(facts: RunFacts) -> Iterator[str]:
    names = without_job(facts)
    if not names:
        return
    said = scheduler_facts(facts)
    states: dict[str, str] = {}
    silent_hosts: dict[str, None] = {}
    for submitted in _submitted(facts):
        attempts = said.get(number_of(submitted.scheduler, submitted.job_id), ())
        if submitted.node in names and attempts:
            states[submitted.node] = attempts[-1].how or attempts[-1].state.lower()
            if attempts[-1].over and attempts[-1].t_start_unix_s is not None:
                silent_hosts[attempts[-1].hostname] = None
    listed = some([f"{name} ({states[name]})" if name in states else name for name in names])
    yield (
        f"{count(len(names), 'node')} submitted, and no record of a job yet: in the queue still, "
        "cancelled there, or run where the run folder cannot be written (it must be on a file "
        f"system that the jobs share): {listed}"
    )
    spoke = {file.process.hostname for file, _ in jobs(facts.node_files)}
    for host in silent_hosts:
        if host and host not in spoke:
            yield f"no job on {host} left a record: it seems not to share the run folder"


def _without_node(facts: RunFacts, spans: Iterable[SpanEnergy]) -> Iterator[str]:
    """Tell of jobs that were over before the node that they are for began."""
    began = {span.span.rpartition("-")[0] for span in spans}
    ended = endings(facts)
    names = {
        f"{job.node} ({ended[file.process.key].how})" if ended[file.process.key].how else job.node
        for file, job in jobs(facts.node_files)
        if file.process.key in ended and file.process.key not in began
    }
    if names:
        verb = "its node" if len(names) == 1 else "their nodes"
        yield f"{count(len(names), 'job')} ended before {verb} began: {some(sorted(names))}"


def _without_end(facts: RunFacts) -> Iterator[str]:
    ended = endings(facts)
    silent = [job for file, job in jobs(facts.node_files) if file.process.key not in ended]
    if silent:
        asks = any(job.scheduler in SCHEDULERS for job in silent)
        hint = " ('nicarbon gather' asks the scheduler)" if asks else ""
        yield (
            f"{count(len(silent), 'job')} without an end, still running or killed{hint}: "
            f"{some(sorted(job.node for job in silent))}"
        )
