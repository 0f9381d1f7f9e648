# SPDX-License-Identifier: Apache-2.0
"""Two runs of one user and a stranger on one host at once: each gets its own, nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from every_engine import assert_sum_is_kept

from nicarbon.attribution import attribute
from nicarbon.reader import read_run


def host_energy_j(sample_files):
    """Return what the model makes of the host's time, from the first to the last sample of all.

    Computed here from its definition, idle power and energy of a busy CPU second.
    """
    (model,) = {
        json.dumps([domain.model.idle_w[1], domain.model.busy_w[1]])
        for file in sample_files
        for sensor in file.host.sensors
        for domain in sensor.domains
    }
    idle_w, busy_w = json.loads(model)
    samples = [sample for file in sample_files for sample in file.samples]
    first = min(samples, key=lambda sample: sample.t_monotonic_ns)
    last = max(samples, key=lambda sample: sample.t_monotonic_ns)
    duration_s = (last.t_monotonic_ns - first.t_monotonic_ns) / 1e9
    return idle_w * duration_s + busy_w * (last.busy_cpu_s - first.busy_cpu_s)


def test_two_runs_and_a_stranger(slurm, burn, tmp_path):
    stranger = subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"])
    try:
        with ThreadPoolExecutor(2) as pool:
            drivers = [
                pool.submit(burn, slurm, "SLURMGraph", run, nodes)
                for run, nodes in {
                    "first": {"a": {"cpu_s": 3.0}, "b": {"cpu_s": 3.0}},
                    "second": {"c": {"cpu_s": 3.0}, "d": {"cpu_s": 3.0}},
                }.items()
            ]
            for driver in drivers:
                assert driver.result().returncode == 0, driver.result().stderr
        slurm.wait_for_jobs()
    finally:
        stranger.kill()
        stranger.wait()
    facts = [read_run(tmp_path / name) for name in ("first", "second")]
    results = [attribute(fact) for fact in facts]
    for result in results:
        assert [span.outcome for span in result.spans] == ["ran", "ran"]
        assert all(3.0 <= span.cpu_s < 4.0 for span in result.spans)
        assert len(result.hosts) == 1
        assert_sum_is_kept(result)
    first, second = (result.hosts[0] for result in results)
    assert first.host == second.host
    whole_j = host_energy_j([*facts[0].sample_files, *facts[1].sample_files])
    parts = [host.nodes_j + host.engine_j + host.meter_j for host in (first, second)]
    # The stranger had a CPU all the time, beside four nodes at most.
    assert sum(parts) < 0.9 * whole_j
    # Neither knew of the other: on one timeline of both, each node gets what it got apart.
    both = msgspec.structs.replace(
        facts[0],
        node_files=facts[0].node_files + facts[1].node_files,
        sample_files=facts[0].sample_files + facts[1].sample_files,
    )
    together = {span.span: span.energy_j for span in attribute(both).spans}
    apart = {span.span: span.energy_j for result in results for span in result.spans}
    assert len(apart) == 4
    assert together == pytest.approx(apart, rel=1e-3)
    starts = [max(span.start_s for span in result.spans) for result in results]
    ends = [min(span.end_s for span in result.spans) for result in results]
    assert max(starts) < min(ends), "the nodes did not run at once"
