# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from nicarbon.meter import perf


@pytest.fixture(autouse=True)
def _unasked(monkeypatch):
    monkeypatch.setattr(perf, "_refused", None)


@pytest.fixture
def clock():
    fd = perf.open_task_clock()
    if fd is None:
        pytest.skip(f"the kernel refuses task clocks here: {perf.refusal()}")
    yield fd
    os.close(fd)


def burn(cpu_s):
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        pass


def test_it_counts_what_this_thread_does(clock):
    before = time.thread_time()
    burn(0.1)
    counted = perf.read_task_clock(clock)
    assert counted == pytest.approx(time.thread_time() - before, abs=0.02)
    assert counted >= 0.1


def test_it_counts_children_even_those_that_nobody_reaps(clock):
    pid = os.fork()
    if pid == 0:
        burn(0.1)
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert perf.read_task_clock(clock) >= 0.09
    os.waitpid(pid, 0)


def test_it_does_not_count_another_thread(clock):
    go = threading.Event()
    done = threading.Event()

    def work():
        go.wait()
        burn(0.2)
        done.set()

    # Started before its own clock opens, as a thread that runs a second node has been.
    thread = threading.Thread(target=work)
    thread.start()
    fd = perf.open_task_clock()
    go.set()
    done.wait()
    thread.join()
    assert perf.read_task_clock(fd) < 0.1
    os.close(fd)


def test_the_clock_is_not_inherited_by_programs(clock):
    assert not os.get_inheritable(clock)


def _failing_with(number):
    class Library:
        calls = 0

        def syscall(self, *arguments):
            Library.calls += 1
            perf.ctypes.set_errno(number)
            return -1

    return Library()


def test_a_refusal_is_remembered(monkeypatch):
    library = _failing_with(errno.EACCES)
    monkeypatch.setattr(perf, "_libc", library)
    assert perf.open_task_clock() is None
    assert perf.open_task_clock() is None
    assert library.calls == 1
    assert perf.refusal() == os.strerror(errno.EACCES)


def test_a_passing_lack_is_not_remembered(monkeypatch):
    library = _failing_with(errno.EMFILE)
    monkeypatch.setattr(perf, "_libc", library)
    assert perf.open_task_clock() is None
    assert perf.refusal() is None
    assert perf.open_task_clock() is None
    assert library.calls == 2


def test_an_unknown_machine_says_so(monkeypatch):
    monkeypatch.setattr(perf, "_SYSCALL", None)
    assert perf.open_task_clock() is None
    assert "system call" in perf.refusal()


def test_attributes_are_those_of_the_kernels_header():
    # struct perf_event_attr, version 0: 64 bytes; PERF_TYPE_SOFTWARE = 1, TASK_CLOCK = 1.
    assert len(perf._ATTRIBUTES) == 64
    assert perf._ATTRIBUTES[:4] == (1).to_bytes(4, "little")
    assert perf._ATTRIBUTES[4:8] == (64).to_bytes(4, "little")
    assert perf._ATTRIBUTES[8:16] == (1).to_bytes(8, "little")
