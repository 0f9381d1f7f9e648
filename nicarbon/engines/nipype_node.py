# SPDX-License-Identifier: Apache-2.0
"""The envelope around a nipype node: what travels to the process that executes it.

The node inside is never modified. What nipype writes (hashes, pickles, results, crash files) is
written by the plain node and names nothing of nicarbon. This module imports nothing of nipype
until a node runs.
"""

from __future__ import annotations

import os
from copy import deepcopy
from typing import Any

from nicarbon.engines.nipype_elements import elements_metered
from nicarbon.meter import span
from nicarbon.meter.messages import fail
from nicarbon.meter.recorder import RunContext


class Envelope:
    """A node that is metered when it runs, and that is the node itself in every other respect.

    ``isinstance`` and ``__class__`` answer as the node does; attributes are the node's. A copy
    (plugins that ship nodes to workers ship copies) pickles as an envelope while it is armed;
    everything else pickles as the plain node.

    Parameters
    ----------
    node : nipype.pipeline.engine.nodes.Node
        The node of the executed graph.
    context : RunContext
        The run.
    name : str
        The node's unique name in the executed graph.
    place : tuple of (str, int), optional
        Name of the MapNode that it is an element of, and its index there.
    armed : bool
        Whether this very object travels to a worker.
    """

    __slots__ = ("__weakref__", "_nicarbon_armed", "_nicarbon_node", "_nicarbon_of")

    def __init__(
        self,
        node: Any,
        context: RunContext,
        name: str,
        place: tuple[str, int] | None = None,
        armed: bool = False,
    ) -> None:
        set_own = object.__setattr__
        set_own(self, "_nicarbon_node", node)
        set_own(self, "_nicarbon_of", (context, name, place))
        set_own(self, "_nicarbon_armed", armed)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The node's class: niworkflows' plugin compares class names."""
        return type(self._nicarbon_node)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_nicarbon_node"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._nicarbon_node, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._nicarbon_node, name)

    def __dir__(self) -> list[str]:
        return dir(self._nicarbon_node)

    def __repr__(self) -> str:
        return repr(self._nicarbon_node)

    def __str__(self) -> str:
        return str(self._nicarbon_node)

    def __deepcopy__(self, memo: dict[int, Any]) -> Envelope:
        context, name, place = self._nicarbon_of
        return Envelope(deepcopy(self._nicarbon_node, memo), context, name, place, armed=True)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._nicarbon_armed:
            return _arrive, (self._nicarbon_node, *self._nicarbon_of)
        return self._nicarbon_node.__reduce_ex__(protocol)

    def get_subnodes(self) -> list[Any]:
        """Return the MapNode's elements, each in an envelope."""
        nodes: list[Any] = self._nicarbon_node.get_subnodes()
        try:
            return [self._element(node, index) for index, node in enumerate(nodes)]
        except Exception as error:
            fail(error)
            return nodes

    def run(self, updatehash: bool = False) -> Any:
        """Run the node as nipype would, metered."""
        context, name, place = self._nicarbon_of
        object.__setattr__(self, "_nicarbon_armed", False)
        node = self._nicarbon_node
        started = span.begin(context, name, *(place or ()))
        outcome, error = "ran", None
        path = before = elements = None
        try:
            path = _result_path(node)
            before = _identity(path)
            is_map_node = hasattr(node, "iterfield")
            if is_map_node or place is not None:
                elements = elements_metered(self._element if is_map_node else None)
                elements.__enter__()
        except Exception as problem:
            fail(problem)
        try:
            return node.run(updatehash=updatehash)
        except BaseException as exception:
            outcome, error = "failed", type(exception).__name__
            raise
        finally:
            made_of = None
            try:
                if elements is not None:
                    elements.__exit__()
                if outcome == "ran" and before is not None and before == _identity(path):
                    outcome = "cached"
                made_of = inputs_hash(node)
            except Exception as problem:
                fail(problem)
            span.end(context, started, outcome, error, made_of)

    def _nicarbon_found(self) -> None:
        """Record that the engine found the node's result and will not run it."""
        context, name, place = self._nicarbon_of
        map_node, index = place or (None, None)
        span.cached(context, name, map_node, index, inputs_hash(self._nicarbon_node))

    def _element(self, node: Any, index: int) -> Envelope:
        context, name, _ = self._nicarbon_of
        return Envelope(node, context, f"{name}[{index}]", (name, index))


def plain(node: Any) -> Any:
    """Return the node inside an envelope, or the node itself."""
    return node._nicarbon_node if type(node) is Envelope else node


def _arrive(node: Any, context: Any, name: str, place: tuple[str, int] | None) -> Envelope:
    """Unpickle an envelope in the process that runs the node."""
    return Envelope(node, RunContext(*context), name, place)


def inputs_hash(node: Any) -> str | None:
    """Return what nipype made of the node's inputs, if it came so far; computes nothing."""
    try:
        value = node._hashvalue
    except Exception:
        return None
    return value if isinstance(value, str) else None


def _result_path(node: Any) -> str | None:
    try:
        return f"{node.output_dir()}/result_{node.name}.pklz"
    except Exception:
        return None


def _identity(path: str | None) -> tuple[int, int, int] | None:
    """Identify the node's result file: the same before and after means that it was cached.

    Right for each kind of node, a MapNode that only collects its elements' results included.
    """
    # Asked first: that it is missing is the common case, and an exception costs more.
    if path is None or not os.access(path, os.F_OK):
        return None
    try:
        result = os.stat(path)
    except OSError:
        return None
    return result.st_ino, result.st_mtime_ns, result.st_size
