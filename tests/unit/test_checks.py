# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from nicarbon.accounts import accounts
from nicarbon.attribution import attribute
from nicarbon.checks import Check, checks, energy_between, of_jobs
from nicarbon.notes import notes
from nicarbon.records import (
    Domain,
    Driver,
    Host,
    Job,
    JobFact,
    Model,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
    Sample,
    SampleFile,
    Sensor,
)
from nicarbon.reports.account_lines import check_texts, checks_line
from nicarbon.run import Run
from nicarbon.timeline import merge

DATA = Path(__file__).parents[1] / "data"
S = 1_000_000_000
UNIX_S = 1_790_000_000
ALWAYS = [(0, 10**18)]


def counter(name, kind, account=True, socket=None, since_open=False):
    return Domain(name, kind, account, socket=socket, since_open=since_open, max_power_w=1e4)


RAPL = Sensor(
    "rapl",
    "measured",
    (
        counter("package-0", "package", socket=0),
        counter("package-1", "package", socket=1),
        counter("dram-0", "dram"),
        counter("package-0/core", "core", False, socket=0),
        counter("psys", "psys", False),
    ),
    0.05,
)
PERF = Sensor("perf", "measured", (counter("perf/package-0", "package", False, 0, True),), 0.05)
MODEL = Sensor(
    "virtual", "modelled", (Domain("host", "host", model=Model((1.0, 2.0, 4.0), (1.0, 3.0, 5.0))),)
)
POWER_W = {"package-0": 10, "package-1": 20, "dram-0": 5, "package-0/core": 7, "psys": 60}


def file(sensors, times, **watts):
    """Samples at some seconds, of one busy CPU; each counter's watts."""
    watts = {name.replace("__", "/").replace("_", "-"): power for name, power in watts.items()}
    samples = tuple(
        Sample(round(t * S), 0, float(t), {name: round(w * t) for name, w in watts.items()})
        for t in times
    )
    return SampleFile(Host("h", "h", "b", 1, 4, 0, UNIX_S * S, sensors), samples)


def both(perf_w=10, times=range(21)):
    made = file((RAPL, PERF), times)
    watts = {**POWER_W, "perf/package-0": perf_w}
    samples = tuple(
        msgspec.structs.replace(
            sample, readings={n: round(w * sample.busy_cpu_s) for n, w in watts.items()}
        )
        for sample in made.samples
    )
    return SampleFile(made.host, samples)


def find(*files, allowed=ALWAYS):
    readings = merge(files)
    return checks(readings, files, allowed, accounts(readings, files, allowed))


def test_each_counter_beside_is_compared_with_what_sees_the_same():
    found = {(check.sensor, check.kind): check for check in find(both())}
    assert set(found) == {("rapl", "core"), ("rapl", "psys"), ("perf", "package")}
    perf = found["perf", "package"]
    # Its socket alone: the other one has no perf event.
    assert (perf.sees, perf.energy_j, perf.account_j) == ("same", 200.0, 200.0)
    assert perf.covered_s == 20.0
    assert perf.relative_error == pytest.approx(0.1)
    core, psys = found["rapl", "core"], found["rapl", "psys"]
    assert (core.sees, core.energy_j, core.account_j) == ("part", 140.0, 700.0)
    assert (psys.sees, psys.energy_j, psys.account_j) == ("whole", 1200.0, 700.0)


def test_checks_change_no_energy():
    alone = file((RAPL,), range(21))
    watts = dict(POWER_W)
    alone = SampleFile(
        alone.host,
        tuple(
            msgspec.structs.replace(
                s, readings={n: round(w * s.busy_cpu_s) for n, w in watts.items()}
            )
            for s in alone.samples
        ),
    )
    info = RunInfo("r", UNIX_S * S)
    (with_checks,) = attribute(RunFacts(info, sample_files=(both(),))).hosts
    (without,) = attribute(RunFacts(info, sample_files=(alone,))).hosts
    assert with_checks.energy_j == without.energy_j == 700.0
    assert with_checks.residual_j == without.residual_j
    assert {check.sensor for check in with_checks.checks} == {"perf", "rapl"}


def test_only_the_time_that_both_cover_is_compared():
    [perf] = [c for c in find(both(times=range(5, 16))) if c.sensor == "perf"]
    assert (perf.covered_s, perf.energy_j, perf.account_j) == (10.0, 100.0, 100.0)
    [perf] = [c for c in find(both(), allowed=[(5 * S, 9 * S)]) if c.sensor == "perf"]
    assert (perf.covered_s, perf.energy_j) == (4.0, 40.0)


def test_a_model_is_told_what_a_part_of_the_host_counted():
    core = Sensor("rapl", "measured", (counter("core", "core", False),), 0.05)
    [check] = find(file((core, MODEL), range(11), core=3))
    assert (check.sees, check.energy_j) == ("part", 30.0)
    assert check.account_j == pytest.approx(50.0)


def test_without_checks_or_readings_there_is_nothing():
    assert find(file((MODEL,), range(11))) == ()
    assert find(file((RAPL, PERF), range(11))) == ()
    assert find() == ()


def test_sensors_that_disagree_beyond_their_errors_are_told():
    facts = RunFacts(RunInfo("r", UNIX_S * S), sample_files=(both(perf_w=12),))
    said = [n for n in notes(facts, attribute(facts), (), ()) if "disagree" in n]
    assert len(said) == 1
    assert "perf counted 1.20 x what is counted here (package)" in said[0]
    facts = RunFacts(RunInfo("r", UNIX_S * S), sample_files=(both(perf_w=10),))
    assert not any("disagree" in n for n in notes(facts, attribute(facts), (), ()))


def test_energy_between_instants_is_even_within_an_interval():
    made = file((RAPL,), [0, 10, 20], dram_0=5)
    found = accounts(merge([made]), [made], ALWAYS)
    assert energy_between(found, [(5 * S, 12 * S)]) == pytest.approx(35.0)
    assert energy_between(found, [(-5 * S, 5 * S), (18 * S, 90 * S)]) == pytest.approx(35.0)
    assert energy_between(found, []) == 0.0


# Slurm's ------------------------------------------------------------------------------------


def job(number, t_s, scheduler="slurm"):
    key = f"h-{number}-1"
    lines = (
        Job("node", t_s * S, (UNIX_S + t_s) * S, scheduler, str(number)),
        Driver("start", t_s * S, (UNIX_S + t_s) * S, 0.0),
    )
    return NodeFile(Process("h", "h", number, 1, key), lines)


def fact(number, first, last, energy_j):
    times = {"t_start_unix_s": UNIX_S + first, "t_end_unix_s": UNIX_S + last}
    return JobFact(str(number), "COMPLETED", over=True, consumed_energy_j=energy_j, **times)


def slurm(facts, *job_files, times=range(31), power_w=35):
    made = file((RAPL,), times, package_0=power_w, package_1=0, dram_0=0)
    found = accounts(merge([made]), [made], ALWAYS)
    known = {("slurm", one.job_id): (one,) for one in facts}
    return of_jobs(job_files, [made], found, known)


def test_slurms_joules_are_compared_job_by_job_and_overlapping_ones_never_added(run_folders):
    facts = [fact(1, 0, 20, 720.0), fact(2, 5, 25, 735.0)]
    found = slurm(facts, job(1, 1), job(2, 6))
    assert [(check.sensor, check.job) for check in found] == [("slurm", "1"), ("slurm", "2")]
    assert [check.ratio for check in found] == pytest.approx([720 / 700, 735 / 700])
    said = check_texts(run_folders.host(checks=found))
    assert said == ["2 jobs by Slurm: 1.03 to 1.05 x what is counted"]


def test_a_job_that_was_sampled_for_a_part_of_its_time_is_compared_by_its_power():
    [check] = slurm([fact(1, 0, 20, 700.0)], job(1, 2), times=range(2, 19))
    assert check.covered_s == 16.0
    assert check.ratio == pytest.approx(1.0)
    assert slurm([fact(1, 0, 20, 700.0)], job(1, 2), times=range(2, 9)) == ()


def test_a_driver_that_is_in_a_job_is_compared_too():
    start = Driver("start", S, (UNIX_S + 1) * S, 0.0, scheduler="slurm", job_id="7")
    driver = NodeFile(Process("h", "h", 7, 1, "h-7-1"), (start,))
    [check] = slurm([fact(7, 0, 20, 714.0)], driver)
    assert (check.job, check.ratio) == ("7", pytest.approx(1.02))


@pytest.mark.parametrize(
    ("facts", "jobs"),
    [
        ([], [job(1, 1)]),
        ([fact(1, 0, 20, None)], [job(1, 1)]),
        ([fact(1, 0, 20, 700.0)], [job(2, 1)]),
        ([fact(1, 0, 20, 700.0)], [job(1, 1, "sge")]),
        ([fact(1, 0, 0, 700.0)], [job(1, 1)]),
        ([msgspec.structs.replace(fact(1, 0, 20, 700.0), t_end_unix_s=None)], [job(1, 1)]),
        ([fact(1, 1000, 1020, 700.0)], [job(1, 1)]),
    ],
)
def test_what_slurm_does_not_say_is_no_check(facts, jobs):
    assert slurm(facts, *jobs) == ()


def test_no_counter_moved_is_no_ratio():
    assert slurm([fact(1, 0, 20, 700.0)], job(1, 1), power_w=0) == ()


# As text ------------------------------------------------------------------------------------


def test_how_checks_are_told(run_folders):
    whole = Check("rapl", "psys", "whole", 7200.0, 3600.0, 10.0)
    part = Check("rapl", "core", "part", 1800.0, 3600.0, 10.0)
    none = Check("perf", "package", "same", 0.0, 0.0, 10.0)
    host = run_folders.host(checks=(whole, part, none))
    assert checks_line(host) == (
        "beside, not added: rapl psys 2 Wh (more than it); rapl core 1800 J (a part of it); "
        "perf package 0 J (n/a)"
    )
    assert checks_line(run_folders.host()) == ""


def test_a_run_on_a_real_slurm():
    """Slurm 22.05 on one machine, its pm_counters and ours reading one simulated node's files."""
    run = Run.open(DATA / "slurm-pm-counters")
    (host,) = run.attribution.hosts
    assert {sensor.name for sensor in host.sensors} == {"cray", "virtual"}
    (answer,) = run.facts.job_facts
    assert answer.energy_by == "pm_counters, slurm 22.05.8"
    assert {fact.job_id: fact.consumed_energy_j for fact in answer.jobs} == {"4": 3227, "5": 3038}
    # The files' power: 100 W and 25 W for each busy CPU of the node, 50 and 23 of its parts.
    psys, *jobs = host.checks
    assert psys.ratio == pytest.approx(100 / 50, rel=0.35)
    assert [job.job for job in jobs] == ["4", "5"]
    # Slurm counted the node's file: the same power as ours, within its whole seconds.
    for job in jobs:
        assert job.ratio == pytest.approx(psys.ratio, rel=2 / job.covered_s)
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
