# SPDX-License-Identifier: Apache-2.0
from nicarbon.summary import coverage, host_labels, iso_utc


def test_labels_of_hosts_are_unique(run_folders):
    hosts = [
        run_folders.host(host=i, hostname=n)
        for i, n in (("1", "a"), ("2", "a"), ("3", "b"), ("4", ""))
    ]
    assert host_labels(hosts) == {"1": "a (1)", "2": "a (2)", "3": "b", "4": "(4)"}


def test_a_host_without_readings_has_no_part_in_the_coverage(run_folders):
    dark = run_folders.host(
        host="dark", nodes_j=0.0, energy_j=0.0, uncovered_s=10.0, duration_s=10.0, sensors=()
    )
    run = run_folders.run(run_folders.few(), [run_folders.host(), dark])
    assert run.summary().coverage == 0.6


def test_an_empty_run(run_folders):
    summary = run_folders.run([], hosts=(), graphs=(), node_files=()).summary()
    assert (summary.rows, summary.coverage, summary.duration_s) == ((), None, 0.0)
    assert summary.total.energy_j is None


def test_coverage_of_no_energy_is_unknown(run_folders):
    assert coverage([]) is None
    assert coverage([run_folders.host()]) == 0.6


def test_an_instant_is_utc():
    assert iso_utc(1_790_000_000 * 1_000_000_000 + 999) == "2026-09-21T14:13:20Z"
    assert iso_utc(0) is None
