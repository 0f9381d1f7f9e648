# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import socket
import threading

import pytest

from nicarbon.meter import handover, perf
from nicarbon.meter.handover import Desk, answer, offer

CPUS = sorted(os.sched_getaffinity(0))


@pytest.fixture
def desk():
    desk = Desk(os.getpid(), CPUS)
    yield desk
    desk.close()


@pytest.fixture
def files(monkeypatch, tmp_path):
    """Plain files stand for events."""

    def opened(cpu, inherit):
        assert inherit
        path = tmp_path / str(cpu)
        path.write_text(f"cpu {cpu}")
        return os.open(path, os.O_RDONLY)

    monkeypatch.setattr(perf, "open_task_records", opened)


def serve(desk, is_taken):
    """Answer one offer in another thread, as the sampler does from its own process."""
    taken = []

    def work():
        desk._socket.setblocking(True)
        peer, handed = desk.accept()
        taken.append((handed, [os.read(fd, 20) for fd in handed.events.values()]))
        for fd in handed.events.values():
            os.close(fd)
        answer(peer, is_taken)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, taken


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_process_hands_over_an_event_for_each_cpu(desk, files, is_taken):
    before = len(os.listdir("/proc/self/fd"))
    thread, taken = serve(desk, is_taken)
    assert offer(os.getpid(), 4026531836) is is_taken
    thread.join()
    ((handed, texts),) = taken
    assert handed[:3] == (os.getpid(), threading.get_native_id(), 4026531836)
    assert list(handed.events) == CPUS
    assert texts == [b"cpu %d" % cpu for cpu in CPUS]
    assert len(os.listdir("/proc/self/fd")) == before


def test_hosts_may_have_more_cpus_than_are_handed_over_at_once(files, monkeypatch):
    monkeypatch.setattr(handover, "_AT_ONCE", 3)
    desk = Desk(os.getpid(), range(8))
    thread, taken = serve(desk, True)
    assert offer(os.getpid(), None)
    thread.join()
    assert list(taken[0][0].events) == list(range(8))
    desk.close()


def test_without_a_sampler_nothing_is_opened(monkeypatch):
    monkeypatch.setattr(perf, "open_task_records", lambda *a, **k: pytest.fail("opened"))
    assert offer(os.getpid(), None) is False


def test_a_kernel_that_refuses_costs_no_more_than_that(desk, monkeypatch):
    def refuse(cpu, inherit):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(perf, "open_task_records", refuse)
    errors = []

    def work():
        desk._socket.setblocking(True)
        try:
            desk.accept()
        except ValueError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert offer(os.getpid(), None) is False
    thread.join()
    assert errors == ["it went away"]


def test_nobody_there_is_no_error(desk):
    assert desk.accept() is None


def test_another_users_process_is_sent_away(desk, files, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.connect(handover._address(os.getpid()))
        monkeypatch.setattr(handover, "_user", lambda peer: 12345)
        with pytest.raises(ValueError, match="another user"):
            desk.accept()
        assert offer(os.getpid(), None) is False
