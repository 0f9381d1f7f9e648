# SPDX-License-Identifier: Apache-2.0
"""Energy and carbon of neuroimaging pipelines, per node, program and stage.

Importing this package loads nothing else: it is imported in every node's process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicarbon._version import __version__

if TYPE_CHECKING:
    import os

    from nicarbon.run import Run

__all__ = ["__version__", "open", "plugin"]


def plugin(
    plugin: Any = "MultiProc",
    /,
    *,
    run_dir: str | None = None,
    interval_s: float | None = None,
    **plugin_args: Any,
) -> Any:
    """Return the metered twin of a nipype plugin: see `nicarbon.engines.nipype.plugin`."""
    from nicarbon.engines import nipype

    return nipype.plugin(plugin, run_dir=run_dir, interval_s=interval_s, **plugin_args)


def open(path: str | os.PathLike[str]) -> Run:  # noqa: A001
    """Open a run folder: see `nicarbon.run.Run`."""
    from nicarbon.run import Run

    return Run.open(path)
