# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import pytest

from nicarbon.engines import nipype_node
from nicarbon.engines.nipype_node import Envelope, plain


class FakeNode:
    """As much of a nipype node as an envelope touches."""

    def __init__(self, folder="", name="node"):
        self.name = name
        self.folder = str(folder)
        self.calls = []
        self.todo = None

    def output_dir(self):
        return self.folder

    def run(self, updatehash=False):
        self.calls.append(updatehash)
        return self.todo() if self.todo else "result"

    def write_result(self, text="x"):
        with open(f"{self.folder}/result_{self.name}.pklz", "w") as file:
            file.write(text)

    def __str__(self):
        return f"wf.{self.name}"


class FakeMapNode(FakeNode):
    iterfield = ("x",)

    def get_subnodes(self):
        return [FakeNode(self.folder, f"_{self.name}{k}") for k in range(2)]


@pytest.fixture
def node(tmp_path):
    return FakeNode(tmp_path)


@pytest.fixture
def envelope(node, session):
    return Envelope(node, session.context, "wf.node")


def test_it_is_the_node_in_every_respect(envelope, node):
    assert isinstance(envelope, FakeNode)
    assert envelope.__class__ is FakeNode
    assert envelope.__class__.__name__ == "FakeNode"
    assert type(envelope) is Envelope
    assert (envelope.name, str(envelope), repr(envelope)) == ("node", "wf.node", repr(node))
    assert set(dir(envelope)) == set(dir(node))
    envelope.new = 3
    assert node.new == 3
    del envelope.new
    assert not hasattr(envelope, "new")
    with pytest.raises(AttributeError):
        envelope.missing  # noqa: B018
    assert plain(envelope) is node
    assert plain(node) is node


def test_it_can_be_a_key_of_a_graph(envelope, node, session):
    other = Envelope(node, session.context, "wf.node")
    assert envelope == envelope
    assert envelope != other
    assert len({envelope, other}) == 2


def test_it_pickles_as_the_plain_node(envelope, node):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.dumps(envelope, protocol) == pickle.dumps(node, protocol)


def test_a_copy_travels_as_an_envelope_until_it_runs(envelope, session):
    sent = copy.deepcopy(envelope)
    assert type(sent) is Envelope
    arrived = pickle.loads(pickle.dumps(sent))
    assert type(arrived) is Envelope
    assert arrived._nicarbon_of == (session.context, "wf.node", None)
    # Where it arrived it is written to disk as what it is.
    assert type(pickle.loads(pickle.dumps(arrived))) is FakeNode
    sent.run()
    assert type(pickle.loads(pickle.dumps(sent))) is FakeNode


def test_a_run_is_recorded(envelope, node, session):
    assert envelope.run(updatehash=True) == "result"
    assert node.calls == [True]
    assert session.nodes() == [("wf.node", "ran")]


def test_an_exception_is_the_nodes_own(envelope, node, session):
    error = ValueError("boom")

    def fail():
        raise error

    node.todo = fail
    with pytest.raises(ValueError, match="boom") as caught:
        envelope.run()
    assert caught.value is error
    assert session.nodes() == [("wf.node", "failed")]
    assert session.records("end")[0]["error"] == "ValueError"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_leaving_is_recorded_too(envelope, node, session, kind):
    def leave():
        raise kind

    node.todo = leave
    with pytest.raises(kind):
        envelope.run()
    assert session.records("end")[0]["error"] == kind.__name__


def test_a_result_that_stays_was_cached(envelope, node, session):
    node.todo = node.write_result
    envelope.run()
    node.todo = None
    envelope.run()
    node.todo = lambda: node.write_result("new")
    envelope.run()

    def fail():
        raise ValueError

    node.todo = fail
    with pytest.raises(ValueError):  # noqa: PT011
        envelope.run()
    assert [outcome for _, outcome in session.nodes()] == ["ran", "cached", "ran", "failed"]


def test_a_node_that_cannot_say_where_it_works_still_runs(envelope, node, session):
    def fails():
        raise RuntimeError("no folder yet")

    node.output_dir = fails
    assert envelope.run() == "result"
    assert session.nodes() == [("wf.node", "ran")]


def test_a_meter_that_fails_changes_nothing(envelope, node, session, monkeypatch, capfd):
    def fails(*arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr("nicarbon.meter.span.meter_of", fails)
    assert envelope.run() == "result"
    assert "broken" in capfd.readouterr().err


def test_elements_of_a_map_node(tmp_path, session):
    envelope = Envelope(FakeMapNode(tmp_path, "m"), session.context, "wf.m")
    first, second = envelope.get_subnodes()
    assert type(first) is Envelope
    second.run()
    assert session.nodes() == [("wf.m[1]", "ran")]
    (start,) = session.records("start")
    assert (start["map_node"], start["index"]) == ("wf.m", 1)


def test_elements_that_were_found_know_their_place(tmp_path, session):
    envelope = Envelope(FakeMapNode(tmp_path, "m"), session.context, "wf.m")
    _, second = envelope.get_subnodes()
    second._hashvalue = "0a"
    second._nicarbon_found()
    (found,) = session.records("cached")
    assert [found[key] for key in ("node", "map_node", "index", "inputs_hash")] == [
        "wf.m[1]",
        "wf.m",
        1,
        "0a",
    ]


@pytest.fixture
def module(monkeypatch):
    from nipype.pipeline.engine import nodes

    def runner(elements, updatehash=False, stop_first=False):
        for index, element in elements:
            yield index, element.run(updatehash=updatehash), None

    monkeypatch.setattr(nodes, "_node_runner", runner)
    return nodes


def serial(node, module):
    """Let a MapNode run its elements as nipype does."""
    node.todo = lambda: [
        result
        for _, result, _ in module._node_runner(enumerate(node.get_subnodes()), updatehash=True)
    ]


def test_elements_that_a_map_node_runs_itself(tmp_path, session, module):
    runner = module._node_runner
    node = FakeMapNode(tmp_path, "m")
    serial(node, module)
    assert Envelope(node, session.context, "wf.m").run() == ["result", "result"]
    assert session.nodes() == [("wf.m[0]", "ran"), ("wf.m[1]", "ran"), ("wf.m", "ran")]
    starts = session.records("start")
    assert starts[1]["parent"] == starts[2]["parent"] == starts[0]["span"]
    assert module._node_runner is runner


def test_the_runner_is_put_back_after_a_failure(tmp_path, session, module):
    runner = module._node_runner
    node = FakeMapNode(tmp_path, "m")

    def fail():
        raise ValueError

    node.todo = fail
    with pytest.raises(ValueError):  # noqa: PT011
        Envelope(node, session.context, "wf.m").run()
    assert module._node_runner is runner


def test_elements_of_elements_are_named_by_both_places(tmp_path, session, module):
    node, inner = FakeMapNode(tmp_path, "m"), FakeMapNode(tmp_path, "inner")
    serial(inner, module)
    elements = [inner]
    node.get_subnodes = lambda: elements
    serial(node, module)
    Envelope(node, session.context, "wf.m").run()
    names = [name for name, _ in session.nodes()]
    assert names == ["wf.m[0][0]", "wf.m[0][1]", "wf.m[0]", "wf.m"]


def test_elements_are_metered_at_each_attempt_of_their_map_node(tmp_path, session, module):
    node = FakeMapNode(tmp_path, "m")
    serial(node, module)
    once, node.todo = node.todo, lambda: (once(), once())
    Envelope(node, session.context, "wf.m").run()
    assert [name for name, _ in session.nodes()] == ["wf.m[0]", "wf.m[1]"] * 2 + ["wf.m"]


def test_a_map_node_that_runs_inside_an_element_is_that_elements_own(tmp_path, session, module):
    inner, element, node = FakeMapNode(tmp_path), FakeNode(tmp_path), FakeMapNode(tmp_path, "m")
    serial(inner, module)
    element.todo = inner.run
    node.get_subnodes = lambda: [element]
    serial(node, module)
    Envelope(node, session.context, "wf.m").run()
    assert [name for name, _ in session.nodes()] == ["wf.m[0]", "wf.m"]


def test_the_hash_of_the_inputs_is_kept_where_nipype_made_one(envelope, node, session):
    envelope.run()
    node._hashvalue = "0a1b"
    envelope.run()
    node._hashvalue = None
    envelope.run()
    assert [r.get("inputs_hash") for r in session.records("end")] == [None, "0a1b", None]


def test_a_nipype_without_that_function_still_runs(tmp_path, session, module, monkeypatch):
    monkeypatch.delattr(module, "_node_runner")
    assert Envelope(FakeMapNode(tmp_path), session.context, "wf.m").run() == "result"


def test_the_result_file_is_what_identifies_a_result(tmp_path):
    node = FakeNode(tmp_path)
    path = nipype_node._result_path(node)
    assert nipype_node._identity(path) is None
    node.write_result()
    assert nipype_node._identity(path) == nipype_node._identity(path) is not None
    assert nipype_node._identity(nipype_node._result_path(SimpleNamespace())) is None
