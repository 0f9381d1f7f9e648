# SPDX-License-Identifier: Apache-2.0
"""Functions of nipype's that plugins use by name, wrapped while a metered plugin runs.

A plugin may be anybody's, and may hold another one inside; what all of them call is the same few
functions. What is wrapped passes on all that is no envelope, so that workflows in other threads,
metered or not, notice nothing.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from nicarbon.engines.nipype_node import plain
from nicarbon.engines.nipype_script import with_prelude
from nicarbon.meter.messages import fail

Function = Callable[..., Any]

_NIPYPES = ("nipype.pipeline.plugins.base", "nipype.pipeline.plugins.linear")


def with_plain_node(original: Function) -> Function:
    """Wrap ``report_crash`` so that the crash file holds the plain node."""

    @functools.wraps(original)
    def report_crash(node: Any, *args: Any, **kwargs: Any) -> Any:
        return original(plain(node), *args, **kwargs)

    return report_crash


_WRAPPERS: dict[str, Callable[[Function], Function]] = {
    "create_pyscript": with_prelude,
    "report_crash": with_plain_node,
}

_lock = threading.Lock()
_users: dict[tuple[str, str], int] = {}


@contextlib.contextmanager
def names_wrapped(plugin: Any) -> Iterator[None]:
    """While a plugin runs, wrap the functions that it may use.

    Parameters
    ----------
    plugin : object
        They are wrapped where nipype's plugins look for them, and where its own classes may.
    """
    wrapped: list[tuple[ModuleType, str]] = []
    try:
        with _lock:
            for module, name in _homes(plugin):
                key = (module.__name__, name)
                if not _users.get(key):
                    setattr(module, name, _WRAPPERS[name](getattr(module, name)))
                _users[key] = _users.get(key, 0) + 1
                wrapped.append((module, name))
    except Exception as error:
        fail(error)
    try:
        yield
    finally:
        with _lock:
            for module, name in wrapped:
                key = (module.__name__, name)
                _users[key] -= 1
                if not _users[key]:
                    setattr(module, name, getattr(module, name).__wrapped__)


def _homes(plugin: Any) -> list[tuple[ModuleType, str]]:
    """Return the modules that use the functions, and under which names."""
    names = dict.fromkeys([*_NIPYPES, *(kind.__module__ for kind in type(plugin).__mro__)])
    modules = [sys.modules[name] for name in names if name in sys.modules]
    return [
        (module, name)
        for module in modules
        for name in _WRAPPERS
        if callable(getattr(module, name, None))
    ]
