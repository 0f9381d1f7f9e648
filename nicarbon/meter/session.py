# SPDX-License-Identifier: Apache-2.0
"""A metered run, seen from its driver: the run folder, the sampler, the driver's own account."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import signal
import subprocess
import sys
import time
import uuid
from typing import Any

from nicarbon._version import __version__
from nicarbon.meter import SCHEMA_VERSION, messages, span
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.recorder import RunContext

# The sampler reads its first sample within this time even on a loaded machine.
_READY_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 5.0

# -I and -S: whatever the user's environment holds, the sampler starts from a bare interpreter.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from nicarbon.meter.sampler import main; sys.exit(main(sys.argv[1:]))"
)


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
        if os.listdir(path):
            raise SessionError(f"the run folder {path} is not empty: choose another one with -o")
        # Finds out now, not at the first record, whether it can be written to.
        with open(os.path.join(path, "run.json"), "x", encoding="utf-8"):
            pass
    except SessionError:
        raise
    except OSError as error:
        raise SessionError(
            f"the run folder {path} cannot be written: {error.strerror}; choose another with -o"
        ) from None
    return path


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

    Raises
    ------
    SessionError
        If the run folder can't be made.
    """

    def __init__(
        self,
        run_dir: str | None = None,
        program: str = "",
        engine: str = "nipype",
        sampler_args: list[str] | None = None,
    ) -> None:
        self.run_id = new_run_id()
        self.run_dir = make_run_dir(run_dir, self.run_id)
        self.program = program
        self.engine = engine
        self.warnings: list[str] = []
        self._n_graphs = 0
        self._sampler_args = sampler_args or []
        self._sampler_out: int | None = None
        self._sampler_pid: int | None = None
        self.pid = os.getpid()
        self._key = ProcFS("/").key(self.pid)
        self._write_json("run.json", self._info())

    def start(self) -> RunContext:
        """Start the sampler and the driver's account; return what nodes need to be metered."""
        self._start_sampler()
        self.context = RunContext(self.run_dir, self._key, self._sampler_pid)
        self._mark("start")
        return self.context

    def stop(self, outcome: str) -> None:
        """End the run.

        Parameters
        ----------
        outcome : str
            ``ok``, ``failed`` or ``interrupted``.
        """
        if os.getpid() != self.pid:
            # A forked child of the driver leaves through the same door; the run is not its own.
            return
        self._mark("end", outcome)
        try:
            self._stop_sampler()
        except Exception as problem:
            messages.fail(problem)

    def write_graph(self, workflow: str, plugin: str, nodes: list[Any], edges: list[Any]) -> None:
        """Keep an executed graph: ``nodes`` as `nicarbon.records.Node`, pairs of their names."""
        graph = {
            "schema_version": SCHEMA_VERSION,
            "workflow": workflow,
            "plugin": plugin,
            "nodes": nodes,
            "edges": edges,
        }
        self._write_json(f"graph-{self._key}-{self._n_graphs}.json", graph)
        self._n_graphs += 1

    def _info(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "t_unix_ns": time.time_ns(),
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

    def _mark(self, event: str, outcome: str | None = None) -> None:
        """Record the driver's start or end; a failure is said once and stops nothing."""
        try:
            meter = span.meter_of(self.context)
            record = {
                "kind": "driver",
                "event": event,
                "t_monotonic_ns": time.monotonic_ns(),
                "t_unix_ns": time.time_ns(),
                "cpu_s": round(meter.census().whole_s(), 6),
            }
            if outcome is not None:
                record["outcome"] = outcome
            if not meter.writer.write(record):
                self.warnings.append(
                    f"{meter.writer.path} cannot be written: {meter.writer.error}"
                )
            if event == "end":  # A process may run many workflows.
                meter.close()
        except Exception as problem:
            messages.fail(problem)

    def _start_sampler(self) -> None:
        """Start the sampler as nobody's child: a user's ``os.wait()`` must never meet it."""
        package_dir = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        command = [sys.executable or "python3", "-I", "-S", "-c", _BOOT, package_dir]
        command += [self.run_dir, "--driver-pid", str(os.getpid()), *self._sampler_args]
        try:
            starter = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=True,
                cwd="/",
            )
            assert starter.stdout is not None
            self._sampler_out = os.dup(starter.stdout.fileno())
            starter.stdout.close()
            # The starter forks the sampler and is gone at once.
            starter.wait()
            self._await_sampler(_READY_TIMEOUT_S)
        except Exception as error:
            self.warnings.append(f"the sampler could not be started: {error}")
            return
        if self._sampler_pid is None:
            self.warnings.append("the sampler did not start: CPU time is recorded, energy is not")

    def _await_sampler(self, timeout_s: float) -> None:
        answer = self._read_line(timeout_s).split()
        if len(answer) == 2 and answer[0] == b"ready" and answer[1].isdigit():
            self._sampler_pid = int(answer[1])

    def _stop_sampler(self) -> None:
        """Let the sampler write its last sample; it ends by itself when this process does."""
        if self._sampler_out is None:
            return
        if self._sampler_pid is None:  # It may have been late.
            self._await_sampler(0.0)
        if self._sampler_pid is None:
            pass
        elif self._readable(0.0):
            # End of file: it is gone, and its number may be somebody else's by now.
            self.warnings.append(
                "the sampler ended before the run: energy is missing from then on"
            )
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._sampler_pid, signal.SIGTERM)
            self._read_line(_CLOSE_TIMEOUT_S)
            with contextlib.suppress(ChildProcessError):
                # As process 1 of a container this process is given the orphans.
                os.waitid(os.P_PID, self._sampler_pid, os.WEXITED | os.WNOHANG)
        os.close(self._sampler_out)
        self._sampler_out = None

    def _readable(self, timeout_s: float) -> bool:
        """Wait for output or its end; select() can't, in a process with many open files."""
        assert self._sampler_out is not None
        waiting = select.poll()
        waiting.register(self._sampler_out, select.POLLIN)
        return bool(waiting.poll(timeout_s * 1000))

    def _read_line(self, timeout_s: float) -> bytes:
        """Read what the sampler prints until a line ends, it is gone, or the time is up."""
        assert self._sampler_out is not None
        line = b""
        deadline = time.monotonic() + timeout_s
        while not line.endswith(b"\n"):
            if not self._readable(max(deadline - time.monotonic(), 0.0)):
                break
            chunk = os.read(self._sampler_out, 4096)
            if not chunk:
                break
            line += chunk
        return line
