# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time

import pytest

from nicarbon.meter import subreaper
from nicarbon.meter.processes import ProcFS

PROC = ProcFS("/")


@pytest.fixture
def adopting():
    was = subreaper.get()
    subreaper.switch(True)
    yield
    subreaper.switch(was)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break


def orphan(new_session):
    """Make an orphan that ends at once; return its process number, still a zombie."""
    told, say = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        if new_session:
            os.setsid()
        if os.fork() == 0:
            while os.getppid() != parent:  # Until it is adopted.
                time.sleep(0.001)
            os.write(say, b"%d" % os.getpid())
            os._exit(3)
        os._exit(0)
    os.waitpid(pid, 0)
    number = int(os.read(told, 16))
    os.close(told)
    os.close(say)
    os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT)
    return number


def exists(pid):
    return PROC.stat(pid) is not None


def test_the_switch_can_be_read_back():
    was = subreaper.get()
    for on in (True, False, was):
        subreaper.switch(on)
        assert subreaper.get() is on


def test_an_orphan_of_another_session_is_reaped(adopting):
    pid = orphan(new_session=True)
    assert PROC.stat(pid).ppid == os.getpid()
    subreaper.reap_adopted(PROC, [pid], os.getsid(0))
    assert not exists(pid)


def test_an_orphan_of_this_session_could_be_the_nodes_own_and_stays(adopting):
    pid = orphan(new_session=False)
    subreaper.reap_adopted(PROC, [pid], os.getsid(0))
    assert PROC.stat(pid).state == "Z"


@pytest.mark.parametrize("new_session", [False, True])
def test_a_child_of_this_process_is_never_reaped(adopting, new_session):
    pid = os.fork()
    if pid == 0:
        if new_session:
            os.setsid()
        os._exit(3)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    subreaper.reap_adopted(PROC, [pid], os.getsid(0))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


def test_a_living_orphan_is_left_alone(adopting):
    read, write = os.pipe()
    told, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            os.close(write)
            os.write(say, b"%d" % os.getpid())
            os.read(read, 1)
            os._exit(0)
        os._exit(0)
    os.waitpid(pid, 0)
    number = int(os.read(told, 16))
    subreaper.reap_adopted(PROC, [number], os.getsid(0))
    assert exists(number)
    for fd in (read, write, told, say):
        os.close(fd)


def test_nothing_is_reaped_once_this_process_left_its_session(adopting):
    """Its own earlier children are in the old session: nothing proves whose a zombie is."""
    pid = orphan(new_session=True)
    subreaper.reap_adopted(PROC, [pid], os.getsid(0) + 1)
    assert exists(pid)


def test_a_thread_that_was_first_is_no_error(adopting, monkeypatch):
    pid = orphan(new_session=True)
    stat = PROC.stat(pid)
    os.waitpid(pid, 0)
    monkeypatch.setattr(PROC, "stat", lambda number: stat)
    subreaper.reap_adopted(PROC, [pid], os.getsid(0))


def test_strangers_are_not_touched():
    subreaper.reap_adopted(PROC, [1, 2**22 + 1], os.getsid(0))
