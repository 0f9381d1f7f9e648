# SPDX-License-Identifier: Apache-2.0
"""A fake /proc and /sys, written by hand: what the kernel would show."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nvml_stand_in
import pytest

XEON = {"vendor_id": "GenuineIntel", "cpu family": "6", "model": "85", "stepping": "7"}


class FakeHost:
    """Writes what a test needs below `root`; files are changed in place, as the kernel's are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = str(root)
        self.boot_id("aaaabbbb-cccc-dddd-eeee-ffff00001111")
        self.idle_ticks(1000)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def boot_id(self, boot_id: str) -> None:
        self.write("proc/sys/kernel/random/boot_id", f"{boot_id}\n")

    def idle_ticks(self, idle: int, iowait: int = 0, steal: int = 0, n_cpus: int = 2) -> None:
        cpus = "".join(f"cpu{n} 0 0 0 0 0 0 0 0 0 0\n" for n in range(n_cpus))
        self.write("proc/stat", f"cpu  9 9 9 {idle} {iowait} 9 9 {steal} 9 9\n{cpus}intr 1 2 3\n")

    def cpu(self, name: str = "", flags: str = "fpu sse2", **fields: str) -> None:
        fields = {**fields, "model name": name, "flags": flags}
        lines = "".join(f"{key}\t: {value}\n" for key, value in fields.items())
        self.write("proc/cpuinfo", f"processor\t: 0\n{lines}\nprocessor\t: 1\nmodel\t: 999\n")

    def memory(self, kilobytes: int) -> None:
        self.write("proc/meminfo", f"MemTotal:       {kilobytes} kB\nMemFree: 1 kB\n")

    def process(
        self,
        pid: int,
        parent: int = 1,
        *,
        own: int = 0,
        reaped: int = 0,
        children: str | None = "",
        comm: str = "sh",
        state: str = "S",
        starttime: int = 50,
        n_threads: int = 1,
        rss_pages: int = 0,
        command: tuple[str, ...] = (),
        exe: str | None = None,
        schedstat: str | None = None,
    ) -> None:
        stat = (
            f"{pid} ({comm}) {state} {parent} {pid} {pid} 0 -1 0 0 0 0 0 "
            f"{own} 0 {reaped} 0 20 0 {n_threads} 0 {starttime} 0 {rss_pages} 0\n"
        )
        self.write(f"proc/{pid}/stat", stat)
        (self.root / f"proc/{pid}/task/{pid}").mkdir(parents=True, exist_ok=True)
        if children is not None:
            self.write(f"proc/{pid}/task/{pid}/children", children)
        self.write(f"proc/{pid}/cmdline", "".join(f"{word}\0" for word in command))
        if schedstat is not None:
            self.write(f"proc/{pid}/schedstat", schedstat)
        link = self.root / f"proc/{pid}/exe"
        link.unlink(missing_ok=True)
        if exe is not None:
            link.symlink_to(exe)

    def thread(self, pid: int, thread: int, state: str, schedstat: str = "1 0 1\n") -> None:
        stat = f"{thread} (t) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 9 0 50 0 0 0\n"
        self.write(f"proc/{pid}/task/{thread}/stat", stat)
        self.write(f"proc/{pid}/task/{thread}/schedstat", schedstat)

    def end_process(self, pid: int) -> None:
        (self.root / f"proc/{pid}/stat").unlink()

    def zone(self, path: str, name: str, energy_uj: int | str | None = 1000, **files: int) -> Path:
        """Write a powercap zone; `path` is below /sys/class/powercap."""
        folder = f"sys/class/powercap/{path}"
        self.write(f"{folder}/name", f"{name}\n")
        self.write(f"{folder}/max_energy_range_uj", "262143328850\n")
        for file, value in files.items():
            self.write(f"{folder}/{file}", f"{value}\n")
        if energy_uj is not None:
            self.write(f"{folder}/energy_uj", f"{energy_uj}\n")
        return self.root / folder / "energy_uj"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "root")


class FakeClock:
    """A clock that stands still until a test moves it; `step_ns` passes at each reading."""

    def __init__(self) -> None:
        self.now_ns = 10_000_000_000
        self.step_ns = 0

    def monotonic_ns(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns

    def unix_ns(self) -> int:
        return 1_700_000_000_000_000_000 + self.now_ns


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def records():
    """Read the records of one kind from the files of a run folder that begin with a prefix."""

    def read(run_dir, prefix, kind):
        found = []
        for name in sorted(os.listdir(run_dir)):
            if name.startswith(prefix):
                with open(os.path.join(run_dir, name)) as file:
                    found += [r for r in map(json.loads, file) if r["kind"] == kind]
        return found

    return read


@pytest.fixture
def cards(nvml_library, tmp_path, monkeypatch, host, clock):
    """Cards that are not there, on the fake host; their time is the clock's."""
    monkeypatch.setenv("NVML_STAND_IN", str(tmp_path / "cards"))
    host.write("proc/driver/nvidia/version", "NVRM version: stand-in\n")
    found = nvml_stand_in.Cards(tmp_path / "cards")
    found.now(clock.unix_ns() // 1000)
    return found
