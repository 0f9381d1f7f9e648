# SPDX-License-Identifier: Apache-2.0
"""What another tracker says of the same minutes: CodeCarbon, in a process of its own, offline.

Nothing of it is ever imported here, and in its process nothing can reach the network.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from select import select
from typing import Any

PACKAGE = "codecarbon"

# It measures at once at the start and the end of a task, so that its own thread is not needed.
# Where it stands (the country) only matters for grams, which are not asked for.
_CODE = """\
import json, logging, sys
logging.disable(logging.CRITICAL)
import requests
def refuse(*args, **kwargs):
    raise requests.exceptions.ConnectionError("offline")
requests.sessions.Session.request = refuse
out = sys.stdout
sys.stdout = sys.stderr
import codecarbon
tracker = codecarbon.OfflineEmissionsTracker(
    country_iso_code="CAN", save_to_file=False, log_level="critical", allow_multiple_runs=True,
    measure_power_secs=1,
)
print(json.dumps({"version": codecarbon.__version__}), file=out, flush=True)
for line in sys.stdin:
    name = line.strip()
    tracker.start_task(name)
    sys.stdin.readline()
    data = tracker.stop_task(name)
    energy = {part: getattr(data, part + "_energy") for part in ("cpu", "ram", "gpu")}
    print(json.dumps({"duration_s": data.duration, "energy_kwh": energy}), file=out, flush=True)
"""
_START_S = 60.0
_ANSWER_S = 20.0
_J_PER_KWH = 3.6e6


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
            [sys.executable, "-c", _CODE],
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
        """Let it begin to measure."""
        self._tell(name)

    def end(self) -> dict[str, float] | None:
        """Return its mean watts since `begin` by part; None where it has none."""
        self._tell("end")
        answer = self._answer(_ANSWER_S)
        try:
            assert answer is not None
            duration_s = float(answer["duration_s"])
            return {
                part: float(kwh) * _J_PER_KWH / duration_s
                for part, kwh in answer["energy_kwh"].items()
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
