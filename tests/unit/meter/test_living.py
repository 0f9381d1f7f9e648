# SPDX-License-Identifier: Apache-2.0
"""Whether somebody may still write: known for processes of this host, judged for others."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from nicarbon.meter.living import QUIET_S, living
from nicarbon.meter.processes import ProcFS

PROC = ProcFS("/")
ELSEWHERE = "e15e00000000"
CLOSE = {"kind": "close", "t_monotonic_ns": 1, "reason": "stopped"}


def mark(event):
    return {"kind": "driver", "event": event}


def span(kind, name="s"):
    return {"kind": kind, "span": name}


@pytest.fixture
def process():
    """A living process of this host: its number, to be killed."""
    with subprocess.Popen(["sleep", "600"]) as sleeping:
        yield sleeping
        sleeping.kill()


class Folder:
    """A run folder that is written by hand, for processes here and elsewhere."""

    def __init__(self, path):
        self.path = path

    def write(self, kind, key, *lines, head=True, namespace=None, driver=None, age_s=0.0, **more):
        host, pid, _ = key.split("-")
        if namespace is None:
            namespace = PROC.pid_namespace()
        header = {
            "kind": "host" if kind == "samples" else "process",
            "host": host,
            "hostname": "n1",
            "pid": int(pid),
            "driver": driver,
            "pid_namespace": namespace,
            **more,
        }
        path = self.path / f"{kind}-{key}.jsonl"
        records = [header, *lines] if head else lines
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        then = time.time() - age_s
        os.utime(path, (then, then))
        return path.name

    def living(self):
        return living(str(self.path), sorted(os.listdir(self.path)))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def key_of(process):
    return PROC.key(process.pid)


def test_a_run_whose_driver_lives_is_alive_as_a_whole(folder, process):
    driver = key_of(process)
    dead = f"{PROC.host_id()}-1-999999999"
    names = [
        folder.write("nodes", driver, mark("start"), driver=driver),
        folder.write("nodes", dead, span("start"), span("end"), driver=driver),
        folder.write("samples", dead, CLOSE, driver=driver),
    ]
    (folder.path / f"graph-{driver}-0.json").write_text("{}")
    assert sorted(folder.living()) == sorted([*names, f"graph-{driver}-0.json"])
    assert folder.living()[names[0]] == f"process {process.pid} on n1"


def test_a_driver_that_was_killed_is_known_to_be_dead_at_once(folder, process):
    driver = key_of(process)
    folder.write("nodes", driver, mark("start"), driver=driver)
    folder.write("samples", f"{PROC.host_id()}-1-999999999", driver=driver)
    process.kill()
    process.wait()
    assert folder.living() == {}


def test_a_number_that_was_used_again_is_another_process(folder, process):
    host, pid, starttime = key_of(process).split("-")
    folder.write("nodes", f"{host}-{pid}-{int(starttime) - 5}", mark("start"))
    assert folder.living() == {}


def test_a_killed_driver_has_left_its_graph(folder, process):
    driver = key_of(process)
    name = folder.write("nodes", driver, mark("start"), driver=driver)
    graph = folder.path / f"graph-{driver}-0.json"
    graph.write_text('{"nodes": []}')
    assert list(folder.living()) == [graph.name, name]
    process.kill()
    process.wait()
    assert folder.living() == {}


def test_a_worker_that_outlives_its_driver_counts_while_a_node_runs(folder, process):
    driver, worker = f"{PROC.host_id()}-1-999999999", key_of(process)
    folder.write("nodes", driver, mark("start"), mark("end"), driver=driver)
    name = folder.write("nodes", worker, span("start"), driver=driver)
    assert list(folder.living()) == [name]
    folder.write("nodes", worker, span("start"), span("end"), driver=driver)
    assert folder.living() == {}


def test_without_an_end_a_worker_that_lives_may_go_on(folder, process):
    driver, worker = f"{PROC.host_id()}-1-999999999", key_of(process)
    folder.write("nodes", driver, mark("start"), driver=driver)
    name = folder.write("nodes", worker, span("start"), span("end"), driver=driver)
    assert list(folder.living()) == [name]


def test_a_sampler_is_alive_until_it_wrote_its_last_line(folder, process):
    driver = f"{PROC.host_id()}-1-999999999"
    folder.write("nodes", driver, mark("start"), mark("end"), driver=driver)
    name = folder.write("samples", key_of(process), driver=driver)
    assert list(folder.living()) == [name]
    folder.write("samples", key_of(process), CLOSE, driver=driver)
    assert folder.living() == {}


def test_the_end_of_a_driver_elsewhere_ends_its_run(folder):
    driver = f"{ELSEWHERE}-10-20"
    folder.write("nodes", driver, mark("start"), mark("end"), driver=driver)
    folder.write("nodes", f"{ELSEWHERE}-11-20", span("start"), span("end"), driver=driver)
    folder.write("samples", f"{ELSEWHERE}-12-20", CLOSE, driver=driver)
    assert folder.living() == {}


@pytest.mark.parametrize(("age_s", "alive"), [(0.0, 3), (QUIET_S - 60, 3), (QUIET_S + 60, 0)])
def test_a_run_elsewhere_without_an_end_is_over_when_it_is_silent(folder, age_s, alive):
    driver = f"{ELSEWHERE}-10-20"
    folder.write("nodes", driver, mark("start"), driver=driver, age_s=9 * QUIET_S)
    folder.write("nodes", f"{ELSEWHERE}-11-20", span("start"), driver=driver, age_s=9 * QUIET_S)
    folder.write("samples", f"{ELSEWHERE}-12-20", driver=driver, age_s=age_s)
    assert len(folder.living()) == alive


def test_a_sampler_that_saw_its_driver_end_tells_of_it(folder):
    driver = f"{ELSEWHERE}-10-20"
    folder.write("nodes", driver, mark("start"), span("start"), driver=driver)
    sampler = f"{ELSEWHERE}-12-20"
    folder.write("samples", sampler, {**CLOSE, "reason": "driver ended"}, driver=driver)
    assert folder.living() == {}
    worker = folder.write("nodes", f"{ELSEWHERE}-11-20", span("start"), driver=driver)
    assert list(folder.living()) == [worker], "an orphan may still run its node"
    folder.write("samples", sampler, CLOSE, driver=driver)
    assert len(folder.living()) == 3, "a scheduler's signal reaches the sampler first"


def test_silence_without_a_sampler_says_nothing(folder):
    driver = f"{ELSEWHERE}-10-20"
    name = folder.write("nodes", driver, mark("start"), driver=driver, age_s=9 * QUIET_S)
    assert list(folder.living()) == [name]


def test_in_another_container_of_this_host_process_numbers_mean_nothing(folder, process):
    driver = key_of(process)
    process.kill()
    process.wait()
    name = folder.write("nodes", driver, mark("start"), driver=driver, namespace=1)
    assert list(folder.living()) == [name]


def test_jobs_are_judged_each_for_itself(folder, process):
    ended, running = f"{ELSEWHERE}-10-20", key_of(process)
    folder.write("nodes", ended, mark("start"), mark("end"), driver=ended)
    folder.write("samples", f"{ELSEWHERE}-12-20", CLOSE, driver=ended)
    name = folder.write("nodes", running, mark("start"), driver=running)
    assert list(folder.living()) == [name]


def test_torn_and_foreign_files_stop_nobody(folder):
    key = f"{PROC.host_id()}-1-999999999"
    folder.write("nodes", key, {"kind": "start"}, head=False)
    (folder.path / f"samples-{key}.jsonl").write_bytes(b'\xff\n[1]\n"x"\n' + b"[" * 100_000)
    (folder.path / "nodes-odd.jsonl").write_text("x")
    (folder.path / "jobs-1.json").write_text("{}")
    (folder.path / "report.html").write_text("mine")
    # Without a first line nobody knows which processes the numbers mean.
    assert len(folder.living()) == 2
    assert living(str(folder.path), [f"nodes-{key}9.jsonl"]) == {}, "packed by somebody else"


def test_it_is_asked_about_itself_without_writing(folder):
    before = os.stat(folder.path).st_mtime_ns
    folder.write("nodes", PROC.key(os.getpid()), mark("start"))
    os.utime(folder.path, ns=(before, before))
    (line,) = folder.living().values()
    assert line == f"process {os.getpid()} on n1"
    assert os.stat(folder.path).st_mtime_ns == before
