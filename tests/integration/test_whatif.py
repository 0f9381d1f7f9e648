# SPDX-License-Identifier: Apache-2.0
"""What would have been is held against what was: the same graph, run on other processors.

The runs were made by `benchmarks/foretold.py`, which runs them anew. Here they are recorded ones,
as what a busy machine takes to start a node is no error of what is tested.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nicarbon.run import Run
from nicarbon.whatif import what_if

RUNS = {n: Path(__file__).parents[1] / "data" / "naps" / f"on-{n}" for n in (1, 2, 4)}


def began_s(run):
    """Return the seconds that Python and nipype took before the first node."""
    first_s = min(span.start_unix_s for span in run.attribution.spans)
    return first_s - run.facts.info.t_unix_ns / 1e9


@pytest.mark.parametrize("seen", RUNS)
@pytest.mark.parametrize("n", RUNS)
def test_other_processors_are_foretold(seen, n):
    run, other = Run.open(RUNS[seen]), Run.open(RUNS[n])
    found = what_if(run, n_procs=n)
    assert found.n_procs_seen == (seen if seen < 4 else 3)
    assert found.engine.look_s == 2.0
    assert abs(found.makespan_error) < 0.005
    took_s = max(host.duration_s for host in other.attribution.hosts) - began_s(other)
    assert found.changed.makespan_s - began_s(run) == pytest.approx(took_s, rel=0.05)
