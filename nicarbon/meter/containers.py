# SPDX-License-Identifier: Apache-2.0
"""CPU time of a container that a node asks for and a daemon runs: read from its cgroup.

A process of its own reads it while the container runs, as the cgroup is gone with it. What the
container used after the last reading is not known.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Sequence

from nicarbon.meter.processes import ProcFS

CGROUPS = "/sys/fs/cgroup"
LOOK_S = 0.05

# A cgroup may be a moment late; where other cgroups are all that can be seen, it never comes.
_PATIENCE_S = 2.0
# What podman runs beside a container, in a cgroup of its own: libpod-conmon-ID.scope.
_MONITOR = "conmon"
_ID = re.compile(r"[0-9a-f]{12,64}")
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from nicarbon.meter.containers import main; main(sys.argv[1:])"
)


def expect() -> str:
    """Start what reads a container's CPU time; return the folder that belongs to it.

    To be called before the node begins: a node adopts the orphans that are made while it runs.
    Whoever starts the container lets its id be written to `id_file` of the folder.
    """
    # Every sampler and every node's process loads this module, and few nodes ask for a container.
    import subprocess
    import tempfile

    folder = tempfile.mkdtemp(prefix="nicarbon-")
    package_dir = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # -I and -S: whatever the user's environment holds, it starts from a bare interpreter.
    start = [sys.executable or "python3", "-I", "-S", "-c", _BOOT, package_dir]
    try:
        subprocess.run(
            [*start, folder, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            check=True,
        )
    except BaseException:
        forget(folder)
        raise
    return folder


def id_file(folder: str) -> str:
    """Return the file that the container's id goes to."""
    return os.path.join(folder, "id")


def used_s(folder: str) -> float | None:
    """Return the CPU seconds that the container has used so far; None where they are not seen."""
    try:
        with open(os.path.join(folder, "used"), encoding="ascii") as file:
            return float(file.read())
    except (OSError, ValueError):
        return None


def forget(folder: str) -> None:
    """Remove a container's folder."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def main(argv: Sequence[str]) -> None:
    """Read the CPU time of the container of a folder as long as its node's process lives.

    Parameters
    ----------
    argv : sequence of str
        The folder, and the process.
    """
    folder, pid = argv
    stat = ProcFS("/").stat(int(pid))
    if stat is None or os.fork():  # As nobody's child: no wait of the user's ever meets it.
        return
    watch(folder, int(pid), stat.starttime)


def watch(folder: str, pid: int, starttime: int, cgroups: str = CGROUPS) -> None:
    """Write what a container used to its folder, until it ends or its node's process does."""
    procfs = ProcFS("/")

    def goes_on() -> bool:
        stat = procfs.stat(pid)
        alive = stat is not None and stat.starttime == starttime and not stat.ended
        return alive and os.path.isdir(folder)

    container = None
    while container is None and goes_on():
        container = _known_id(folder)
        time.sleep(LOOK_S / 2)
    path, until_s = None, time.monotonic() + _PATIENCE_S
    while container is not None and path is None and goes_on() and time.monotonic() < until_s:
        path = find(container, cgroups)
        time.sleep(LOOK_S / 2)
    with contextlib.suppress(OSError):  # The folder is gone with its node.
        while path is not None and goes_on():
            cpu_s = read_s(path)
            if cpu_s is None:
                break
            _write(os.path.join(folder, "used"), cpu_s)
            time.sleep(LOOK_S)
    while goes_on():  # Its node has yet to read it.
        time.sleep(10 * LOOK_S)
    forget(folder)


def find(container: str, cgroups: str = CGROUPS) -> str | None:
    """Return the file with the CPU time of a container's cgroup; None where there is none.

    Parameters
    ----------
    container : str
        Its id. Names of cgroups have it in them, ``docker-ID.scope`` or ``docker/ID``.
    cgroups : str
        Where control groups are, of either version or of both (cgroups(7)).
    """
    found = None
    for folder, names, _ in os.walk(cgroups):
        own = [name for name in names if container in name and _MONITOR not in name]
        for name in own:
            path = os.path.join(folder, name, "cpuacct.usage")
            # Where version 1 counts CPU time, a cgroup of version 2 may have no process in it.
            if read_s(path) is not None:
                return path
            path = os.path.join(folder, name, "cpu.stat")
            if found is None and read_s(path) is not None:
                found = path
        # What is below is counted in it.
        names[:] = [name for name in names if name not in own]
    return found


def read_s(path: str) -> float | None:
    """Return the CPU seconds in ``cpu.stat`` (version 2) or ``cpuacct.usage`` (version 1)."""
    try:
        with open(path, encoding="ascii") as file:
            text = file.read()
    except OSError:
        return None
    if path.endswith("cpuacct.usage"):
        return int(text) / 1e9 if text.strip().isdigit() else None
    usage = re.search(r"^usage_usec (\d+)$", text, re.MULTILINE)
    return int(usage[1]) / 1e6 if usage else None


def _known_id(folder: str) -> str | None:
    try:
        with open(id_file(folder), encoding="ascii") as file:
            found = _ID.fullmatch(file.read().strip())
    except (OSError, ValueError):
        return None
    return found[0] if found else None


def _write(path: str, cpu_s: float) -> None:
    """Replace the value, so that a reader sees a whole one."""
    with open(path + ".part", "w", encoding="ascii") as file:
        file.write(f"{cpu_s:.6f}\n")
    os.replace(path + ".part", path)
