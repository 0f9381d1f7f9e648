# SPDX-License-Identifier: Apache-2.0
"""Where each tracker is installed: an interpreter of its own, made when asked for, or this one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

_READY = "ready"
_LIMIT_S = 1200.0


class Tracker(msgspec.Struct, frozen=True):
    """A tracker.

    Attributes
    ----------
    name : str
        Its name in tables, and of what `data/trackers/around.py` runs.
    package : str
        What is imported.
    environment : str
        The folder of its environment.
    requirements : tuple of str
        What pip installs there.
    by_process : bool
        Whether it says that it measures a process and not the machine.
    files : str
        A pattern of the files that it writes results to by itself.
    result : str
        What a line of such a file matches if it holds a result, as a regular expression.
    """

    name: str
    package: str
    environment: str
    requirements: tuple[str, ...]
    by_process: bool
    files: str
    result: str


_CODECARBON = ("codecarbon", "codecarbon", ("codecarbon>=3.3.2,<4",))
# experiment-impact-tracker's last release is of 2021: it needs what pandas, numpy and setuptools
# were then.
_OLD = ("experiment-impact-tracker==0.1.8", "pandas==1.5.3", "numpy<2", "setuptools<81")
TRACKERS = (
    Tracker("codecarbon-machine", *_CODECARBON, False, "emissions*.csv", r"^\d{4}-"),
    Tracker("codecarbon-process", *_CODECARBON, True, "emissions*.csv", r"^\d{4}-"),
    Tracker(
        "carbontracker",
        "carbontracker",
        "carbontracker",
        ("carbontracker==2.4.7",),
        False,
        "*.log",
        r"Energy:|Average power usage",
    ),
    Tracker(
        "experiment-impact-tracker",
        "experiment_impact_tracker",
        "experiment-impact-tracker",
        _OLD,
        True,
        "impacttracker/data.json",
        r"^\{",
    ),
)


def folder() -> Path:
    """Return where environments are kept, by the XDG base directory specification."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".cache"
    return base / "nicarbon" / "trackers"


def interpreter(tracker: Tracker) -> str | None:
    """Return the Python that has a tracker: of its own environment, else this one; else None."""
    own = folder() / tracker.environment
    python = own / "bin" / "python"
    if (own / _READY).is_file() and python.exists():
        return str(python)
    return sys.executable if importlib.util.find_spec(tracker.package) is not None else None


def install(tracker: Tracker) -> str:
    """Make a tracker's environment, from the network; return what went wrong, empty if nothing."""
    own = folder() / tracker.environment
    python = str(own / "bin" / "python")
    if (own / _READY).is_file() and os.path.exists(python):
        return ""
    try:
        shutil.rmtree(own, ignore_errors=True)
        own.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"{own} cannot be made: {error.strerror} (XDG_CACHE_HOME names another folder)"
    for command in (
        [sys.executable, "-m", "venv", str(own)],
        [python, "-m", "pip", "install", "--quiet", *tracker.requirements],
    ):
        problem = _problem(command)
        if problem:
            shutil.rmtree(own, ignore_errors=True)
            return problem
    (own / _READY).touch()
    return ""


def _problem(command: list[str]) -> str:
    """Run a command; return its last line if it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [f"exit code {done.returncode}"])[-1]
