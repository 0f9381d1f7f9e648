# SPDX-License-Identifier: Apache-2.0
"""Packing loses nothing: not at a kill, not with two at once, not on a full disk."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nicarbon.meter import gather as gathering
from nicarbon.meter import pack
from nicarbon.meter.gather import GatherError, gather, records, unpack
from nicarbon.meter.processes import ProcFS
from nicarbon.reader import read_run

# Kills a gather before each of its operations on files, one after the other, in copies of a
# folder; prints how many there were.
KILLER = """
import os, shutil, sys
from nicarbon.meter import gather
operations = ("open", "os.listdir", "os.remove", "os.rename", "os.scandir")
folder, n = sys.argv[1], 0
while True:
    copy = f"{folder}-{n}"
    shutil.copytree(folder, copy)
    pid = os.fork()
    if pid == 0:
        left = n
        def count(event, arguments):
            global left
            if event in operations:
                left -= 1
                if left < 0:
                    os._exit(9)
        sys.addaudithook(count)
        gather.gather(copy)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    n += 1
    if code != 9:
        print(code, n)
        break
"""


@pytest.fixture
def run(run_folders, tmp_path):
    """The folder of a run that ended, with a file of a worker, a report and a torn line."""
    folder = run_folders.write(tmp_path / "run", run_folders.facts())
    (folder / "report.html").write_text("the user's")
    worker = {"kind": "process", "host": run_folders.ID, "hostname": "scanner", "pid": 5}
    add(folder, 5, f'{{"kind":"process","host":"{worker["host"]}"')
    return folder


def add(folder, pid, text="torn"):
    (folder / f"nodes-0123456789ab-{pid}-6.jsonl").write_text(text)


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def packs(folder):
    return [name for name in os.listdir(folder) if pack.is_pack(name)]


def test_a_run_becomes_three_files_and_nothing_else_changes(run):
    before, facts = contents(run), read_run(run)
    done = gather(str(run), force=True)
    assert sorted(os.listdir(run)) == sorted(["report.html", done.pack, "run.json"])
    assert done.n_packed == len(before) - 2
    assert done.bytes_before == sum(len(before[name]) for name in before if "-" in name)
    assert read_run(run) == facts
    assert unpack(str(run), str(run) + "-loose") == len(before)
    assert contents(f"{run}-loose") == before


def test_a_second_time_nothing_happens(run):
    first = gather(str(run), force=True)
    before = contents(run)
    assert gather(str(run), force=True) == (None, 0, 0, 0, {})
    assert contents(run) == before
    assert list(before) == list(contents(run))
    assert packs(run) == [first.pack]


def test_what_comes_later_joins_the_pack(run):
    before = contents(run)
    gather(str(run), force=True)
    add(run, 7, "later\n")
    gather(str(run), force=True)
    assert len(packs(run)) == 1
    unpack(str(run), str(run) + "-loose")
    assert contents(f"{run}-loose") == {**before, "nodes-0123456789ab-7-6.jsonl": b"later\n"}


def test_files_of_a_living_process_are_left_and_named(run):
    key = ProcFS("/").key(os.getpid())
    name = f"nodes-{key}.jsonl"
    header = f'"hostname":"n7","pid_namespace":{ProcFS("/").pid_namespace()}'
    (run / name).write_text(f'{{"kind":"process",{header}}}\n')
    done = gather(str(run))
    assert done.left == {
        name: f"process {os.getpid()} on n7",
        "nodes-0123456789ab-5-6.jsonl": "process 5 on 0123456789ab",
    }
    assert sorted(done.left) == [f for f in sorted(os.listdir(run)) if f.startswith("nodes-")]
    assert gather(str(run)).pack is None


def test_a_kill_at_any_moment_loses_nothing(run):
    add(run, 7, "later\n")
    gather(str(run), force=True)
    late = [f"nodes-{ProcFS('/').host_id()}-{pid}-1.jsonl" for pid in (8, 9)]
    for name in late:
        namespace = ProcFS("/").pid_namespace()
        (run / name).write_text(f'{{"kind":"process","pid_namespace":{namespace}}}\nx')
    facts = read_run(run)
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(run)], capture_output=True, text=True, check=True
    )
    code, n = map(int, done.stdout.split())
    assert code == 0
    assert n > 15
    states = set()
    for i in range(n):
        left = run.with_name(f"{run.name}-{i}")
        names = os.listdir(left)
        states |= {"half written"} if any(name.endswith(".part") for name in names) else set()
        states |= {len(packs(left)), *(f"{name} deleted" for name in late if name not in names)}
        assert read_run(left) == facts, i
        gather(str(left))
        assert len(os.listdir(left)) == 3, i
        assert read_run(left) == facts, i
    assert states == {"half written", 1, 2, *(f"{name} deleted" for name in late)}


def test_two_at_once_and_a_reader_beside_them(run):
    for pid in range(100, 160):
        add(run, pid, f"line of {pid}\n")
    facts = read_run(run)
    for again in range(5):
        start = threading.Barrier(3)
        failures = []

        def pack_it(run=run, start=start, failures=failures):
            start.wait()
            try:
                gather(str(run), force=True)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=pack_it) for _ in range(2)]
        for thread in threads:
            thread.start()
        start.wait()
        while any(thread.is_alive() for thread in threads):
            assert read_run(run) == facts
        for thread in threads:
            thread.join()
        assert failures == []
        assert read_run(run) == facts
        gather(str(run), force=True)
        assert len(packs(run)) == 1
        assert read_run(run) == facts
        unpack(str(run), f"{run}-{again}")
        run = Path(f"{run}-{again}")


def test_what_was_half_written_by_a_killed_gather_is_swept_away(run):
    host = ProcFS("/").host_id()
    dead = run / f"records-1.jsonl.gz.{host}-1-999999999.part"
    alive = run / f"records-2.jsonl.gz.{ProcFS('/').key(os.getpid())}.part"
    young = run / "records-3.jsonl.gz.e15e00000000-1-1.part"
    old = run / "records-4.jsonl.gz.e15e00000000-1-1.part"
    for path in (dead, alive, young, old):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    gather(str(run), force=True)
    assert [path.exists() for path in (dead, alive, young, old)] == [False, True, True, False]


def test_a_full_disk_is_one_line_and_loses_nothing(run, monkeypatch):
    before = contents(run)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GatherError, match=r"No space left on device.*nothing is lost"):
        gather(str(run), force=True)
    assert contents(run) == before


def test_what_cannot_be_read_back_is_not_deleted(run, monkeypatch):
    before = contents(run)
    write = pack.write

    def forgetful(path, entries):
        write(path, list(entries)[:-1])

    monkeypatch.setattr(gathering.pack, "write", forgetful)
    with pytest.raises(GatherError, match="nothing is deleted"):
        gather(str(run), force=True)
    assert contents(run) == before


def test_a_file_that_grows_while_it_is_packed_stays(run, monkeypatch):
    name = "nodes-0123456789ab-5-6.jsonl"
    write = pack.write

    def slow(path, entries):
        write(path, entries)
        with open(run / name, "a") as file:
            file.write("\nmore\n")

    monkeypatch.setattr(gathering.pack, "write", slow)
    gather(str(run), force=True)
    assert name in os.listdir(run)
    whole = (run / name).read_bytes()
    monkeypatch.undo()
    gather(str(run), force=True)
    assert name not in os.listdir(run)
    unpack(str(run), str(run) + "-loose")
    assert Path(f"{run}-loose", name).read_bytes() == whole


def test_it_is_unpacked_only_into_a_folder_of_its_own(run):
    before = contents(run)
    with pytest.raises(GatherError, match="is not empty"):
        unpack(str(run), str(run))
    with pytest.raises(GatherError, match=r"cannot be written \(File exists\)"):
        unpack(str(run), str(run / "run.json"))
    assert contents(run) == before


def test_a_damaged_pack_is_left_alone(run):
    done = gather(str(run), force=True)
    path = run / done.pack
    path.write_bytes(path.read_bytes()[:-20])
    add(run, 7)
    before = contents(run)
    for act in (lambda: gather(str(run), force=True), lambda: unpack(str(run), str(run) + "-x")):
        with pytest.raises(GatherError, match=r"is damaged .*nothing is deleted"):
            act()
        assert contents(run) == before


def test_what_is_no_run_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(GatherError, match="is not a run folder"):
        gather(str(tmp_path))
    with pytest.raises(GatherError, match="cannot be read"):
        gather(str(tmp_path / "none"))
    with pytest.raises(GatherError, match="cannot be read"):
        records(str(tmp_path / "notes.txt"))


def test_a_run_that_is_deleted_while_it_is_packed(run, monkeypatch):
    def vanish(path, entries):
        shutil.rmtree(run)
        raise FileNotFoundError(path)

    monkeypatch.setattr(gathering.pack, "write", vanish)
    with pytest.raises(GatherError):
        gather(str(run), force=True)
