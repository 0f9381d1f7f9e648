# SPDX-License-Identifier: Apache-2.0
"""Energy and carbon of neuroimaging pipelines, per node, program and stage.

Importing this package loads nothing else: it is imported in every node's process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicarbon._version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Literal

    from nicarbon.run import Run

__all__ = ["__version__", "open", "plugin", "worker"]


def plugin(
    plugin: Any = "MultiProc",
    /,
    *,
    run_dir: str | None = None,
    interval_s: float | None = None,
    programs: Literal["seen", "exact"] = "seen",
    rules: Sequence[str | os.PathLike[str]] = (),
    **plugin_args: Any,
) -> Any:
    """Return the metered twin of a nipype plugin, to be passed to ``Workflow.run``.

    Parameters
    ----------
    plugin : str or object
        A plugin's name as nipype knows it (``"Linear"``, ``"MultiProc"`` ...), or a plugin
        object.
    run_dir : str, optional
        The run folder; by default a new one below ``nicarbon-runs`` in the working directory
        for each ``Workflow.run``. It is never overwritten.
    interval_s : float, optional
        Seconds between two samples. Accuracy does not depend on it. By default 1 s for the first
        five minutes, then 10 s.
    programs : {"seen", "exact"}
        How the programs inside nodes are told apart: by looks, or as the kernel tells of each.
    rules : sequence of path
        Rule files that tell the steps in the log of a pipeline inside a node.
    **plugin_args
        The plugin's own arguments; also taken as one dict, ``plugin_args={...}``, as
        ``Workflow.run`` does.

    Returns
    -------
    object
        What ``Workflow.run(plugin=...)`` takes.

    Raises
    ------
    ValueError
        If nipype has no plugin of this name, arguments are given with an object, or `programs`
        is neither.
    LogError
        If a rule file cannot be read, or says something that has no meaning.
    TypeError
        If it is neither a name nor an object that can run a graph.

    Examples
    --------
    >>> wf.run(plugin=nicarbon.plugin("MultiProc", n_procs=8))  # doctest: +SKIP
    """
    from nicarbon.engines import nipype

    return nipype.plugin(
        plugin,
        run_dir=run_dir,
        interval_s=interval_s,
        sampler_args=_of_programs(programs, rules),
        **plugin_args,
    )


def worker(
    worker: Any = "cf",
    /,
    *,
    run_dir: str | None = None,
    interval_s: float | None = None,
    programs: Literal["seen", "exact"] = "seen",
    rules: Sequence[str | os.PathLike[str]] = (),
    state_values: bool = False,
    **worker_args: Any,
) -> Any:
    """Return the metered twin of a pydra worker, to be passed to a ``Submitter``.

    Parameters
    ----------
    worker : str, type or object
        A worker's name as pydra knows it (``"cf"``, ``"debug"``, ``"slurm"`` ...), its class, or
        a worker object.
    run_dir : str, optional
        The run folder; by default a new one below ``nicarbon-runs`` in the working directory for
        each call of the submitter. It is never overwritten.
    interval_s, programs, rules
        As in `plugin`.
    state_values : bool
        Whether to record the values that tasks are split over, beside their indices: they may
        name people.
    **worker_args
        The worker's own arguments.

    Returns
    -------
    object
        What ``Submitter(worker=...)`` takes. By name alone, ``Submitter(worker="nicarbon-cf",
        n_procs=8)`` does the same.

    Raises
    ------
    ImportError
        If there is no pydra, or one before 1.0a9.
    ValueError
        If pydra has no worker of this name, arguments are given with an object, or `programs` is
        neither.
    LogError
        If a rule file cannot be read, or says something that has no meaning.

    Examples
    --------
    >>> Submitter(worker=nicarbon.worker("cf", n_procs=8))  # doctest: +SKIP
    """
    from nicarbon.engines import pydra

    return pydra.worker(
        worker,
        run_dir=run_dir,
        interval_s=interval_s,
        sampler_args=_of_programs(programs, rules),
        state_values=state_values,
        **worker_args,
    )


def _of_programs(programs: str, rules: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return what the sampler is told of programs and steps inside nodes."""
    if programs not in ("seen", "exact"):
        raise ValueError(f"programs={programs!r}: give 'seen' or 'exact'")
    found = ["--programs", "exact"] if programs == "exact" else []
    if rules:
        from nicarbon.logs.rulefile import for_sampler

        found += for_sampler(rules)
    return found


def open(path: str | os.PathLike[str]) -> Run:  # noqa: A001
    """Open a run folder; the run may still be going on, or have been killed.

    Parameters
    ----------
    path : path
        The run folder.

    Returns
    -------
    nicarbon.run.Run
        Its tables, graphs and summaries.

    Raises
    ------
    RunFolderError
        If it is no run folder, or cannot be read.
    SchemaError
        If a newer nicarbon wrote it.
    """
    from nicarbon.run import Run

    return Run.open(path)
