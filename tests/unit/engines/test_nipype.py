# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import json
import os
import pickle
import re
import subprocess
import sys
from types import SimpleNamespace

import networkx as nx
import pytest

import nicarbon
from nicarbon.engines import nipype as engine
from nicarbon.engines.nipype import Metered, meter_every_workflow
from nicarbon.engines.nipype_node import Envelope
from nicarbon.errors import LogError
from nicarbon.meter import span
from nicarbon.meter.session import SessionError


class Interface:
    pass


class CommandInterface:
    _cmd = "/opt/fsl/bin/bet -f"


class FakeNode:
    n_procs = 2
    _mem_gb = 0.5

    def __init__(self, name, itername=None, interface=None, todo=None):
        self.name = name
        self.itername = f"wf.{itername or name}"
        self._hierarchy = "wf.sub"
        self.interface = interface or Interface()
        self.todo = todo

    def output_dir(self):
        return "/nowhere"

    def run(self, updatehash=False):
        return self.todo() if self.todo else None


class LinearPlugin:
    """Runs nodes in order; keeps what it was given."""

    def __init__(self, plugin_args=None):
        self.plugin_args = plugin_args or {}
        self.color = "green"

    def run(self, graph, config, updatehash=False):
        self.graph, self.config, self.updatehash = graph, config, updatehash
        for node in nx.topological_sort(graph):
            node.run(updatehash=updatehash)
        return "what the plugin returns"


class PoolPlugin(LinearPlugin):
    """Finds results in a cache and reports crashes, as nipype's distributed plugins do."""

    reported, finished = (), ()

    def _task_finished_cb(self, jobid, cached=False):
        self.finished = (*self.finished, (jobid, cached))

    def _report_crash(self, node, result=None):
        self.reported = (*self.reported, (type(node), result))
        return "crash file"

    def run(self, graph, config, updatehash=False):
        self.procs = list(graph.nodes())
        self._task_finished_cb(0)
        self._task_finished_cb(1, cached=True)
        self.answer = self._report_crash(self.procs[0], result={"error": 1})


@pytest.fixture
def graph():
    a, b = FakeNode("a"), FakeNode("b", interface=CommandInterface())
    graph = nx.DiGraph()
    graph.add_edge(a, b, connect=[("out", "in")])
    return graph


@pytest.fixture
def metered(session):
    return Metered(LinearPlugin(), lambda: session)


def test_it_is_the_plugin_in_every_other_respect(metered):
    assert isinstance(metered, LinearPlugin)
    assert metered.__class__.__name__ == "LinearPlugin"
    assert metered.color == "green"
    assert metered.plugin_args == {}
    with pytest.raises(AttributeError):
        metered.missing  # noqa: B018


def test_the_plugin_gets_the_same_graph_in_envelopes(metered, graph, session, capfd):
    assert metered.run(graph, {"c": 1}, updatehash=True) == "what the plugin returns"
    inner = metered._nicarbon_plugin
    assert (inner.config, inner.updatehash) == ({"c": 1}, True)
    assert [type(node) for node in inner.graph.nodes()] == [Envelope, Envelope]
    assert [node.name for node in inner.graph.nodes()] == [node.name for node in graph.nodes()]
    ((_, _, data),) = inner.graph.edges(data=True)
    assert data == {"connect": [("out", "in")]}
    # The workflow's own graph is as it was.
    assert {type(node) for node in graph.nodes()} == {FakeNode}
    assert session.nodes() == [("wf.a", "ran"), ("wf.b", "ran")]
    assert session.outcomes == ["ok"]
    assert f"run recorded: nicarbon summary {session.run_dir}" in capfd.readouterr().err


def test_the_graph_is_described_without_inputs(metered, graph, session):
    next(iter(graph.nodes())).stage = "segmentation"
    metered.run(graph, {})
    ((workflow, plugin, nodes, edges),) = session.graphs
    assert (workflow, plugin, edges) == ("wf", "Linear", [("wf.a", "wf.b")])
    assert nodes[0] == {
        "name": "wf.a",
        "workflow": "wf.sub",
        "interface": f"{__name__}.Interface",
        "map_node": False,
        "n_procs": 2,
        "mem_gb": 0.5,
        "stage": "segmentation",
    }
    assert nodes[1]["program"] == "bet"
    assert "stage" not in nodes[1]


def test_nodes_of_one_name_are_told_apart(metered, session):
    graph = nx.DiGraph()
    graph.add_nodes_from([FakeNode("a", "a.x1"), FakeNode("a", "a.x2"), FakeNode("a", "a.x1")])
    metered.run(graph, {})
    assert {name for name, _ in session.nodes()} == {"wf.a.x1", "wf.a.x2", "wf.a.x1#2"}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(ValueError("x"), "failed"), (KeyboardInterrupt(), "interrupted")],
)
def test_an_exception_is_the_pipelines_own(session, error, outcome):
    def fail():
        raise error

    graph = nx.DiGraph()
    graph.add_node(FakeNode("a", todo=fail))
    with pytest.raises(type(error)) as caught:
        Metered(LinearPlugin(), lambda: session).run(graph, {})
    assert caught.value is error
    assert session.outcomes == [outcome]


def test_what_a_pool_finds_cached_is_recorded_and_crashes_stay_plain(graph, session):
    plugin = PoolPlugin()
    Metered(plugin, lambda: session).run(graph, {})
    assert plugin.finished == ((0, False), (1, True))
    assert plugin.reported == ((FakeNode, {"error": 1}),)
    assert plugin.answer == "crash file"
    (cached,) = session.records("cached")
    assert (cached["node"], "map_node" in cached) == ("wf.b", False)
    assert not {"_task_finished_cb", "_report_crash"} & set(vars(plugin))


def test_a_workflow_inside_a_node_is_that_nodes_own(metered, graph, session):
    outer = span.begin(session.context, "outer")
    metered.run(graph, {})
    span.end(session.context, outer, "ran")
    assert session.nodes() == [("outer", "ran")]
    assert session.outcomes == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SessionError("the run folder x is not empty"), "is not empty; the workflow runs unmet"),
        (RuntimeError("broken"), "metering failed in process"),
    ],
)
def test_without_a_session_the_workflow_runs_unmetered(graph, session, capfd, error, said):
    def fails():
        raise error

    plugin = LinearPlugin()
    assert Metered(plugin, fails).run(graph, {}) == "what the plugin returns"
    assert plugin.graph is graph
    assert said in capfd.readouterr().err
    assert session.nodes() == []


def test_a_graph_that_cannot_be_described_runs_unmetered(metered, graph, session, capfd):
    del next(iter(graph.nodes())).interface
    assert metered.run(graph, {}) == "what the plugin returns"
    assert metered._nicarbon_plugin.graph is graph
    assert "metering failed" in capfd.readouterr().err


class ShippingPlugin:
    """Pickles the nodes of the graph to run them elsewhere, as nobody's base class says."""

    def run(self, graph, config, updatehash=False):
        for node in nx.topological_sort(graph):
            pickle.loads(pickle.dumps(node)).run(updatehash=updatehash)


class GraphPluginBase(ShippingPlugin):
    """nipype's: it writes scripts."""


def test_a_plugin_that_ships_the_graphs_own_nodes_ships_envelopes(graph, session):
    Metered(ShippingPlugin(), lambda: session).run(graph, {})
    assert session.nodes() == [("wf.a", "ran"), ("wf.b", "ran")]


def test_what_a_plugin_of_scripts_pickles_is_plain(graph, session):
    Metered(GraphPluginBase(), lambda: session).run(graph, {})
    assert session.nodes() == []


def test_jobs_that_outlive_their_driver_are_to_be_gathered_later(graph, session, metered, capfd):
    metered.run(graph, {})
    assert "nicarbon gather" not in capfd.readouterr().err
    Metered(GraphPluginBase(), lambda: session).run(graph, {})
    assert f"nicarbon gather {session.run_dir}" in capfd.readouterr().err.splitlines()[-1]


def test_warnings_are_said(metered, graph, session, capfd):
    session.warnings.append("energy is missing")
    metered.run(graph, {})
    assert "nicarbon: energy is missing" in capfd.readouterr().err


def test_a_running_session_is_used_and_not_ended(graph, session, capfd):
    metered = Metered(LinearPlugin(), engine._no_session, session)
    metered.run(graph, {})
    metered.run(graph, {})
    assert len(session.nodes()) == 4
    assert session.outcomes == []
    assert capfd.readouterr().err == ""


class Workflow:
    """Resolves its plugin as nipype does."""

    def run(self, plugin=None, plugin_args=None, updatehash=False):
        """Run it."""
        self.called = (plugin, plugin_args, updatehash)
        if not isinstance(plugin, (str, type(None))):
            self.stored = plugin.__class__.__name__[: -len("Plugin")], plugin.plugin_args
        return "executed graph"


@pytest.fixture
def workflow(session):
    kind = type("W", (Workflow,), {"run": Workflow.run})
    meter_every_workflow(kind, session)
    return kind()


@pytest.mark.parametrize("args", [None, {}, {"n_procs": 2}])
def test_a_named_plugin_is_made_and_metered(workflow, args):
    assert workflow.run("MultiProc", args, updatehash=True) == "executed graph"
    plugin, passed, updatehash = workflow.called
    assert type(plugin) is Metered
    assert passed is None
    assert updatehash is True
    # nipype stores both in each MapNode, and so in its pickle.
    assert workflow.stored == ("MultiProc", args)
    assert workflow.run.__doc__ == "Run it."


def test_no_plugin_is_nipypes_default(workflow):
    workflow.run()
    assert workflow.stored == ("Linear", None)


def test_a_plugin_object_is_metered(workflow):
    plugin = LinearPlugin({"a": 1})
    workflow.run(plugin)
    assert workflow.called[0]._nicarbon_plugin is plugin
    assert workflow.stored == ("Linear", {"a": 1})


def test_a_plugin_that_is_metered_already_is_metered_once(workflow, session):
    plugin = LinearPlugin()
    workflow.run(Metered(plugin, engine._no_session))
    assert workflow.called[0]._nicarbon_plugin is plugin
    assert workflow.called[0]._nicarbon_session is session


def test_an_unknown_name_is_left_to_nipype(workflow):
    workflow.run("NoSuch", {"a": 1})
    assert workflow.called == ("NoSuch", {"a": 1}, False)


def test_a_workflow_run_inside_a_node_is_not_metered_twice(workflow, session):
    outer = span.begin(session.context, "outer")
    workflow.run("MultiProc", {"n_procs": 2})
    span.end(session.context, outer, "ran")
    assert workflow.called == ("MultiProc", {"n_procs": 2}, False)


def test_the_public_plugin_passes_what_it_is_given(monkeypatch):
    made = []
    monkeypatch.setattr(engine, "Session", lambda *a: made.append(a) or SimpleNamespace())
    monkeypatch.setattr("sys.argv", ["/home/me/pipeline.py", "sub-01"])
    metered = engine.plugin("MultiProc", run_dir="runs/a", interval_s=2.0, n_procs=3)
    assert metered.plugin_args == {"n_procs": 3}
    assert metered._nicarbon_plugin.processors == 3
    metered._nicarbon_new_session()
    assert made == [("runs/a", "pipeline.py", "nipype", ["--interval", "2.0"])]
    assert engine.plugin("Linear").plugin_args is None
    assert engine.plugin("Linear", plugin_args={"a": 1}, b=2).plugin_args == {"a": 1, "b": 2}
    assert copy.copy(metered).plugin_args == {"n_procs": 3}
    assert engine.plugin(LinearPlugin()).plugin_args == {}


def test_the_public_plugin_tells_the_sampler_of_programs_and_steps(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(engine, "Session", lambda *a: made.append(a[3]) or SimpleNamespace())
    rule = tmp_path / "mine.toml"
    rule.write_text('name = "mine"\ndetect = "mine"\nstep = "Starting (?P<title>.+)"')
    metered = nicarbon.plugin("MultiProc", programs="exact", rules=[rule], n_procs=3)
    assert metered.plugin_args == {"n_procs": 3}
    metered._nicarbon_new_session()
    ((*options, rules),) = made
    assert options == ["--programs", "exact", "--rules"]
    assert json.loads(rules)[0]["name"] == "mine"
    with pytest.raises(ValueError, match="programs='all': give 'seen' or 'exact'"):
        nicarbon.plugin("Linear", programs="all")
    with pytest.raises(LogError, match=r"gone\.toml: cannot be read"):
        nicarbon.plugin("Linear", rules=[tmp_path / "gone.toml"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("MultiProk", "; did you mean 'MultiProc'"),
        ("slurmgraph", "; did you mean 'SLURMGraph'"),
        ("Zzz", "; it has Condor, CondorDAGMan, "),
    ],
)
def test_an_unknown_plugin_is_told_with_near_names(name, said):
    with pytest.raises(ValueError, match=f"^nipype has no plugin '{name}'{re.escape(said)}"):
        engine.plugin(name)


@pytest.mark.parametrize(
    ("plugin", "said"),
    [(3, "3 is no plugin"), (LinearPlugin, "the class LinearPlugin is no plugin")],
)
def test_what_is_no_plugin_is_said_at_once(plugin, said):
    with pytest.raises(TypeError, match=f"^{said}: give a plugin's name, or an object with run"):
        engine.plugin(plugin)


REGISTERED = """
import sys
from nicarbon.engines.nipype import register
register()
assert "nipype" not in sys.modules
import json
from nipype import Function, Node, Workflow

def add(a, b):
    return a + b

def main():
    wf = Workflow("wf", base_dir=sys.argv[1])
    wf.add_nodes([Node(Function(["a", "b"], ["c"], add), "n")])
    wf.get_node("n").inputs.a, wf.get_node("n").inputs.b = 1, 2
    # As fMRIPrep's --use-plugin loads it.
    wf.run(**json.loads(sys.argv[2]))

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("name", ["nicarbon.Linear", "nicarbon.MultiProc"])
def test_a_file_may_name_a_registered_twin(tmp_path, name):
    (tmp_path / "program.py").write_text(REGISTERED)
    settings = json.dumps({"plugin": name, "plugin_args": {"n_procs": 1}})
    done = subprocess.run(
        [sys.executable, "program.py", "work", settings],
        cwd=tmp_path,
        env={**os.environ, "NO_ET": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (graph,) = (tmp_path / "nicarbon-runs").glob("*/graph-*.json")
    assert json.loads(graph.read_text())["plugin"] == name.removeprefix("nicarbon.")
