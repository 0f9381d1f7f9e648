# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest

from nicarbon.engines import pydra_graph
from nicarbon.engines.pydra_graph import described, element, expansion, flattened, is_workflow


class Task:
    @classmethod
    def _task_type(cls):
        return "python"


class Shell(Task):
    executable = "/opt/fsl/bin/bet"
    num_threads = 4
    stage = "brain extraction"


class Flow(Task):
    @classmethod
    def _task_type(cls):
        return "workflow"


def node(name, states=None, combiner=(), values=None, n=None, task=None):
    """An execution as pydra has it: split where states are given, not begun where n is 0."""
    state = None
    if states is not None:
        state = SimpleNamespace(states_ind=states, states_val=values or states, combiner=combiner)
    keys = [None] if states is None else range(len(states))
    return SimpleNamespace(
        name=name,
        node=SimpleNamespace(_task=task or Task(), state=state),
        _tasks=None if n == 0 else dict.fromkeys(keys),
    )


def graph(nodes, *edges):
    by_name = {n.name: n for n in nodes}
    return SimpleNamespace(nodes=nodes, edges=[(by_name[a], by_name[b]) for a, b in edges])


def states(name, n):
    return [{name: i} for i in range(n)]


def edges_of(found):
    return set(flattened("main", Flow(), {"main": expansion(found)})[1])


def test_an_element_needs_that_of_the_same_values():
    a, b = node("a", states("a.x", 2)), node("b", states("a.x", 2))
    assert edges_of(graph([a, b], ("a", "b"))) == {
        ("main/a[0]", "main/b[0]"),
        ("main/a[1]", "main/b[1]"),
    }


def test_what_is_combined_is_needed_whole():
    a, b = node("a", states("a.x", 2), combiner=["a.x"]), node("b", states("a.x", 2))
    assert len(edges_of(graph([a, b], ("a", "b")))) == 4
    assert edges_of(graph([a, node("c")], ("a", "c"))) == {
        ("main/a[0]", "main/c"),
        ("main/a[1]", "main/c"),
    }


def test_splits_of_which_one_is_shared():
    a = node("a", states("a.x", 2))
    both = [{"a.x": i, "b.y": k} for i in range(2) for k in range(2)]
    found = edges_of(graph([a, node("b", both)], ("a", "b")))
    assert found == {(f"main/a[{i}]", f"main/b[{2 * i + k}]") for i in (0, 1) for k in (0, 1)}


def test_large_splits_meet_in_one_node():
    a, b = node("a", states("a.x", 40), combiner=["a.x"]), node("b", states("b.y", 40))
    nodes, edges = flattened("main", Flow(), {"main": expansion(graph([a, b], ("a", "b")))})
    assert len(edges) == 80
    (collector,) = [n for n in nodes if n.get("collects")]
    assert collector["name"] == "main/a"


def test_nested_workflows_are_opened_between_what_they_need_and_what_needs_them():
    sub = node("sub", states("sub.x", 2), task=Flow())
    top = graph([node("first"), sub, node("last")], ("first", "sub"), ("sub", "last"))
    inner = expansion(graph([node("a"), node("b"), node("c")], ("a", "b")))
    opened = {"main": expansion(top), "main/sub[0]": inner}
    nodes, edges = flattened("main", Flow(), opened)
    # The second was found in the cache: it stays a node.
    assert [n["name"] for n in nodes] == [
        "main/first",
        *(f"main/sub[0]/{name}" for name in "abc"),
        "main/sub[1]",
        "main/last",
    ]
    assert set(edges) == {
        ("main/sub[0]/a", "main/sub[0]/b"),
        ("main/first", "main/sub[0]/a"),
        ("main/first", "main/sub[0]/c"),
        ("main/first", "main/sub[1]"),
        ("main/sub[0]/b", "main/last"),
        ("main/sub[0]/c", "main/last"),
        ("main/sub[1]", "main/last"),
    }
    by_name = {n["name"]: n for n in nodes}
    assert by_name["main/sub[0]/a"]["workflow"] == "main.sub"
    assert by_name["main/sub[1]"]["state"] == ("sub.x=1",)


def test_a_node_that_has_not_begun_stands_for_its_elements():
    steps = [node("a"), node("b", [], n=0), node("c", n=0)]
    nodes, edges = flattened(
        "main", Flow(), {"main": expansion(graph(steps, ("a", "b"), ("b", "c")))}
    )
    assert edges == [("main/a", "main/b"), ("main/b", "main/c")]
    assert [n["map_node"] for n in nodes] == [False, True, False]


def test_a_job_that_is_no_workflow_is_one_node():
    assert flattened("main", Shell(), {}) == (
        [
            {
                "name": "main",
                "workflow": "",
                "interface": f"{__name__}.Shell",
                "program": "bet",
                "n_procs": 4,
                "stage": "brain extraction",
                "map_node": False,
            }
        ],
        [],
    )


@pytest.mark.parametrize(
    ("executable", "program"),
    [("fslmaths -dt", "fslmaths"), (["sh", "-c"], "sh"), ([], None), ("", None), (3, None)],
)
def test_the_program_of_a_task(executable, program):
    task = Task()
    task.executable = executable
    assert described(task).get("program") == program


def test_a_task_that_is_made_of_a_function_is_where_the_function_is():
    task = Task()
    task.function, Task._executor_name = element, "function"
    try:
        assert described(task)["interface"] == "nicarbon.engines.pydra_graph.Task"
    finally:
        del Task._executor_name


def test_values_only_where_they_are_asked_for():
    a = node("a", states("a.x", 1), values=[{"a.x": "sub-01" * 100}])
    assert expansion(graph([a])).steps["a"].elements == {0: ("a.x=0",)}
    told = expansion(graph([a]), values=True).steps["a"].elements[0][1]
    assert told.startswith("a.x: sub-01sub-01")
    assert len(told) == len("a.x: ") + pydra_graph._LONGEST_VALUE


def test_names_of_elements():
    assert (element("a", None), element("a", 0)) == ("a", "a[0]")
    assert (is_workflow(Flow()), is_workflow(Task())) == (True, False)
