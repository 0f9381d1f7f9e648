# SPDX-License-Identifier: Apache-2.0
"""No call from an engine to the meter can raise into a pipeline: found in the code, one by one.

A call is safe through a door (a function of the meter whose body is one ``try`` that catches every
Exception), inside such a ``try`` of the engine's own, or in a function that is only called so.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path

import pytest
from doors import DOORS

import nicarbon.engines

ENGINES = Path(nicarbon.engines.__file__).parent
# They open a run before anything is run, say what is wrong with the run folder, or are plain data.
BEFORE_THE_PIPELINE = {"Session", "SessionError", "RunContext"}
N_CALLS = 20


def modules():
    return {
        path.stem: ast.parse(path.read_text())
        for path in sorted(ENGINES.glob("*.py"))
        if path.stem != "__init__"
    }


def catches_all(node):
    """Whether a statement catches every Exception of its body."""
    if isinstance(node, ast.With):
        return any("suppress(Exception)" in ast.unparse(item) for item in node.items)
    return isinstance(node, ast.Try) and any(
        isinstance(handler.type, ast.Name) and handler.type.id == "Exception"
        for handler in node.handlers
    )


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_door_lets_no_exception_out(door):
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(door))).body
    for statement in function.body:
        inside = statement.body if isinstance(statement, ast.If) else [statement]
        for part in inside:
            calls = any(isinstance(node, ast.Call) for node in ast.walk(part))
            assert catches_all(part) or not calls, ast.unparse(part)


class Calls(ast.NodeVisitor):
    """Calls in one module: who calls what, and whether what it raises is caught there."""

    def __init__(self, tree):
        self.meters = set()  # Names in this module that stand for something of the meter.
        self.found = []
        self._functions = []
        self._caught = 0
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("nicarbon.meter"):
                self.meters |= {alias.name for alias in node.names}
        self.visit(tree)

    def visit_FunctionDef(self, node):
        self._functions.append(node.name)
        caught, self._caught = self._caught, 0
        self.generic_visit(node)
        self._caught = caught
        self._functions.pop()

    def _visit_catching(self, node):
        inside = catches_all(node)
        self._caught += inside
        for statement in node.body:
            self.visit(statement)
        self._caught -= inside
        for name in ("handlers", "orelse", "finalbody", "items"):
            for child in getattr(node, name, ()):
                self.visit(child)

    visit_Try = _visit_catching  # noqa: N815
    visit_With = _visit_catching  # noqa: N815

    def visit_Call(self, node):
        self.generic_visit(node)
        function = self._functions[-1] if self._functions else ""
        name = ast.unparse(node.func)
        self.found.append((function, name, self._caught > 0))

    def of_the_meter(self):
        for function, name, caught in self.found:
            head = name.split(".")[0]
            if head in self.meters or "session." in name:
                yield function, name, caught


def test_no_call_to_the_meter_can_raise_into_a_pipeline():
    every = {name: Calls(tree) for name, tree in modules().items()}
    calls = [call for module in every.values() for call in module.found]

    def only_called_safely(function, seen=()):
        """Whether all that call a function of the engines catch what it raises."""
        callers = [(by, caught) for by, name, caught in calls if name.split(".")[-1] == function]
        return bool(callers) and all(
            caught or (by not in seen and only_called_safely(by, (*seen, function)))
            for by, caught in callers
        )

    n_calls = 0
    for module, found in every.items():
        for function, name, caught in found.of_the_meter():
            n_calls += 1
            safe = caught or name in {*DOORS, *BEFORE_THE_PIPELINE} or only_called_safely(function)
            assert safe, f"{module}.{function} calls {name}"
    assert n_calls >= N_CALLS
