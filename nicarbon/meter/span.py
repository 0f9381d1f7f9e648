# SPDX-License-Identifier: Apache-2.0
"""A node's start and end, in the process that executes it: what engines call.

Nothing here ever raises into the node: when the meter fails it says so once, and the node goes on.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

from nicarbon.meter.messages import fail
from nicarbon.meter.recorder import Meter, RunContext, Span

_meters: dict[tuple[str, int], Meter] = {}


def meter_of(context: RunContext) -> Meter:
    """Return this process's meter for a run; a forked child makes its own."""
    key = context.run_dir, os.getpid()
    # Two threads may both make one; both then use the same.
    return _meters.get(key) or _meters.setdefault(key, Meter(context))


def begin(
    context: RunContext,
    node: str,
    map_node: str | None = None,
    index: int | None = None,
    container: str | None = None,
) -> Span | None:
    """Record that a node begins in this process; None if that failed. Never raises."""
    try:
        return meter_of(context).begin(node, map_node, index, container)
    except Exception as error:
        fail(error)
        return None


def end(
    context: RunContext,
    span: Span | None,
    outcome: str,
    error: str | None = None,
    inputs_hash: str | None = None,
) -> None:
    """Record that a node ended. Never raises."""
    if span is None:
        return
    try:
        meter_of(context).end(span, outcome, error, inputs_hash)
    except Exception as problem:
        fail(problem)
        with contextlib.suppress(Exception):
            meter_of(context).forget(span)


def cached(
    context: RunContext,
    node: str,
    map_node: str | None = None,
    index: int | None = None,
    inputs_hash: str | None = None,
) -> None:
    """Record a node whose result the engine found without calling it. Never raises."""
    try:
        meter_of(context).cached(node, map_node, index, inputs_hash)
    except Exception as error:
        fail(error)


def submitted(
    context: RunContext,
    node: str,
    times_ns: tuple[int, int],
    scheduler: str = "",
    job_id: str = "",
) -> None:
    """Record that a node was given to a scheduler, and when (monotonic, Unix). Never raises."""
    try:
        record = {"scheduler": scheduler, "job_id": job_id}
        meter_of(context).note("submitted", node, times_ns, record)
    except Exception as error:
        fail(error)


def unmetered(context: RunContext, node: str, hostname: str, reason: str) -> None:
    """Record that a node runs without nicarbon, and why. Never raises."""
    try:
        times_ns = time.monotonic_ns(), time.time_ns()
        record = {"hostname": hostname, "reason": reason}
        meter_of(context).note("unmetered", node, times_ns, record)
    except Exception as error:
        fail(error)


def inside_node() -> bool:
    """Tell whether a node is being metered in this thread, or in the one that forked it.

    Never raises.
    """
    try:
        thread = threading.get_ident()
        return any(
            span.thread == thread
            for meter in list(_meters.values())
            for span in list(meter._open.values())
        )
    except Exception as error:
        fail(error)
        return False
