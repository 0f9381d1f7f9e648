# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from nicarbon.meter import containers
from nicarbon.meter.processes import ProcFS

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("folder", "file", "text", "cpu_s"),
    [
        ("system.slice/docker-{}.scope", "cpu.stat", "usage_usec 1500000\nuser_usec 1\n", 1.5),
        ("docker/{}", "cpu.stat", "usage_usec 20\n", 2e-5),
        ("cpuacct/docker/{}", "cpuacct.usage", "2500000000\n", 2.5),
        ("docker/{}", "cpu.stat", "nr_periods 1\n", None),
        ("docker/{}", "cpu.stat", "", None),
    ],
)
def test_a_cgroup_is_found_by_its_containers_id(tmp_path, folder, file, text, cpu_s):
    cgroup = tmp_path / folder.format(ID)
    cgroup.mkdir(parents=True)
    (cgroup / file).write_text(text)
    (tmp_path / "docker" / ("f" * 64)).mkdir(parents=True, exist_ok=True)
    path = containers.find(ID, str(tmp_path))
    assert path == (str(cgroup / file) if cpu_s is not None else None)
    if path is not None:
        assert containers.read_s(path) == cpu_s


def watching(folder, cgroups):
    """Watch in a thread, as a process of its own would."""
    stat = ProcFS("/").stat(os.getpid())
    arguments = (str(folder), os.getpid(), stat.starttime, str(cgroups))
    thread = threading.Thread(target=containers.watch, args=arguments)
    thread.start()
    return thread


def wait_for(condition):
    until_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_what_a_container_used_is_known_after_its_end(tmp_path):
    folder, cgroup = tmp_path / "folder", tmp_path / "cgroups" / "docker" / ID
    folder.mkdir()
    cgroup.mkdir(parents=True)
    (cgroup / "cpu.stat").write_text("usage_usec 1000000\n")
    thread = watching(folder, tmp_path / "cgroups")
    assert containers.used_s(str(folder)) is None
    (folder / "id").write_text(ID)
    wait_for(lambda: containers.used_s(str(folder)) == 1.0)
    (cgroup / "cpu.stat").write_text("usage_usec 3000000\n")
    wait_for(lambda: containers.used_s(str(folder)) == 3.0)
    (cgroup / "cpu.stat").unlink()
    assert containers.used_s(str(folder)) == 3.0
    containers.forget(str(folder))
    thread.join(20)
    assert not thread.is_alive()


def test_a_container_that_is_not_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "_PATIENCE_S", 0.1)
    folder = tmp_path / "folder"
    folder.mkdir()
    thread = watching(folder, tmp_path / "none")
    (folder / "id").write_text(ID)
    time.sleep(0.3)
    assert containers.used_s(str(folder)) is None
    containers.forget(str(folder))
    thread.join(20)
    assert not thread.is_alive()


def test_the_process_that_reads_is_nobodys_child_and_ends_with_its_folder():
    code = (
        "import os, time\n"
        "from nicarbon.meter import containers\n"
        "folder = containers.expect()\n"
        "try:\n"
        "    os.waitpid(-1, os.WNOHANG)\n"
        "except ChildProcessError:\n"
        "    print(folder, os.path.isdir(folder))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    folder, there = done.stdout.split()
    assert (there, done.stderr) == ("True", "")
    # Its node's process is gone, and took no care of the folder.
    wait_for(lambda: not os.path.isdir(folder))
