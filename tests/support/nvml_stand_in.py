# SPDX-License-Identifier: Apache-2.0
"""Cards of NVIDIA that are not there: a library that answers the real ``pynvml`` as theirs does.

The library is compiled once. What it answers stands in files of the folder that the environment
variable ``NVML_STAND_IN`` names: ``device-N`` with lines ``key=value`` (a key that is missing is a
question that this card does not support), ``process-*`` with lines ``device pid sm_percent bytes
first_us last_us``, ``power-N`` with lines ``t_us milliwatts``, ``now_us`` where the time is not
the host's, and ``init_error``.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml_stand_in.c")
LIBRARY = "libnvidia-ml.so.1"
FOREVER_US = 2**62


def compiler() -> str | None:
    """Return the C compiler of this machine, if it has one."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compile_into(folder: Path) -> Path:
    """Compile the library; return its path."""
    command = compiler()
    assert command is not None
    path = folder / LIBRARY
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    soname = f"-Wl,-soname,{LIBRARY}"
    subprocess.run([command, *flags, soname, "-o", str(path), str(SOURCE)], check=True)
    return path


class Cards:
    """The cards of one folder, to be changed while they are read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._keys: dict[int, dict[str, object]] = {}
        self._n_processes = 0

    def add(self, index: int = 0, **keys: object) -> None:
        """Add a card such as today's: a counter, SM time by process, no MIG."""
        self._keys[index] = {
            "uuid": f"GPU-0000000{index}-stand-in",
            "name": "Stand-in Card",
            "minor": index,
            "energy_mj": 1000,
            "power_mw": 60_000,
            "limit_mw": 300_000,
            "mig": 0,
            "sm": 1,
            "utilisation": 0,
        }
        self.change(index, **keys)

    def change(self, index: int = 0, **keys: object) -> None:
        """Change what a card answers; None is a question that it does not support."""
        known = self._keys[index]
        known.update(keys)
        lines = [f"{key}={value}\n" for key, value in known.items() if value is not None]
        self._write(f"device-{index}", "".join(lines))

    def now(self, now_us: int) -> None:
        """Set the time."""
        self._write("now_us", str(now_us))

    def process(
        self,
        pid: int,
        index: int = 0,
        sm: int = 0,
        memory: int = 1 << 30,
        first_us: int = 0,
        last_us: int = FOREVER_US,
    ) -> None:
        """Let a process use a card from one time to another."""
        self._n_processes += 1
        line = f"{index} {pid} {sm} {memory} {first_us} {last_us}\n"
        self._write(f"process-{pid}-{self._n_processes}", line)

    def no_processes(self) -> None:
        """Forget all processes."""
        for path in self.folder.glob("process-*"):
            path.unlink()

    def live(self, watts: float, index: int = 0, **keys: object) -> None:
        """Add a card whose counter grows by itself, from now on."""
        self.add(index, watts=watts, since_us=time.time_ns() // 1000, **keys)

    def _write(self, name: str, text: str) -> None:
        # At once: somebody may be reading.
        path = self.folder / f".{name}"
        path.write_text(text)
        path.rename(self.folder / name)
