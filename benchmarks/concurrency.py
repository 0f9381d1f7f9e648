# SPDX-License-Identifier: Apache-2.0
"""Four CPU-bound nodes at once beside a busy stranger, and what adds up.

nicarbon meters the workflow; in the same run each node starts a CodeCarbon offline tracker of its
own, as one would with one tracker a task, and one tracker runs around all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

import machine

N_NODES = 4


def burn(seconds, tracked):
    """Use a CPU for some seconds of wall time; return CodeCarbon's joules and own CPU seconds."""
    import os
    import time

    tracker = None
    if tracked:
        from codecarbon import OfflineEmissionsTracker

        tracker = OfflineEmissionsTracker(
            country_iso_code="DEU", save_to_file=False, log_level="critical"
        )
        tracker.start()
    times = os.times()
    before_s = times.user + times.system
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(10000))
    times = os.times()
    used_s = times.user + times.system - before_s
    energy_j = None
    if tracker is not None:
        tracker.stop()
        energy_j = tracker.final_emissions_data.energy_consumed * 3.6e6
    return energy_j, used_s


def pipeline(folder: str, seconds: float, tracked: bool) -> None:
    """Run the four nodes, metered; print what they and the tracker around them found."""
    from nipype import Function, Node, Workflow

    import nicarbon

    outer = None
    if tracked:
        from codecarbon import OfflineEmissionsTracker

        outer = OfflineEmissionsTracker(
            country_iso_code="DEU", save_to_file=False, log_level="critical"
        )
        outer.start()
    workflow = Workflow(name="w", base_dir=folder)
    workflow.config["execution"] = {"poll_sleep_duration": "0.05"}
    for k in range(N_NODES):
        node = Node(
            Function(function=burn, input_names=["seconds", "tracked"], output_names=["j", "s"]),
            name=f"burn{k}",
        )
        node.inputs.seconds, node.inputs.tracked = seconds, tracked
        workflow.add_nodes([node])
    plugin = nicarbon.plugin("MultiProc", n_procs=N_NODES, run_dir=os.path.join(folder, "run"))
    done = workflow.run(plugin=plugin)
    found = {node.name: (node.result.outputs.j, node.result.outputs.s) for node in done.nodes()}
    outer_j = None
    if outer is not None:
        outer.stop()
        outer_j = outer.final_emissions_data.energy_consumed * 3.6e6
    print("FOUND " + json.dumps([found, outer_j]))


def report(folder: str, output: str) -> None:
    """Print nicarbon's account and CodeCarbon's."""
    from nicarbon.attribution import attribute
    from nicarbon.reader import read_run

    found, outer_j = json.loads(output.split("FOUND ")[1].splitlines()[0])
    result = attribute(read_run(os.path.join(folder, "run")))
    (host,) = result.hosts
    print(f"nicarbon, {host.sensors[0].method}: {host.energy_j:.1f} J of the host in the run")
    parts_j = 0.0
    for name in ("nodes", "engine", "meter", "other", "unattributed", "residual"):
        part_j = getattr(host, f"{name}_j")
        parts_j += part_j
        print(f"  {name:13s}{part_j:9.3f} J  {part_j / host.energy_j:8.3%}")
    print(f"  sum of the parts / the account = {parts_j / host.energy_j:.9f}")
    spans = [span for span in result.spans if span.outcome == "ran"]
    assert len(spans) == N_NODES
    if outer_j is None:
        # Trackers are no part of the loop that was counted inside the node.
        for span in spans:
            truth_s = found[span.node.rpartition(".")[2]][1]
            print(f"  {span.node}: {span.cpu_s:.3f} CPU s / os.times() in the node {truth_s:.2f}")
        return
    sum_j = sum(energy_j for energy_j, _ in found.values())
    print(
        f"CodeCarbon, one tracker a node: {sum_j:.1f} J; one around all of them: {outer_j:.1f} J\n"
        f"  sum of the nodes / around them = {sum_j / outer_j:.2f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--pipeline", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.pipeline:
        pipeline(args.pipeline[0], args.seconds, args.pipeline[1] == "True")
        return 0
    print(machine.describe())
    stranger = subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"])
    try:
        for tracked in (False, True):
            if tracked and not machine.has_codecarbon():
                break
            with tempfile.TemporaryDirectory() as folder:
                itself = [sys.executable, __file__, "--seconds", str(args.seconds)]
                done = subprocess.run(
                    [*itself, "--pipeline", folder, str(tracked)],
                    env={**os.environ, "NIPYPE_NO_ET": "1", "NO_ET": "1"},
                    cwd=folder,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    check=True,
                )
                report(folder, done.stdout)
    finally:
        stranger.kill()
        stranger.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
