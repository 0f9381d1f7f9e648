# SPDX-License-Identifier: Apache-2.0
"""What a large graph costs: storing, opening and showing runs of 1,000 and of 10,000 nodes.

The nodes are stand-ins that do nothing, so that what is timed is nicarbon's part alone: envelopes,
records and the stored graph on the driver's side, without a sampler; then what reads the run
folder. CPU time of this process; the driver's memory is traced in a run of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import machine
import networkx as nx

from nicarbon.engines.nipype import Metered
from nicarbon.meter.presence import Presence
from nicarbon.meter.session import Session
from nicarbon.run import Run

SIZES = (1_000, 10_000)
WIDTH = 50


class Interface:
    """What a node runs."""


class StandIn:
    """As much of a nipype node as the engine touches."""

    n_procs, _mem_gb = 1, 0.2

    def __init__(self, k: int) -> None:
        self.name = f"a_node_with_a_name_of_usual_length_{k}"
        self._hierarchy = f"workflow.subworkflow_{k % WIDTH}"
        self.itername = f"{self._hierarchy}.{self.name}"
        self.interface = Interface()
        self._hashvalue = f"{k:032x}"

    def output_dir(self) -> str:
        """Return a folder without a result."""
        return "/nowhere"

    def run(self, updatehash: bool = False) -> None:
        """Do nothing."""


class InOrderPlugin:
    """Runs the nodes one after the other."""

    plugin_args = None

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run all nodes."""
        for node in nx.topological_sort(graph):
            node.run()


def graph_of(n_nodes: int) -> Any:
    nodes = [StandIn(k) for k in range(n_nodes)]
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from((nodes[k - WIDTH], nodes[k]) for k in range(WIDTH, n_nodes))
    return graph


def measured(n_nodes: int, folder: str) -> Iterator[tuple[str, float]]:
    """Give what each step costs a node, in microseconds; of memory, in bytes."""

    def us(step: Callable[[], object]) -> float:
        before_s = time.process_time()
        step()
        return (time.process_time() - before_s) / n_nodes * 1e6

    run_dir = os.path.join(folder, "run")
    graph = graph_of(n_nodes)
    metered = Metered(InOrderPlugin(), lambda: Session(run_dir))
    yield "run and store", us(lambda: metered.run(graph, {}))
    run = Run.open(run_dir)
    yield "open", us(lambda: Run.open(run_dir))
    yield "divide the energy", us(lambda: run.attribution)
    yield "summary by stage", us(lambda: run.summary("stage"))
    yield "summary by node", us(lambda: run.summary("node"))
    yield "graph", us(lambda: run.graph)
    yield "bottlenecks", us(lambda: run.bottlenecks())
    traced = os.path.join(folder, "traced")
    graph = graph_of(n_nodes)
    tracemalloc.start()
    Metered(InOrderPlugin(), lambda: Session(traced)).run(graph, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield "driver's memory, peak", peak / n_nodes


def trial(n_nodes: int) -> dict[str, float]:
    folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        return dict(measured(n_nodes, folder))
    finally:
        shutil.rmtree(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="the least of them counts")
    args = parser.parse_args()
    Presence._start_sampler = lambda self: None  # type: ignore[method-assign]
    print(machine.describe())
    trial(10)  # Loads what is loaded once.
    best: dict[int, dict[str, float]] = {}
    for _ in range(args.repeats):
        for n in SIZES:
            found = trial(n)
            best[n] = {what: min(found[what], best.get(n, found)[what]) for what in found}
    few, many = (best[n] for n in SIZES)
    print(f"{'':24}{SIZES[0]:>10,} {SIZES[1]:>10,} nodes   ratio")
    for what in few:
        unit = "B" if "memory" in what else "us"
        print(
            f"{what:24}{few[what]:>10.1f} {many[what]:>10.1f} {unit} a node "
            f"{many[what] / few[what]:>6.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
