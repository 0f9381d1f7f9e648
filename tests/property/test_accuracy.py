# SPDX-License-Identifier: Apache-2.0
"""How far shares by CPU time are from what programs dissipate, on the simulated host.

They can't know that a CPU second of one tool costs more than another's. This keeps the error
that is stated for it honest.
"""

from __future__ import annotations

import math
import random
from functools import partial

import pytest

from nicarbon.attribution import attribute
from nicarbon.reader import read_run
from nicarbon.rows import energy_range
from nicarbon.testing import SimulatedHost, SimulatedRun

# Activity relative to ordinary code, GB/s of memory a thread, threads, median seconds, and how
# often: what neuroimaging tools do. 5 J a CPU second and 0.25 + 0.35 J/GB are a server's.
TOOLS = {
    "fsl": (1.0, 0.4, (1,), 10, 0.2),
    "ants": (1.35, 2.0, (4, 8), 60, 0.1),
    "resampling": (0.62, 7.0, (1, 2), 8, 0.2),
    "python": (0.85, 0.8, (1,), 2, 0.25),
    "shell": (0.75, 1.0, (1,), 0.15, 0.15),
    "recon-all": (0.92, 1.5, (1,), 100, 0.1),
}


def many_nodes(path, n_at_once, length_s, seed, tools):
    """Run nodes of known cost, so many at once; return (tool, span, true joules) of each."""
    chance = random.Random(seed)
    host = SimulatedHost(path / "root", cpus_per_socket=64, idle_w=45.0, dram_idle_w=8.0)
    host.spawn("stranger", cpus=0.8, watts=4.5, dram_watts=0.3)
    run = SimulatedRun(host, path / "run", engine_cpus=0.02, meter_cpus=0.001)
    end_s = host.now_s() + length_s

    def begin(worker):
        left_s = end_s - host.now_s()
        if left_s < 0.01:
            return
        tool = chance.choices(tools, [TOOLS[name][4] for name in tools])[0]
        activity, gb_per_s, threads, median_s, _ = TOOLS[tool]
        node_s = min(max(chance.lognormvariate(math.log(median_s), 0.8), 0.03), left_s)
        core_w = 5.0 * activity
        if len(tools) > 1:
            # Two threads of one core draw less than two cores, so it depends on neighbours.
            core_w *= chance.uniform(1 - 0.4 * min(1.0, n_at_once / 32), 1.0)
        span = run.begin(
            worker,
            tool,
            cpus=chance.choice(threads),
            watts=core_w + 0.25 * gb_per_s,
            dram_watts=0.35 * gb_per_s,
        )

        def end():
            run.end(span)
            begin(worker)

        host.at(node_s, end)

    for _ in range(n_at_once):
        host.at(chance.uniform(0, 0.05), partial(begin, run.worker()))
    host.advance(length_s + 0.5)
    run.stop()
    spans = attribute(read_run(path / "run")).spans
    return [(s.node, s, host.truth[s.span].energy_j) for s in spans]


def covers(span, truth_j):
    """Tell whether the range that is stated for a node holds its true energy."""
    _, low_j, high_j = energy_range([span])
    return low_j <= truth_j <= high_j


def covered(nodes):
    return sum(covers(span, truth_j) for _, span, truth_j in nodes) / len(nodes)


@pytest.mark.parametrize("n_at_once", [1, 4, 16])
def test_programs_of_equal_cost_are_within_one_percent(tmp_path, n_at_once):
    nodes = many_nodes(tmp_path, n_at_once, 60.0, 1, ["fsl"])
    assert len(nodes) > 3 * n_at_once
    for _, span, truth_j in nodes:
        assert span.energy_j == pytest.approx(truth_j, rel=0.01)
    assert covered(nodes) == 1.0


@pytest.mark.parametrize("n_at_once", [1, 4, 16, 32, 64])
def test_the_range_covers_programs_of_unequal_cost(tmp_path, n_at_once):
    nodes = []
    for seed in range(3):
        nodes += many_nodes(tmp_path / str(seed), n_at_once, 60.0, seed, list(TOOLS))
    assert covered(nodes) >= 0.68
    # It is the tools' error, not the sum's.
    energy_j = sum(span.energy_j for _, span, _ in nodes)
    truth_j = sum(truth_j for _, _, truth_j in nodes)
    assert energy_j == pytest.approx(truth_j, rel=0.03)


def test_light_programs_pay_for_heavy_ones_however_many_there_are(tmp_path):
    nodes = many_nodes(tmp_path, 16, 120.0, 5, ["ants", "shell", "fsl"])
    ratio = {}
    for tool in ("ants", "shell", "fsl"):
        of_tool = [(span.energy_j, truth_j) for name, span, truth_j in nodes if name == tool]
        assert len(of_tool) > 10
        ratio[tool] = sum(e for e, _ in of_tool) / sum(t for _, t in of_tool)
    assert ratio["ants"] < 1.0 < ratio["fsl"] < ratio["shell"] < 1.6
