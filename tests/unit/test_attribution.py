# SPDX-License-Identifier: Apache-2.0
"""Cases small enough to compute by hand: joules of every part, on facts made by hand."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from nicarbon.attribution import attribute
from nicarbon.records import (
    Cached,
    Close,
    Domain,
    Driver,
    End,
    Gone,
    Host,
    Model,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
    Sample,
    SampleFile,
    Sensor,
    Start,
)
from nicarbon.unlike import sigma

S = 1_000_000_000
HOST = "0123456789ab"
DRIVER = f"{HOST}-10-20"

PACKAGE = Domain("package-0", "package", unit_j=1.0, range=1000, max_power_w=100.0)
RAPL = Sensor("rapl", "measured", (PACKAGE,), relative_error=0.05)
MODEL = Model((8.0, 10.0, 15.0), (4.0, 5.0, 6.0))
VIRTUAL = Sensor("virtual", "modelled", (Domain("host", "host", model=MODEL),))


def host(sensors=(RAPL,), driver=DRIVER, **more):
    return Host(HOST, "scanner", "boot", 11, 4, 0, 0, sensors, driver=driver, **more)


def samples(rows, domain="package-0"):
    """Rows of seconds, busy CPU seconds, raw reading."""
    return tuple(Sample(int(t * S), int(t * S), b, {domain: raw}) for t, b, raw in rows)


def span(n, first, last, cpu_s, name=None, parent=None, base=0.0, **end):
    """Return the start and end records of a span; without an end where `cpu_s` is None."""
    key = f"{DRIVER}-{n}"
    start = Start(key, name or f"wf.n{n}", int(first * S), 0, base, parent)
    if cpu_s is None:
        return (start,)
    outcome = end.pop("outcome", "ran")
    return (start, End(key, int(last * S), outcome, cpu_s, **end))


def driver_file(*lines, first=0.0, last=10.0, cpu=(0.0, 0.0)):
    marks = [Driver("start", int(first * S), 0, cpu[0])]
    if last is not None:
        marks.append(Driver("end", int(last * S), 0, cpu[1], "ok"))
    return NodeFile(Process(HOST, "scanner", 10, 20, DRIVER, DRIVER), (*marks, *lines))


def run(nodes, rows=(), *, header=None, gone=(), close=None, files=None):
    if files is None:
        files = (SampleFile(header or host(), samples(rows), gone, close),)
    return attribute(RunFacts(RunInfo("r", 0), (), tuple(nodes), tuple(files)))


def assert_sum(result):
    for h in result.hosts:
        parts = h.nodes_j + h.engine_j + h.meter_j + h.other_j + h.unattributed_j
        assert parts + h.residual_j == pytest.approx(h.energy_j, abs=1e-12)
        assert abs(h.residual_j) <= 1e-9 * max(h.energy_j, 1e-3)
        mine = sum(s.energy_j or 0.0 for s in result.spans if s.host == h.host)
        assert mine == pytest.approx(h.nodes_j)


def test_two_nodes_and_a_stranger():
    # 10 s, 20 CPU seconds: 4 + 6 are the nodes', 10 a stranger's; 300 J.
    nodes = driver_file(*span(0, 0, 10, 4.0), *span(1, 0, 10, 6.0), cpu=(0, 10))
    result = run([nodes], [(0, 5, 100), (10, 25, 400)])
    [h] = result.hosts
    assert [s.energy_j for s in result.spans] == pytest.approx([60.0, 90.0])
    assert (h.energy_j, h.nodes_j, h.other_j) == pytest.approx((300.0, 150.0, 150.0))
    assert (h.engine_j, h.meter_j, h.unattributed_j, h.uncovered_s) == (0, 0, 0, 0)
    assert h.busy_cpu_s == 20.0
    assert h.duration_s == 10.0
    assert_sum(result)


def test_energy_follows_the_interval_in_which_cpu_time_was_used():
    # One node in each interval: the second ran while the host drew three times as much.
    nodes = driver_file(*span(0, 0, 5, 5.0), *span(1, 5, 10, 5.0), cpu=(0, 10))
    result = run([nodes], [(0, 0, 0), (5, 5, 100), (10, 10, 400)])
    assert [s.energy_j for s in result.spans] == pytest.approx([100.0, 300.0])


def test_a_node_that_is_shorter_than_an_interval():
    # 1 of the 4 busy CPU seconds of 80 J is its own, whatever the length of its life.
    nodes = driver_file(*span(0, 2.0, 2.1, 1.0), cpu=(0, 1))
    result = run([nodes], [(0, 0, 0), (10, 4, 80)])
    assert result.spans[0].energy_j == pytest.approx(20.0)


def test_exact_cpu_time_is_spread_between_start_and_end():
    # It lived 2 s in the first interval and 8 s in the second.
    nodes = driver_file(*span(0, 3, 13, 10.0), last=15, cpu=(0, 10))
    result = run([nodes], [(0, 0, 0), (5, 4, 40), (15, 12, 60)])
    assert result.spans[0].energy_j == pytest.approx(40 * 2 / 4 + 20 * 8 / 8)


def test_a_beat_says_when_cpu_time_was_used():
    # As above, but a beat tells that all of it was used in the second interval.
    nodes = driver_file(*span(0, 3, 13, 8.0), last=15, cpu=(0, 8))
    rows = samples([(0, 0, 0), (5, 4, 40), (15, 12, 60)])
    beat = msgspec.structs.replace(rows[1], spans={f"{DRIVER}-0": 0.0}, driver_cpu_s=0.0)
    result = run([nodes], files=[SampleFile(host(), (rows[0], beat, rows[2]))])
    assert result.spans[0].energy_j == pytest.approx(20.0)
    assert result.hosts[0].other_j == pytest.approx(40.0)


def test_an_idle_interval_is_unattributed():
    nodes = driver_file(*span(0, 0, 5, 5.0), cpu=(0, 5))
    result = run([nodes], [(0, 0, 0), (5, 5, 100), (10, 5, 150)])
    assert result.hosts[0].unattributed_j == 50.0
    assert result.spans[0].energy_j == 100.0
    assert_sum(result)


def test_nodes_that_claim_more_than_the_host_was_busy_are_scaled():
    nodes = driver_file(*span(0, 0, 10, 6.0), *span(1, 0, 10, 6.0), cpu=(0, 12))
    result = run([nodes], [(0, 0, 0), (10, 10, 100)])
    assert [s.energy_j for s in result.spans] == pytest.approx([50.0, 50.0])
    assert result.hosts[0].scaled_cpu_s == pytest.approx(2.0)
    assert result.hosts[0].other_j == 0.0
    assert_sum(result)


def test_busy_time_that_falls_gives_nothing_to_others():
    nodes = driver_file(*span(0, 0, 5, 1.0), cpu=(0, 1))
    result = run([nodes], [(0, 5, 0), (5, 4.99, 50), (10, 4.99, 60)])
    [h] = result.hosts
    assert (h.nodes_j, h.other_j, h.unattributed_j) == pytest.approx((50.0, 0.0, 10.0))
    assert_sum(result)


def test_a_counter_that_wraps():
    nodes = driver_file(*span(0, 0, 10, 10.0), cpu=(0, 10))
    result = run([nodes], [(0, 0, 900), (5, 5, 50), (10, 10, 100)])
    assert result.hosts[0].energy_j == 200.0
    assert_sum(result)


def test_a_missing_reading_is_bridged_by_the_next():
    nodes = driver_file(*span(0, 0, 10, 10.0), cpu=(0, 10))
    whole = run([nodes], [(0, 0, 0), (5, 5, 50), (10, 10, 200)])
    holed = run([nodes], [(0, 0, 0), (5, 5, None), (10, 10, 200)])
    assert holed.hosts[0].energy_j == whole.hosts[0].energy_j == 200.0
    assert holed.hosts[0].uncovered_s == 0.0
    assert_sum(holed)


def test_readings_that_are_missing_at_the_end_are_uncovered_not_zero():
    nodes = driver_file(*span(0, 0, 5, 5.0), *span(1, 6, 10, 4.0), cpu=(0, 9))
    result = run([nodes], [(0, 0, 0), (5, 5, 50), (10, 10, None)])
    assert result.hosts[0].energy_j == 50.0
    assert result.hosts[0].uncovered_s == 5.0
    assert [s.energy_j for s in result.spans] == [50.0, None]
    assert_sum(result)


def test_a_gap_in_which_the_counter_may_have_wrapped_twice_is_uncovered():
    # 1000 J at 100 W at most: after 10 s nobody knows how often it wrapped.
    nodes = driver_file(*span(0, 0, 40, 20.0), last=40, cpu=(0, 20))
    rows = [(0, 0, 0), (10, 10, 300), (21, 20, 400), (31, 30, 500), (40, 39, 600)]
    result = run([nodes], rows)
    assert result.hosts[0].energy_j == 500.0
    assert result.hosts[0].uncovered_s == 11.0
    assert result.spans[0].energy_j == pytest.approx(300 * 0.5 + 100 * 0.5 + 100 * 0.5)
    assert_sum(result)


def test_a_counter_that_was_set_back_is_not_a_wrap():
    # A wrap would be 700 J in 5 s where 100 W are the most: 350 J to 0 is something else.
    nodes = driver_file(*span(0, 0, 10, 10.0), cpu=(0, 10))
    big = msgspec.structs.replace(PACKAGE, range=100_000)
    header = host((msgspec.structs.replace(RAPL, domains=(big,)),))
    result = run([nodes], [(0, 0, 350), (5, 5, 0), (10, 10, 100)], header=header)
    assert result.hosts[0].energy_j == 100.0
    assert result.hosts[0].uncovered_s == 5.0
    assert_sum(result)


def test_two_samplers_make_one_timeline():
    nodes = driver_file(*span(0, 0, 10, 5.0), cpu=(0, 5))
    first = SampleFile(host(), samples([(0, 0, 0), (4, 4, 80), (10, 10, 300)]))
    second = SampleFile(host(driver=None), samples([(2, 2, 40), (6, 6, 120)]))
    alone = run([nodes], files=[first])
    both = run([nodes], files=[first, second])
    assert both.hosts[0].energy_j == alone.hosts[0].energy_j == 300.0
    assert both.hosts[0].busy_cpu_s == 10.0
    assert_sum(both)


def test_two_samplers_that_overtake_each_other_are_no_wrap():
    nodes = driver_file(*span(0, 0, 10, 5.0), cpu=(0, 5))
    first = SampleFile(host(), samples([(0, 0, 0), (5.0, 5, 101), (10, 10, 300)]))
    second = SampleFile(host(driver=None), samples([(5.001, 5, 100)]))
    result = run([nodes], files=[first, second])
    assert result.hosts[0].energy_j == 300.0
    assert result.hosts[0].uncovered_s == 0.0
    assert_sum(result)


def test_samples_at_the_same_instant():
    nodes = driver_file(*span(0, 0, 10, 5.0), cpu=(0, 5))
    rows = [(0, 0, 0), (5, 5, 100), (5, 5, 101), (10, 10, 300), (10, 10, 310)]
    result = run([nodes], rows)
    assert result.hosts[0].energy_j == 310.0
    assert_sum(result)


def test_a_single_sample_covers_nothing():
    result = run([driver_file(*span(0, 0, 10, 5.0))], [(0, 0, 0)])
    assert result.spans[0].energy_j is None
    assert result.hosts[0].energy_j == 0.0
    assert result.hosts[0].uncovered_s == 10.0
    assert_sum(result)


def test_the_time_between_two_drivers_is_not_the_runs():
    # The counter goes on in between, and a sampler of the second driver sees where it got to.
    second_key = f"{HOST}-30-40"
    first = driver_file(*span(0, 0, 5, 5.0), last=5, cpu=(0, 5))
    process = Process(HOST, "scanner", 30, 40, second_key, second_key)
    lines = (Driver("start", 8 * S, 0, 0.0), Driver("end", 10 * S, 0, 0.0))
    files = [
        SampleFile(host(), samples([(0, 0, 0), (5, 5, 100)])),
        SampleFile(host(driver=second_key), samples([(8, 7, 190), (10, 8, 200)])),
    ]
    result = run([first, NodeFile(process, lines)], files=files)
    [h] = result.hosts
    assert h.energy_j == 110.0
    assert h.duration_s == 7.0
    assert h.uncovered_s == 0.0
    assert h.busy_cpu_s == 6.0
    assert_sum(result)


def test_seconds_of_the_window_before_the_first_sample_are_uncovered():
    result = run([driver_file()], [(2, 0, 0), (9.5, 5, 100)])
    assert result.hosts[0].uncovered_s == pytest.approx(2.5)


def test_samples_may_enclose_the_drivers_life():
    # As they do: the first is taken before its start record, the last after its end record.
    result = run([driver_file(first=0.1, last=9.9)], [(0, 0, 0), (5, 5, 50), (10, 10, 100)])
    assert result.hosts[0].energy_j == 100.0
    assert result.hosts[0].uncovered_s == 0.0
    assert result.hosts[0].duration_s == pytest.approx(9.8)


def test_the_engine_gets_what_the_drivers_tree_used_beside_nodes():
    nodes = driver_file(*span(0, 0, 10, 4.0), cpu=(1, 7))
    result = run([nodes], [(0, 0, 0), (10, 10, 100)])
    [h] = result.hosts
    assert (h.nodes_j, h.engine_j, h.other_j) == pytest.approx((40.0, 20.0, 40.0))
    assert_sum(result)


def test_the_engine_is_never_paid_back_by_nodes_that_ran_elsewhere():
    # A node in a process outside the driver's tree is not taken from the driver.
    nodes = driver_file(cpu=(0, 3))
    outside = NodeFile(Process(HOST, "scanner", 50, 60, f"{HOST}-50-60"), span(0, 0, 10, 4.0))
    result = run([nodes, outside], [(0, 0, 0), (10, 10, 100)])
    [h] = result.hosts
    assert (h.nodes_j, h.engine_j, h.other_j) == pytest.approx((40.0, 30.0, 30.0))


def test_the_engines_curve_does_not_fall_where_a_node_was_late():
    # The node used its 4 CPU seconds in the first interval, but nothing says so: it is spread.
    nodes = driver_file(*span(0, 0, 10, 4.0), cpu=(0, 4))
    rows = samples([(0, 0, 0), (5, 4, 40), (10, 8, 60)])
    rows = tuple(
        msgspec.structs.replace(row, driver_cpu_s=cpu)
        for row, cpu in zip(rows, (0, 4, 4), strict=True)
    )
    result = run([nodes], files=[SampleFile(host(), rows)])
    assert result.hosts[0].engine_j == 0.0
    assert_sum(result)


def test_the_meter_pays_for_itself():
    rows = samples([(0, 0, 0), (10, 10, 100)])
    rows = (
        msgspec.structs.replace(rows[0], meter_cpu_s=0.5),
        msgspec.structs.replace(rows[1], meter_cpu_s=1.5),
    )
    result = run([driver_file()], files=[SampleFile(host(), rows)])
    assert result.hosts[0].meter_j == pytest.approx(10.0)
    assert_sum(result)


def test_elements_of_a_map_node_are_not_in_it():
    # 10 CPU seconds in the MapNode, 3 and 5 of them in its elements.
    outer = f"{DRIVER}-0"
    lines = (
        *span(0, 0, 10, 10.0, "wf.map"),
        *span(1, 1, 4, 3.0, "wf.map[0]", outer, base=1.0),
        *span(2, 4, 9, 5.0, "wf.map[1]", outer, base=4.0),
    )
    result = run([driver_file(*lines, cpu=(0, 10))], [(0, 0, 0), (10, 10, 100)])
    assert [s.cpu_s for s in result.spans] == pytest.approx([2.0, 3.0, 5.0])
    assert [s.energy_j for s in result.spans] == pytest.approx([20.0, 30.0, 50.0])
    assert result.hosts[0].engine_j == 0.0
    assert_sum(result)


def test_a_map_node_used_its_own_time_beside_its_elements():
    # Its element had all of the first interval; what the MapNode used itself came after.
    outer = f"{DRIVER}-0"
    lines = (*span(0, 0, 10, 8.0), *span(1, 0, 5, 5.0, parent=outer))
    result = run([driver_file(*lines, cpu=(0, 8))], [(0, 0, 0), (5, 5, 50), (10, 8, 60)])
    energies = {s.span[-1]: s.energy_j for s in result.spans}
    assert energies == pytest.approx({"0": 10.0, "1": 50.0})
    assert_sum(result)


def test_a_cached_span_is_the_engines():
    nodes = driver_file(*span(0, 0, 10, 2.0, outcome="cached"), cpu=(0, 3))
    result = run([nodes], [(0, 0, 0), (10, 10, 100)])
    assert result.spans[0].energy_j is None
    assert result.spans[0].outcome == "cached"
    assert result.hosts[0].engine_j == pytest.approx(30.0)
    assert_sum(result)


def test_a_cached_element_is_the_map_nodes():
    lines = (*span(0, 0, 10, 4.0), *span(1, 1, 2, 1.0, parent=f"{DRIVER}-0", outcome="cached"))
    result = run([driver_file(*lines, cpu=(0, 4))], [(0, 0, 0), (10, 10, 100)])
    assert [s.energy_j for s in result.spans] == [pytest.approx(40.0), None]


def test_a_node_that_was_never_called_is_cached():
    result = run([driver_file(Cached("wf.done", 3 * S, 7 * S))], [(0, 0, 0), (10, 10, 100)])
    [done] = result.spans
    assert (done.node, done.outcome, done.energy_j) == ("wf.done", "cached", None)
    assert (done.start_s, done.end_s, done.start_unix_s) == (3.0, 3.0, 7.0)


def test_children_that_nobody_waits_for_are_said_to_be_missing():
    nodes = driver_file(*span(0, 0, 10, 4.0), *span(1, 0, 10, 6.0), cpu=(0, 10))
    rows = samples([(0, 5, 100), (5, 15, 250), (10, 25, 400)])
    seen = msgspec.structs.replace(rows[1], sigchld_ignored=(f"{DRIVER}-1",))
    result = run([nodes], files=[SampleFile(host(), (rows[0], seen, rows[2]))])
    first, second = result.spans
    assert first.cpu_incomplete is None
    assert "ignores SIGCHLD" in second.cpu_incomplete


def test_a_killed_node_keeps_what_its_beats_saw():
    rows = samples([(0, 0, 0), (5, 5, 50), (10, 10, 200)])
    beat = msgspec.structs.replace(rows[1], spans={f"{DRIVER}-0": 2.0}, driver_cpu_s=2.0)
    gone = (Gone(f"{DRIVER}-0", 7 * S),)
    nodes = driver_file(*span(0, 0, None, None), cpu=(0, 2))
    result = run([nodes], files=[SampleFile(host(), (rows[0], beat, rows[2]), gone)])
    [killed] = result.spans
    assert killed.outcome == "killed"
    assert killed.cpu_s == 2.0
    assert killed.energy_j == pytest.approx(20.0)
    assert killed.end_s == 7.0
    assert "killed" in killed.cpu_incomplete
    assert result.hosts[0].engine_j == pytest.approx(0.0)
    assert_sum(result)


@pytest.mark.parametrize(
    ("last", "close", "outcome"),
    [
        (None, None, "running"),
        (10, None, "killed"),
        (None, Close(10 * S, "driver ended"), "killed"),
    ],
)
def test_a_node_without_an_end_is_killed_once_its_driver_is_no_more(last, close, outcome):
    nodes = driver_file(*span(0, 0, None, None), last=last)
    result = run([nodes], [(0, 0, 0), (10, 10, 100)], close=close)
    assert result.spans[0].outcome == outcome
    assert result.spans[0].energy_j is None or result.spans[0].energy_j == 0.0


def test_a_failed_node_is_a_node():
    nodes = driver_file(*span(0, 0, 10, 5.0, outcome="failed", error="ValueError"), cpu=(0, 5))
    [failed] = run([nodes], [(0, 0, 0), (10, 10, 100)]).spans
    assert (failed.energy_j, failed.error) == (pytest.approx(50.0), "ValueError")


def test_a_modelled_host():
    # 10 W + 5 J a CPU second: 100 + 50 J, of which the node had 8 of 10 CPU seconds.
    nodes = driver_file(*span(0, 0, 10, 8.0), cpu=(0, 8))
    result = run([nodes], [(0, 0, None), (4, 3, None), (10, 10, None)], header=host((VIRTUAL,)))
    [h], [node] = result.hosts, result.spans
    assert (h.energy_j, h.energy_low_j, h.energy_high_j) == pytest.approx((150.0, 120.0, 210.0))
    assert node.method == "modelled"
    assert node.sensor_low_j < node.energy_j < node.sensor_high_j
    assert_sum(result)


def test_measured_counters_have_the_range_of_their_sensor():
    result = run([driver_file(*span(0, 0, 10, 5.0), cpu=(0, 5))], [(0, 0, 0), (10, 10, 100)])
    [h], [node] = result.hosts, result.spans
    assert (h.energy_low_j, h.energy_high_j) == pytest.approx((95.0, 105.0))
    assert (node.sensor_low_j, node.sensor_high_j) == pytest.approx((47.5, 52.5))
    assert node.method == "measured"


def test_a_node_is_as_sure_as_the_weakest_of_its_sensors():
    dram = Sensor("dram", "modelled", (Domain("dram", "dram", model=MODEL),))
    nodes = driver_file(*span(0, 0, 10, 10.0), cpu=(0, 10))
    result = run([nodes], [(0, 0, 0), (10, 10, 100)], header=host((RAPL, dram)))
    assert result.spans[0].method == "modelled"
    assert result.hosts[0].energy_j == pytest.approx(100.0 + 150.0)
    assert_sum(result)


def test_a_check_is_never_added():
    core = Domain("core-0", "core", account=False)
    sensor = msgspec.structs.replace(RAPL, domains=(PACKAGE, core))
    rows = tuple(
        Sample(t * S, 0, float(t), {"package-0": 10 * t, "core-0": 7 * t}) for t in (0, 10)
    )
    result = run([driver_file()], files=[SampleFile(host((sensor,)), rows)])
    assert result.hosts[0].energy_j == 100.0


def test_domains_that_miss_different_readings_are_each_complete():
    dram = Domain("dram-0", "dram", range=1000, max_power_w=100.0)
    sensor = msgspec.structs.replace(RAPL, domains=(PACKAGE, dram))
    readings = [(0, 0, 0), (5, 50, None), (10, None, 30), (15, 150, 45)]
    rows = tuple(Sample(t * S, 0, float(t), {"package-0": p, "dram-0": d}) for t, p, d in readings)
    nodes = driver_file(*span(0, 0, 15, 15.0), last=15, cpu=(0, 15))
    result = run([nodes], files=[SampleFile(host((sensor,)), rows)])
    assert result.hosts[0].energy_j == 195.0
    assert result.spans[0].energy_j == pytest.approx(195.0)
    assert_sum(result)


def test_a_model_beside_the_counter_that_it_stands_in_for_is_not_added():
    # The second sampler may not read the counters, so it has a model of the whole host.
    files = [
        SampleFile(host((VIRTUAL,), driver=None), samples([(0, 0, 0), (10, 10, 0)], "none")),
        SampleFile(host(), samples([(0, 0, 0), (10, 10, 100)])),
    ]
    result = run([driver_file()], files=files)
    assert result.hosts[0].energy_j == 100.0
    assert result.hosts[0].sensors == (RAPL,)


def test_where_no_counter_is_read_a_model_counts_and_each_node_says_which():
    # Counters for 10 s, 10 W; then only a sampler that may not read them: 10 W + 5 J a CPU second.
    files = [
        SampleFile(host((VIRTUAL,), driver=None), samples([(10, 10, 0), (20, 20, 0)], "none")),
        SampleFile(host(), samples([(0, 0, 0), (10, 10, 100)])),
    ]
    nodes = driver_file(
        *span(0, 0, 10, 10.0), *span(1, 10, 20, 10.0), *span(2, 20, 21, 0.0), last=20, cpu=(0, 20)
    )
    result = run([nodes], files=files)
    [h] = result.hosts
    assert h.energy_j == pytest.approx(100.0 + 150.0)
    assert [(turn.method, turn.energy_j, turn.covered_s) for turn in h.turns] == [
        ("measured", 100.0, 10.0),
        ("modelled", pytest.approx(150.0), 10.0),
    ]
    assert [(s.energy_j, s.method) for s in result.spans[:2]] == [
        (pytest.approx(100.0), "measured"),
        (pytest.approx(150.0), "modelled"),
    ]
    assert h.uncovered_s == 0.0
    assert_sum(result)


def test_a_machine_with_several_names_is_one_host():
    def named(name, pid):
        header = msgspec.structs.replace(host(), hostname=name, pid=pid)
        return SampleFile(header, samples([(0, 0, 0), (10, 10, 100)]))

    files = [named(name, i) for i, name in enumerate(("n2", "n1", "", "n2"))]
    [h] = run([driver_file()], files=files).hosts
    assert (h.hostname, h.energy_j) == ("n1, n2, scanner", 100.0)
    many = [named(f"n{i:02}", i) for i in range(50)]
    [h] = run([driver_file()], files=many).hosts
    assert h.hostname == "n00, n01, n02, n03, 47 more names"


def test_active_energy_is_what_lies_above_idle():
    nodes = driver_file(*span(0, 0, 10, 5.0), cpu=(0, 5))
    result = run([nodes], [(0, 0, 0), (10, 10, 100)], header=host(idle_power_w=4.0))
    assert result.spans[0].active_j == pytest.approx(0.5 * (100 - 40))
    assert result.hosts[0].idle_power_w == 4.0


def test_without_a_calibration_active_energy_is_unknown():
    result = run([driver_file(*span(0, 0, 10, 5.0), cpu=(0, 5))], [(0, 0, 0), (10, 10, 100)])
    assert result.spans[0].active_j is None


def test_only_a_node_beside_others_leaves_a_doubt():
    nodes = driver_file(*span(0, 0, 5, 5.0), *span(1, 5, 10, 2.0), cpu=(0, 7))
    result = run([nodes], [(0, 0, 0), (5, 5, 100), (10, 13, 180)])
    alone, beside = result.spans
    assert sigma([alone.doubt]) == pytest.approx(0.0, abs=1e-6)
    assert beside.energy_j == pytest.approx(20.0)
    assert 1.0 < sigma([beside.doubt]) < 20.0


def test_hosts_are_separate():
    other = "ffffffffffff"
    files = [
        SampleFile(host(), samples([(0, 0, 0), (10, 10, 100)])),
        SampleFile(
            msgspec.structs.replace(host(driver=None), host=other, hostname="b"),
            samples([(0, 0, 0), (10, 5, 70)]),
        ),
    ]
    there = NodeFile(Process(other, "b", 5, 6, f"{other}-5-6"), span(7, 0, 10, 5.0))
    result = run([driver_file(*span(0, 0, 10, 5.0), cpu=(0, 5)), there], files=files)
    assert [(h.host, h.energy_j) for h in result.hosts] == [(HOST, 100.0), (other, 70.0)]
    assert [s.energy_j for s in result.spans] == pytest.approx([50.0, 70.0])
    assert_sum(result)


def test_a_host_without_samples_has_no_energy():
    result = run([driver_file(*span(0, 0, 10, 5.0))], files=[])
    [h] = result.hosts
    assert (h.energy_j, h.uncovered_s, h.hostname) == (0.0, 10.0, "scanner")
    assert result.spans[0].energy_j is None
    assert result.spans[0].cpu_s == 5.0
    assert result.spans[0].method == "assumed"


def test_an_empty_run():
    assert attribute(RunFacts(RunInfo("r", 0))).hosts == ()


def test_a_node_of_an_instant():
    nodes = driver_file(*span(0, 5, 5, 1.0), cpu=(0, 1))
    result = run([nodes], [(0, 0, 0), (5, 5, 50), (10, 10, 150)])
    assert result.spans[0].energy_j == pytest.approx(20.0)
    assert_sum(result)


def test_a_clock_that_went_backwards_does_no_harm():
    nodes = driver_file(*span(0, 6, 4, 2.0), *span(1, 5, 6, -1.0), cpu=(0, 2))
    result = run([nodes], [(10, 10, 100), (0, 0, 0)])
    assert result.hosts[0].energy_j == 100.0
    assert [s.energy_j for s in result.spans] == pytest.approx([0.0, 20.0])
    assert_sum(result)


def test_the_most_memory_that_was_seen():
    rows = samples([(0, 0, 0), (1, 1, 1), (2, 2, 2)])
    seen = [{}, {f"{DRIVER}-0": 500, f"{DRIVER}-1": 70}, {f"{DRIVER}-0": 500}]
    rows = tuple(
        msgspec.structs.replace(row, memory_bytes=held)
        for row, held in zip(rows, seen, strict=True)
    )
    nodes = driver_file(
        *span(0, 0, 2, 1.0, peak_memory_bytes=400),
        *span(1, 0, 2, 0.5, peak_memory_bytes=80),
        *span(2, 0, 2, 0.1),
        *span(3, 0, 2, None),
    )
    spans = run([nodes], files=(SampleFile(host(), rows),)).spans
    assert [s.peak_memory_bytes for s in spans] == [500, 80, None, None]


def test_the_hash_is_of_what_ran_or_was_found():
    found = Cached("n", S, S, map_node="m", index=1, inputs_hash="b")
    nodes = driver_file(*span(0, 0, 2, 1.0, inputs_hash="a"), *span(1, 0, 2, None), found)
    assert {s.node: s.inputs_hash for s in run([nodes]).spans} == {
        "wf.n0": "a",
        "wf.n1": None,
        "n": "b",
    }


def test_a_flag_is_kept():
    nodes = driver_file(*span(0, 0, 10, 5.0, cpu_incomplete="SIGCHLD is ignored"), cpu=(0, 5))
    result = run([nodes], [(0, 0, 0), (10, 10, 100)])
    assert result.spans[0].cpu_incomplete == "SIGCHLD is ignored"


def test_the_same_facts_give_the_same_bytes():
    nodes = driver_file(*span(0, 0, 7, 3.0), *span(1, 1, 9, 2.5), cpu=(0, 6))
    rows = [(t, t * 1.3, 17 * t) for t in range(11)]
    once, again = (msgspec.json.encode(run([nodes], rows)) for _ in range(2))
    assert once == again


def test_the_course_of_a_long_execution_lies_within_it(run_folders):
    t_s = range(0, 401, 40)
    samples = tuple(Sample(t * S, t * S, float(t), {"package-0": t * t, "core-0": 0}) for t in t_s)
    header = Host(run_folders.ID, "h", "boot", 1, 1, 0, 0, (run_folders.RAPL,))
    process = Process(run_folders.ID, "h", 1, 1, "k")
    lines = (Start("a", "wf.a", 30 * S, 0, 0.0), End("a", 390 * S, "ran", 360.0))
    (span,) = attribute(
        RunFacts(
            RunInfo("r", 0),
            node_files=(NodeFile(process, lines),),
            sample_files=(SampleFile(header, samples),),
        )
    ).spans
    assert (span.course[0][0], span.course[-1][1]) == (30.0, 390.0)
    assert all(a[1] == b[0] for a, b in pairwise(span.course))
    assert sum(j for _, _, j in span.course) == pytest.approx(span.energy_j, rel=1e-12)
