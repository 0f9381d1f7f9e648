# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import threading

import pytest

from nicarbon.engines.nipype_elements import elements_metered

nodes = pytest.importorskip("nipype.pipeline.engine.nodes")


def run(elements):
    """Do what a MapNode does; return what its function was given."""
    return nodes._node_runner(enumerate(elements))


@pytest.fixture(autouse=True)
def original(monkeypatch):
    def runner(elements):
        return [element for _, element in elements]

    monkeypatch.setattr(nodes, "_node_runner", runner)
    return runner


def named(name):
    return lambda element, index: (name, element, index)


def test_elements_are_wrapped_while_their_map_node_runs(original):
    with elements_metered(named("m")):
        assert run("ab") == [("m", "a", 0), ("m", "b", 1)]
        with elements_metered(None):
            assert run("c") == ["c"]
        with elements_metered(named("inner")):
            assert run("d") == [("inner", "d", 0)]
        assert run("e") == [("m", "e", 0)]
    assert nodes._node_runner is original
    assert run("f") == ["f"]


@pytest.mark.parametrize("ends_first", [0, 1])
def test_map_nodes_of_two_threads_keep_to_their_own(original, ends_first):
    found = {}
    steps = [[threading.Event() for _ in range(3)] for _ in range(2)]

    def map_node(number):
        began, goes_on, ends = steps[number]
        with elements_metered(named(number)):
            began.set()
            goes_on.wait(5)
            found[number] = run("x")
            ends.wait(5)

    threads = [threading.Thread(target=map_node, args=(number,)) for number in range(2)]
    for thread, (began, _, _) in zip(threads, steps, strict=True):
        thread.start()
        assert began.wait(5)
    # A thread in which no MapNode of a metered run is running is left alone.
    assert run("y") == ["y"]
    for number in (ends_first, 1 - ends_first):
        assert nodes._node_runner is not original
        for step in steps[number]:
            step.set()
        threads[number].join(5)
    assert found == {0: [(0, "x", 0)], 1: [(1, "x", 0)]}
    assert nodes._node_runner is original


def test_what_somebody_else_put_there_meanwhile_stays(monkeypatch):
    with elements_metered(named("m")):
        monkeypatch.setattr(nodes, "_node_runner", list)
    assert nodes._node_runner is list


def test_a_failure_puts_it_back(original):
    def fail():
        with elements_metered(named("m")):
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        fail()
    assert nodes._node_runner is original
    assert run("x") == ["x"]


def test_a_forked_child_counts_for_itself(original):
    """The child has no other thread: what those of its parent began never ends in it."""
    began, ends = threading.Event(), threading.Event()

    def other():
        with elements_metered(named("other")):
            began.set()
            ends.wait(5)

    thread = threading.Thread(target=other)
    thread.start()
    assert began.wait(5)
    pid = os.fork()
    if pid == 0:
        with elements_metered(named("m")):
            kept = run("x") == [("m", "x", 0)]
        os._exit(0 if kept and nodes._node_runner is original else 1)
    ends.set()
    thread.join(5)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
