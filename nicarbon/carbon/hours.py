# SPDX-License-Identifier: Apache-2.0
"""When a run would have emitted least: the best begin in a series of intensities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nicarbon.carbon.series import DAY_S, Point, over


def best_begin(
    points: Sequence[Point], begin_unix_s: float, duration_s: float, within_s: float = DAY_S
) -> float | None:
    """Return when to begin, so that the mean intensity is least; None where nothing is covered.

    The mean of steps is piecewise linear in the begin, so that its least value is at a begin or an
    end that falls on an edge of a step: no other instant needs to be looked at. Of equal ones, the
    earliest counts.

    Parameters
    ----------
    points : sequence of Point
        In order of time.
    begin_unix_s : float
        The earliest begin.
    duration_s : float
        How long the run takes.
    within_s : float, optional
        How long it may wait.

    Raises
    ------
    PriceError
        If the points are no series.
    """
    first_s = max(points[0].t_unix_s, begin_unix_s)
    last_s = points[-1].until_unix_s or points[-1].t_unix_s
    latest_s = min(begin_unix_s + within_s, last_s - duration_s)
    if latest_s < first_s:
        return None
    series = over(points, first_s, last_s)
    edges = np.array([step.t_unix_s for step in series.steps] + [series.end_unix_s])
    tried = np.concatenate([[first_s, latest_s], edges, edges - duration_s])
    tried = np.unique(tried[(tried >= first_s) & (tried <= latest_s)])
    means = series.means(tried, tried + duration_s)[0]
    # Rounding makes equal ones differ in their last digit.
    return float(tried[np.flatnonzero(means <= means.min() * (1 + 1e-9))[0]])
