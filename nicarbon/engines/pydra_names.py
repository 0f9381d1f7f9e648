# SPDX-License-Identifier: Apache-2.0
"""Metered workers by name: what ``pydra/workers/nicarbon_*.py`` offer to pydra.

pydra imports every module of that folder whenever anybody names a worker, and takes what is called
``Worker`` in each. One that raises would take all other workers along: they offer nothing instead.
"""

from __future__ import annotations

from typing import Any


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
