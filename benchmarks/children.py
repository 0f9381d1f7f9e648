# SPDX-License-Identifier: Apache-2.0
"""1,200 children of 5 to 50 ms in one node, and what a meter sees of their CPU time.

The truth is the cgroup's cpu.stat (root), else rusage of the children. In the same run psutil
polls the node's tree at 1 and 10 Hz, and CodeCarbon's process mode measures the node; it reports
joules, so it is held against the joules it reports for the same CPU seconds in one process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import machine

BURN = "import time\nuntil = time.process_time() + {}\nwhile time.process_time() < until: pass"


def python(cpu_s: float) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", BURN.format(cpu_s)]


def children(n: int) -> None:
    random.seed(1)
    for _ in range(n):
        subprocess.run(python(random.uniform(0.005, 0.05)), check=True)


def poll(pid: int, hertz: float, stop: threading.Event) -> float:
    """Return the CPU seconds that psutil saw of a process's descendants, each at its last look."""
    import psutil

    node = psutil.Process(pid)
    seen: dict[tuple[int, float], float] = {}
    while not stop.wait(1 / hertz):
        for child in node.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                times = child.cpu_times()
                seen[child.pid, child.create_time()] = times.user + times.system
    return sum(seen.values())


def node(folder: str, n: int, cgroup: str) -> None:
    """Run the children as one metered node, in a cgroup of its own where there is one."""
    from nicarbon.meter import span

    if cgroup:
        (Path(cgroup) / "cgroup.procs").write_text(str(os.getpid()))
    context = span.RunContext(folder, "none", None)
    span.end(context, span.begin(context, "warm"), "ran")
    input()
    before_s = truth_s(cgroup)
    started = span.begin(context, "node")
    children(n)
    span.end(context, started, "ran")
    print(json.dumps(truth_s(cgroup) - before_s), flush=True)


def truth_s(cgroup: str) -> float:
    if cgroup:
        lines = (Path(cgroup) / "cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def codecarbon(kind: str, amount: float) -> None:
    """Print CodeCarbon's joules, process mode, for some work; only those of the CPU."""
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="DEU",
        save_to_file=False,
        log_level="critical",
        tracking_mode="process",
        measure_power_secs=1,
    )
    tracker.start()
    if kind == "children":
        children(int(amount))
    else:
        subprocess.run(python(amount), check=True)
    tracker.stop()
    print(tracker.final_emissions_data.cpu_energy * 3.6e6)


def make_cgroup() -> str:
    for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        path = Path(root) / f"nicarbon-{uuid.uuid4().hex[:8]}"
        with contextlib.suppress(OSError):
            path.mkdir()
            if "usage_usec" in (path / "cpu.stat").read_text():
                return str(path)
    return ""


def myself(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, __file__, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout.splitlines()[-1]


def metered(n: int) -> float:
    """Run the node with its pollers; print what each saw; return the truth."""
    cgroup = make_cgroup()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, __file__, "--node", folder, str(n), cgroup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stop, polled = threading.Event(), {}
        pollers = [
            threading.Thread(
                target=lambda hertz=hertz: polled.update({hertz: poll(process.pid, hertz, stop)})
            )
            for hertz in (1, 10)
        ]
        for poller in pollers:
            poller.start()
        process.stdin.write("\n")
        process.stdin.flush()
        truth = json.loads(process.stdout.readline())
        stop.set()
        process.communicate()
        for poller in pollers:
            poller.join()
        (path,) = Path(folder).glob("nodes-*.jsonl")
        end = json.loads(path.read_text().splitlines()[-1])
    if cgroup:
        time.sleep(0.1)
        with contextlib.suppress(OSError):
            os.rmdir(cgroup)
    source = "cgroup cpu.stat" if cgroup else "rusage"
    print(f"{n} children of 5 to 50 ms, {truth:.2f} CPU s by {source}; share that was seen:")
    print(f"  nicarbon ({end['cpu_source']})         {end['cpu_s'] / truth:8.2%}")
    for name in ("cpu_rusage_s", "cpu_perf_s"):
        if name in end:
            print(f"    {name:18s}      {end[name] / truth:8.2%}")
    for hertz, seen_s in sorted(polled.items()):
        print(f"  psutil polled at {hertz:2d} Hz    {seen_s / truth:8.2%}")
    return truth


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=1200)
    parser.add_argument("--node", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--codecarbon", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.node:
        node(args.node[0], int(args.node[1]), args.node[2])
        return 0
    if args.codecarbon:
        codecarbon(args.codecarbon[0], float(args.codecarbon[1]))
        return 0
    print(machine.describe())
    truth = metered(args.children)
    if machine.has_codecarbon():
        seen_j = float(myself("--codecarbon", "children", str(args.children)))
        one_j = float(myself("--codecarbon", "one", str(truth)))
        print(
            f"  CodeCarbon, process mode  {seen_j / one_j:8.2%} "
            f"({seen_j:.1f} J, against {one_j:.1f} J for one process of {truth:.1f} CPU s)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
