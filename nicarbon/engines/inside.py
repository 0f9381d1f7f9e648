# SPDX-License-Identifier: Apache-2.0
"""The node side in a container: meter a command there, with nothing installed.

It is what `nicarbon.engines.bundle` executes, by whichever Python the image has; where the command
belongs to another Python of the image, it starts again with that one.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from nicarbon.engines import command
from nicarbon.engines.python import (
    NotAPythonProgramError,
    Program,
    interpreter,
    is_here,
    python_before,
)
from nicarbon.meter.session import Session, SessionError

_MISTAKE = 2


def main(argv: Sequence[str]) -> int:
    """Run a command metered and return its exit code.

    Parameters
    ----------
    argv : sequence of str
        ``--run-dir DIR [--outside yes] [sampler's options] -- COMMAND ARGS``, as
        `nicarbon.engines.container` writes it. With ``--outside`` a sampler on the host is waited
        for, else one is started here.
    """
    split = list(argv).index("--")
    options = dict(zip(argv[:split:2], argv[1:split:2]))
    words = list(argv[split + 1 :])
    if options.pop("--switched", None) is None:
        _switch(argv, words)
    run_dir = options.pop("--run-dir")
    outside = options.pop("--outside", None) is not None
    # A program replaces the first place by its own; what it starts must still find us.
    sys.path.append(sys.path[0])
    try:
        program: Program | None = Program(words)
    except NotAPythonProgramError as error:
        if shutil.which(words[0]) is None:
            _say(str(error))
            return _MISTAKE
        program = None
    name = program.name if program else os.path.basename(words[0])
    sampler_args = [word for pair in options.items() for word in pair]
    try:
        session = Session(
            run_dir, name, "nipype" if program else "command", sampler_args, outside=outside
        )
    except SessionError as error:
        _say(str(error))
        return _MISTAKE
    session.start()
    outcome = "interrupted"
    try:
        code = program.execute(session) if program else _command(words, session)
        outcome = "ok" if code == 0 else "failed"
    except KeyboardInterrupt:
        code = 130
    finally:
        session.stop(outcome)
    if os.getpid() == session.pid:
        for warning in session.warnings:
            _say(warning)
    return code


def _command(words: Sequence[str], session: Session) -> int:
    # Of what starts in a container, its first process sends Ctrl-C to us alone: where there is
    # no terminal, nobody sends it to the command.
    alone = os.getppid() in (0, 1) and not _has_terminal()
    return command.run(words, session, interrupts=alone)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY))
    except OSError:
        return False
    return True


def _switch(argv: Sequence[str], words: Sequence[str]) -> None:
    """Start again with the Python that a command belongs to, if it is another one of 3.9 on."""
    path = shutil.which(words[0]) if words[0] != "-m" else None
    python = python_before(words) or (interpreter(path) if path else None)
    if python is None or is_here(python):
        return
    try:
        os.execv(python, [python, sys.argv[0], "--switched", "yes", *argv])
    except OSError as error:
        _say(f"{python}, to which {words[0]} belongs, cannot be started: {error.strerror}")


def _say(line: str) -> None:
    print(f"nicarbon: {line}", file=sys.stderr, flush=True)
