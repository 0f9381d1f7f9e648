# SPDX-License-Identifier: Apache-2.0
"""Energy and carbon of neuroimaging pipelines, per node, program and stage.

Importing this package loads nothing else: it is imported in every node's process.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__", "open", "plugin"]


def plugin(plugin="MultiProc", /, *, run_dir=None, interval_s=None, **plugin_args):  # type: ignore[no-untyped-def]
    """Return the metered twin of a nipype plugin: see `nicarbon.engines.nipype.plugin`."""
    from nicarbon.engines.nipype import plugin as metered

    return metered(plugin, run_dir=run_dir, interval_s=interval_s, **plugin_args)


def open(path):  # type: ignore[no-untyped-def]  # noqa: A001
    """Open a run folder: see `nicarbon.run.Run`."""
    from nicarbon.run import Run

    return Run.open(path)
