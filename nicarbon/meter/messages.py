# SPDX-License-Identifier: Apache-2.0
"""What the meter says to a person: on standard error, in single lines, failing nothing."""

from __future__ import annotations

import contextlib
import os
import sys

_failed = False


def fail(error: BaseException) -> None:
    """Say once in this process that metering failed; the node goes on."""
    global _failed
    if not _failed:
        _failed = True
        with contextlib.suppress(Exception):  # Not every exception can be written.
            say(
                f"metering failed in process {os.getpid()} and the pipeline goes on: "
                f"{type(error).__name__}: {error}"
            )


def say(line: str) -> None:
    """Print one line on standard error; that nobody reads it any more fails no pipeline."""
    text = f"nicarbon: {line}\n"
    # The program may have put anything in its place, or nothing.
    with contextlib.suppress(Exception):
        try:
            descriptor = sys.stderr.fileno()
        except (AttributeError, OSError):
            sys.stderr.write(text)
            return
        sys.stderr.flush()
        # What its buffer could not get rid of would change the exit code of the interpreter.
        os.write(descriptor, text.encode(errors="replace"))
