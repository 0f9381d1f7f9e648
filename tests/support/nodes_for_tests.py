# SPDX-License-Identifier: Apache-2.0
"""Nodes and small workflows for the tests of engines; `run_nodes` runs them.

What ran is appended to the file that NICARBON_TEST_LOG names: an environment variable is part of
no hash.
"""

from __future__ import annotations

import os
import sys

if os.environ.get("NICARBON_TEST_ABSENT"):
    # As in an environment where it isn't installed, here and in every process that loads a node.
    sys.modules["nicarbon"] = None

from nipype import Function, IdentityInterface, JoinNode, MapNode, Node, Workflow
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    CommandLine,
    SimpleInterface,
    TraitedSpec,
    traits,
)


def work(x, n=20000):
    import os

    total = sum(i * i % 7 for i in range(n))
    path = os.path.abspath("out_" + str(x) + ".txt")
    with open(path, "w") as file:
        file.write(f"{x} {total}\n")
    log = os.open(os.environ["NICARBON_TEST_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, ("work " + os.getcwd() + "\n").encode())
    os.close(log)
    return path, x


def gather(files):
    import os

    path, pending, text = os.path.abspath("joined.txt"), [files], ""
    while pending:
        item = pending.pop(0)
        if isinstance(item, list):
            pending = item + pending
        else:
            with open(item) as file:
                text += file.read()
    with open(path, "w") as file:
        file.write(text)
    return path


def pair(a, b):
    import os

    log = os.open(os.environ["NICARBON_TEST_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, ("pair " + os.getcwd() + "\n").encode())
    os.close(log)
    return f"{a}-{b}"


def patient(x):
    """Use a second or so of CPU time, then wait until the test says go."""
    import os
    import time

    until = time.process_time() + 0.7
    while time.process_time() < until:
        pass
    while not os.path.exists(os.environ["NICARBON_TEST_GO"]):
        time.sleep(0.05)
    return x


def three(x):
    return [x, x + 1, x + 2]


def two(x):
    return [x, x + 1]


def nest(x):
    return [[x, x + 1], [x + 2]]


def one(x):
    return [x]


def boom(x):
    raise ValueError(f"boom {x}")


def boom_if_two(x):
    if x == 2:
        raise ValueError(f"boom at {x}")
    return x


def inner_workflow(base):
    """Run a workflow of three nodes inside a node."""
    import os

    import nodes_for_tests as here

    wf = here.chain(os.path.join(base, "inner"), 3, name="inner")
    plugin = "Linear"
    if os.environ.get("NICARBON_TEST_INNER") == "metered":
        import nicarbon

        plugin = nicarbon.plugin("Linear", run_dir=os.path.join(base, "never"))
    wf.run(plugin=plugin)
    return base


class SuperNode(Node):
    """A user's node that overrides run() and calls super."""

    def run(self, updatehash=False):
        return super().run(updatehash=updatehash)


class UserMapNode(MapNode):
    """A user's kind of MapNode."""


class FlakyInput(BaseInterfaceInputSpec):
    counter = traits.Str(nohash=True)


class FlakyOutput(TraitedSpec):
    out = traits.Str()


class Flaky(SimpleInterface):
    """Fails twice, then works."""

    input_spec, output_spec = FlakyInput, FlakyOutput

    def _run_interface(self, runtime):
        path = os.environ[self.inputs.counter]
        with open(path, "a+") as file:
            file.seek(0)
            tries = len(file.read())
            file.write("x")
        if tries % 3 < 2:
            raise RuntimeError(f"flaky {tries}")
        self._results["out"] = "done"
        return runtime


class RetryNode(Node):
    """Tries again by itself."""

    def run(self, updatehash=False):
        for k in range(3):
            try:
                return super().run(updatehash=updatehash)
            except Exception:
                if k == 2:
                    raise
        return None


class FullOverrideNode(Node):
    """Replaces run() and never calls super."""

    def run(self, updatehash=False):
        from nipype.pipeline.engine.utils import save_resultfile

        os.makedirs(self.output_dir(), exist_ok=True)
        self._get_inputs()
        result = self.interface.run(cwd=self.output_dir())
        save_resultfile(result, self.output_dir(), self.name, rebase=False)
        return result


def _function(function, inputs, outputs):
    return Function(function=function, input_names=inputs, output_names=outputs)


def _work():
    return _function(work, ["x", "n"], ["f", "x"])


def chain(base, n, name="chain"):
    """Return n independent nodes."""
    wf = Workflow(name=name, base_dir=base)
    for i in range(n):
        node = Node(_work(), name=f"n{i}")
        node.inputs.x = i
        wf.add_nodes([node])
    return wf


def every_kind(base):
    """Return a workflow with every kind of node: 24 in the executed graph."""
    wf, sub = Workflow(name="top", base_dir=base), Workflow(name="sub")
    source = Node(IdentityInterface(fields=["x"]), name="source")
    source.iterables = ("x", [1, 2, 3])
    plain = Node(_work(), name="plain", n_procs=2, mem_gb=0.3)
    join = JoinNode(
        _function(gather, ["files"], ["f"]), joinsource="source", joinfield="files", name="join"
    )
    sync = Node(_function(pair, ["a", "b"], ["o"]), name="sync")
    sync.synchronize = True
    sync.iterables = [("a", [1, 2]), ("b", [3, 4])]
    triple = Node(_function(three, ["x"], ["l"]), name="triple")
    triple.inputs.x = 10
    nested = Node(_function(nest, ["x"], ["l"]), name="nested")
    nested.inputs.x = 20
    single = Node(_function(one, ["x"], ["l"]), name="single")
    single.inputs.x = 30
    m_wide = MapNode(_work(), iterfield=["x"], name="m_wide", mem_gb=0.1)
    m_serial = MapNode(_work(), iterfield=["x"], name="m_serial", serial=True)
    m_single = MapNode(_work(), iterfield=["x"], name="m_single")
    m_nested = MapNode(_work(), iterfield=["x"], name="m_nested", nested=True)
    m_user = UserMapNode(_work(), iterfield=["x"], name="m_user")
    m_here = MapNode(_work(), iterfield=["x"], name="m_here", run_without_submitting=True)
    here = Node(_work(), name="here", run_without_submitting=True)
    here.inputs.x = "here"
    user = SuperNode(_work(), name="user")
    user.inputs.x = "user"
    user.stage = "segmentation"
    retry = RetryNode(Flaky(counter="NICARBON_TEST_COUNTER"), name="retry")
    full = FullOverrideNode(_function(pair, ["a", "b"], ["o"]), name="full")
    full.inputs.a, full.inputs.b = 1, 2
    command = Node(
        CommandLine("bash", args="-c 'for i in 1 2 3; do echo hi; done > cmd.txt'"), name="command"
    )
    last = Node(_function(gather, ["files"], ["f"]), name="last")
    sub.connect(source, "x", plain, "x")
    sub.connect(plain, "f", join, "files")
    wf.add_nodes([sub, sync, here, user, retry, full, command])
    wf.connect(
        [
            (triple, m_wide, [("l", "x")]),
            (triple, m_serial, [("l", "x")]),
            (single, m_single, [("l", "x")]),
            (nested, m_nested, [("l", "x")]),
            (triple, m_user, [("l", "x")]),
            (triple, m_here, [("l", "x")]),
            (m_wide, last, [("f", "files")]),
        ]
    )
    return wf


def small(base):
    """Return three nodes in a row, the second one a MapNode of two, and one apart from them."""
    wf = Workflow(name="small", base_dir=base)
    first = Node(_function(two, ["x"], ["l"]), name="first")
    first.inputs.x = 40
    each = MapNode(_work(), iterfield=["x"], name="each")
    last = Node(_function(gather, ["files"], ["f"]), name="last")
    here = Node(_work(), name="here", run_without_submitting=True)
    here.inputs.x = "here"
    wf.connect([(first, each, [("l", "x")]), (each, last, [("f", "files")])])
    wf.add_nodes([here])
    return wf


def waiting(base):
    """Return three nodes in a row, of which the second one waits until the test says go."""
    wf = Workflow(name="waiting", base_dir=base)
    first = Node(_function(one, ["x"], ["l"]), name="first")
    first.inputs.x = 1
    slow = Node(_function(patient, ["x"], ["x"]), name="slow")
    last = Node(_function(one, ["x"], ["l"]), name="last")
    wf.connect([(first, slow, [("l", "x")]), (slow, last, [("x", "x")])])
    return wf


def failing(base, kind):
    """Return a workflow in which one node fails and one does not."""
    wf = Workflow(name="bad", base_dir=base)
    good = Node(_work(), name="good")
    good.inputs.x = 1
    if kind in ("map", "serial"):
        bad = MapNode(
            _function(boom_if_two, ["x"], ["o"]),
            iterfield=["x"],
            name="bad",
            serial=kind == "serial",
        )
        bad.inputs.x = [1, 2, 3]
    elif kind == "empty":
        # To nipype a list without elements is no input at all (its issue 3372).
        bad = MapNode(_function(one, ["x"], ["o"]), iterfield=["x"], name="bad")
        bad.inputs.x = []
    elif kind == "command":
        bad = Node(CommandLine("bash", args="-c 'exit 7'"), name="bad")
    else:
        bad = Node(
            _function(boom, ["x"], ["o"]), name="bad", run_without_submitting=kind == "here"
        )
        bad.inputs.x = 5
    after = Node(_function(one, ["x"], ["l"]), name="after")
    if kind != "command":
        wf.connect(bad, "o", after, "x")
    wf.add_nodes([good, bad] if kind == "command" else [good])
    return wf


def nesting(base):
    """Return a workflow with another one inside a node."""
    wf = Workflow(name="outer", base_dir=base)
    node = Node(_function(inner_workflow, ["base"], ["o"]), name="holder")
    node.inputs.base = base
    wf.add_nodes([node])
    return wf
