# SPDX-License-Identifier: Apache-2.0
"""Do something when a module is imported, and import nothing for it."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def after_import(name: str, install: Callable[[ModuleType], None]) -> None:
    """Call a function with a module once it has been imported; at once where it has been.

    Parameters
    ----------
    name : str
        The module's full name.
    install : callable
        Takes the module.
    """
    module = sys.modules.get(name)
    if module is not None:
        install(module)
    else:
        sys.meta_path.insert(0, _Hook(name, install))


class _Hook(importlib.abc.MetaPathFinder):
    """Finds one module as usual, and wraps what executes it."""

    def __init__(self, name: str, install: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.install = install

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Answer for the one module, for no other."""
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            # Being looked for is not being imported yet.
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                self.install(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
