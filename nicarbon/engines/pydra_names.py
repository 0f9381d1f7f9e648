# SPDX-License-Identifier: Apache-2.0
"""Metered workers by name: what ``pydra/workers/nicarbon_*.py`` offer to pydra.

pydra imports every module of that folder whenever anybody names a worker, and takes what is called
``Worker`` in each. One that raises would take all other workers along: they offer nothing instead.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import Any

OLDEST = "1.0a9"
INSTALL = "pip install 'nicarbon[pydra]'"


def named(name: str) -> Any:
    """Return the class that stands for the metered twin of a worker.

    Parameters
    ----------
    name : str
        pydra's name of the worker.

    Raises
    ------
    ImportError
        If there is no pydra, or one that is too old.
    """
    import pydra.engine.submitter  # noqa: F401  # pydra.workers needs it first.
    from pydra.workers.base import Worker

    def make(kind: type, /, **options: Any) -> Any:
        from nicarbon.engines.pydra import worker

        return worker(name, **options)

    # Whoever asks is told that it is a worker; what is made of it is the twin of the real one.
    module = f"pydra.workers.nicarbon_{name}"
    content = {"__new__": make, "__module__": module, "run": None, "_plugin_name": name}
    return type("Worker", (Worker,), content)


def require() -> None:
    """Refuse a pydra that is missing or too old.

    Raises
    ------
    ImportError
        If it is; the message says what to install.
    """
    if importlib.util.find_spec("pydra") is None or _version() is None:
        raise ImportError(f"pydra is not installed: {INSTALL}")
    if importlib.util.find_spec("pydra.compose") is None:
        raise ImportError(f"pydra {_version()} is too old, {OLDEST} is needed: {INSTALL}")


def _version() -> str | None:
    try:
        return importlib.metadata.version("pydra")
    except importlib.metadata.PackageNotFoundError:
        return None
