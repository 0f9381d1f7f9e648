# SPDX-License-Identifier: Apache-2.0
"""Engines that are neither nipype's local ones nor a batch system: each meters every node once."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from every_engine import assert_sum_is_kept
from science import assert_no_pickle_names_us

from nicarbon.run import Run

SUPPORT = Path(__file__).parents[1] / "support"
NODES = {"small.first", "small.each", "small.last", "small.here", "small.each[0]", "small.each[1]"}
PATIENCE_S = 240  # Three drivers at once, and their jobs, on a busy machine.


def assert_metered_once(run_dir):
    """Every node and every element was executed once, and the sum is kept."""
    run = Run.open(run_dir)
    executed = Counter(s.node for s in run.attribution.spans if s.outcome == "ran")
    assert executed == Counter(NODES)
    assert_sum_is_kept(run.attribution)
    return run


# A script as a user writes it; what it says of the plugin is the test's.
SCRIPT = """
import os, sys
import nicarbon, nodes_for_tests

{plugin}

if __name__ == "__main__":
    wf = nodes_for_tests.small(sys.argv[1])
    wf.config["execution"] = {{"hash_method": "content", "poll_sleep_duration": "0.1",
                               "crashdump_dir": sys.argv[1], "job_finished_timeout": "5"}}
    wf.run(plugin=nicarbon.plugin({call}, run_dir=sys.argv[2]))
"""


@pytest.fixture
def run_script(tmp_path, environment):
    def run(plugin, call, **env):
        path = tmp_path / "program.py"
        path.write_text(SCRIPT.format(plugin=textwrap.dedent(plugin), call=call))
        done = subprocess.run(
            [sys.executable, str(path), str(tmp_path / "work"), str(tmp_path / "run")],
            env=environment(NICARBON_TEST_LOG=str(tmp_path / "log.txt"), **env),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert "metering failed" not in done.stderr
        return done

    return run


def test_debug_hands_out_nodes_that_behave_as_nodes(run_script, tmp_path):
    plugin = """
        from nipype import MapNode, Node

        def call(node, graph):
            assert isinstance(node, Node)
            assert node in graph
            assert isinstance(node, MapNode) == (node.name == "each")
            node.run()
    """
    run_script(plugin, '"Debug", callable=call')
    assert_metered_once(tmp_path / "run")


def test_a_plugin_of_somebodys_that_ships_nodes_by_itself(run_script, tmp_path):
    plugin = """
        import pickle, subprocess
        import networkx as nx

        RUN = "import pickle, sys; pickle.load(sys.stdin.buffer).run()"

        class ShippingPlugin:
            plugin_args = {}

            def run(self, graph, config, updatehash=False):
                for node in nx.topological_sort(graph):
                    pickled = pickle.dumps(node)
                    subprocess.run([sys.executable, "-c", RUN], input=pickled, check=True)
    """
    run_script(plugin, "ShippingPlugin()")
    run = assert_metered_once(tmp_path / "run")
    assert len({span.span.rpartition("-")[0] for span in run.attribution.spans}) == 4


def test_a_plugin_of_somebodys_that_wraps_one_of_nipypes(run_script, batch_system, tmp_path):
    plugin = """
        from nipype.pipeline.plugins import SLURMPlugin

        class PolitePlugin:
            plugin_args = {}

            def __init__(self):
                self.inner = SLURMPlugin(plugin_args={})

            def run(self, graph, config, updatehash=False):
                return self.inner.run(graph, config, updatehash=updatehash)
    """
    run_script(plugin, "PolitePlugin()", **batch_system("slurm").env)
    assert_metered_once(tmp_path / "run")


def test_crash_files_of_a_plugin_that_wraps_another_hold_the_plain_node(run_script, tmp_path):
    plugin = """
        from nipype.pipeline.plugins import MultiProcPlugin

        class PolitePlugin:
            plugin_args = {}

            def run(self, graph, config, updatehash=False):
                return MultiProcPlugin({"n_procs": 1}).run(graph, config, updatehash=updatehash)

        def small(base):
            wf = nodes_for_tests.failing(base, "node")
            run = wf.run
            wf.run = lambda plugin: suppressed(run, plugin)
            return wf

        def suppressed(run, plugin):
            try:
                run(plugin=plugin)
            except Exception:
                pass

        nodes_for_tests = type("module", (), dict(vars(nodes_for_tests), small=small))
    """
    plugin = plugin.replace("nodes_for_tests.failing", "original.failing")
    run_script("import nodes_for_tests as original\n" + textwrap.dedent(plugin), "PolitePlugin()")
    assert list((tmp_path / "work").glob("crash-*.pklz"))
    assert_no_pickle_names_us(tmp_path / "work")


# soma-workflow's API as nipype uses it; the released package has another name since version 3.
SOMA = """
import subprocess

class Job:
    def __init__(self, command, name):
        self.command, self.name = command, name

class Workflow:
    def __init__(self, jobs, dependencies):
        self.jobs, self.dependencies = jobs, dependencies

class Helper:
    @staticmethod
    def serialize(path, workflow):
        pass

    @staticmethod
    def wait_workflow(number, controller):
        pass

class WorkflowController:
    def submit_workflow(self, workflow):
        left, done = list(workflow.jobs), set()
        while left:
            for job in list(left):
                if all(a in done for a, b in workflow.dependencies if b is job):
                    subprocess.run(job.command, check=True)
                    done.add(job)
                    left.remove(job)
        return 1
"""


def test_somaflow(run_script, tmp_path):
    package = tmp_path / "soma" / "workflow"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "client.py").write_text(SOMA)
    run_script("", '"SomaFlow"', PYTHONPATH=os.pathsep.join([str(tmp_path), *paths()]))
    run = assert_metered_once(tmp_path / "run")
    assert sum(file.job is not None for file in run.facts.node_files) == 4


def paths():
    return [str(SUPPORT), *sys.path[1:]]


@pytest.fixture
def ipython_engines(tmp_path, environment):
    """Start a controller and engines of ipyparallel's; the last may be without nicarbon."""
    pytest.importorskip("ipyparallel", reason="ipyparallel is missing: pip install ipyparallel")
    started = []
    env = environment(
        IPYTHONDIR=str(tmp_path / "ipython"), NICARBON_TEST_LOG=str(tmp_path / "log.txt")
    )
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys; sys.modules['nicarbon'] = None\n")

    def start(name, **more):
        code = f"from ipyparallel.{name}.app import main; main()"
        log = (tmp_path / f"{name}-{len(started)}.log").open("w")
        with log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-c", code],
                    env={**env, **more},
                    cwd=tmp_path,
                    stdout=log,
                    stderr=log,
                )
            )

    def cluster(n_with, n_without):
        start("controller")
        connection = tmp_path / "ipython/profile_default/security/ipcontroller-engine.json"
        until = time.monotonic() + PATIENCE_S
        while not connection.exists():
            assert time.monotonic() < until, "no controller"
            time.sleep(0.1)
        for _ in range(n_with):
            start("engine")
        for _ in range(n_without):
            start("engine", PYTHONPATH=os.pathsep.join([str(hidden), env["PYTHONPATH"]]))
        wait = (
            "import ipyparallel, sys\n"
            f"ipyparallel.Client().wait_for_engines({n_with + n_without}, timeout={PATIENCE_S})"
        )
        subprocess.run([sys.executable, "-c", wait], env=env, check=True, capture_output=True)
        return {"IPYTHONDIR": env["IPYTHONDIR"]}

    yield cluster
    for process in reversed(started):
        process.terminate()
    for process in started:
        process.wait(30)


def test_ipython(ipython_engines, run_script, tmp_path):
    env = ipython_engines(2, 0)
    run_script("", '"IPython"', **env)
    assert_metered_once(tmp_path / "run")


def test_ipython_with_an_engine_that_has_no_nicarbon(ipython_engines, run_script, tmp_path):
    env = ipython_engines(1, 1)
    run_script("", '"IPython"', **env)
    run = Run.open(tmp_path / "run")
    assert {span.node for span in run.attribution.spans} == {"small.here"}
    (note,) = [note for note in run.summary().notes if "unmetered" in note]
    assert "5 nodes ran unmetered (an engine of ipyparallel's cannot import nicarbon" in note


def test_several_workflows_at_once_in_threads_of_one_process(run_script, batch_system, tmp_path):
    """Metered into two run folders and unmetered, all on one kind of plugin at the same time."""
    plugin = """
        import threading

        def run(name, plugin):
            wf = nodes_for_tests.small(os.path.join(sys.argv[1], name))
            wf.config["execution"] = {"hash_method": "content", "poll_sleep_duration": "0.1",
                                      "job_finished_timeout": "5"}
            wf.run(plugin=plugin)

        def metered(name):
            return nicarbon.plugin("SLURM", run_dir=os.path.join(sys.argv[2], name))

        if __name__ == "__main__":
            from nipype.pipeline.plugins import SLURMPlugin

            plugins = {"a": metered("a"), "b": metered("b"), "plain": SLURMPlugin(plugin_args={})}
            threads = [threading.Thread(target=run, args=item) for item in plugins.items()]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            sys.exit(0)
    """
    run_script(plugin, '"Linear"', **batch_system("slurm").env)
    for name in ("a", "b"):
        assert_metered_once(tmp_path / "run" / name)
    scripts = list((tmp_path / "work/plain").rglob("pyscript_*.py"))
    assert len(scripts) >= 3
    assert not any("nicarbon" in path.read_text() for path in scripts)
