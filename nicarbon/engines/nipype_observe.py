# SPDX-License-Identifier: Apache-2.0
"""What a nipype plugin object does with its nodes, seen while it runs.

A few of its methods are shadowed on this one object, and put back after the run: which nodes it
finds in the cache, when it gives one to a scheduler, what it writes into crash files. A method
that a plugin does not have is not missed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from nicarbon._version import __version__
from nicarbon.engines.nipype_node import Envelope, plain
from nicarbon.meter import accounting, messages, span
from nicarbon.meter.recorder import RunContext

Method = Callable[..., Any]

_SCHEDULERS = ("SLURM", "SGE", "PBS", "LSF", "OAR", "Condor")

# A scheduler's accounts are a second or two late.
_PATIENCE_S = 5.0

# Evaluated by an engine of ipyparallel's: a name of ours would have to be imported there first.
_ENGINE_HAS = "__import__('nicarbon.engines.nipype_node') and __import__('nicarbon').__version__"


@contextlib.contextmanager
def observed(plugin: Any, context: RunContext) -> Iterator[None]:
    """While a plugin runs, record what it does with its nodes beside executing them.

    Parameters
    ----------
    plugin : object
        A nipype plugin.
    context : RunContext
        The run.
    """
    own: dict[str, Any] = {}
    try:
        for name, shadow in _SHADOWS.items():
            original = getattr(plugin, name, None)
            if callable(original):
                before = vars(plugin).get(name)
                setattr(plugin, name, shadow(plugin, original, context))
                own[name] = before
    except Exception as error:
        messages.fail(error)
    try:
        yield
    finally:
        try:
            for name, before in own.items():
                delattr(plugin, name)
                if before is not None:
                    setattr(plugin, name, before)
        except Exception as error:
            messages.fail(error)


def _task_finished(plugin: Any, original: Method, context: RunContext) -> Method:
    """See the nodes whose result the plugin finds without running them."""

    def task_finished(jobid: int, cached: bool = False) -> Any:
        try:
            node = plugin.procs[jobid]
            if cached and type(node) is Envelope:
                node._nicarbon_found()
        except Exception as error:
            messages.fail(error)
        return original(jobid, cached=True) if cached else original(jobid)

    return task_finished


def _report_crash(plugin: Any, original: Method, context: RunContext) -> Method:
    """Let crash files hold the plain node."""
    return lambda node, result=None: original(plain(node), result=result)


def _submit_batchtask(plugin: Any, original: Method, context: RunContext) -> Method:
    """See when a job was submitted, and its number."""

    def submit_batchtask(scriptfile: str, node: Any) -> Any:
        times = time.monotonic_ns(), time.time_ns()
        job_id = original(scriptfile, node)
        try:
            if type(node) is Envelope:
                name = node._nicarbon_of[1]
                span.submitted(context, name, times, _scheduler(plugin), str(job_id))
        except Exception as error:
            messages.fail(error)
        return job_id

    return submit_batchtask


def _submit_graph(plugin: Any, original: Method, context: RunContext) -> Method:
    """See when a whole graph was submitted; the numbers of its jobs are not told."""

    def submit_graph(pyfiles: list[str], dependencies: Any, nodes: list[Any]) -> Any:
        times = time.monotonic_ns(), time.time_ns()
        result = original(pyfiles, dependencies, nodes)
        try:
            skips = getattr(plugin, "_dont_resubmit_completed_jobs", False)
            for script, node in zip(pyfiles, nodes):
                if type(node) is not Envelope:
                    continue
                name = node._nicarbon_of[1]
                if skips and not _was_submitted(script):
                    node._nicarbon_found()
                else:
                    span.submitted(context, name, times, _scheduler(plugin))
        except Exception as error:
            messages.fail(error)
        return result

    return submit_graph


def _was_submitted(script: str) -> bool:
    """Tell whether a node's script was put into a script for the scheduler."""
    folder, name = os.path.split(script)
    return os.path.exists(os.path.join(folder, f"batchscript_{name.rsplit('.', 1)[0]}.sh"))


def _submit_job(plugin: Any, original: Method, context: RunContext) -> Method:
    """Give ipyparallel's engines plain nodes where one of them has no nicarbon.

    Which engine gets a node is its scheduler's choice, so that one without spoils it for all.
    """
    checked: set[int] = set()
    lacking: list[str] = []

    def submit_job(node: Any, updatehash: bool = False) -> Any:
        client = getattr(plugin, "taskclient", None)
        if client is None or type(node) is not Envelope:
            return original(node, updatehash=updatehash)
        try:
            new = [number for number in client.ids if number not in checked]
            if new and not lacking:
                lacking.extend(_lacking(client, new))
                checked.update(new)
        except Exception as error:
            messages.fail(error)
        if lacking:
            span.unmetered(context, node._nicarbon_of[1], socket.gethostname(), lacking[0])
            node = plain(node)
        return original(node, updatehash=updatehash)

    return submit_job


def _lacking(client: Any, engines: list[int]) -> list[str]:
    """Return why an engine can't meter nodes; nothing where all of them can."""
    try:
        versions = client[engines].apply_sync(eval, _ENGINE_HAS)
    except Exception as error:
        return [f"an engine of ipyparallel's cannot import nicarbon ({type(error).__name__})"]
    others = sorted({str(version) for version in versions} - {__version__})
    if others:
        return [f"an engine of ipyparallel's has nicarbon {others[0]}, not {__version__}"]
    return []


def ask_for_jobs(plugin: Any, run_dir: str) -> None:
    """Ask a plugin's scheduler how those jobs ended that did not say it themselves. Never raises.

    Not of plugins that hand over a whole graph: their jobs have hardly begun.
    """
    try:
        if hasattr(plugin, "_submit_batchtask"):
            accounting.ask_for_run(run_dir, _PATIENCE_S)
    except Exception as error:
        messages.fail(error)


def _scheduler(plugin: Any) -> str:
    """Return the scheduler of a plugin of nipype's, or one that derives from it."""
    for kind in type(plugin).__mro__:
        for name in _SCHEDULERS:
            if kind.__module__.startswith("nipype.") and kind.__name__.startswith(name):
                return name.lower()
    return ""


_SHADOWS = {
    "_task_finished_cb": _task_finished,
    "_report_crash": _report_crash,
    "_submit_batchtask": _submit_batchtask,
    "_submit_graph": _submit_graph,
    "_submit_job": _submit_job,
}
