# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from nicarbon.reports.trackers import TITLES, render, tsv
from nicarbon.trials.results import COUNTERS, Kill, Row, Trial, Trials

LOAD = Trial(
    version="3.3",
    energy_j={"cpu": 100.0, "ram": 50.0, "gpu": 0.0},
    asked=("ipinfo.io",),
    true_cpu_s=10.0,
    true_duration_s=12.0,
    cpu_s=11.5,
    duration_s=15.0,
)
SLEPT = Trial(energy_j={"cpu": 24.0}, true_duration_s=12.0)
WORKS = Row("works", LOAD, LOAD, SLEPT, 380.0, 100.0, Kill("", 1), by_process=True)
BROKEN = Row("broken", Trial("TypeError: \x1b[31mno", "0.1", asked=("ipinfo.io",)))
METERED = Row("nicarbon", Trial(energy_j={"nodes": 1.0}, method="measured"), kill=Kill("2 J"))
NOTHING = Row(COUNTERS, Trial("rapl: a virtual machine"))


def trials(*rows):
    return Trials("cpu, 10 CPU s", 10.0, "4 CPUs", "2026-11-22 15:00", 1.5, rows)


def cells(*rows):
    lines = tsv(trials(*rows)).splitlines()
    assert lines[0].split("\t") == list(TITLES)
    return [dict(zip(TITLES, line.split("\t"), strict=True)) for line in lines[1:]]


def test_every_figure_of_one_that_works():
    (row,) = cells(WORKS)
    assert list(row.values()) == [
        *("works 3.3", "~150 J", "2.00 W", "100 %", "3.80", "1.50 s", "3 s"),
        "asked",
        "nothing, 1 left running",
        "cpu 100 J + ram 50 J",
    ]


def test_one_without_a_figure_says_why_in_its_row():
    broken, nothing = cells(BROKEN, NOTHING)
    assert broken["reports"] == nothing["reports"] == "no figure"
    assert broken["remarks"].startswith("it wants ipinfo.io, was refused all network, and failed")
    assert broken["remarks"].endswith("TypeError: �[31mno")
    assert broken["network"] == "asked, failed"
    assert (nothing["network"], nothing["remarks"]) == ("n/a", "rapl: a virtual machine")


def test_what_is_measured_has_no_mark_and_what_is_kept_is_said():
    (row,) = cells(METERED)
    assert (row["reports"], row["network"], row["after a kill"]) == (
        "1 J",
        "not asked",
        "kept 2 J",
    )


def test_what_another_trial_said_is_a_remark():
    slow = Row(
        "it", LOAD, Trial("ran out of time: 5 s"), Trial("exit code 1"), kill=Kill("", 0, "x")
    )
    (row,) = cells(slow)
    assert row["remarks"].endswith("one process: ran out of time: 5 s; asleep: exit code 1")
    assert (row["asleep"], row["CPU seen"], row["after a kill"]) == ("n/a", "n/a", "x")


def test_the_table_says_what_ran_and_what_its_columns_mean():
    text = render(trials(WORKS, BROKEN), width=120)
    assert "load: cpu, 10 CPU s, 10.0 CPU s under the first of them; 4 CPUs; load average" in text
    assert "works asked for ipinfo.io" in text
    assert (
        "broken 0.1: it wants ipinfo.io, was refused all network, and failed: TypeError: �[31mno"
    ) in text.splitlines()
    for title in TITLES[1:-1]:
        assert f"{title}: " in text
    assert "\x1b" not in text
