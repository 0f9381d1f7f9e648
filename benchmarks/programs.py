# SPDX-License-Identifier: Apache-2.0
"""1,200 short programs of five names in one node: how much of their CPU time gets a wrong name.

The truth is the kernel's own count of each process (wait4). Programs take 5 to 50 ms each, and
their names have unequal parts; one after the other, then three at a time. What is wrong is the
total-variation distance: the part of the node's CPU time that is with another name than its own.
It has to stay below 5 % or 1.5 x 0.75/sqrt(looks), whichever is more, and below what is stated.

By looks first, then as the kernel tells (``--programs exact``), of executables and of scripts that
one interpreter runs: the kernel does not tell their names.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from math import fsum, sqrt
from pathlib import Path

import machine

NAMES = {"register": 8, "label": 5, "sphere": 4, "stats": 2, "convert": 1}
LOOP = "i=0\nwhile [ $i -lt $1 ]; do i=$((i+1)); done\n"
LEAST, SPREAD = 0.05, 1.5 * 0.75
BUDGET = 0.005
# How programs are told apart, and what they are.
WAYS = {"seen": ("scripts",), "exact": ("executables", "scripts")}


def node(folder: str, n: int, at_once: int, kind: str) -> None:
    """Be the node: run the programs; leave the kernel's count of each name in a file."""
    shell = os.path.realpath("/bin/sh")
    ending = ".sh" if kind == "scripts" else ""
    for name in NAMES:
        (Path(folder) / f"{name}.sh").write_text(LOOP)
        shutil.copy(shell, f"{folder}/{name}")

    def start(name: str, loops: int) -> int:
        binary = shell if kind == "scripts" else f"{folder}/{name}"
        words = ["sh" if kind == "scripts" else binary, f"{folder}/{name}.sh", str(loops)]
        return os.posix_spawn(binary, words, os.environ)

    truth = dict.fromkeys(NAMES, 0.0)
    running: dict[int, str] = {}

    def wait() -> float:
        pid, _, usage = os.wait4(-1, 0)
        cpu_s = usage.ru_utime + usage.ru_stime
        truth[running.pop(pid)] += cpu_s
        return cpu_s

    running[start("register", 200_000)] = "register"
    loops_a_second = 200_000 / wait()
    random.seed(1)
    for name in random.choices(list(NAMES), list(NAMES.values()), k=n):
        running[start(name, round(random.uniform(0.005, 0.05) * loops_a_second))] = name
        while len(running) >= at_once:
            wait()
    while running:
        wait()
    own = resource.getrusage(resource.RUSAGE_SELF)
    found = {f"{name}{ending}": cpu_s for name, cpu_s in truth.items()}
    found[Path(__file__).name] = own.ru_utime + own.ru_stime
    (Path(folder) / "truth.json").write_text(json.dumps(found))


def measure(n: int, at_once: int, how: str = "seen", kind: str = "scripts") -> dict[str, float]:
    """Meter the node as any command; return what is wrong, what is stated, what it cost."""
    from nicarbon.run import Run

    with tempfile.TemporaryDirectory() as folder:
        run_dir = f"{folder}/run"
        # The interpreter itself: a launcher on PATH would be one more program.
        mine = [os.path.realpath(sys.executable), "-S", os.path.abspath(__file__)]
        command = [*mine, "--node", folder, str(n), str(at_once), kind]
        options = ["-o", run_dir, "--programs", how]
        subprocess.run(
            [sys.executable, "-m", "nicarbon", "run", *options, "--", *command],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        truth = json.loads((Path(folder) / "truth.json").read_text())
        run = Run.open(run_dir)
    summary = run.summary("program")
    (file,) = run.facts.sample_files
    first, last = file.samples[0], file.samples[-1]
    found = {row.name: row.cpu_s for row in summary.rows}
    # The node's own Python only waits for it all.
    whole_s, true_s = summary.total.cpu_s, fsum(truth.values())
    truth["python (node)"] = max(whole_s - true_s, 0.0)
    wrong_s = fsum(abs(found.get(k, 0.0) - truth.get(k, 0.0)) for k in {*found, *truth}) / 2
    assert summary.told is not None
    lasted_s = (last.t_monotonic_ns - first.t_monotonic_ns) / 1e9
    return {
        "wrong": wrong_s / whole_s,
        "stated": summary.told.error or 0.0,
        "limit": max(LEAST, SPREAD / sqrt(max(summary.told.n, 1))),
        "looks": summary.told.n,
        "sum_off": abs(fsum(found.values()) / whole_s - 1),
        "meter_cores": (last.meter_cpu_s - first.meter_cpu_s) / lasted_s,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=1200)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one object a trial, and no words")
    parser.add_argument("--how", choices=WAYS, nargs="+", default=list(WAYS))
    parser.add_argument("--kind", choices=WAYS["exact"], nargs="+", default=WAYS["exact"])
    parser.add_argument("--node", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.node:
        node(args.node[0], int(args.node[1]), int(args.node[2]), args.node[3])
        return 0
    if not args.json:
        print(machine.describe())
    kept = True
    ways = [(way, kind) for way in args.how for kind in WAYS[way] if kind in args.kind]
    for how, kind in ways:
        for at_once in [at_once for at_once in args.at_once for _ in range(args.repeat)]:
            found = measure(args.programs, at_once, how, kind)
            kept = kept and found["wrong"] <= min(found["limit"], found["stated"])
            if args.json:
                print(json.dumps({"how": how, "kind": kind, **found}))
                continue
            print(
                f"{how}, {kind}: {args.programs} of {len(NAMES)} names, {at_once} at once: "
                f"{found['wrong']:.1%} with a wrong name (stated: at most {found['stated']:.1%}; "
                f"limit {found['limit']:.1%} by {found['looks']:.0f} looks); the sampler took "
                f"{found['meter_cores']:.2%} of a core (budget {BUDGET:.1%})"
            )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
