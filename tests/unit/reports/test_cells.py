# SPDX-License-Identifier: Apache-2.0

import pytest

from nicarbon.earlier import Cost, Saved
from nicarbon.records import Domain, Sensor
from nicarbon.reports.cells import (
    account,
    clean,
    device_line,
    figure_titles,
    row_cells,
    saved_line,
    sensors_line,
    sum_line,
)


def test_a_row_is_written_with_or_without_grams(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 2, 20.0, cpu_incomplete="no perf", method="modelled"),
        run_folders.cached("wf.mask"),
    ]
    summary = run_folders.run(spans).summary()
    row = summary.total
    assert row_cells(row, summary.total, False) == [
        "total",
        "~20 J",
        "19-21 J",
        "100.0 %",
        "2 s+",
        "2 s",
        "2 (1 cached)",
        "modelled",
    ]
    assert row_cells(row, summary.total, True)[3] == "n/a"


def test_an_account_adds_up_in_one_unit(run_folders):
    big = run_folders.host(nodes_j=7.2e6, energy_j=7.2e6 + 40.0, energy_high_j=7.56e6)
    told = account(big)
    assert told.unit == "kWh"
    assert sum(float(number) for _, number in told.parts) == pytest.approx(float(told.total))
    assert sum_line(big).endswith("= counter 2.000 kWh (0.000-2.100), 100 % in nodes")


def test_only_sensors_of_the_account_are_named(run_folders):
    check = Sensor("psys", "measured", (Domain("psys", "psys", account=False),))
    host = run_folders.host(sensors=(run_folders.RAPL, check))
    assert sensors_line(host) == "rapl measured (package-0)"
    assert sensors_line(run_folders.host(sensors=(check,))) == "no sensor"


@pytest.mark.parametrize("character", ["\x1b", "\r", "\u2028", "\u202e", "\ud800", "\x00"])
def test_what_is_obeyed_and_not_shown_is_replaced(character):
    assert clean(f"a{character}b") == "a\ufffdb"


def test_what_the_cache_saved():
    some = Saved(36, 34, 2, Cost(12_000.0, 8_000.0, 16_000.0, "modelled"), {})
    one = Saved(1, 1, 1, Cost(10.0, 9.5, 10.5, "measured"), {})
    none = Saved(2, 0, 0, Cost(), {})
    known = "34 of 36 cached nodes known from 2 earlier runs"
    assert [saved_line(saved) for saved in (some, one, none)] == [
        f"the cache saved ~3.33 Wh (2.22-4.44 Wh, modelled): {known}",
        "the cache saved 10 J (9.5-10.5 J, measured): 1 of 1 cached node known from 1 earlier run",
        "2 cached nodes: no earlier run folder here knows what they once cost (--earlier DIR)",
    ]


def test_a_gpus_sum_can_be_added_up_by_eye(run_folders):
    assert device_line(run_folders.device()) == (
        "gpu-0 (NVIDIA H100): nodes 50.00 + engine 5.00 + other 15.00 + unattributed 10.00 = "
        "80.00 J, 20.00 of it held but idle; nodes computed 3 s on it"
    )
    assert device_line(run_folders.device(card="", held_j=0.0)).startswith("gpu-0: nodes 50.00")
    assert "held" not in device_line(run_folders.device(held_j=0.0))


def test_gpus_have_a_column_where_there_are_any(run_folders):
    plain, with_gpu = (
        run_folders.run([run_folders.span("wf.strip", 0, 2, 20.0, gpu_j=gpu_j)]).summary().total
        for gpu_j in (None, 15.0)
    )
    assert "of GPUs" not in figure_titles(plain, is_priced=False)
    assert figure_titles(with_gpu, is_priced=True) == [
        *("energy", "range", "CO2e", "share", "of GPUs", "CPU time", "duration", "nodes")
    ]
    for total in (plain, with_gpu):
        for is_priced in (False, True):
            titles = figure_titles(total, is_priced)
            assert len(row_cells(total, total, is_priced)) == len(titles) + 2
    assert row_cells(with_gpu, with_gpu, False)[4] == "15 J"
