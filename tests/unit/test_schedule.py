# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.schedule import LOOK_S, Engine, Task, observe, schedule

# No more than rounding.
LATE_S = pytest.approx(0.0, abs=1e-9)


def makespan(times):
    return max(end for _, end in times.values())


def test_a_chain_and_what_runs_beside_it():
    tasks = {"a": Task(3.0), "b": Task(2.0, rank=1), "c": Task(4.0, rank=2)}
    needs = {"b": ["a"], "c": []}
    assert schedule(tasks, needs, 2) == {"a": (0, 3), "c": (0, 4), "b": (3, 5)}
    assert schedule(tasks, needs, 1) == {"a": (0, 3), "b": (3, 5), "c": (5, 9)}


def test_what_does_not_fit_lets_smaller_ones_pass():
    tasks = {"a": Task(2.0), "wide": Task(2.0, 2, rank=1), "b": Task(1.0, rank=2)}
    assert schedule(tasks, {}, 2) == {"a": (0, 2), "b": (0, 1), "wide": (2, 4)}
    # More than there are is all that there are.
    assert schedule({"wide": Task(2.0, 8)}, {}, 2) == {"wide": (0, 2)}


def test_what_takes_no_time_holds_nothing():
    tasks = {"a": Task(0.0), "b": Task(1.0), "c": Task(0.0), "d": Task(1.0)}
    found = schedule(tasks, {"b": ["a"], "c": ["b"], "d": ["c", "unknown"]}, 1, Engine(0.5))
    assert found == {"a": (0, 0), "b": (0.5, 1.5), "c": (1.5, 1.5), "d": (2.0, 3.0)}


def test_an_engine_that_looks_now_and_then():
    tasks = {"a": Task(0.3), "b": Task(1.9), "c": Task(0.1)}
    found = schedule(tasks, {"c": ["a", "b"]}, 2, Engine(look_s=2.0))
    assert found == {"a": (0, 0.3), "b": (0, 1.9), "c": (2.0, 2.1)}
    # Both are seen in one look, though one is begun with the processor of the other.
    found = schedule(tasks | {"b": Task(2.5)}, {"c": ["a", "b"]}, 2, Engine(look_s=2.0))
    assert found["c"] == (4.0, 4.1)


@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 100), st.integers(1, 4), st.sets(st.integers(0, 30), max_size=3)
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 6),
)
def test_what_any_schedule_holds(made, n_procs):
    tasks = {str(i): Task(length, n, i) for i, (length, n, _) in enumerate(made)}
    needs = {str(i): [str(k) for k in ks if k < i] for i, (_, _, ks) in enumerate(made)}
    times = schedule(tasks, needs, n_procs)
    assert times.keys() == tasks.keys()
    for name, (begin, end) in times.items():
        assert end - begin == pytest.approx(tasks[name].duration_s)
        assert all(times[need][1] <= begin for need in needs[name])
        held = sum(
            min(tasks[other].n_procs, n_procs)
            for other, (first, last) in times.items()
            if first <= begin < last
        )
        assert held <= n_procs
    work = sum(min(t.n_procs, n_procs) * t.duration_s for t in tasks.values()) / n_procs
    assert makespan(times) >= work * (1 - 1e-9)
    assert makespan(times) <= sum(t.duration_s for t in tasks.values()) * (1 + 1e-9)


def seen(times, needs, **n_procs):
    ready = {
        name: max((times[need][1] for need in needs[name]), default=None)
        if name in needs
        else None
        for name in times
    }
    return observe(times, ready, dict.fromkeys(times, 1) | n_procs)


def test_processors_and_delay_are_seen_in_what_happened():
    tasks = {str(i): Task(3.0 + i % 4, rank=i) for i in range(20)}
    tasks["0"] = Task(3.0, delay_s=0.0)
    needs = {str(i): [str(i // 2 - 1)] for i in range(2, 20)}
    engine = Engine(delay_s=0.25)
    found = schedule(tasks, needs, 3, engine)
    n_procs, delay, delays = seen(found, needs)
    assert n_procs == 3
    assert delay.delay_s == pytest.approx(0.25)
    assert delay.look_s == 0
    assert delays == pytest.approx(dict.fromkeys(tasks, 0.25) | {"0": 0.0})


def test_what_begins_together_has_waited_for_a_processor_of_its_own():
    # Two end, and half a second later two begin: neither has waited since the first end.
    times = {"a": (0.0, 1.0), "b": (0.0, 1.4), "c": (1.5, 3.0), "d": (1.5, 3.1)}
    assert seen(times, {})[2] == pytest.approx({"a": 0, "b": 0, "c": 0.5, "d": 0.1})
    # One of two processors takes the one that was free for longest, and then the next.
    wide = {"a": (0.0, 1.0), "b": (0.0, 2.0), "c": (2.2, 3.0)}
    assert seen(wide, {}, c=2)[2] == pytest.approx({"a": 0, "b": 0, "c": 0.2})


def test_a_schedule_that_happened_is_put_in_time_as_it_was():
    times = {"a": (0.0, 1.0), "b": (0.0, 1.5), "c": (1.3, 2.0), "d": (1.6, 3.0), "e": (3.4, 4.0)}
    needs = {"e": ["d"]}
    n_procs, engine, delays = seen(times, needs)
    tasks = {
        name: Task(end - begin, rank=begin, delay_s=delays.get(name))
        for name, (begin, end) in times.items()
    }
    again = schedule(tasks, needs, n_procs, engine)
    assert {name: pytest.approx(at) for name, at in again.items()} == times


def test_that_an_engine_looks_is_seen():
    tasks = {str(i): Task(0.7 + i % 5, rank=i) for i in range(20)}
    needs = {str(i): [str(i - 3)] for i in range(3, 20)}
    found = schedule(tasks, needs, 2, Engine(look_s=LOOK_S))
    assert seen(found, needs) == (2, Engine(look_s=LOOK_S, late_s=LATE_S), {})


def test_one_node_that_begins_late_does_not_hide_it():
    begins = [0.0, 1.26, 5.2, 7.2, 9.18, 11.18, 13.22, 15.2]
    times = {str(i): (begin, begin + 0.5) for i, begin in enumerate(begins)}
    assert seen(times, {})[1] == Engine(look_s=LOOK_S, late_s=pytest.approx(0.79, abs=0.03))
    # Steps of a log begin on whole seconds, and no engine looked.
    assert observe(times, {}, dict.fromkeys(times, 1), may_look=False)[1].look_s == 0
    uneven = [0.0, 1.26, 4.1, 5.4, 8.9, 10.2, 13.1, 15.2]
    times = {str(i): (begin, begin + 0.5) for i, begin in enumerate(uneven)}
    assert seen(times, {})[1].look_s == 0


def test_one_that_was_told_to_look_oftener_is_seen_too():
    tasks = {str(i): Task(0.13 + 0.21 * (i % 5), rank=i) for i in range(20)}
    needs = {str(i): [str(i - 3)] for i in range(3, 20)}
    for look_s in (0.5, 1.0, 5.0):
        found = schedule(tasks, needs, 2, Engine(look_s=look_s))
        assert seen(found, needs) == (2, Engine(look_s=look_s, late_s=LATE_S), {})


def test_nothing_to_see():
    assert observe({}, {}, {}) == (1, Engine(), {})
    assert seen({"a": (5.0, 7.0)}, {}) == (1, Engine(), {"a": 0.0})


def test_many_tasks_are_put_in_time_at_once():
    tasks = {str(i): Task(1.0 + i % 7, rank=i) for i in range(20_000)}
    found = schedule(tasks, {}, 16)
    assert makespan(found) == pytest.approx(
        sum(t.duration_s for t in tasks.values()) / 16, rel=0.01
    )
