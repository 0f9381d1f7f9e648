# SPDX-License-Identifier: Apache-2.0
"""Start a sampler for a driver: for one's own process, or from outside for one in a container.

From outside, the sensors are read on the host, and the processes of the container are found by the
numbers that they have there. The driver in the container waits until the first sample is there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from nicarbon.meter.processes import ProcFS
from nicarbon.meter.sensors import external, nvml

_LOOK_S = 0.05
# -I and -S: whatever the user's environment holds, the sampler starts from a bare interpreter.
# Nothing of what is loaded is garbage: looking for it takes a while.
_BOOT = (
    "import gc, sys; gc.disable(); sys.path.insert(0, sys.argv.pop(1)); "
    "from nicarbon.meter.sampler import main; gc.enable(); sys.exit(main(sys.argv[1:]))"
)


def command(run_dir: str, driver_pid: int, sampler_args: Sequence[str]) -> list[str]:
    """Return the command that starts a sampler; the process that it starts is gone at once."""
    package_dir = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    start = [sys.executable or "python3", "-I", "-S", "-c", _BOOT, package_dir]
    options = dict(zip(sampler_args[::2], sampler_args[1::2]))
    where = external.folders()
    where += nvml.folders(options.get("--host-root", "/"))
    brought = ("--sensor-path", os.pathsep.join(where)) if where else ()
    return [*start, run_dir, "--driver-pid", str(driver_pid), *sampler_args, *brought]


def attended(run_dir: str, timeout_s: float) -> bool:
    """Wait until somebody's sampler has written a sample; tell whether that came to pass."""
    until_s = time.monotonic() + timeout_s
    while True:
        if any(_sampled(os.path.join(run_dir, name)) for name in _names(run_dir, "samples-")):
            return True
        if time.monotonic() >= until_s:
            return False
        time.sleep(_LOOK_S)


def _sampled(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return b'"sample"' in file.read()
    except OSError:
        return False


def attend(
    run_dir: str, sampler_args: Sequence[str] = (), goes_on: Callable[[], bool] = lambda: True
) -> str | None:
    """Sample for the driver that begins a run in a container, until it ends.

    Parameters
    ----------
    run_dir : str
        Its run folder, as this host sees it; it may be empty yet.
    sampler_args : sequence of str
        Options of the sampler.
    goes_on : callable
        Whether a driver may still come.

    Returns
    -------
    str or None
        Why nothing was sampled; None where it was.
    """
    key = _driver(run_dir, goes_on)
    if key is None:
        return "nothing began a run in the container"
    host, pid, starttime = key.rsplit("-", 2)
    procfs = ProcFS("/")
    if host != procfs.host_id():
        return "the container runs on another host (another boot id)"
    stat = procfs.stat(int(pid))
    here: int | None = int(pid)
    if stat is None or stat.starttime != int(starttime):
        here = procfs.number_here(int(pid), int(starttime))
    if here is None:
        return "the container's processes cannot be seen from here"
    start = command(run_dir, here, [*sampler_args, "--driver-key", key])
    with subprocess.Popen(start, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        said = starter.stdout.read()  # Ends with the sampler.
    return None if said.startswith(b"ready ") else "the sampler did not start"


def _driver(run_dir: str, goes_on: Callable[[], bool]) -> str | None:
    """Wait for the driver; return its key, None where none came."""
    while True:
        last = not goes_on()
        names = _names(run_dir, "nodes-")
        if names:
            return names[0][len("nodes-") : -len(".jsonl")]
        if last:
            return None
        time.sleep(_LOOK_S)


def _names(run_dir: str, prefix: str) -> list[str]:
    """Return the files of a kind, the first one first."""
    try:
        found = [
            entry
            for entry in os.scandir(run_dir)
            if entry.name.startswith(prefix) and entry.name.endswith(".jsonl")
        ]
        return [entry.name for entry in sorted(found, key=lambda e: e.stat().st_ctime_ns)]
    except OSError:
        return []
