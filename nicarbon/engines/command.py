# SPDX-License-Identifier: Apache-2.0
"""Any command as one node: ``nicarbon run -- recon-all ...``."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from nicarbon.meter import span
from nicarbon.meter.session import Session

# As a shell answers for a command that is missing, that can't be executed, that a signal ended.
NOT_FOUND = 127
NOT_EXECUTABLE = 126
BY_SIGNAL = 128


def run(command: Sequence[str], session: Session, *, interrupts: bool = False) -> int:
    """Run a command, metered as one node, and return its exit code as a shell would.

    Parameters
    ----------
    command : sequence of str
        Program and arguments. Only the program's name is recorded.
    session : Session
        The running session.
    interrupts : bool
        Whether SIGINT comes to this process alone, as in a container without a terminal.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the program can't be started.
    """
    program = os.path.basename(command[0])
    node = {"name": program, "program": program}
    session.write_graph(program, "command", [node], [])
    context = session.context
    started = span.begin(context, program) if context else None
    outcome, error = "failed", None
    try:
        with signals_passed_on(interrupts=interrupts) as take:
            process = subprocess.Popen(command)
            take(process)
            code = process.wait()
        outcome = "ran" if code == 0 else "failed"
        error = None if code == 0 else f"exit code {code}" if code > 0 else f"signal {-code}"
        return code if code >= 0 else BY_SIGNAL - code
    finally:
        if context:
            span.end(context, started, outcome, error)


@contextmanager
def signals_passed_on(
    *, interrupts: bool = False
) -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Let a command answer signals; outlive it, so that its last seconds are recorded.

    A terminal sends Ctrl-C to the command as well; what is sent to this process alone is passed
    on: a batch system's SIGTERM and, with `interrupts`, Ctrl-C. Yields what is to be called with
    the command as soon as it is started: signals that come before wait for it.
    """
    started: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        if started:
            started[0].send_signal(number)
        else:
            early.append(number)

    def take(process: subprocess.Popen[bytes]) -> None:
        started.append(process)
        while early:
            process.send_signal(early.pop(0))

    on_interrupt = pass_on if interrupts else lambda number, frame: None
    previous = {signal.SIGINT: signal.signal(signal.SIGINT, on_interrupt)}
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        previous[number] = signal.signal(number, pass_on)
    try:
        yield take
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
