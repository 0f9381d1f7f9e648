# SPDX-License-Identifier: Apache-2.0
"""When a run was on a host; `test_attribution` and `test_accounts` hold its energy."""

from __future__ import annotations

import pytest

from nicarbon.hosttime import busy_cpu_s, by_host, host_times
from nicarbon.records import Close, Driver, Host, NodeFile, Process, RunFacts, RunInfo, SampleFile
from nicarbon.records import Sample as Record
from nicarbon.timeline import merge

S = 1_000_000_000


@pytest.fixture
def facts(run_folders):
    """Two jobs on host a, from 2 to 6 s and from 8 s until it was killed; a sampler on host b."""

    def job(host, pid, first_s, last_s=None):
        key = f"{host}-{pid}-1"
        marks = [Driver("start", first_s * S, first_s * S, 0.0)]
        if last_s is not None:
            marks.append(Driver("end", last_s * S, last_s * S, 1.0))
        return NodeFile(Process(host, host, pid, 1, key, key), tuple(marks))

    def sampler(host, pid, times_s, driver=None):
        header = Host(host, host, "", pid, 4, 0, 0, (run_folders.RAPL,), driver=driver)
        records = tuple(Record(t * S, t * S, 2.0 * t, {"package-0": t}) for t in times_s)
        return SampleFile(header, records, (), Close(0, ""))

    return RunFacts(
        RunInfo("x", 0),
        (),
        (job("a", 1, 2, 6), job("a", 2, 8)),
        (
            sampler("a", 11, range(7)),
            sampler("a", 12, range(8, 14), "a-2-1"),
            sampler("b", 9, [1, 3]),
        ),
    )


def test_files_are_sorted_by_host(facts):
    assert [(name, len(nodes), len(samples)) for name, nodes, samples in by_host(facts)] == [
        ("a", 2, 2),
        ("b", 0, 1),
    ]


def test_a_driver_that_was_killed_lived_as_long_as_its_sampler_saw(facts):
    times = host_times(facts)
    assert times["a"].window == ((2 * S, 6 * S), (8 * S, 13 * S))
    assert times["a"].allowed == ((0, 6 * S), (8 * S, 13 * S))
    assert times["b"].window == ((1 * S, 3 * S),)
    assert times["a"].header.hostname == "a"
    assert [one.covered() for one in times["a"].accounts] == [[(0, 6 * S), (8 * S, 13 * S)]]
    assert len(times["a"].lines) == 1


def test_busy_seconds_between_two_jobs_are_not_the_runs(facts):
    readings = merge(facts.sample_files[:2])
    assert busy_cpu_s(readings, [(0, 6 * S), (8 * S, 13 * S)]) == 22.0
    assert busy_cpu_s(readings, [(6 * S + 1, 8 * S - 1)]) == 0.0
