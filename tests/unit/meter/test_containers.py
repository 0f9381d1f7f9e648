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


# As the kernel writes them: of version 2, of version 1 with the scheduler's controller beside.
STAT = (
    "usage_usec {}\nuser_usec 700000\nsystem_usec 200000\nnice_usec 0\n"
    "core_sched.force_idle_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"
    "nr_bursts 0\nburst_usec 0\n"
)
STAT_V1 = "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"
LAYOUTS = {
    "unified": {
        "cpu.stat": STAT.format(9_000_000_000),
        "system.slice/cpu.stat": STAT.format(8_000_000_000),
        "system.slice/docker.service/cpu.stat": STAT.format(7_000_000_000),
        "system.slice/docker-{}.scope/cpu.stat": STAT.format(1_500_000),
        "system.slice/docker-{}.scope/init/cpu.stat": STAT.format(400_000),
    },
    "unified, podman": {
        "machine.slice/libpod-conmon-{}.scope/cpu.stat": STAT.format(20_000),
        "machine.slice/libpod-{}.scope/cpu.stat": STAT.format(1_500_000),
        "machine.slice/libpod-{}.scope/container/cpu.stat": STAT.format(1_400_000),
    },
    "unified, rootless podman": {
        "user.slice/user@1000.service/user.slice/libpod-conmon-{}.scope/cpu.stat": (
            STAT.format(20_000)
        ),
        "user.slice/user@1000.service/user.slice/libpod-{}.scope/cpu.stat": STAT.format(1_500_000),
    },
    "hybrid": {
        "blkio/docker/{}/blkio.reset_stats": "",
        "cpu,cpuacct/docker/{}/cpu.stat": STAT_V1,
        "cpu,cpuacct/docker/{}/cpuacct.usage": "1500000000\n",
        "systemd/docker/{}/tasks": "",
        "unified/docker/{}/cpu.stat": STAT.format(0),
    },
    "version 1": {
        "cpuset/docker/{}/cpuset.cpus": "0-3\n",
        "cpu/docker/{}/cpu.stat": STAT_V1,
        "cpuacct/docker/{}/cpuacct.usage": "1500000000\n",
        "cpuacct/docker/{}/inner/cpuacct.usage": "1000000000\n",
    },
    "version 2 beside version 1 without CPU time": {
        "memory/docker/{}/memory.usage_in_bytes": "1\n",
        "unified/docker/{}/cpu.stat": STAT.format(1_500_000),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backwards", [False, True])
def test_cgroups_as_systems_lay_them_out(tmp_path, monkeypatch, layout, backwards):
    for name, text in LAYOUTS[layout].items():
        path = tmp_path / name.format(ID)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    # Folders are listed in no particular order.
    walk = os.walk

    def ordered(top):
        for folder, names, files in walk(top):
            names.sort(reverse=backwards)
            yield folder, names, files

    monkeypatch.setattr(os, "walk", ordered)
    assert containers.read_s(containers.find(ID, str(tmp_path))) == 1.5


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
