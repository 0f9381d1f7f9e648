# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import struct
import sys
import time

import pytest

from nicarbon.meter import perf, switches
from nicarbon.meter.switches import COMM, EXIT, FORK, SWITCH, Record, Rings

TRAILER = struct.pack("=IIQQ", 8, 9, 1234, 77)


def raw(kind, body=b"", misc=0, trailer=TRAILER):
    return struct.pack("=IHH", kind, misc, 8 + len(body) + len(trailer)) + body + trailer


def parsed(data):
    found = []
    return switches._parse(data, found), found


def test_switches_say_who_begins_or_stops_to_run():
    lost, found = parsed(raw(SWITCH) + raw(SWITCH, misc=switches._OUT))
    assert lost == 0
    assert found == [Record(1234, 77, SWITCH, 8, 9), Record(1234, 77, SWITCH, 8, 9, True)]


def test_a_fork_names_who_started_it():
    body = struct.pack("=IIIIQ", 20, 8, 21, 9, 1234)
    assert parsed(raw(FORK, body))[1] == [Record(1234, 77, FORK, 20, 21, False, 8)]
    assert parsed(raw(EXIT, body))[1] == [Record(1234, 77, EXIT, 20, 21, False, 8)]


def test_a_name_is_that_of_another_program_only_when_the_kernel_says_so():
    body = struct.pack("=II16s", 20, 20, b"mri_ca_register")
    named = Record(1234, 77, COMM, 20, 20, True, 0, "mri_ca_register")
    assert parsed(raw(COMM, body, misc=switches._EXEC))[1] == [named]
    assert parsed(raw(COMM, body))[1] == [named._replace(flag=False)]


def test_what_was_lost_is_counted_and_what_makes_no_sense_ends_it():
    lost = raw(2, struct.pack("=QQ", 77, 12))
    assert parsed(lost + raw(SWITCH)) == (12, [Record(1234, 77, SWITCH, 8, 9)])
    assert parsed(raw(SWITCH) + b"\0" * 40) == (1, [Record(1234, 77, SWITCH, 8, 9)])
    assert parsed(raw(99, b"12345678")) == (0, [])


@pytest.fixture
def rings():
    try:
        rings = Rings(sorted(os.sched_getaffinity(0)))
    except OSError as error:
        pytest.skip(f"the kernel refuses here: {error}")
    yield rings
    rings.close()


@pytest.fixture
def told(rings):
    """Let the kernel tell of this thread and of what it starts; return the events' ids."""
    fds = {cpu: perf.open_task_records(cpu, inherit=True) for cpu in rings.cpus()}
    yield {rings.join(cpu, fd) for cpu, fd in fds.items()}
    for fd in fds.values():
        os.close(fd)


def test_the_kernel_tells_of_a_program_from_its_start_to_its_end(rings, told):
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", burn], os.environ)
    _, _, used = os.wait4(pid, 0)
    time.sleep(0.005)
    records, until_ns, n_lost = rings.take(time.monotonic_ns())
    assert n_lost == 0
    assert {record.event for record in records} <= told
    assert [r.t_ns for r in records] == sorted(r.t_ns for r in records)
    assert all(r.t_ns <= until_ns for r in records)
    mine = [r for r in records if r.pid == pid]
    (fork,) = (r for r in mine if r.kind == FORK)
    (named,) = (r for r in mine if r.kind == COMM and r.flag)
    (end,) = (r for r in mine if r.kind == EXIT)
    assert fork.parent == os.getpid()
    assert named.name == os.path.basename(sys.executable)[:15]
    ran_ns = since_ns = 0
    for record in mine:
        if record.kind == SWITCH and not record.flag:
            since_ns = record.t_ns
        elif since_ns and record.kind in (SWITCH, EXIT):
            ran_ns, since_ns = ran_ns + record.t_ns - since_ns, 0
    assert end.t_ns > named.t_ns > fork.t_ns
    assert ran_ns / 1e9 == pytest.approx(used.ru_utime + used.ru_stime, rel=0.05)


def test_what_has_just_happened_is_told_later(rings, told):
    now_ns = time.monotonic_ns()
    os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
    assert not [r for r in rings.take(now_ns)[0] if r.kind == EXIT]
    time.sleep(0.005)
    assert [r for r in rings.take(time.monotonic_ns())[0] if r.kind == EXIT]


def test_more_than_there_is_room_for_is_counted_as_lost(rings, told):
    # Two switches each time on one CPU, which has room for 4,096.
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        for _ in range(3000):
            time.sleep(1e-6)
        assert rings.take(time.monotonic_ns())[2] == 0
        # That it lost some the kernel says when there is room again.
        time.sleep(1e-6)
        assert rings.take(time.monotonic_ns())[2] > 1000
    finally:
        os.sched_setaffinity(0, cpus)


def test_a_refusal_leaves_nothing_open(monkeypatch):
    before = len(os.listdir("/proc/self/fd"))

    def refuse(cpu, inherit):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(perf, "open_task_records", refuse)
    with pytest.raises(PermissionError):
        Rings([0, 1])
    assert len(os.listdir("/proc/self/fd")) == before
