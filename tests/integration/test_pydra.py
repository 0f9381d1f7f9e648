# SPDX-License-Identifier: Apache-2.0
"""pydra's workers, metered: what users get, and that nothing else changes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nicarbon

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pydra") is None or importlib.util.find_spec("pydra.compose") is None,
    reason="not installed: pip install 'nicarbon[pydra]'",
)
WORKERS = [
    pytest.param({"worker": "debug"}, id="debug"),
    pytest.param({"worker": "cf", "options": {"n_procs": 2}}, id="cf"),
]


def outcomes(folder):
    return {(s.node, s.outcome) for s in nicarbon.open(folder).attribution.spans}


MIXED = {
    *(f"main/burn[{i}]" for i in range(3)),
    *(f"main/{name}" for name in ("total", "save", "copy", "inner/a", "inner/b")),
}


def ended(step):
    return {key: value for key, value in vars(step).items() if key not in ("files", "ran")}


@pytest.mark.parametrize("on", WORKERS)
def test_metered_as_plain_and_cached_both_ways(submit, tmp_path, on):
    plain, again, metered, after = submit(
        {**on, "task": "mixed", "base": "plain"},
        {**on, "task": "mixed", "base": "plain", "run_dir": "again"},
        {**on, "task": "mixed", "base": "metered", "run_dir": "run"},
        {**on, "task": "mixed", "base": "metered"},
    ).steps
    assert len(plain.ran) == 6
    assert again.ran == after.ran == []
    assert metered.ran == plain.ran
    assert ended(plain) == ended(again) == ended(metered) == ended(after)
    # The same files, and nothing of ours in any pickle.
    assert plain.files == again.files == metered.files == after.files
    assert True not in plain.files.values()
    assert outcomes(tmp_path / "again") == {("main", "cached")}
    (graph,) = nicarbon.open(tmp_path / "run").facts.graphs
    assert graph.workflows.keys() == {"main", "main/inner"}
    assert outcomes(tmp_path / "run") == {(name, "ran") for name in MIXED}


@pytest.mark.parametrize("on", WORKERS)
def test_nested_splits_are_rows_in_their_place(submit, tmp_path, on):
    submit({**on, "task": "nested", "run_dir": "run", "object": True})
    run = nicarbon.open(tmp_path / "run")
    spans = run.attribution.spans
    leaves = ("scaled[0]", "scaled[1]", "total", "inner/a", "inner/b", "both")
    expected = {f"main/sub[{i}]/{leaf}" for i in range(20) for leaf in leaves}
    expected |= {f"main/after[{i}]" for i in range(20)} | {"main/total"}
    summary = run.summary("node")
    assert {span.node for span in spans} == {row.name for row in summary.rows} == expected
    # 2 factors for all 20: their twins ran once, and are counted once.
    ran = [span.node for span in spans if span.outcome == "ran"]
    assert len([name for name in ran if "/scaled[" in name]) == 2
    assert not summary.missing
    (host,) = run.attribution.hosts
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    assert host.engine_j > 0

    graph = run.executed()
    for i in (0, 19):
        assert set(graph.successors(f"main/sub[{i}]/both")) == {f"main/after[{i}]"}
        assert set(graph.successors(f"main/sub[{i}]/inner/b")) == {f"main/sub[{i}]/both"}
        assert set(graph.predecessors(f"main/sub[{i}]/total")) == {
            f"main/sub[{i}]/scaled[{k}]" for k in (0, 1)
        }
    assert len(set(graph.predecessors("main/total"))) == 20
    assert graph.nodes["main/sub[3]/scaled[1]"]["state"] == ("scaled.x=1",)
    assert graph.nodes["main/after[3]"]["state"] == ("sub.y=3",)
    assert graph.nodes["main/after[3]"]["workflow"] == "main"
    assert graph.nodes["main/sub[3]/inner/a"]["workflow"] == "main.sub.inner"
    assert graph.nodes["main/sub[3]/inner/a"]["interface"].endswith(".Burn")


def test_state_values_only_where_they_are_asked_for(submit, tmp_path):
    told = {"object": True, "options": {"state_values": True}}
    submit(
        {"task": "split", "base": "a", "run_dir": "run"},
        {"task": "split", "base": "b", "run_dir": "told", **told},
    )
    assert b"x: 1" not in b"".join(p.read_bytes() for p in (tmp_path / "run").iterdir())
    nodes = nicarbon.open(tmp_path / "told").executed().nodes
    assert nodes["main/Burn[1]"]["state"] == ("Burn.x=1", "Burn.x: 2")


@pytest.mark.parametrize("on", WORKERS)
def test_failing_tasks_partial_caches_and_twins(submit, tmp_path, on):
    plain, failing, _, partial, _ = submit(
        {**on, "task": "failing", "base": "plain"},
        {**on, "task": "failing", "run_dir": "failing"},
        {**on, "task": "split"},
        {**on, "task": "longer", "run_dir": "partial"},
        {**on, "task": "twins", "run_dir": "twins"},
    ).steps
    assert (ended(failing), failing.ran) == (ended(plain), plain.ran)
    run = nicarbon.open(tmp_path / "failing")
    assert outcomes(tmp_path / "failing") == {("main/ok", "ran"), ("main/bad", "failed")}
    (bad,) = [span for span in run.attribution.spans if span.node == "main/bad"]
    assert bad.error == "ValueError"
    assert run.summary("node").missing == ("main/after",)
    assert ("main/bad", "main/after") in run.executed().edges

    assert partial.ran == ["Burn 3"]
    assert outcomes(tmp_path / "partial") == {
        ("main/Burn[0]", "cached"),
        ("main/Burn[1]", "cached"),
        ("main/Burn[2]", "ran"),
    }
    found = outcomes(tmp_path / "twins")
    both = sorted(o for node, o in found if node in ("main/first", "main/second"))
    assert both == ["cached", "ran"]


def test_a_task_that_is_killed(submit, tmp_path):
    plain, done = submit(
        {"task": "dying", "worker": "cf", "options": {"n_procs": 1}, "base": "plain"},
        {
            "task": "dying",
            "worker": "cf",
            "options": {"n_procs": 1, "interval_s": 0.05},
            "run_dir": "run",
        },
    ).steps
    assert ended(done) == ended(plain)
    assert outcomes(tmp_path / "run") == {("main/ok", "ran"), ("main/dead", "killed")}
    run = nicarbon.open(tmp_path / "run")
    (dead,) = [span for span in run.attribution.spans if span.node == "main/dead"]
    assert dead.cpu_s > 0


def test_an_unedited_script(submit, tmp_path):
    on = {"worker": "cf", "options": {"n_procs": 2}}
    launcher = [sys.executable, "-m", "nicarbon", "run", "-o", str(tmp_path / "run")]
    tasks = [{**on, "task": name} for name in ("one", "failing", "one")]
    done = submit(*tasks, launcher=launcher)
    assert [step.errored for step in done.steps] == [False, True, False]
    # The same job again has the same name; another one is told apart.
    assert outcomes(tmp_path / "run") == {
        ("main", "ran"),
        ("main", "cached"),
        ("main#2/ok", "ran"),
        ("main#2/bad", "failed"),
    }
    run = nicarbon.open(tmp_path / "run")
    assert run.facts.info.engine == "pydra"
    assert {graph.plugin for graph in run.facts.graphs} == {"cf"}


def test_submitters_in_several_threads(submit, tmp_path):
    submit(
        {"task": "one", "base": "a", "run_dir": "run"},
        {"task": "split", "base": "b", "run_dir": "run"},
        at_once=True,
    )
    found = {(node.partition("/")[2], outcome) for node, outcome in outcomes(tmp_path / "run")}
    assert found == {("", "ran"), ("Burn[0]", "ran"), ("Burn[1]", "ran")}


def test_a_submitter_inside_a_task_is_that_tasks_own(submit, tmp_path):
    submit({"task": "nesting", "worker": "cf", "options": {"n_procs": 1}, "run_dir": "run"})
    assert outcomes(tmp_path / "run") == {("main/node", "ran")}


def test_hooks_and_audits_of_the_user(submit, tmp_path):
    on = {"task": "one", "worker": "cf", "options": {"n_procs": 1}, "hooks": True, "audit": True}
    plain, done = submit({**on, "base": "plain"}, {**on, "run_dir": "run"}).steps
    hooks = ("pre_run", "pre_run_task", "post_run_task", "post_run")
    assert done.ran == plain.ran
    assert {f"hook {name}" for name in hooks} < {*done.ran}
    messages = [list((tmp_path / base / "messages").iterdir()) for base in ("plain", "work")]
    assert len(messages[0]) == len(messages[1]) > 0


def test_a_docker_task_whose_container_is_not_seen_says_so(submit, tmp_path):
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    program = Path(__file__).parents[1] / "support" / "docker_stand_in.py"
    docker.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{program}' \"$@\"\n")
    docker.chmod(0o755)
    on = {"task": "copy", "worker": "cf", "options": {"n_procs": 1}, "docker": True}
    plain, metered = submit(
        {**on, "base": "plain"},
        {**on, "run_dir": "run"},
        env={"PATH": f"{docker.parent}{os.pathsep}{os.environ['PATH']}"},
    ).steps
    assert plain.errored is metered.errored is False
    assert metered.outputs == plain.outputs
    assert metered.files == plain.files
    (span,) = nicarbon.open(tmp_path / "run").attribution.spans
    assert (span.node, span.outcome) == ("main", "ran")
    assert span.cpu_incomplete == "the CPU time of its container is not seen"


def test_a_run_folder_that_cannot_be_made_stops_nothing(submit, tmp_path):
    (tmp_path / "run").write_text("")
    done = submit({"task": "one", "run_dir": "run"})
    assert done.steps[0].errored is False
    assert "the workflow runs unmetered" in done.stderr


def test_a_stray_plugin_breaks_no_other_worker(tmp_path):
    code = (
        "import sys\n"
        "sys.modules[{module!r}] = None\n"
        "from pydra.engine.submitter import Submitter\n"
        "from pydra.workers.base import Worker\n"
        "print(Worker.plugin('cf').__name__, 'nicarbon_cf' in Worker.available_plugins())"
    )
    for module in ("nicarbon", "nicarbon.engines.pydra_names"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(module=module)], capture_output=True, text=True
        )
        assert done.stdout == "ConcurrentFuturesWorker False\n", done.stderr
