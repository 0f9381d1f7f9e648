# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import json
import os
import threading

import pytest

from nicarbon.meter.writer import Writer


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "nodes.jsonl")


def lines_of(path):
    with open(path) as file:
        return file.read().splitlines()


def n_open_files():
    return len(os.listdir("/proc/self/fd"))


def test_nothing_is_made_before_the_first_record(path):
    writer = Writer(path, {"kind": "process"})
    assert not os.path.exists(path)
    assert writer.write({"kind": "start"})
    assert [json.loads(line)["kind"] for line in lines_of(path)] == ["process", "start"]


def test_each_record_is_one_call_and_nothing_is_buffered(path, monkeypatch):
    writer = Writer(path)
    calls = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: calls.append(data) or write(fd, data))
    writer.write({"node": "näme\n", "cpu_s": 0.25})
    assert calls == [b'{"node":"n\\u00e4me\\n","cpu_s":0.25}\n']
    assert lines_of(path) == [calls[0].decode().rstrip("\n")]


def test_a_reopened_file_gets_no_second_header(path):
    for k in range(2):
        writer = Writer(path, {"kind": "process"})
        writer.write({"k": k})
        writer.close()
        writer.write({"k": k + 10})
        writer.close()
        writer.close()
    assert len(lines_of(path)) == 5


def test_a_torn_record_stands_on_a_line_of_its_own(path, monkeypatch):
    writer = Writer(path)
    assert writer.write({"k": 0})
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:4]))
    assert not writer.write({"k": 1})
    assert writer.error.errno == errno.ENOSPC
    monkeypatch.setattr(os, "write", write)
    assert writer.write({"k": 2})
    assert writer.write({"k": 3})
    assert lines_of(path) == ['{"k":0}', '{"k"', '{"k":2}', '{"k":3}']


def test_a_torn_tail_is_still_torn_after_a_write_that_fails(path, monkeypatch):
    writer = Writer(path)
    write = os.write

    def refuse(fd, data):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:4]))
    writer.write({"k": 1})
    monkeypatch.setattr(os, "write", refuse)
    assert not writer.write({"k": 2})
    monkeypatch.setattr(os, "write", write)
    writer.write({"k": 3})
    assert lines_of(path) == ['{"k"', '{"k":3}']


def test_a_full_disk_raises_nothing_and_leaves_no_file_open():
    writer = Writer("/dev/full", {"kind": "process"})
    before = n_open_files()
    for _ in range(5):
        assert not writer.write({"k": 1})
    assert writer.error.errno == errno.ENOSPC
    assert n_open_files() <= before + 1


def test_a_full_disk_at_the_header_leaves_no_file_open(path, monkeypatch):
    writer = Writer(path, {"kind": "process"})
    before = n_open_files()

    def refuse(fd, data):
        raise OSError(errno.ENOSPC, "full")

    write = os.write
    monkeypatch.setattr(os, "write", refuse)
    for _ in range(5):
        assert not writer.write({"k": 1})
    assert n_open_files() == before
    # When there is space again the header comes first.
    monkeypatch.setattr(os, "write", write)
    assert writer.write({"k": 2})
    assert lines_of(path) == ['{"kind":"process"}', '{"k":2}']


def test_a_file_that_reached_its_limit(path):
    pid = os.fork()
    if pid == 0:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
        writer = Writer(path)
        results = [writer.write({"record": k}) for k in range(5)]
        os._exit(0 if results == [True, True, True, False, False] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert os.path.getsize(path) == 40
    assert lines_of(path)[:2] == ['{"record":0}', '{"record":1}']


def test_a_folder_that_is_gone_is_kept_as_the_error(tmp_path):
    writer = Writer(str(tmp_path / "gone" / "nodes.jsonl"))
    assert not writer.write({"k": 1})
    assert isinstance(writer.error, FileNotFoundError)


def test_threads_that_write_first_write_one_header(path):
    writer = Writer(path, {"kind": "process"})
    barrier = threading.Barrier(8)

    def write(k):
        barrier.wait()
        writer.write({"k": k})

    threads = [threading.Thread(target=write, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = [json.loads(line) for line in lines_of(path)]
    assert records[0] == {"kind": "process"}
    assert sorted(record["k"] for record in records[1:]) == list(range(8))


def test_two_processes_share_no_lines(path):
    # Two writers of one file never cut each other's records: O_APPEND, one call each.
    pids = []
    for k in range(2):
        pid = os.fork()
        if pid == 0:
            writer = Writer(path)
            for _ in range(200):
                writer.write({"writer": k, "filling": "x" * 500})
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    assert len([json.loads(line) for line in lines_of(path)]) == 400


def test_the_file_is_not_inherited_by_programs(path):
    writer = Writer(path)
    writer.write({"k": 1})
    assert not os.get_inheritable(writer._fd)
