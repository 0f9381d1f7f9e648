# SPDX-License-Identifier: Apache-2.0
"""Batch jobs of a run: its driver, what was submitted, and how the scheduler says it ended."""

from __future__ import annotations

import msgspec

from nicarbon.meter import SCHEMA_VERSION


class Driver(msgspec.Struct, frozen=True, tag="driver", tag_field="kind"):
    """The start or end of a driver or a job.

    Attributes
    ----------
    event : str
        ``start`` or ``end``.
    t_monotonic_ns, t_unix_ns : int
        When.
    cpu_s : float
        CPU seconds of its whole process tree at this moment.
    outcome : str or None
        At a driver's end ``ok``, ``failed`` or ``interrupted``.
    scheduler, job_id : str
        At its start, the batch job that it is in itself, as in `Job`; empty where there is none.
    """

    event: str
    t_monotonic_ns: int
    t_unix_ns: int
    cpu_s: float
    outcome: str | None = None
    scheduler: str = ""
    job_id: str = ""


class Job(msgspec.Struct, frozen=True, tag="job", tag_field="kind"):
    """A batch job: the process that wrote this was started by a scheduler, for one node.

    Attributes
    ----------
    node : str
        The node that it is for.
    t_monotonic_ns, t_unix_ns : int
        When it began.
    scheduler, job_id : str
        ``slurm``, ``sge``, ``pbs``, ``lsf``, ``oar`` or ``condor``, and its number there; both
        empty where no scheduler made itself known.
    restart : int
        How often the same job was started before.
    """

    node: str
    t_monotonic_ns: int
    t_unix_ns: int
    scheduler: str = ""
    job_id: str = ""
    restart: int = 0


class Submitted(msgspec.Struct, frozen=True, tag="submitted", tag_field="kind"):
    """The driver gave a node to a scheduler.

    Attributes
    ----------
    node : str
        The node's unique name in the executed graph.
    t_monotonic_ns, t_unix_ns : int
        When; where a whole graph is handed over at once, when that began.
    scheduler, job_id : str
        As in `Job`; `job_id` is empty where the driver is not told it, as with whole graphs.
    """

    node: str
    t_monotonic_ns: int
    t_unix_ns: int
    scheduler: str = ""
    job_id: str = ""


class JobFact(msgspec.Struct, frozen=True):
    """What a scheduler says of one attempt of a job.

    Attributes
    ----------
    job_id : str
        The job's number there.
    state : str
        In the scheduler's words.
    how : str or None
        ``time limit``, ``cancelled``, ``out of memory``, ``node failure``, ``requeued``,
        ``preempted``, ``resource limit`` or ``failed``; None where it ended as it should, goes on,
        or the scheduler does not say.
    over : bool
        Whether the attempt has ended.
    exit_code : str
        In the scheduler's form.
    hostname : str
        Where it ran: the scheduler's name of a host.
    t_submit_unix_s, t_start_unix_s, t_end_unix_s : float or None
        By the scheduler's clock, in whole seconds.
    consumed_energy_j : float or None
        What the scheduler counted while the job's batch step ran: the whole host's (Slurm's
        ``ConsumedEnergyRaw``), whoever else was on it. None where it did not count.
    """

    job_id: str
    state: str = ""
    how: str | None = None
    over: bool = False
    exit_code: str = ""
    hostname: str = ""
    t_submit_unix_s: float | None = None
    t_start_unix_s: float | None = None
    t_end_unix_s: float | None = None
    consumed_energy_j: float | None = None


class JobFacts(msgspec.Struct, frozen=True):
    """``jobs-*.json``: the answer of a scheduler.

    Attributes
    ----------
    scheduler : str
        As in `Job`.
    t_unix_ns : int
        When it was asked.
    jobs : tuple of JobFact
        What it said, the attempts of a job in their order.
    energy_by : str
        How it counts energy, with its version (``rapl, slurm 22.05.8``); empty where it does not.
    schema_version : str
        Version of the format.
    """

    scheduler: str
    t_unix_ns: int
    jobs: tuple[JobFact, ...] = ()
    energy_by: str = ""
    schema_version: str = SCHEMA_VERSION


class Unmetered(msgspec.Struct, frozen=True, tag="unmetered", tag_field="kind"):
    """A node ran without nicarbon.

    A job leaves it as ``unmetered-*.json``, as it can't have a file like other processes; a driver
    that knows beforehand writes it as a line of its own file.

    Attributes
    ----------
    node : str
        The node's unique name in the executed graph.
    hostname : str
        Where; in a driver's line the driver's host.
    interpreter : str
        The Python that could not import nicarbon; empty where it is not known.
    reason : str
        Why.
    t_unix_ns : int
        When.
    schema_version : str
        Version of the format.
    """

    node: str
    hostname: str = ""
    interpreter: str = ""
    reason: str = ""
    t_unix_ns: int = 0
    schema_version: str = SCHEMA_VERSION
