# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from nicarbon.meter.processes import ProcFS

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def test_the_host_id_is_the_first_12_digits_of_the_boot_id(host):
    assert ProcFS(host.path).host_id() == "aaaabbbbcccc"


def test_a_host_without_a_boot_id_still_has_one_name(tmp_path):
    assert ProcFS(str(tmp_path)).host_id() == ProcFS(str(tmp_path)).host_id() != ""


def test_busy_time_is_cpus_x_time_less_idle_iowait_and_steal(host):
    host.idle_ticks(idle=100, iowait=20, steal=3, n_cpus=2)
    assert ProcFS(host.path).busy_cpu_s(10.0) == pytest.approx(2 * 10 - 123 * TICK_S)


def test_busy_time_follows_proc_stat_in_place(host):
    procfs = ProcFS(host.path)
    before = procfs.busy_cpu_s(10.0)
    host.idle_ticks(1150)
    assert procfs.busy_cpu_s(11.0) - before == pytest.approx(2 - 150 * TICK_S)


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu 1 2 3 x y z\n"])
def test_busy_time_that_cannot_be_read_is_none(host, text):
    host.write("proc/stat", text)
    assert ProcFS(host.path).busy_cpu_s(1.0) is None


def test_old_kernels_without_steal_have_none(host):
    host.write("proc/stat", "cpu 1 2 3 40 5 6 7\ncpu0 1\n")
    assert ProcFS(host.path).idle_cpu_s() == pytest.approx(45 * TICK_S)


def test_a_cpu_that_goes_offline_does_not_make_busy_time_jump(host):
    procfs = ProcFS(host.path)
    before = procfs.busy_cpu_s(1e6)
    host.idle_ticks(1000, n_cpus=1)
    assert procfs.busy_cpu_s(1e6) == before


def test_memory_and_cpu_are_those_of_the_first_processor(host):
    host.memory(1000)
    host.cpu("Intel(R)  Xeon(R)", vendor_id="GenuineIntel", **{"cpu family": "6", "model": "85"})
    procfs = ProcFS(host.path)
    assert procfs.memory_bytes() == 1024_000
    cpu = procfs.cpu_info()
    assert (cpu["vendor"], cpu["family"], cpu["model"]) == ("GenuineIntel", 6, 85)
    assert cpu["stepping"] is None
    assert cpu["name"] == "Intel(R) Xeon(R)"
    assert "sse2" in cpu["flags"]


def test_what_is_missing_is_none(tmp_path):
    procfs = ProcFS(str(tmp_path))
    assert procfs.memory_bytes() is None
    assert procfs.cpu_info()["family"] is None
    assert procfs.stat(1) is None
    assert procfs.cpu_s(1) is None
    assert procfs.sigchld_ignored(1) is None
    assert procfs.children(1) == []
    assert procfs.tree(1) == []


def family(host, children=True):
    """7 has 8 and 9 (of another thread); 8 has 10."""
    host.process(7, own=100, reaped=10, n_threads=2, children="8 " if children else None)
    if children:
        host.write("proc/7/task/71/children", "9 ")
    host.process(8, 7, own=200, children="10" if children else None)
    host.process(9, 7, own=300, children="" if children else None)
    host.process(10, 8, own=400, reaped=40, children="" if children else None)
    host.process(11, 1, own=5000, children="" if children else None)


@pytest.mark.parametrize("children", [True, False])
def test_a_tree_is_all_descendants_by_all_threads_with_or_without_children_files(host, children):
    family(host, children)
    procfs = ProcFS(host.path)
    assert procfs.tree(7)[0] == 7
    assert sorted(procfs.tree(7)) == [7, 8, 9, 10]
    assert procfs.tree_cpu_s(7) == pytest.approx(1050 * TICK_S)
    assert sorted(procfs.tree(7, exclude={8})) == [7, 9]
    assert procfs.tree_cpu_s(7, exclude={8}) == pytest.approx(410 * TICK_S)


def test_a_child_that_vanishes_is_left_out(host):
    family(host)
    host.end_process(8)
    procfs = ProcFS(host.path)
    assert sorted(procfs.tree(7)) == [7, 9]
    assert procfs.tree_cpu_s(7) == pytest.approx(410 * TICK_S)


def test_a_process_that_does_not_exist_does_not_decide_how_trees_are_read(host):
    family(host)
    procfs = ProcFS(host.path)
    assert procfs.tree(99) == []
    host.process(10, 1)  # if trees were now read from parents, 10 would be nobody's
    assert sorted(procfs.tree(7)) == [7, 8, 9, 10]


def test_trees_inside_a_tree_are_counted_from_the_same_reading(host):
    family(host)
    procfs, known = ProcFS(host.path), {}
    whole_s = procfs.tree_cpu_s(7, known=known)
    host.process(8, 7, own=9999, children="10")
    assert procfs.tree_cpu_s(8, known=known) == pytest.approx(640 * TICK_S)
    assert procfs.tree_cpu_s(7, {8}, known) == pytest.approx(whole_s - 640 * TICK_S)
    assert procfs.tree_cpu_s(11, known=known) == pytest.approx(5000 * TICK_S)


def test_a_tree_with_an_excluded_part_can_be_completed_later(host):
    family(host)
    procfs, known = ProcFS(host.path), {}
    assert procfs.tree_cpu_s(7, {8}, known) == pytest.approx(410 * TICK_S)
    assert procfs.tree_cpu_s(7, (), known) == pytest.approx(1050 * TICK_S)


def test_memory_of_each_process_of_a_tree(host):
    host.process(7, rss_pages=3, children="8")
    host.process(8, 7, rss_pages=2)
    procfs, known = ProcFS(host.path), {}
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    assert procfs.tree_rss_bytes(7, (), known) == {7: 3 * page_bytes, 8: 2 * page_bytes}
    host.process(8, 7, rss_pages=9)
    assert procfs.tree_rss_bytes(8, (), known) == {8: 2 * page_bytes}
    assert procfs.tree_rss_bytes(7, {8}) == {7: 3 * page_bytes}


def test_a_process_that_names_itself_as_its_child_ends_the_walk(host):
    host.process(7, children="7 8")
    host.process(8, 7, children="7")
    assert sorted(ProcFS(host.path).tree(7)) == [7, 8]


@pytest.mark.parametrize(("mask", "ignored"), [("10000", True), ("8000", False), ("zz", None)])
def test_whether_sigchld_is_ignored(host, mask, ignored):
    host.write("proc/7/status", f"Name:\tsh\nSigIgn:\t{mask}\nSigCgt:\tffffffff\n")
    assert ProcFS(host.path).sigchld_ignored(7) is ignored


# This host -------------------------------------------------------------------------------------

BURN = "import time\nwhile time.process_time() < 0.2: pass\n"


def test_cpu_time_of_another_process_is_exact_even_of_a_zombie():
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", BURN])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    procfs = ProcFS()
    assert procfs.stat(child.pid).ended
    zombie_s = procfs.cpu_s(child.pid)
    _, _, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    assert zombie_s == pytest.approx(usage.ru_utime + usage.ru_stime, abs=2e-5)
    assert procfs.cpu_s(child.pid) is None


def test_a_tree_counts_living_and_waited_for_children():
    script = "true & wait; i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done & cat"
    shell = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE)
    procfs = ProcFS()
    deadline = time.monotonic() + 20
    while len(procfs.tree(shell.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    tree = procfs.tree(shell.pid)
    assert tree[0] == shell.pid
    assert set(procfs.children(shell.pid)) <= set(tree)
    assert shell.pid in procfs.tree(os.getpid())
    assert procfs.tree_cpu_s(shell.pid) >= procfs.cpu_s(shell.pid) > 0
    shell.communicate()


CROWD = """
import os, sys
before, after = os.pipe()
for _ in range(900):
    if os.fork() == 0:
        os.read(before, 1)
        os._exit(0)
print(flush=True)
sys.stdin.read()
os.write(after, b"x" * 900)
"""


def test_a_crowd_of_children_is_seen_though_the_kernel_lists_it_in_pages():
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", CROWD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        parent.stdout.readline()
        children = ProcFS().children(parent.pid)
        parent.stdin.close()
    assert len(children) == len(set(children)) == 900


def test_this_host_is_busy_no_more_than_its_cpus_allow():
    procfs = ProcFS()
    before_s, before = time.monotonic(), procfs.busy_cpu_s(time.monotonic())
    while time.monotonic() - before_s < 0.3:
        pass
    after_s, after = time.monotonic(), procfs.busy_cpu_s(time.monotonic())
    # Idle time comes in ticks of each CPU.
    slack_s = 3 * TICK_S * procfs.n_cpus()
    assert -slack_s <= after - before <= procfs.n_cpus() * (after_s - before_s) + slack_s


def test_an_ignored_sigchld_is_seen_here():
    code = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(); input()"
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child.stdout.readline()
    try:
        assert ProcFS().sigchld_ignored(child.pid) is True
    finally:
        child.communicate(b"\n")
    assert ProcFS().sigchld_ignored(os.getpid()) is (
        signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    )


def test_a_key_is_host_number_and_start(host):
    host.process(7, starttime=42)
    assert ProcFS(host.path).key(7) == "aaaabbbbcccc-7-42"
    assert ProcFS(host.path).key(8) == "aaaabbbbcccc-8-0"


def test_the_number_of_a_process_in_a_container(tmp_path):
    def process(number, inside, starttime):
        folder = tmp_path / "proc" / str(number)
        folder.mkdir(parents=True)
        numbers = "\t".join(str(n) for n in (number, *inside))
        (folder / "status").write_text(f"Name:\tx\nNSpid:\t{numbers}\n")
        fields = ["S", "1", *["0"] * 17, str(starttime), *["0"] * 30]
        (folder / "stat").write_text(f"{number} (x) {' '.join(fields)}\n")

    process(500, [7], 100)
    process(501, [7], 200)
    process(502, [40, 7], 300)
    process(7, [], 100)
    fake = ProcFS(str(tmp_path))
    assert [fake.number_here(7, start) for start in (100, 200, 300)] == [500, 501, 502]
    assert fake.number_here(7, 400) is None
    assert fake.number_here(8, 100) is None
    assert ProcFS(str(tmp_path / "nowhere")).number_here(7, 100) is None
