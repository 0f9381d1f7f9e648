# SPDX-License-Identifier: Apache-2.0
"""What an interval between two readings hides: who was there in which part of it.

Shares of an interval go by CPU seconds, so idle power is shared as if all had run side by side.
An execution of four threads that had half a second to itself, before one of a single thread, pays
four fifths of the idle power of that second instead of a half. When executions began and ended is
known exactly, though, so how many seconds of the host each got too much is, too; only the watts
of an idle host are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nicarbon.curves import Piece
from nicarbon.timeline import Timeline
from nicarbon.units import NS_PER_S

Floats: TypeAlias = NDArray[np.float64]


def host_s_too_much(
    line: Timeline,
    busy_s: Floats,
    nodes: Mapping[str, Piece],
    lives_ns: Mapping[str, tuple[int, int]],
) -> dict[str, float]:
    """Return the seconds of the host that each execution answers for beyond its own.

    Its own are, at each instant, the part of the busy CPUs that it kept busy. In an interval, what
    an execution used is taken as even over its life, and what is no execution's over all of it.

    Parameters
    ----------
    line : Timeline
        The host's intervals.
    busy_s : ndarray
        CPU seconds of all that was busy, in each interval.
    nodes : mapping
        CPU seconds of each execution by span.
    lives_ns : mapping
        Start and end of each, on the clock of the timeline.

    Returns
    -------
    dict
        Signed seconds by span: they and those of all others add up to nothing.
    """
    spans = [span for span, piece in nodes.items() if piece.cpu_s.size]
    if not spans:
        return {}
    t_ns = line.t_ns
    of_span = np.repeat(np.arange(len(spans)), [nodes[span].cpu_s.size for span in spans])
    at = np.concatenate([np.arange(nodes[s].where.start, nodes[s].where.stop) for s in spans])
    cpu_s = np.concatenate([nodes[span].cpu_s for span in spans])
    lives = np.array([lives_ns[span] for span in spans], dtype=np.int64)
    first_ns = np.maximum(lives[of_span, 0], t_ns[at])
    last_ns = np.minimum(lives[of_span, 1], t_ns[at + 1])
    # Where the life and the CPU seconds disagree nothing is known but the interval.
    first_ns, last_ns = (
        np.where(last_ns > first_ns, first_ns, t_ns[at]),
        np.where(last_ns > first_ns, last_ns, t_ns[at + 1]),
    )
    instants = np.unique(np.concatenate([t_ns, first_ns, last_ns]))
    seconds = np.diff(instants) / NS_PER_S
    begins, ends = np.searchsorted(instants, first_ns), np.searchsorted(instants, last_ns)
    # Two samplers may have read at the same instant: nothing lies between.
    cpus = cpu_s * NS_PER_S / np.maximum(last_ns - first_ns, 1)
    steps = np.bincount(begins, cpus, len(instants)) - np.bincount(ends, cpus, len(instants))
    interval = np.searchsorted(t_ns, instants[:-1], "right") - 1
    length_s = np.maximum(np.diff(t_ns), 1) / NS_PER_S
    rest_s = np.maximum(busy_s - np.bincount(at, cpu_s, len(busy_s)), 0.0)
    busy = np.maximum(np.cumsum(steps)[:-1], 0.0) + (rest_s / length_s)[interval]
    # Seconds of the host for each CPU that was kept busy since the timeline began.
    for_one_s = np.where(busy > 1e-9, seconds / np.maximum(busy, 1e-9), 0.0)
    for_a_cpu = np.concatenate(([0.0], np.cumsum(for_one_s)))
    own_s = cpus * (for_a_cpu[ends] - for_a_cpu[begins])
    shared_s = cpu_s * (length_s / np.where(busy_s > 0, busy_s, 1.0))[at]
    more_s = np.where(line.covered[at] & (busy_s[at] > 0), shared_s - own_s, 0.0)
    # What is left of equal numbers is rounding.
    more_s[np.abs(more_s) < 1e-9 * shared_s] = 0.0
    return dict(zip(spans, np.bincount(of_span, more_s, len(spans)).tolist(), strict=True))
