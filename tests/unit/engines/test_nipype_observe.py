# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon import __version__
from nicarbon.engines import nipype_observe
from nicarbon.engines.nipype_node import Envelope
from nicarbon.engines.nipype_observe import ask_for_jobs, observed


class Node:
    name = "a"


class Plugin:
    """Submits nodes one by one; `given` is what its own methods got."""

    def __init__(self):
        self.given = []

    def _submit_batchtask(self, scriptfile, node):
        self.given.append((scriptfile, type(node)))
        return 101

    def _submit_job(self, node, updatehash=False):
        self.given.append((type(node), updatehash))
        return 1


# The scheduler is nipype's plugin's, or that of one which derives from it.
SLURMPlugin = type("SLURMPlugin", (Plugin,), {"__module__": "nipype.pipeline.plugins.slurm"})


class MyPlugin(SLURMPlugin):
    pass


@pytest.fixture
def node(session):
    return Envelope(Node(), session.context, "wf.a")


def test_a_submission_is_recorded_with_its_number(session, node):
    plugin = MyPlugin()
    with observed(plugin, session.context):
        assert plugin._submit_batchtask("batchscript.sh", node) == 101
    (record,) = session.records("submitted")
    assert (record["node"], record["scheduler"], record["job_id"]) == ("wf.a", "slurm", "101")
    assert record["t_unix_ns"] > 1e18
    # The method is the class's own again.
    assert vars(plugin) == {"given": [("batchscript.sh", Envelope)]}


def test_a_submission_that_fails_is_none(session, node):
    plugin = Plugin()
    plugin._submit_batchtask = lambda scriptfile, node: 1 / 0
    with observed(plugin, session.context), pytest.raises(ZeroDivisionError):
        plugin._submit_batchtask("batchscript.sh", node)
    assert session.records("submitted") == []


def test_what_a_plugin_object_had_of_its_own_is_put_back(session, node):
    plugin = Plugin()

    def own(scriptfile, node):
        return 7

    plugin._submit_batchtask = own
    with observed(plugin, session.context):
        assert plugin._submit_batchtask is not own
        assert plugin._submit_batchtask("batchscript.sh", node) == 7
    assert plugin._submit_batchtask is own
    (record,) = session.records("submitted")
    assert (record["scheduler"], record["job_id"]) == ("", "7")


class SlotsPlugin:
    __slots__ = ()

    def _submit_job(self, node):
        return None


def test_a_plugin_that_takes_no_attributes_is_left_alone(session, capfd):
    with observed(SlotsPlugin(), session.context):
        pass
    assert "metering failed" in capfd.readouterr().err


class GraphPlugin:
    """Hands over a graph; nodes that are done may be left out."""

    def __init__(self, skips, scripts):
        self._dont_resubmit_completed_jobs = skips
        self.scripts = scripts

    def _submit_graph(self, pyfiles, dependencies, nodes):
        for path in self.scripts:
            path.touch()


@pytest.mark.parametrize("skips", [False, True])
def test_a_graph_is_submitted_at_once_but_for_what_is_left_out(session, tmp_path, skips):
    names = ("wf.a", "wf.b")
    nodes = [Envelope(Node(), session.context, name) for name in names]
    scripts = [tmp_path / "batchscript_pyscript_1_wf_b.sh"]
    plugin = GraphPlugin(skips, scripts)
    pyfiles = [str(tmp_path / f"pyscript_1_{name.replace('.', '_')}.py") for name in names]
    with observed(plugin, session.context):
        plugin._submit_graph(pyfiles, {}, [*nodes, Node()])
    submitted = [record["node"] for record in session.records("submitted")]
    cached = [record["node"] for record in session.records("cached")]
    assert (submitted, cached) == ((["wf.b"], ["wf.a"]) if skips else (["wf.a", "wf.b"], []))


class Client:
    """ipyparallel's, with engines of which each has some version of nicarbon, or none."""

    def __init__(self, **engines):
        self.engines = {int(name[1:]): version for name, version in engines.items()}
        self.asked = []

    @property
    def ids(self):
        return list(self.engines)

    def __getitem__(self, numbers):
        self.numbers = numbers
        return self

    def apply_sync(self, function, text):
        self.asked.append(self.numbers)
        assert function is eval
        assert eval(text) == __version__
        versions = [self.engines[number] for number in self.numbers]
        if None in versions:
            raise ModuleNotFoundError("No module named 'nicarbon'")
        return versions


def submit(session, node, *clients):
    plugin = Plugin()
    with observed(plugin, session.context):
        for client in clients:
            plugin.taskclient = client
            plugin._submit_job(node, updatehash=True)
    return plugin.given


def test_engines_that_have_nicarbon_get_envelopes_and_are_asked_once(session, node):
    client = Client(e0=__version__, e1=__version__)
    given = submit(session, node, client, client)
    assert given == [(Envelope, True), (Envelope, True)]
    assert client.asked == [[0, 1]]


@pytest.mark.parametrize(
    ("version", "reason"),
    [(None, "cannot import nicarbon (ModuleNotFoundError)"), ("0.0.1", "has nicarbon 0.0.1, not")],
)
def test_one_engine_without_it_makes_all_nodes_plain_and_said(session, node, version, reason):
    given = submit(session, node, Client(e0=__version__, e1=version))
    assert given == [(Node, True)]
    (record,) = session.records("unmetered")
    assert record["node"] == "wf.a"
    assert reason in record["reason"]


def test_an_engine_that_comes_later_is_asked_too(session, node):
    client = Client(e0=__version__)
    plugin = Plugin()
    plugin.taskclient = client
    with observed(plugin, session.context):
        plugin._submit_job(node)
        client.engines[1] = None
        plugin._submit_job(node)
    assert client.asked == [[0], [1]]
    assert len(session.records("unmetered")) == 1


def test_plugins_of_other_kinds_submit_as_ever(session, node):
    plugin = Plugin()
    with observed(plugin, session.context):
        plugin._submit_job(node, updatehash=True)
    assert plugin.given == [(Envelope, True)]


def test_the_scheduler_is_asked_of_jobs_not_of_graphs(monkeypatch, capfd):
    asked = []
    monkeypatch.setattr(
        nipype_observe.accounting, "ask_for_run", lambda run_dir, wait_s: asked.append(run_dir)
    )
    ask_for_jobs(Plugin(), "/run")
    ask_for_jobs(GraphPlugin(False, []), "/run")
    assert asked == ["/run"]

    def fails(run_dir, wait_s):
        raise RuntimeError("broken")

    monkeypatch.setattr(nipype_observe.accounting, "ask_for_run", fails)
    monkeypatch.setattr("nicarbon.meter.messages._failed", False)
    ask_for_jobs(Plugin(), "/run")
    assert "metering failed" in capfd.readouterr().err
