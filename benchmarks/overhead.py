# SPDX-License-Identifier: Apache-2.0
"""What metering costs a node, in CPU time: about 1,000 trivial nodes, metered and plain in turns.

The same for as many elements of one MapNode, which it runs by itself. Each trial is a process of
its own, in memory (/dev/shm). Its cost is user and system time of the process and its children
from before the plugin is made until the workflow has run, and what the sampler used by its own
record. Pairs change their order, and are of 800 to 1,200 nodes: in runs of one size Python may
search its whole memory for garbage once more in each metered run than in each plain one, or never
so, which is 0.05 ms a node. What is paid once a run (imports, the sampler's start) and what for
each node follows from runs of a tenth of the nodes. Beside it, one CodeCarbon offline tracker a
node.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import machine

BUDGET_MS = 0.2
# Student's t, one-sided 95 %, by degrees of freedom (NIST/SEMATECH e-Handbook, 1.3.6.7.2).
T_95 = {4: 2.132, 9: 1.833, 14: 1.761, 19: 1.729, 29: 1.699, 39: 1.685}


def nothing(x):
    return x


def tracked(x):
    import os

    from codecarbon import OfflineEmissionsTracker

    before = os.times()
    tracker = OfflineEmissionsTracker(
        country_iso_code="DEU", save_to_file=False, log_level="critical"
    )
    tracker.start()
    tracker.stop()
    after = os.times()
    # Of the whole process: the tracker works in threads.
    return sum(after[:4]) - sum(before[:4])


def cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def trial(kind: str, n_nodes: int, base: str) -> None:
    """Run the workflow once; print the CPU seconds that it took."""
    from nipype import Function, MapNode, Node, Workflow, config, logging

    logging.getLogger("nipype.workflow").setLevel("CRITICAL")
    logging.getLogger("nipype.utils").setLevel("CRITICAL")
    config.set("execution", "create_report", "false")
    workflow = Workflow(name="w", base_dir=base)
    function = tracked if kind == "codecarbon" else nothing

    def interface():
        return Function(function=function, input_names=["x"], output_names=["o"])

    if kind.endswith("elements"):
        nodes = [MapNode(interface(), iterfield=["x"], name="m")]
        nodes[0].inputs.x = list(range(n_nodes))
    else:
        nodes = [Node(interface(), name=f"n{k}") for k in range(n_nodes)]
        for k, node in enumerate(nodes):
            node.inputs.x = k
    workflow.add_nodes(nodes)
    run_dir = os.path.join(base, "run")
    before_s = cpu_s()
    metered = kind.startswith("metered")
    if metered:
        import nicarbon

        workflow.run(plugin=nicarbon.plugin("Linear", run_dir=run_dir))
    else:
        done = workflow.run(plugin="Linear")
    used_s = cpu_s() - before_s
    if kind == "codecarbon":
        costs_s = {node.name: node.result.outputs.o for node in done.nodes()}
        print(f"TRIAL {max(costs_s.values())} {statistics.mean(sorted(costs_s.values())[:-1])}")
        return
    sampler_s = 0.0
    for path in Path(run_dir).glob("samples-*.jsonl"):
        for line in path.read_text().splitlines():
            sampler_s = json.loads(line).get("meter_cpu_s", sampler_s)
    n_ends = sum(
        line.startswith('{"kind":"end"')
        for path in Path(run_dir).glob("nodes-*.jsonl")
        for line in path.read_text().splitlines()
    )
    assert n_ends == ((n_nodes + (nodes[0].name == "m")) if metered else 0)
    print(f"TRIAL {used_s + sampler_s} {sampler_s}")


def measure(kind: str, n_nodes: int, script: str = __file__) -> tuple[float, float]:
    """Return the CPU seconds of a trial in a fresh process, and the sampler's part of them.

    Of CodeCarbon: the CPU seconds of the first tracker, and the mean of the later ones.
    """
    base = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        done = subprocess.run(
            [sys.executable, script, "--trial", kind, str(n_nodes), base],
            env=environment(),
            cwd=base,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        shutil.rmtree(base)
    _, used_s, sampler_s = done.stdout.splitlines()[-1].split()
    return float(used_s), float(sampler_s)


def environment() -> dict[str, str]:
    """Return an environment in which Python keeps its bytecode, as an installation does."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**env, "NIPYPE_NO_ET": "1", "NO_ET": "1"}


def upper_bound(values: list[float]) -> float:
    """Return the upper one-sided 95 % bound of the mean."""
    t = T_95[max(df for df in T_95 if df <= len(values) - 1)]
    return statistics.mean(values) + t * statistics.stdev(values) / len(values) ** 0.5


def mean_difference(these: list[float], those: list[float]) -> float:
    """Return by how much the first are larger on average."""
    return statistics.mean(these) - statistics.mean(those)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--codecarbon-nodes", type=int, default=40)
    parser.add_argument("--trial", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.trial:
        trial(args.trial[0], int(args.trial[1]), args.trial[2])
        return 0
    print(machine.describe())
    measure("metered", 1)  # Bytecode is compiled, files are in memory.
    shapes = {"": "trivial nodes", "-elements": "trivial elements of one MapNode"}
    found: dict[str, list[tuple[float, float]]] = {}
    few: dict[str, list[float]] = {"plain": [], "metered": []}
    n_few = max(args.nodes // 10, 1)
    sizes = [round(args.nodes * (0.8 + 0.4 * (i + 0.5) / args.pairs)) for i in range(args.pairs)]
    for pair, size in enumerate(sizes):
        for shape in shapes:
            for kind in ("plain", "metered") if pair % 2 == 0 else ("metered", "plain"):
                found.setdefault(kind + shape, []).append(measure(kind + shape, size))
                if not shape:
                    few[kind].append(measure(kind, n_few)[0])
    bounds_ms = []
    for shape, what in shapes.items():
        plain_ms, metered_ms = (
            [used_s / n * 1000 for n, (used_s, _) in zip(sizes, found[kind + shape], strict=True)]
            for kind in ("plain", "metered")
        )
        sampler_ms = [
            own_s / n * 1000 for n, (_, own_s) in zip(sizes, found["metered" + shape], strict=True)
        ]
        costs_ms = [a - b for a, b in zip(metered_ms, plain_ms, strict=True)]
        bounds_ms.append(upper_bound(costs_ms))
        added = statistics.mean(costs_ms)
        print(
            f"{args.pairs} pairs of {sizes[0]} to {sizes[-1]} {what} on Linear, CPU time of "
            f"each:\n"
            f"  plain nipype      {statistics.mean(plain_ms):7.3f} ms\n"
            f"  metering adds     {added:7.3f} ms "
            f"({100 * added / statistics.mean(plain_ms):.0f} %), upper 95 % bound "
            f"{bounds_ms[-1]:.3f} ms, median {statistics.median(costs_ms):.3f} ms "
            f"(sampler: {statistics.mean(sampler_ms):.3f} ms)\n"
            f"  budget            {BUDGET_MS:7.3f} ms: "
            f"{'kept' if bounds_ms[-1] <= BUDGET_MS else 'BROKEN'}"
        )
    many_s = mean_difference([s for s, _ in found["metered"]], [s for s, _ in found["plain"]])
    few_s = mean_difference(few["metered"], few["plain"])
    each_s = (many_s - few_s) / (args.nodes - n_few)
    print(
        f"  of trivial nodes, once a run {(few_s - n_few * each_s) * 1000:.0f} ms and for each "
        f"{each_s * 1000:.3f} ms (against runs of {n_few} nodes)"
    )
    if machine.has_codecarbon():
        n = args.codecarbon_nodes
        first_s, later_s = measure("codecarbon", n)
        print(
            f"  one CodeCarbon offline tracker a node ({n} nodes in one process): the first "
            f"{first_s * 1000:.0f} ms, each later one {later_s * 1000:.1f} ms on average: "
            f"{later_s * 1000 / added:.0f} times what metering costs"
        )
    return 0 if max(bounds_ms) <= BUDGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
