# SPDX-License-Identifier: Apache-2.0
"""What another tracker says of the same minutes: CodeCarbon, in a process of its own, offline.

Nothing of it is ever imported here. Its process is `data/trackers/around.py`, where nothing can
reach the network.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from importlib import resources
from select import select
from typing import Any

PACKAGE = "codecarbon"

_AROUND = str(resources.files("nicarbon") / "data" / "trackers" / "around.py")
_START_S = 60.0
_ANSWER_S = 20.0


class CodeCarbon:
    """CodeCarbon beside; every method is quiet where it is missing or fails.

    Attributes
    ----------
    version : str or None
        Its version; None where it does not run, and `problem` says why.
    problem : str
        What went wrong; empty where nothing did.
    """

    def __init__(self) -> None:
        self.version: str | None = None
        self.problem = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        if importlib.util.find_spec(PACKAGE) is None:
            self.problem = "not installed"
            return
        self._process = subprocess.Popen(
            [sys.executable, _AROUND, "tasks", tempfile.gettempdir()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            start_new_session=True,
            env={**os.environ, "CODECARBON_LOG_LEVEL": "critical"},
        )
        answer = self._answer(_START_S)
        if answer is not None:
            self.version = str(answer.get("version"))

    def begin(self, name: str) -> None:
        """Let it begin to measure, and wait until it has."""
        self._tell(name)
        self._answer(_ANSWER_S)

    def end(self) -> dict[str, float] | None:
        """Return its mean watts since `begin` by part; None where it has none."""
        self._tell("end")
        answer = self._answer(_ANSWER_S)
        try:
            assert answer is not None
            duration_s = float(answer["duration_s"])
            return {
                part: float(energy_j) / duration_s for part, energy_j in answer["energy_j"].items()
            }
        except (AssertionError, KeyError, TypeError, ValueError, ZeroDivisionError):
            return None

    def stop(self) -> None:
        """End its process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except OSError:
            self._fail("it failed")

    def _answer(self, timeout_s: float) -> dict[str, Any] | None:
        if self._process is None or self._process.stdout is None:
            return None
        ready, _, _ = select([self._process.stdout], [], [], timeout_s)
        line = self._process.stdout.readline() if ready else ""
        try:
            answer = json.loads(line)
        except ValueError:
            self._fail("it failed" if ready else "it gave no answer")
            return None
        return answer if isinstance(answer, dict) else None

    def _fail(self, problem: str) -> None:
        self.problem = problem
        self.version = None
        self.stop()
