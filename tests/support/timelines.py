# SPDX-License-Identifier: Apache-2.0
"""Timelines made by hand: an interval of a second for each of some joules."""

import numpy as np

from nicarbon.timeline import Timeline

S = 1_000_000_000


def line(energy_j, covered=None):
    energy = np.array(energy_j, dtype=float)
    n = len(energy)
    return Timeline(
        t_ns=np.arange(n + 1, dtype=np.int64) * S,
        covered=np.array(covered or [True] * n),
        energy_j=energy,
        low_j=energy,
        high_j=energy,
        busy_cpu_s=np.zeros(n),
        recount_j=float(energy.sum()),
        n_domains=1,
    )
