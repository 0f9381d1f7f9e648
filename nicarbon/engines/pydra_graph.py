# SPDX-License-Identifier: Apache-2.0
"""Executed pydra workflows as one graph: nested workflows opened up, splits as their elements.

A workflow is constructed when its inputs are there, and is over when all its nodes are; so what
it needs, its first nodes need, and what needs it, needs its last ones. Nothing of pydra is
imported here, and no input is kept: state values are, if they were asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

# More edges than this between two splits, each element to each, go through one node that stands
# for all elements of the first.
_MOST_EDGES = 256
# How tasks call the number of processors that they are given.
_THREADS = ("num_threads", "n_threads", "nthreads", "n_procs", "threads", "sgeThreads")
_LONGEST_VALUE = 120


class Step(NamedTuple):
    """A node of a workflow, its elements told apart.

    Attributes
    ----------
    name : str
        Its name in its workflow.
    facts : dict
        What is known of each of its elements, as `nicarbon.records.Node` has it.
    elements : dict
        State, as texts, by index; the index is None where the node is not split.
    started : bool
        Whether the elements are known.
    split : bool
        Whether it is split.
    """

    name: str
    facts: dict[str, Any]
    elements: dict[int | None, tuple[str, ...]]
    started: bool
    split: bool = False


class Expansion(NamedTuple):
    """A workflow's nodes, and which element needs which.

    Attributes
    ----------
    steps : dict
        Nodes by name.
    needs : list of tuple
        Source and target, by name, and the pairs of their elements; None for each with each.
    """

    steps: dict[str, Step]
    needs: list[tuple[str, str, list[tuple[int | None, int | None]] | None]]


def expansion(graph: Any, values: bool = False) -> Expansion:
    """Describe the execution graph of a workflow that runs, or has run.

    Parameters
    ----------
    graph : pydra.engine.graph.DiGraph
        Its nodes are ``NodeExecution``.
    values : bool
        Whether to keep state values beside their indices: they may name people.
    """
    steps = {node.name: _step(node, values) for node in graph.nodes}
    executions = {node.name: node for node in graph.nodes}
    needs = []
    for source, target in ((a.name, b.name) for a, b in graph.edges):
        pairs = None
        if steps[source].started and steps[target].started:
            pairs = _pairs(executions[source], executions[target])
        needs.append((source, target, pairs))
    return Expansion(steps, needs)


def element(name: str, index: int | None) -> str:
    """Return the name of an element of a node."""
    return name if index is None else f"{name}[{index}]"


def flattened(
    root: str, task: Any, expansions: dict[str, Expansion]
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Return nodes, as `nicarbon.records.Node` has them, and edges, as pairs of their names.

    Parameters
    ----------
    root : str
        Name of the outermost job.
    task : pydra.compose.base.Task
        Its task.
    expansions : dict
        Workflows that ran, by their names. Others are nodes: found in the cache, or never begun.
    """
    found = _Flat(expansions)
    found.add(root, "", described(task), (), None)
    return found.nodes, found.edges


class _Flat:
    """Nodes and edges of opened workflows, as they are put together."""

    def __init__(self, expansions: dict[str, Expansion]) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[tuple[str, str]] = []
        self._expansions = expansions
        self._collectors: set[str] = set()

    def add(
        self,
        name: str,
        workflow: str,
        facts: dict[str, Any],
        state: tuple[str, ...],
        map_node: bool | None,
    ) -> tuple[list[str], list[tuple[str, list[str]]]]:
        """Add a node, or what it holds; return its first nodes, and its last by their step."""
        opened = self._expansions.get(name)
        if opened is None:
            node = {"name": name, "workflow": workflow, **facts, "map_node": bool(map_node)}
            self.nodes.append({**node, "state": state} if state else node)
            return [name], [(name, [name])]
        own = name.rpartition("/")[2].partition("[")[0]
        inside = f"{workflow}.{own}" if workflow else own
        firsts: dict[str, dict[int | None, list[str]]] = {}
        lasts: dict[str, dict[int | None, list[tuple[str, list[str]]]]] = {}
        for step in opened.steps.values():
            firsts[step.name], lasts[step.name] = {}, {}
            for index, of_element in self._elements(step):
                full = element(f"{name}/{step.name}", index)
                elements = step.split and not step.started
                first, last = self.add(full, inside, step.facts, of_element, elements)
                firsts[step.name][index] = first
                lasts[step.name][index] = last
        for source, target, pairs in opened.needs:
            self._connect(f"{name}/{source}", lasts[source], firsts[target], pairs)
        targets = {target for _, target, _ in opened.needs}
        sources = {source for source, _, _ in opened.needs}
        begin = _joined(_joined(firsts[step].values()) for step in firsts if step not in targets)
        ends = {step: _joined(lasts[step].values()) for step in lasts if step not in sources}
        return begin, [(f"{name}/{k}", _joined(ns for _, ns in of)) for k, of in ends.items()]

    @staticmethod
    def _elements(step: Step) -> Iterator[tuple[int | None, tuple[str, ...]]]:
        yield from step.elements.items() if step.started else [(None, ())]

    def _connect(
        self,
        source: str,
        lasts: dict[int | None, list[tuple[str, list[str]]]],
        firsts: dict[int | None, list[str]],
        pairs: list[tuple[int | None, int | None]] | None,
    ) -> None:
        if pairs is not None:
            for a, b in pairs:
                for group, names in lasts[a]:
                    self._all_to_all(group, names, firsts[b])
            return
        before = [name for _, names in _joined(lasts.values()) for name in names]
        self._all_to_all(source, before, _joined(firsts.values()))

    def _all_to_all(self, group: str, before: list[str], after: list[str]) -> None:
        if len(before) * len(after) <= max(_MOST_EDGES, len(before) + len(after)):
            self.edges += [(a, b) for a in before for b in after]
            return
        if group not in self._collectors:
            self._collectors.add(group)
            self.nodes.append({"name": group, "stage": "engine", "collects": True})
            self.edges += [(name, group) for name in before]
        self.edges += [(group, name) for name in after]


def _joined(lists: Iterable[list[Any]]) -> list[Any]:
    return [item for items in lists for item in items]


def described(task: Any) -> dict[str, Any]:
    """Describe a task, without its inputs: they name subjects."""
    kind = type(task)
    # A class that is made of a function says `types`: where the function is, tells more.
    function = getattr(task, getattr(kind, "_executor_name", None) or "", None)
    made_of = getattr(function, "__module__", None) if callable(function) else None
    facts: dict[str, Any] = {"interface": f"{made_of or kind.__module__}.{kind.__name__}"}
    program = _program(task)
    if program:
        facts["program"] = program
    threads = [getattr(task, name, None) for name in _THREADS]
    known = [n for n in threads if isinstance(n, int) and not isinstance(n, bool) and n > 0]
    if known:
        facts["n_procs"] = known[0]
    stage = vars(kind).get("stage")
    if isinstance(stage, str):
        facts["stage"] = stage
    return facts


def is_workflow(task: Any) -> bool:
    """Tell whether a task is a workflow."""
    return bool(type(task)._task_type() == "workflow")


def _program(task: Any) -> str:
    """Return the executable of a shell task, without its folder."""
    executable = getattr(task, "executable", None)
    if isinstance(executable, (list, tuple)):
        executable = executable[0] if executable else None
    if not isinstance(executable, str):
        return ""
    words = executable.split()
    return words[0].rpartition("/")[2] if words else ""


def _step(execution: Any, values: bool) -> Step:
    jobs, state = execution._tasks, execution.node.state
    elements: dict[int | None, tuple[str, ...]] = {}
    for index in jobs or ():
        elements[index] = _state(state, index, values) if state and index is not None else ()
    facts = described(execution.node._task)
    return Step(execution.name, facts, elements, jobs is not None, bool(state))


def _state(state: Any, index: int, values: bool) -> tuple[str, ...]:
    indices = [f"{name}={number}" for name, number in state.states_ind[index].items()]
    if not values:
        return tuple(indices)
    said = state.states_val[index].items()
    return (*indices, *(f"{name}: {str(value)[:_LONGEST_VALUE]}" for name, value in said))


def _pairs(source: Any, target: Any) -> list[tuple[int | None, int | None]] | None:
    """Return which elements of one node those of another need; None for all of each.

    An element needs those that come of the same values of the splits that both have.
    """
    before, after = source.node.state, target.node.state
    if not before or not after or not source._tasks or not target._tasks:
        return None
    combined = set(before.combiner or ())
    indices, needing = before.states_ind, after.states_ind
    shared = sorted((set(indices[0]) - combined) & set(needing[0]))
    if not shared:
        return None
    by_state: dict[tuple[int, ...], list[int]] = {}
    for number, state in enumerate(indices):
        by_state.setdefault(tuple(state[key] for key in shared), []).append(number)
    return [
        (a, b)
        for b, state in enumerate(needing)
        for a in by_state.get(tuple(state[key] for key in shared), ())
    ]
