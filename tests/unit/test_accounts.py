# SPDX-License-Identifier: Apache-2.0
"""Samplers of one host that see different sensors: its energy counts once, by the best."""

from __future__ import annotations

import pytest

from nicarbon.accounts import Account, accounts, ranked, shown, uncovered, weakest
from nicarbon.records import Domain, Host, Model, Sample, SampleFile, Sensor
from nicarbon.timeline import merge

S = 1_000_000_000
PACKAGE = Domain("package-0", "package", range=10**6, max_power_w=100.0)
DRAM = Domain("dram-0", "dram", range=10**6, max_power_w=10.0)
PSYS = Domain("psys", "psys", range=10**6, max_power_w=1000.0)
PSYS_BESIDE = Domain("psys", "psys", account=False, range=10**6, max_power_w=1000.0)
RAPL = Sensor("rapl", "measured", (PACKAGE, DRAM, PSYS_BESIDE), 0.1)
ONLY_PSYS = Sensor("rapl", "measured", (PSYS,), 0.1)
MODEL = Sensor(
    "virtual", "modelled", (Domain("host", "host", model=Model((1.0, 2.0, 4.0), (1.0, 3.0, 5.0))),)
)
ALWAYS = [(0, 10**18)]


def file(sensors, times, **per_s):
    """A sampler: what each counter counts in a second; one CPU is busy."""
    samples = tuple(
        Sample(round(t * S), 0, float(t), {name: round(rate * t) for name, rate in per_s.items()})
        for t in times
    )
    return SampleFile(Host("h", "h", "b", 1, 4, 0, 0, sensors), samples)


def find(*files, allowed=ALWAYS):
    return accounts(merge(files), files, allowed)


def energies(found):
    return [sum(line.recount_j for line in one.lines) for one in found]


def test_the_most_counters_are_best():
    def names(*files):
        return [[d.name for s in sensors for d in s.domains] for sensors in ranked(files)]

    model, psys, both = file((MODEL,), []), file((ONLY_PSYS,), []), file((RAPL,), [])
    assert names(model, psys, both) == [["package-0", "dram-0"], ["psys"], ["host"]]
    assert names(both, both) == [["package-0", "dram-0"]]
    assert names(file((), []), file((MODEL, RAPL), [])) == [["host", "package-0", "dram-0"]]
    assert names() == []


def test_a_model_fills_what_no_counter_covers_and_adds_nothing_beside_it():
    counters = file((RAPL,), range(11), **{"package-0": 10, "dram-0": 1, "psys": 30})
    model = file((MODEL,), [x + 0.5 for x in range(4, 21)])
    found = find(counters, model)
    assert [one.method for one in found] == ["measured", "modelled"]
    # From 10 s, the counters' last sample, to 20.5 s: 2 W and 3 J a CPU second.
    assert energies(found) == [pytest.approx(110.0), pytest.approx(10.5 * 5)]
    assert found[0].covered() == [(0, 10 * S)]
    assert found[1].covered() == [(10 * S, 20 * S + S // 2)]
    assert uncovered(found, [(0, 20 * S)]) == []
    assert uncovered(found, [(0, 30 * S)]) == [(20 * S + S // 2, 30 * S)]


def test_packages_before_the_platform():
    packages = file((RAPL,), range(6), **{"package-0": 10, "dram-0": 1, "psys": 30})
    platform = file((ONLY_PSYS,), range(11), psys=30)
    found = find(packages, platform)
    assert energies(found) == [pytest.approx(55.0), pytest.approx(150.0)]
    assert [[d.name for s in one.sensors for d in s.domains] for one in found] == [
        ["package-0", "dram-0"],
        ["psys"],
    ]


def test_a_counter_of_the_same_name_that_counts_something_else():
    odd = Sensor("replay", "measured", (Domain("package-0", "package", unit_j=0.5, range=99),))
    found = find(
        file((RAPL,), range(6), **{"package-0": 10, "dram-0": 1}),
        file((odd,), [x + 0.5 for x in range(10)], **{"package-0": 7}),
    )
    assert energies(found)[0] == pytest.approx(55.0)
    assert [one.covered() for one in found] == [[(0, 5 * S)], [(5 * S + S // 2, 9 * S + S // 2)]]


def test_a_sampler_without_a_first_line_is_believed():
    torn = file((), [2, 8], **{"package-0": 10, "dram-0": 1})
    [one] = find(file((RAPL,), [0, 4], **{"package-0": 10, "dram-0": 1}), torn)
    assert one.covered() == [(0, 8 * S)]


def test_a_part_of_an_account_is_not_all_of_it():
    some = file((RAPL,), [0, 4], **{"package-0": 10, "dram-0": 1})
    less = file((Sensor("rapl", "measured", (PACKAGE,)),), [4, 8], **{"package-0": 10})
    found = find(some, less)
    assert energies(found) == [pytest.approx(84.0)]
    assert uncovered(found, [(0, 8 * S)]) == [(4 * S, 8 * S)]


def test_without_any_reading_there_is_no_account():
    assert find(file((RAPL,), [])) == []
    assert find() == []
    assert uncovered([], [(0, S)]) == [(0, S)]
    assert shown([], [file((RAPL,), [])]) == (RAPL,)


def test_readings_of_others_time_alone():
    [one] = find(file((MODEL,), [0, 5]), allowed=[(6 * S, 9 * S)])
    assert one.covered() == []


def test_sensors_are_shown_with_their_roles():
    packages = file((RAPL,), [0, 4], **{"package-0": 10, "dram-0": 1, "psys": 30})
    platform = file((ONLY_PSYS, MODEL), [0, 4], psys=30)
    assert shown(find(packages, platform), [platform, packages]) == (RAPL,)
    later = file((MODEL,), [4, 9])
    roles = {
        domain.name: domain.account
        for sensor in shown(find(packages, later), [packages, later])
        for domain in sensor.domains
    }
    assert roles == {"package-0": True, "dram-0": True, "psys": False, "host": True}


def test_the_weakest_method():
    assert weakest([]) == "assumed"
    assert weakest([RAPL]) == "measured"
    assert weakest([RAPL, MODEL]) == "modelled"
    assert Account((RAPL, MODEL), ()).method == "modelled"


def test_counters_that_each_sampler_opened_for_itself_are_never_compared():
    opened = Domain("perf/package-0", "package", since_open=True, max_power_w=1000.0)
    perf = Sensor("perf", "measured", (opened,), 0.05)

    def sampler(first, last):
        """Reads every second from its first on, 10 J a second, from a zero of its own."""
        times = [first + n for n in range(int(last - first) + 1)]
        made = file((perf,), times)
        samples = tuple(
            Sample(s.t_monotonic_ns, 0, s.busy_cpu_s, {"perf/package-0": round(10 * (t - first))})
            for t, s in zip(times, made.samples, strict=True)
        )
        return SampleFile(made.host, samples)

    driver, job, later = sampler(0, 20), sampler(4.5, 9.5), sampler(15.5, 30.5)
    found = find(job, later, driver)
    # Each second once: the driver's 20, and of the later job's those that began after them.
    assert energies(found) == [200.0, 100.0]
    assert [one.covered() for one in found] == [[(0, 20 * S)], [(20.5 * S, 30.5 * S)]]
    assert uncovered(found, [(0, 30 * S)]) == [(20 * S, round(20.5 * S))]
