# SPDX-License-Identifier: Apache-2.0
"""A metered run, seen from its driver: the run folder, the sampler, the driver's own account."""

from __future__ import annotations

import json
import os
import platform
import shlex
import time
import uuid
from typing import Any

from nicarbon._version import __version__
from nicarbon.meter import SCHEMA_VERSION, messages
from nicarbon.meter.presence import Presence
from nicarbon.meter.recorder import RunContext

HANDFUL = 8
"""A run with more files than this is packed at its end; fewer are left to be looked at."""

# Jobs that have done their work may need a moment to say that they ended.
_WAIT_S = 2.0


class SessionError(OSError):
    """The run folder can't be made; the message says where and why."""


def new_run_id() -> str:
    """Return ``<UTC time>_<short id>``."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "_" + uuid.uuid4().hex[:6]


def make_run_dir(run_dir: str | None, run_id: str) -> str:
    """Make a new run folder and return its absolute path.

    Parameters
    ----------
    run_dir : str or None
        The folder; ``nicarbon-runs/<run id>`` below the working directory where None.
    run_id : str
        Names the default folder.

    Raises
    ------
    SessionError
        If it holds something already, or can't be made.
    """
    path = os.path.abspath(run_dir or os.path.join("nicarbon-runs", run_id))
    try:
        os.makedirs(path, exist_ok=True)
        names = os.listdir(path)
        if names:
            _refuse(path, names)
        # Finds out now, not at the first record, whether it can be written to.
        with open(os.path.join(path, "run.json"), "x", encoding="utf-8"):
            pass
    except SessionError:
        raise
    except FileExistsError:
        raise SessionError(
            f"another run has just begun in the run folder {path}: choose another one with -o"
        ) from None
    except OSError as error:
        raise SessionError(
            f"the run folder {path} cannot be written: {error.strerror}; choose another with -o"
        ) from None
    return path


def _refuse(path: str, names: list[str]) -> None:
    """Say why a folder that holds something can't be a new run's."""
    from nicarbon.meter.living import living  # Not needed for any run that begins.

    alive = living(path, names)
    if alive:
        who = alive[min(alive, key=lambda name: not name.startswith("nodes-"))]
        raise SessionError(
            f"another run is writing to the run folder {path} ({who}): choose another one with -o"
        )
    raise SessionError(f"the run folder {path} is not empty: choose another one with -o")


class Session:
    """A run from the driver's start to its end. One driver has at most one at a time.

    Parameters
    ----------
    run_dir : str, optional
        The run folder, see `make_run_dir`.
    program : str
        What is run, without its arguments: they name subjects.
    engine : str
        ``nipype``, ``command`` ...
    sampler_args : list of str
        Options of the sampler: ``--interval``, ``--host-root``, ``--replay``, ``--progress``.

    Attributes
    ----------
    context : RunContext or None
        What nodes need to be metered, once the run has started.

    Raises
    ------
    SessionError
        If the run folder can't be made.

    Attributes
    ----------
    outlived : bool
        To be set where jobs of the run go on after its driver.
    hint : str
        After `stop`, what is still to be done; empty where nothing is.
    """

    def __init__(
        self,
        run_dir: str | None = None,
        program: str = "",
        engine: str = "nipype",
        sampler_args: list[str] | None = None,
        outside: bool = False,
    ) -> None:
        self.run_id = new_run_id()
        self.run_dir = make_run_dir(run_dir, self.run_id)
        self._t_unix_ns = time.time_ns()
        self.program = program
        self.engine = engine
        self.outlived = False
        self.hint = ""
        self._n_graphs = 0
        self.context: RunContext | None = None
        self.driver = Presence(self.run_dir, sampler_args or (), outside)
        self.pid = self.driver.pid
        self.warnings = self.driver.warnings
        self._write_json("run.json", self._info())

    def start(self) -> RunContext | None:
        """Start the sampler and the driver's account; return what nodes need to be metered.

        None if that failed. Never raises.
        """
        try:
            self.context = self.driver.start()
        except Exception as error:
            messages.fail(error)
        return self.context

    def stop(self, outcome: str) -> None:
        """End the run. Never raises.

        Parameters
        ----------
        outcome : str
            ``ok``, ``failed`` or ``interrupted``.
        """
        try:
            self.driver.stop(outcome)
            if os.getpid() == self.pid:  # A forked child's run is not its own.
                self._gather(_WAIT_S if outcome == "ok" else 0.0)
        except Exception as error:
            messages.fail(error)

    def _gather(self, wait_s: float) -> None:
        """Pack the run's files where they are many; that it fails costs a warning, no record."""
        unfinished = self.outlived
        try:
            if not unfinished and len(os.listdir(self.run_dir)) > HANDFUL:
                from nicarbon.meter import gather

                unfinished = gather.at_end(self.run_dir, wait_s)
        except ImportError:
            pass  # This interpreter has no zlib.
        except OSError as problem:
            self.warnings.append(f"the run's files are left as they are: {problem}")
        if unfinished:
            folder = shlex.quote(self.run_dir)
            self.hint = f"jobs of this run go on; when they have ended: nicarbon gather {folder}"

    def uses(self, engine: str) -> None:
        """Record which engine a program turned out to use. Never raises."""
        try:
            if engine != self.engine:
                self.engine = engine
                self._write_json("run.json", self._info())
        except Exception as error:
            messages.fail(error)

    def write_graph(
        self,
        workflow: str,
        plugin: str,
        nodes: list[Any],
        edges: list[Any],
        number: int | None = None,
        workflows: dict[str, str] | None = None,
    ) -> int | None:
        """Keep an executed graph. Never raises.

        Parameters
        ----------
        workflow, plugin : str
            Names of the workflow, and of the plugin that executes it.
        nodes, edges : list
            Nodes as `nicarbon.records.Node`, and pairs of their names.
        number : int, optional
            Of the graph that this one takes the place of: one that grows while it is executed.
        workflows : dict, optional
            What the engine makes of the inputs of workflows that ran, by their names.

        Returns
        -------
        int or None
            The graph's number; None where that failed.
        """
        try:
            graph: dict[str, Any] = {
                "schema_version": SCHEMA_VERSION,
                "workflow": workflow,
                "plugin": plugin,
                "nodes": nodes,
                "edges": edges,
            }
            if workflows:
                graph["workflows"] = workflows
            if number is None:
                number = self._n_graphs
                self._n_graphs += 1
            self._write_json(f"graph-{self.driver.key}-{number}.json", graph)
            return number
        except Exception as error:
            messages.fail(error)
            return None

    def _info(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "t_unix_ns": self._t_unix_ns,
            "program": self.program,
            "engine": self.engine,
            "nicarbon_version": __version__,
            "python_version": platform.python_version(),
        }

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a file so that readers see all of it or none; a full disk is only reported."""
        path = os.path.join(self.run_dir, name)
        try:
            with open(path + ".part", "w", encoding="utf-8") as file:
                # dumps, not dump: only it encodes in C, and a graph may have 10,000 nodes.
                file.write(json.dumps(content, separators=(",", ":")) + "\n")
            os.replace(path + ".part", path)
        except OSError as error:
            self.warnings.append(f"{path} cannot be written: {error.strerror}")
