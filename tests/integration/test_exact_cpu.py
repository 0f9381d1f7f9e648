# SPDX-License-Identifier: Apache-2.0
"""CPU seconds of a node against the kernel's own count of what it ran.

The truth is the cgroup's cpu.stat where root can make a cgroup, else rusage of a process around
all of it (wait4 after init has no part in it: orphans are adopted).
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import pytest

CGROUPS = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]

# A node as nothing but a span: the engine's own work would be in the cgroup, too.
PROGRAM = """
import json, os, signal, subprocess, sys, time
run_dir, cgroup = sys.argv[1:]
from nicarbon.meter import perf, span

def burn(cpu_s):
    until = time.process_time() + cpu_s
    while time.process_time() < until:
        pass

def usage_s():
    with open(os.path.join(cgroup, "cpu.stat")) as file:
        return int(dict(line.split() for line in file)["usage_usec"]) / 1e6

BURN = "import time\\nuntil = time.process_time() + {}\\nwhile time.process_time() < until: pass"
def python(cpu_s):
    return [sys.executable, "-I", "-S", "-c", BURN.format(cpu_s)]

def orphans_gone():
    # Daemons go on after the node: the truth must end when it does.
    while True:
        with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as file:
            pids = file.read().split()
        states = []
        for pid in pids:
            with open(f"/proc/{pid}/stat") as file:
                states.append(file.read().rpartition(")")[2].split()[0])
        if all(state == "Z" for state in states):
            return
        time.sleep(0.01)

if "no perf" in os.environ.get("NICARBON_TEST_PERF", ""):
    perf._refused = "refused by the test"
context = span.RunContext(run_dir, "none", None)
if cgroup:
    with open(os.path.join(cgroup, "cgroup.procs"), "w") as file:
        file.write(str(os.getpid()))
span.end(context, span.begin(context, "warm"), "ran")
truth_s = usage_s() if cgroup else None
started = span.begin(context, "node")
{body}
orphans_gone()
span.end(context, started, "ran")
if cgroup:
    truth_s = usage_s() - truth_s
print(json.dumps(truth_s))
"""


@pytest.fixture
def cgroup():
    """Make a cgroup that counts CPU time, if that can be done here."""
    for root in CGROUPS:
        path = root / f"nicarbon-test-{uuid.uuid4().hex[:8]}"
        try:
            path.mkdir()
        except OSError:
            continue
        if (path / "cpu.stat").exists() and "usage_usec" in (path / "cpu.stat").read_text():
            yield path
            with contextlib.suppress(OSError):
                path.rmdir()
            return
        with contextlib.suppress(OSError):
            path.rmdir()
    pytest.skip("no cgroup with cpu.stat can be made here")


@pytest.fixture
def node(tmp_path, environment, read_run):
    """Run a body as one node; return its end record and the kernel's count."""

    def run(body, cgroup="", perf=True):
        run_dir = tmp_path / f"run-{uuid.uuid4().hex[:6]}"
        run_dir.mkdir()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                PROGRAM.replace("{body}", textwrap.dedent(body)),
                str(run_dir),
                str(cgroup),
            ],
            env=environment(NICARBON_TEST_PERF="" if perf else "no perf"),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert "nicarbon:" not in done.stderr
        (end,) = read_run(run_dir).end_of["node"]
        return end, json.loads(done.stdout.splitlines()[-1])

    return run


CHILDREN = """
import random
random.seed(1)
for _ in range({n}):
    subprocess.run(python(random.uniform(0.005, 0.05)))
"""
DOUBLE_FORK = """
for _ in range(12):
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            {setsid}
            os.execve(sys.executable, python(0.1), {environment})
        os._exit(0)
    os.waitpid(pid, 0)
"""
SCENARIOS = {
    "own": "burn(1.0)",
    "one child": "subprocess.run(python(1.0))",
    "threads": """
        import threading
        threads = [threading.Thread(target=lambda: sum(range(25_000_000))) for _ in range(3)]
        [t.start() for t in threads], [t.join() for t in threads]
    """,
    "100 short children": CHILDREN.format(n=100),
    "setsid": "[subprocess.run(['setsid', '-w', *python(0.1)]) for _ in range(8)]",
    "double fork": DOUBLE_FORK.format(setsid="", environment="os.environ"),
    "double fork and setsid": DOUBLE_FORK.format(setsid="os.setsid()", environment="os.environ"),
    "env -i and double fork": DOUBLE_FORK.format(setsid="", environment="{}"),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_within_one_percent_of_the_kernels_count(node, cgroup, name):
    for perf in (True, False):
        end, truth_s = node(SCENARIOS[name], cgroup, perf)
        assert truth_s > 0.5
        assert end["cpu_s"] == pytest.approx(truth_s, rel=0.01, abs=0.01)
        assert end.get("cpu_incomplete") is None
        assert ("cpu_perf_s" in end) is perf or not perf


IGNORING = """
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(10):
    pid = os.posix_spawn(sys.executable, python(0.1), os.environ)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
"""


def test_children_of_a_process_that_ignores_sigchld_count_or_are_flagged(node):
    end, _ = node(IGNORING)
    if end["cpu_source"] == "perf":
        assert end["cpu_s"] > 0.97
        assert end.get("cpu_incomplete") is None
    else:  # The kernel refuses perf here.
        assert "SIGCHLD" in end["cpu_incomplete"]
    end, _ = node(IGNORING, perf=False)
    assert end["cpu_s"] < 0.5
    assert "SIGCHLD" in end["cpu_incomplete"]


def test_the_kernels_count_of_pool_workers(workflow, read_run, tmp_path, script):
    # Without any cgroup: what wait4 says of each worker bounds what its nodes used.
    done = script(POOL)
    assert done.returncode == 0, done.stderr
    rusage = json.loads(done.stdout.split("RUSAGE ")[1].splitlines()[0])
    run = read_run(tmp_path / "run")
    used = {}
    for end in run.ends:
        pid = int(end["span"].split("-")[1])
        used[pid] = used.get(pid, 0.0) + end["cpu_s"]
    assert {str(pid) for pid in used} == set(rusage)
    for pid, cpu_s in used.items():
        whole_s, before_s = rusage[str(pid)]
        # Outside its nodes a worker unpickles and waits, no more.
        assert before_s * 0.99 <= cpu_s <= whole_s


POOL = """
import json, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from nicarbon.meter import span

def burn(cpu_s):
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        pass

def node(arguments):
    context, k = arguments
    started = span.begin(context, f"node{k}")
    burn(0.2)
    span.end(context, started, "ran")

def main():
    context = span.RunContext(os.path.abspath("run"), "none", None)
    read, write = os.pipe()
    n = 3
    pids = []
    for worker in range(2):
        pid = os.fork()
        if pid == 0:
            for k in range(n):
                node((context, worker * n + k))
            os._exit(0)
        pids.append(pid)
    found = {}
    for pid in pids:
        _, _, usage = os.wait4(pid, 0)
        found[pid] = [usage.ru_utime + usage.ru_stime, n * 0.2]
    print("RUSAGE", json.dumps(found))

if __name__ == "__main__":
    main()
"""
