# SPDX-License-Identifier: Apache-2.0
from math import hypot, inf

import msgspec
import pytest

from nicarbon.rows import (
    add_up,
    clock_offsets,
    energy_range,
    fold,
    fold_one,
    last_hash,
    outcome,
    share_range,
)


def one(spans):
    return fold_one("row", spans, clock_offsets(spans))


def test_energies_and_cpu_time_are_added(run_folders):
    spans = [run_folders.span("a", 0, 2, 10.0), run_folders.span("b", 1, 3, 20.0)]
    row = one(spans)
    assert (row.energy_j, row.cpu_s, row.n_nodes, row.method) == (30.0, 4.0, 2, "measured")


def test_durations_are_united_not_added(run_folders):
    times = [(0, 4), (1, 2), (3, 5), (7, 8)]
    assert one([run_folders.span(f"n{a}", a, b) for a, b in times]).duration_s == 6.0


def test_a_wall_clock_that_is_set_changes_no_duration(run_folders):
    spans = [
        run_folders.span("a", 100, 103),
        run_folders.span("b", 102, 104, start_unix_s=5.0),
    ]
    assert one(spans).duration_s == 4.0


def test_hosts_are_placed_by_their_wall_clock(run_folders):
    spans = [
        run_folders.span("a", 100, 104, start_unix_s=1000.0, host="h1"),
        run_folders.span("b", 7, 10, start_unix_s=1003.0, host="h2"),
    ]
    assert one(spans).duration_s == 6.0


def test_cached_nodes_have_neither_energy_nor_duration(run_folders):
    row = one([run_folders.cached("a"), run_folders.cached("b", 3.0)])
    assert (row.energy_j, row.energy_low_j, row.energy_high_j, row.method) == (None,) * 4
    assert (row.duration_s, row.n_nodes, row.n_cached) == (0.0, 2, 2)


def test_attempts_of_a_node_fold_into_one(run_folders):
    spans = [
        run_folders.span("a", 0, 1, 5.0, outcome="failed"),
        run_folders.span("a", 2, 3, 5.0),
        run_folders.span("b", 0, 1, 5.0),
        run_folders.span("b", 2, 3, 5.0, outcome="killed"),
        run_folders.cached("b", 4.0),
    ]
    row = one(spans)
    assert (row.n_nodes, row.n_cached, row.n_failed, row.energy_j) == (2, 0, 1, 20.0)


def test_outcome_is_that_of_the_last_execution(run_folders):
    assert outcome([run_folders.cached("a")]) == "cached"
    assert outcome([run_folders.span("a", 5, 6), run_folders.cached("a", 9.0)]) == "ran"


def test_an_unpriced_execution_takes_nothing_from_the_others(run_folders):
    row = one([run_folders.span("a", 0, 1, 5.0), run_folders.span("b", 1, 2, None)])
    assert (row.energy_j, row.cpu_s) == (5.0, 2.0)


def test_the_range_combines_sensor_and_sharing(run_folders):
    spans = [run_folders.span("a", 0, 1, 40.0, shared_j=20.0), run_folders.span("b", 1, 2, 60.0)]
    energy_j, low_j, high_j = energy_range(spans)
    assert energy_j == 100.0
    assert low_j == pytest.approx(100.0 - hypot(5.0, 7.0))
    assert high_j == pytest.approx(100.0 + hypot(5.0, 7.0))


def test_the_range_never_falls_below_nothing(run_folders):
    span = run_folders.span("a", 0, 1, 1.0, sensor_low_j=0.0, shared_j=1.0, sensor_high_j=3.0)
    assert energy_range([span])[1] == 0.0


def test_the_weakest_method_counts(run_folders):
    spans = [run_folders.span("a"), run_folders.span("b", method="modelled")]
    assert one(spans).method == "modelled"
    assert one([*spans, run_folders.span("c", method="assumed")]).method == "assumed"
    # A method without any energy behind it says nothing.
    assert (
        one([spans[0], run_folders.span("c", 0, 1, None, method="assumed")]).method == "measured"
    )


def test_active_energy_needs_every_host_calibrated(run_folders):
    known = run_folders.span("a", active_j=2.0)
    assert one([known, run_folders.span("b", active_j=1.0)]).active_j == 3.0
    assert one([known, run_folders.span("b")]).active_j is None
    assert one([known, run_folders.cached("b")]).active_j == 2.0


def test_reasons_are_joined_once_each(run_folders):
    spans = [
        run_folders.span(n, cpu_incomplete=r) for n, r in zip("abc", ("y", "x", "y"), strict=True)
    ]
    assert one(spans).cpu_incomplete == "x; y"
    assert one([run_folders.span("a")]).cpu_incomplete is None


def test_rows_are_sorted_by_energy_then_name(run_folders):
    joules = {"A": None, "z": 0.0, "b": 2.0, "a": 2.0, "c": 9.0}
    spans = [run_folders.span(name, 0, 1, j) for name, j in joules.items()]
    assert [row.name for row in fold(spans, lambda s: s.node, {})] == ["c", "a", "b", "z", "A"]


def test_nothing_folds_to_nothing():
    row = fold_one("total", [], {})
    assert (row.energy_j, row.duration_s, row.n_nodes) == (None, 0.0, 0)
    assert -inf < row.cpu_s == 0.0


def test_a_share_is_surer_than_its_joules(run_folders):
    """One sensor is wrong in one direction for both: the share stays, the joules do not."""
    span = run_folders.span
    one, other = (
        span(name, energy_j=energy_j, sensor_low_j=energy_j / 2.5, sensor_high_j=energy_j * 2.5)
        for name, energy_j in (("a", 30.0), ("b", 10.0))
    )
    assert share_range([one], [one, other]) == pytest.approx((0.75, 0.75, 0.75))


def test_curves_that_differ_and_sharing_widen_a_share(run_folders):
    span = run_folders.span
    one = span("a", energy_j=20.0, sensor_low_j=12.0, sensor_high_j=40.0)
    other = span("b", energy_j=20.0, sensor_low_j=18.0, sensor_high_j=60.0)
    assert share_range([one], [one, other]) == pytest.approx((0.5, 0.4, 0.5))
    shared = span("a", energy_j=20.0, sensor_low_j=12.0, sensor_high_j=40.0, shared_j=10.0)
    share, low, high = share_range([shared], [shared, other])
    assert (share, low) == pytest.approx((0.5, 0.5 - hypot(0.1, 0.35 * 10 / 40)))
    assert high == pytest.approx(0.5 + 0.35 * 10 / 40)


def test_sensors_of_two_hosts_may_be_wrong_in_opposite_directions(run_folders):
    span = run_folders.span
    here = span("a", energy_j=10.0, sensor_low_j=5.0, sensor_high_j=20.0)
    there = span("b", energy_j=10.0, host="b" * 12, sensor_low_j=5.0, sensor_high_j=20.0)
    assert share_range([here], [here, there]) == pytest.approx((0.5, 0.2, 0.8))


def test_without_energy_there_is_no_share(run_folders):
    nothing = run_folders.span("a", energy_j=None)
    assert share_range([nothing], [nothing]) is None
    some = run_folders.span("b", energy_j=5.0)
    assert share_range([nothing], [nothing, some]) == (0.0, 0.0, 0.0)


def test_the_hash_is_that_of_the_last_execution_that_has_one(run_folders):
    spans = [
        run_folders.span("wf.a", 3, 4, inputs_hash="new"),
        run_folders.span("wf.a", 0, 1, inputs_hash="old"),
        run_folders.span("wf.a", 5, 6),
    ]
    assert last_hash(spans) == "new"
    assert last_hash(spans[2:]) is None


def test_rows_of_several_runs_add_up(run_folders):
    first = fold_one("x", [run_folders.span("a", 0, 2, 10.0, cpu_incomplete="no perf")], {})
    second = fold_one("x", [run_folders.span("a", 0, 3, 20.0, method="modelled")], {})
    none = fold_one("x", [run_folders.cached("a")], {})
    row = add_up("all", [first, second, none])
    assert (row.name, row.energy_j, row.energy_low_j, row.energy_high_j) == (
        "all",
        pytest.approx(30.0),
        pytest.approx(28.5),
        pytest.approx(31.5),
    )
    assert (row.cpu_s, row.duration_s, row.n_nodes, row.n_cached) == (5.0, 5.0, 3, 1)
    assert (row.method, row.cpu_incomplete) == ("modelled", "no perf")
    assert row.carbon_g is None
    assert add_up("one", [first]) == msgspec.structs.replace(first, name="one")
    assert add_up("none", [none]).energy_j is None


def test_grams_are_known_where_those_of_every_energy_are(run_folders):
    row = fold_one("x", [run_folders.span("a", 0, 2, 10.0)], {})
    priced = msgspec.structs.replace(row, carbon_g=2.0)
    assert add_up("both", [priced, priced]).carbon_g == 4.0
    assert add_up("one", [priced, row]).carbon_g is None
