# SPDX-License-Identifier: Apache-2.0
"""A process that a run is counted in, its driver or a job: its sampler, its start and its end.

Each has a sampler of its own on the host where it runs, and says in its own ``nodes-*.jsonl``
what its whole process tree had used when it began and when it ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from nicarbon.meter import attend, messages, scheduler, span
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.recorder import RunContext

# The sampler reads its first sample within this time even on a loaded machine.
_READY_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 5.0


class Presence:
    """What a run knows of this process, from `start` to `stop`.

    Parameters
    ----------
    run_dir : str
        The run folder, absolute.
    sampler_args : sequence of str
        Options of the sampler: ``--interval``, ``--host-root``, ``--replay``, ``--progress``.
    outside : bool
        Whether the sampler is started by somebody else, outside the container that this is in
        (`nicarbon.meter.attend`): it is only waited for.

    Attributes
    ----------
    key : str
        Key of the process.
    warnings : list of str
        What went wrong, a line each.
    """

    def __init__(
        self, run_dir: str, sampler_args: Sequence[str] = (), outside: bool = False
    ) -> None:
        self.run_dir = run_dir
        self.warnings: list[str] = []
        self.pid = os.getpid()
        self.key = ProcFS("/").key(self.pid)
        self.sampler_pid: int | None = None
        self._sampler_args = tuple(sampler_args)
        self._outside = outside
        self._sampler_out: int | None = None

    def start(self) -> RunContext:
        """Start the sampler and the process's account; return what nodes need to be metered."""
        if not self._outside:
            self._start_sampler()
        # What a sampler shows to people, the driver's shows.
        self.context = RunContext(
            self.run_dir, self.key, self.sampler_pid, _without_progress(self._sampler_args)
        )
        self._mark("start")
        if self._outside and not attend.attended(self.run_dir, _READY_TIMEOUT_S):
            self.warnings.append(
                "nobody outside reads the sensors: CPU time is recorded, energy is not"
            )
        return self.context

    def stop(self, outcome: str | None = None) -> None:
        """End the process's account, then its sampler.

        Parameters
        ----------
        outcome : str, optional
            Of a driver: ``ok``, ``failed`` or ``interrupted``.
        """
        if os.getpid() != self.pid:
            # A forked child leaves through the same door; the account is not its own.
            return
        self._mark("end", outcome)
        try:
            self._stop_sampler()
        except Exception as problem:
            messages.fail(problem)

    def write(self, record: dict[str, Any]) -> None:
        """Append a record to this process's file; a failure is said once and stops nothing."""
        writer = span.meter_of(self.context).writer
        if not writer.write(record):
            warning = f"{writer.path} cannot be written: {writer.error}"
            if warning not in self.warnings:  # At the end it is as it was at the start.
                self.warnings.append(warning)

    def _mark(self, event: str, outcome: str | None = None) -> None:
        """Record the start or the end; a failure is said once and stops nothing."""
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
            places = scheduler.places() if event == "start" else []
            if places:
                record["scheduler"], record["job_id"] = places[-1][:2]
            self.write(record)
            if event == "end":  # A process may run many workflows.
                meter.close()
        except Exception as problem:
            messages.fail(problem)

    def _start_sampler(self) -> None:
        """Start the sampler as nobody's child: a user's ``os.wait()`` must never meet it."""
        command = attend.command(self.run_dir, os.getpid(), self._sampler_args)
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
        if self.sampler_pid is None:
            self.warnings.append("the sampler did not start: CPU time is recorded, energy is not")

    def _await_sampler(self, timeout_s: float) -> None:
        answer = self._read_line(timeout_s).split()
        if len(answer) == 2 and answer[0] == b"ready" and answer[1].isdigit():
            self.sampler_pid = int(answer[1])

    def _stop_sampler(self) -> None:
        """Let the sampler write its last sample; it ends by itself when this process does."""
        if self._sampler_out is None:
            return
        if self.sampler_pid is None:  # It may have been late.
            self._await_sampler(0.0)
        if self.sampler_pid is None:
            pass
        elif self._readable(0.0):
            # End of file: it is gone, and its number may be somebody else's by now.
            self.warnings.append(
                "the sampler ended before the run: energy is missing from then on"
            )
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.sampler_pid, signal.SIGTERM)
            self._read_line(_CLOSE_TIMEOUT_S)
            with contextlib.suppress(ChildProcessError):
                # As process 1 of a container this process is given the orphans.
                os.waitid(os.P_PID, self.sampler_pid, os.WEXITED | os.WNOHANG)
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


def _without_progress(sampler_args: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options, which are pairs, that hold for the samplers of jobs as well."""
    pairs = zip(sampler_args[::2], sampler_args[1::2])
    return tuple(word for pair in pairs if pair[0] != "--progress" for word in pair)
