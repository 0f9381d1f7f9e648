# SPDX-License-Identifier: Apache-2.0
"""A job of a run: a process that a batch system starts, often on another host, to run a node.

It shares nothing with the driver but the file system. It has a sampler of its own, and all that it
has to say stands in its own files in the run folder.
"""

from __future__ import annotations

import atexit
import os
import socket
import time
from collections.abc import Collection, Sequence

from nicarbon.meter import messages, scheduler
from nicarbon.meter.presence import Presence
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.recorder import RunContext, driver_above

# What nodes in this process are metered with, by run folder and process.
_joined: dict[tuple[str, int], RunContext | None] = {}


def begin(
    run_dir: str,
    node: str,
    sampler_args: Sequence[str] = (),
    submitted_in: Collection[Sequence[str]] = (),
) -> RunContext | None:
    """Begin this job's part of a run; it ends when the process leaves.

    Parameters
    ----------
    run_dir : str
        The run folder, absolute.
    node : str
        Unique name of the node that the job is for.
    sampler_args : sequence of str
        Options of the job's sampler.
    submitted_in : collection of (str, str)
        Scheduler and number of the jobs that the driver itself is in: not this one.

    Returns
    -------
    RunContext or None
        What the node needs to be metered; None where the run folder can't be used from here.
    """
    if not (os.path.isdir(run_dir) and os.access(run_dir, os.W_OK | os.X_OK)):
        messages.say(
            f"{run_dir} cannot be written on {socket.gethostname()}: {node} runs unmetered; the "
            "run folder must be on a file system that the jobs share"
        )
        return None
    presence = Presence(run_dir, sampler_args)
    context = presence.start()
    atexit.register(_end, presence)
    outer = {tuple(place) for place in submitted_in}
    inner = [place for place in scheduler.places() if place[:2] not in outer]
    place = inner[-1] if inner else scheduler.Place("", "")
    presence.write(
        {
            "kind": "job",
            "node": node,
            "scheduler": place.scheduler,
            "job_id": place.job_id,
            "restart": place.restart,
            "t_monotonic_ns": time.monotonic_ns(),
            "t_unix_ns": time.time_ns(),
        }
    )
    return context


def joined(
    context: RunContext, node: str, submitted_in: Collection[Sequence[str]] = ()
) -> RunContext | None:
    """Return what nodes in this process are metered with, for engines that do not say where.

    That is the driver's own where this process is below it. Elsewhere a job begins, once for all
    nodes that the process executes. Never raises.

    Parameters
    ----------
    context : RunContext
        The driver's.
    node, submitted_in
        See `begin`.
    """
    try:
        here = context.run_dir, os.getpid()
        if here not in _joined:
            _joined[here] = _found(context, node, submitted_in)
        return _joined[here]
    except Exception as error:
        messages.fail(error)
        return None


def _found(
    context: RunContext, node: str, submitted_in: Collection[Sequence[str]]
) -> RunContext | None:
    """Return the context of the driver or job that this process is below; else begin a job."""
    proc = ProcFS("/")
    # A forked child knows the job that its parent began.
    jobs = [known for (run_dir, _), known in _joined.items() if run_dir == context.run_dir]
    for known in (context, *jobs):
        if known is not None and driver_above(proc, known.driver) is not None:
            return known
    return begin(context.run_dir, node, context.sampler_args, submitted_in)


def _end(presence: Presence) -> None:
    try:
        presence.stop()
    except Exception as error:
        messages.fail(error)
    for warning in presence.warnings:
        messages.say(warning)
