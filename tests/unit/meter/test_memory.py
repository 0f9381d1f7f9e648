# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nicarbon.meter import memory
from nicarbon.meter.memory import Peaks
from nicarbon.meter.processes import ProcFS

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MB = 1 << 20


def family(host, own_mb, child_mb, own_pss_mb=None, child_pss_mb=None):
    host.process(7, rss_pages=own_mb * MB // PAGE_BYTES, children="8")
    host.process(8, 7, rss_pages=child_mb * MB // PAGE_BYTES)
    for pid, pss_mb in ((7, own_pss_mb), (8, child_pss_mb)):
        if pss_mb is not None:
            host.write(f"proc/{pid}/smaps_rollup", f"head\nRss: 9 kB\nPss:  {pss_mb * 1024} kB\n")


@pytest.fixture
def peaks(host):
    return Peaks(ProcFS(host.path))


def test_small_processes_are_added_up(peaks, host):
    family(host, 500, 60, own_pss_mb=1, child_pss_mb=1)
    peaks.look(["a", "b"], 7)
    assert peaks.peak_bytes == {"a": 560 * MB, "b": 560 * MB}


def test_pages_that_large_processes_share_count_once(peaks, host):
    family(host, 500, 500, own_pss_mb=255, child_pss_mb=305)
    peaks.look(["a"], 7)
    assert peaks.peak_bytes == {"a": 560 * MB}


def test_a_tree_holds_at_least_what_its_largest_process_holds(peaks, host):
    """A page that strangers share, too, is in no process's proportional size as a whole."""
    family(host, 500, 100, own_pss_mb=200, child_pss_mb=90)
    peaks.look(["a"], 7)
    assert peaks.peak_bytes == {"a": 500 * MB}


@pytest.mark.parametrize("rollup", [None, "Pss: what kB\n", "Pss:\n"])
def test_sizes_that_cannot_be_read_leave_the_largest_process(peaks, host, rollup):
    family(host, 500, 100)
    if rollup is not None:
        host.write("proc/7/smaps_rollup", rollup)
    peaks.look(["a"], 7)
    assert peaks.peak_bytes == {"a": 500 * MB}


def test_it_is_looked_closer_only_where_a_new_peak_may_be(peaks, host, monkeypatch):
    reads = []
    monkeypatch.setattr(memory, "read_file", lambda path: reads.append(path))
    family(host, 500, 100)
    peaks.look(["a"], 7)
    assert len(reads) == 2
    family(host, 300, 200)
    peaks.look(["a"], 7)
    assert len(reads) == 2


def test_closer_looks_that_take_too_long_are_not_taken(peaks, host, monkeypatch):
    now_s = iter([100.0, 101.0, 102.0, 1000.0, 1000.0])
    peaks._began_s = 99.0
    monkeypatch.setattr(memory.time, "monotonic", lambda: next(now_s))
    family(host, 500, 200, 400, 150)
    peaks.look(["a"], 7)  # takes a second of the second that it has been looking for
    assert peaks.peak_bytes == {"a": 550 * MB}
    family(host, 600, 200, 600, 200)
    peaks.look(["a"], 7)
    assert peaks.peak_bytes == {"a": 600 * MB}
    peaks.look(["a"], 7)  # and a quarter of an hour later once more
    assert peaks.peak_bytes == {"a": 800 * MB}


def test_spans_that_are_no_more_are_forgotten(peaks, host):
    family(host, 5, 5)
    peaks.look(["a", "b"], 7)
    peaks.keep({"b", "c"})
    assert list(peaks.peak_bytes) == ["b"]


def test_a_process_that_is_gone_holds_nothing(peaks):
    peaks.look(["a"], 99)
    assert peaks.peak_bytes == {}


FORKED = """
import os, sys, time
block = bytearray(200 << 20)
block[::4096] = b"x" * len(block[::4096])
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    children.append(pid)
print("ready", flush=True)
sys.stdin.read()
for pid in children:
    os.kill(pid, 9)
"""


def test_workers_that_were_forked_do_not_multiply_what_they_share():
    with subprocess.Popen(
        [sys.executable, "-c", FORKED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout.readline() == b"ready\n"
        procfs, peaks = ProcFS("/"), Peaks(ProcFS("/"))
        added_up = sum(procfs.tree_rss_bytes(parent.pid).values())
        peaks.look(["a"], parent.pid)
        parent.stdin.close()
    assert added_up > 800 * MB
    assert 200 * MB < peaks.peak_bytes["a"] < 260 * MB
