# SPDX-License-Identifier: Apache-2.0
"""Ten times the nodes take ten times the work, counted in lines of Python that are executed.

Time would depend on the machine; a loop over all nodes for each node does not.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc

import msgspec
import networkx as nx
import pytest

from nicarbon.engines.nipype import Metered
from nicarbon.meter import span
from nicarbon.meter.session import Session
from nicarbon.records import (
    Close,
    Driver,
    End,
    Graph,
    Host,
    Node,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
    Sample,
    SampleFile,
    Start,
)
from nicarbon.run import Run

FEW, MANY = 150, 600
# Above the ratio of the sizes: what is counted once for each run makes it smaller, not larger.
LINEAR = 1.1 * MANY / FEW
WIDTH = 20
KB_A_NODE = 5


class Interface:
    pass


class Stub:
    """As much of a nipype node as an engine touches."""

    n_procs, _mem_gb = 1, 0.2

    def __init__(self, k):
        self.name = f"a_node_with_a_name_of_usual_length_{k}"
        self.itername = f"workflow.subworkflow_{k % WIDTH}.{self.name}"
        self._hierarchy = f"workflow.subworkflow_{k % WIDTH}"
        self.interface = Interface()
        self._hashvalue = f"{k:032x}"

    def output_dir(self):
        return "/nowhere"

    def run(self, updatehash=False):
        return None


class InOrderPlugin:
    """Runs nodes; measures what is in memory while the last one runs."""

    plugin_args = None

    def run(self, graph, config, updatehash=False):
        for node in nx.topological_sort(graph):
            node.run()
        self.at_the_end = tracemalloc.get_traced_memory() if tracemalloc.is_tracing() else None


def stub_graph(n):
    nodes = [Stub(k) for k in range(n)]
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from((nodes[k - WIDTH], nodes[k]) for k in range(WIDTH, n))
    return graph


@pytest.fixture
def meter(tmp_path, monkeypatch):
    """Run a graph of stubs, without a sampler; return the plugin."""
    monkeypatch.setattr("nicarbon.meter.presence.Presence._start_sampler", lambda self: None)
    monkeypatch.setattr(span, "_meters", {})

    def run(n, graph=None):
        plugin = InOrderPlugin()
        folder = str(tmp_path / f"run{n}")
        Metered(plugin, lambda: Session(folder)).run(graph or stub_graph(n), {})
        return plugin, folder

    return run


def lines(function):
    """Count the lines that a call executes, each turn of a loop anew."""
    counted = 0

    def trace(frame, event, argument):
        nonlocal counted
        counted += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return counted


def test_a_loop_over_all_for_each_would_be_seen():
    def each(n):
        return [[k + 1 for k in range(n)] for _ in range(n)]

    assert lines(lambda: each(80)) / lines(lambda: each(20)) > 12


def test_running_and_storing_a_graph(meter):
    meter(1)
    graphs = {n: stub_graph(n) for n in (FEW, MANY)}
    few, many = (lines(lambda n=n: meter(n, graphs[n])) for n in (FEW, MANY))
    assert many / few < LINEAR


def test_the_driver_needs_few_kilobytes_for_each_node(meter):
    n = 4000
    meter(1)
    graph = stub_graph(n)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        plugin, _ = meter(n, graph)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        while_it_ran, peak = plugin.at_the_end
    finally:
        tracemalloc.stop()
    assert (peak - before) / n < KB_A_NODE * 1024
    assert (while_it_ran - before) / n < KB_A_NODE * 1024
    # What is left is Python's own: attributes that were looked at as a dict stay one.
    assert (after - before) / n < 100


def chain(folders, n):
    """A driver that runs one node a second."""
    nodes = tuple(
        Node(f"wf.s{k % WIDTH}.n{k}", f"wf.s{k % WIDTH}", "module.Interface") for k in range(n)
    )
    edges = tuple((nodes[k - WIDTH].name, nodes[k].name) for k in range(WIDTH, n))
    places = [(node.name, None, None) for node in nodes]
    return one_driver(folders, n, Graph("wf", "Linear", nodes, edges), places)


def elements(folders, n):
    """A driver that runs the elements of one MapNode."""
    graph = Graph("wf", "Linear", (Node("a"), Node("m", map_node=True)), (("a", "m"),))
    return one_driver(folders, n, graph, [(f"m[{k}]", "m", k) for k in range(n)])


def one_driver(folders, n, graph, places):
    s, unix_ns = folders.S, folders.UNIX_S * folders.S
    records = [Driver("start", 0, unix_ns, 0.0)]
    for k, (name, map_node, index) in enumerate(places):
        key, t = f"{folders.KEY}-{k}", k * s
        records.append(Start(key, name, t, unix_ns + t, float(k), None, map_node, index))
        records.append(End(key, t + s, "ran", 1.0, inputs_hash=f"{k:032x}"))
    records.append(Driver("end", n * s, unix_ns + n * s, float(n), "ok"))
    process = Process(folders.ID, "scanner", 10, 20, folders.KEY, folders.KEY)
    return facts(folders, graph, [NodeFile(process, tuple(records))], [samples(folders, 10, 0, n)])


def jobs(folders, n):
    """A driver whose nodes are jobs, twenty at once, each with a sampler; half of them killed."""
    s, unix_ns = folders.S, folders.UNIX_S * folders.S
    graph = Graph("wf", "SLURM", tuple(Node(f"wf.n{k}") for k in range(n)), ())
    last_s = n // WIDTH * 10 + 10
    driver = Process(folders.ID, "scanner", 10, 20, folders.KEY, folders.KEY)
    marks = (
        Driver("start", 0, unix_ns, 0.0),
        Driver("end", last_s * s, unix_ns + last_s * s, 1.0, "ok"),
    )
    files = [NodeFile(driver, marks)]
    sampled = [samples(folders, 10, 0, last_s)]
    for k in range(n):
        pid, first_s = 1000 + k, k // WIDTH * 10
        key, t = f"{folders.ID}-{pid}-20", first_s * s
        records = [
            Driver("start", t, unix_ns + t, 0.0),
            Start(f"{key}-0", f"wf.n{k}", t + s, unix_ns + t + s, 0.1),
        ]
        if k % 2:
            records.append(End(f"{key}-0", t + 8 * s, "ran", 7.0, inputs_hash=f"{k:032x}"))
            records.append(Driver("end", t + 9 * s, unix_ns + t + 9 * s, 7.5))
        process = Process(folders.ID, "scanner", pid, 20, key, key)
        files.append(NodeFile(process, tuple(records)))
        sampled.append(samples(folders, pid, first_s, first_s + 9))
    return facts(folders, graph, files, sampled)


def samples(folders, pid, first_s, last_s):
    s, unix_ns = folders.S, folders.UNIX_S * folders.S
    key = f"{folders.ID}-{pid}-20"
    host = Host(
        folders.ID, "scanner", "boot", 50000 + pid, 4, 0, unix_ns, (folders.RAPL,), driver=key
    )
    taken = tuple(
        Sample(t * s + pid, unix_ns + t * s, 4.0 * t, {"package-0": 10 * t, "core-0": t})
        for t in range(first_s, last_s + 1)
    )
    return SampleFile(host, taken, (), Close(last_s * s, "stopped"))


def facts(folders, graph, node_files, sample_files):
    info = RunInfo("made-by-hand", folders.UNIX_S * folders.S, nicarbon_version="0")
    return RunFacts(info, (graph,), tuple(node_files), tuple(sample_files))


SHOWN = {
    "attribution": lambda run: run.attribution,
    "by stage": lambda run: run.summary("stage"),
    "by node": lambda run: run.summary("node"),
    "graph": lambda run: run.graph,
    "footprint": lambda run: run.footprint,
    "bottlenecks": lambda run: run.bottlenecks(),
}


@pytest.mark.parametrize("kind", [chain, elements, jobs], ids=lambda kind: kind.__name__)
def test_opening_a_run_and_showing_it(run_folders, tmp_path, kind):
    counted = {}
    for n in (1, FEW, MANY):  # The first of them only loads what is loaded once.
        folder = run_folders.write(tmp_path / str(n), kind(run_folders, n))
        run = Run.open(folder)
        counted[n] = {"open": lines(lambda folder=folder: Run.open(folder))}
        for what, show in SHOWN.items():
            counted[n][what] = lines(lambda show=show, run=run: show(run))
        assert len(run.attribution.spans) == n
    ratios = {what: counted[MANY][what] / counted[FEW][what] for what in counted[FEW]}
    assert max(ratios.values()) < LINEAR, ratios


def test_made_runs_are_as_runs_are(run_folders):
    """What is counted is a run that can be read, and that adds up."""
    for kind in (chain, elements, jobs):
        made = kind(run_folders, 40)
        run = Run(msgspec.convert(msgspec.to_builtins(made), RunFacts))
        (host,) = run.attribution.hosts
        assert abs(host.residual_j) < 1e-9 * host.energy_j
        assert host.nodes_j > 0
