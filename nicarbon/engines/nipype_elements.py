# SPDX-License-Identifier: Apache-2.0
"""The elements that a MapNode runs in its own process: each is metered by itself.

nipype runs them by a function that it looks up in its own module, for all threads of the process.
So one function of ours stands there while any MapNode runs, and each thread says for itself which
MapNode's elements it is about to run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from nicarbon.meter.messages import fail

Wrap = Callable[[Any, int], Any]
"""Puts an envelope around the element of this index."""

_here = threading.local()
_original: Any = None


class _Inside:
    """How many MapNodes run in this process now.

    A forked child makes a count and a lock of its own: those of its parent's other threads are
    not its own.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n = 0


_inside: dict[int, _Inside] = {}


class elements_metered:  # noqa: N801  # A context manager, which is used as a function is.
    """While a MapNode runs in this thread, let the elements that it runs itself be metered.

    Parameters
    ----------
    wrap : callable or None
        Puts an envelope around an element; None for what runs inside an element: a MapNode in
        there is that element's own affair.
    """

    # No generator: it is entered for each element, and an element may take a millisecond.
    __slots__ = ("around", "module", "wrap")

    def __init__(self, wrap: Wrap | None) -> None:
        self.wrap = wrap
        self.module: Any = None

    def __enter__(self) -> None:
        if self.wrap is not None:
            from nipype.pipeline.engine import nodes as module

            # A nipype that runs elements otherwise: they count with their MapNode.
            if hasattr(module, "_node_runner"):
                self.module = module
                _enter(module)
        self.around: Wrap | None = getattr(_here, "wrap", None)
        _here.wrap = self.wrap

    def __exit__(self, *raised: object) -> None:
        _here.wrap = self.around
        if self.module is not None:
            _leave(self.module)


def _enter(module: Any) -> None:
    global _original
    inside = _inside.setdefault(os.getpid(), _Inside())
    with inside.lock:
        inside.n += 1
        if module._node_runner is not _runner:
            _original = module._node_runner
            module._node_runner = _runner


def _leave(module: Any) -> None:
    inside = _inside.setdefault(os.getpid(), _Inside())
    with inside.lock:
        inside.n -= 1
        # Whatever somebody else has put there since stays.
        if inside.n <= 0 and module._node_runner is _runner:
            module._node_runner = _original


def _runner(elements: Any, *args: Any, **kwargs: Any) -> Any:
    """Run elements as nipype does, in envelopes if they are those of this thread's MapNode."""
    wrap = getattr(_here, "wrap", None)
    if wrap is not None:
        elements = _wrapped(elements, wrap)
    return _original(elements, *args, **kwargs)


def _wrapped(elements: Any, wrap: Wrap) -> Iterator[tuple[int, Any]]:
    for index, element in elements:
        try:
            found = wrap(element, index)
        except Exception as error:
            fail(error)
            found = element
        yield index, found
