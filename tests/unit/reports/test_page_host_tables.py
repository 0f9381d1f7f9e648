# SPDX-License-Identifier: Apache-2.0
from nicarbon.records import Host
from nicarbon.reports.page_facts import gather
from nicarbon.reports.page_host_tables import host_table, sensor_table


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_the_sum_of_a_host_without_reading_is_not_known(run_folders):
    dark = run_folders.host(nodes_j=0.0, energy_j=0.0, uncovered_s=10.0, sensors=())
    accounts = gather(run_folders.run([], [dark])).accounts
    assert texts(accounts) == [["scanner", *["n/a"] * 8]]


def test_the_sum_is_in_one_unit(run_folders):
    (row,) = texts(gather(run_folders.run([])).accounts)
    assert row[1:7] == ["60.0 J", "5.0 J", "1.0 J", "30.0 J", "4.0 J", "100.0 J"]
    assert row[8] == "0 J"


def test_hardware_that_is_not_known_is_not_guessed(run_folders):
    summary = run_folders.run([]).summary()
    assert texts(host_table(summary, {}))[0][1:5] == ["n/a"] * 4
    header = Host(run_folders.ID, "scanner", "boot", 1, 8, 0, 0, (), "A processor", 16 * 2**30)
    (row,) = texts(host_table(summary, {run_folders.ID: header}))
    assert row[1:5] == ["A processor", "8", "16 GiB", "1 s"]


def test_each_gpu_has_a_row(run_folders):
    hosts = [run_folders.host(devices=(run_folders.device(), run_folders.device(name="gpu-1")))]
    page = gather(run_folders.run([run_folders.span("wf.strip", 0, 2, 20.0)], hosts))
    first, second = texts(page.devices)
    assert first[:7] == [
        "scanner: gpu-0 (NVIDIA H100)",
        *("50.00 J", "20.00 J", "5.00 J", "15.00 J", "10.00 J", "80.00 J"),
    ]
    assert second[0].startswith("scanner: gpu-1")
    assert len(first) == len(page.devices.columns)
    assert not gather(run_folders.run([run_folders.span("wf.strip")])).devices.rows


def test_what_a_sensor_reads_beside_the_account_is_not_among_what_is_counted(run_folders):
    (row,) = texts(sensor_table(run_folders.run([]).summary()))
    assert row[:4] == ["scanner: rapl", "measured", "package-0", "core-0"]
    assert row[5] == "±5 %"
