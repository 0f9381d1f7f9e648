# SPDX-License-Identifier: Apache-2.0
"""pydra's workers, metered: what users get, and that nothing else changes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

import nicarbon

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pydra") is None or importlib.util.find_spec("pydra.compose") is None,
    reason="not installed: pip install 'nicarbon[pydra]'",
)
WORKERS = [pytest.param("debug", {}, id="debug"), pytest.param("cf", {"n_procs": 2}, id="cf")]


@pytest.fixture
def submit(tmp_path, environment):
    """Run tasks of `pydra_tasks` in a process of its own."""
    script = tmp_path / "program.py"
    script.write_text("import pydra_tasks\nif __name__ == '__main__':\n    pydra_tasks.main()\n")
    log = tmp_path / "log.txt"

    def run(task, worker="debug", options=None, base="work", run_dir=None, launcher=(), **spec):
        before = log.read_text() if log.exists() else ""
        spec.update(task=task, worker=worker, options=options, base=str(tmp_path / base))
        if run_dir is not None and not launcher:
            spec["run_dir"] = str(tmp_path / run_dir)
        done = subprocess.run(
            [*(launcher or [sys.executable]), str(script), json.dumps(spec)],
            env=environment(NICARBON_TEST_LOG=str(log)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("ENDED ")]
        assert lines, done.stderr[-3000:]
        assert "metering failed" not in done.stderr, done.stderr[-3000:]
        return SimpleNamespace(
            ended=json.loads(lines[-1][6:]),
            stderr=done.stderr,
            cache=tmp_path / base / "cache",
            ran=sorted((log.read_text() if log.exists() else "")[len(before) :].splitlines()),
        )

    return run


def listing(cache):
    """Files of a cache: contents of what is no pickle, and neither locks nor names of jobs."""
    return {
        str(path.relative_to(cache)): None
        if path.suffix == ".pklz"
        else hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(cache.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def outcomes(folder):
    return {(s.node, s.outcome) for s in nicarbon.open(folder).attribution.spans}


MIXED = {
    *(f"main/burn[{i}]" for i in range(3)),
    *(f"main/{name}" for name in ("total", "save", "copy", "inner/a", "inner/b")),
}


@pytest.mark.parametrize(("worker", "options"), WORKERS)
def test_metered_as_plain_and_cached_both_ways(submit, tmp_path, worker, options):
    plain = submit("mixed", worker, options, base="plain")
    files = listing(plain.cache)
    again = submit("mixed", worker, options, base="plain", run_dir="again")
    assert again.ran == []
    assert listing(plain.cache) == files
    assert outcomes(tmp_path / "again") == {("main", "cached")}

    metered = submit("mixed", worker, options, base="metered", run_dir="run")
    assert metered.ended == plain.ended
    assert metered.ran == plain.ran
    assert listing(metered.cache) == files
    assert outcomes(tmp_path / "run") == {(name, "ran") for name in MIXED}
    assert submit("mixed", worker, options, base="metered").ran == []
    assert listing(metered.cache) == files
    # Nothing of ours is in the cache: neither files nor words.
    assert not any(b"nicarbon" in p.read_bytes() for p in metered.cache.rglob("*") if p.is_file())


def test_pickles_are_read_where_nicarbon_is_missing(submit):
    done = submit("mixed", "cf", {"n_procs": 2}, run_dir="run")
    jobs = [str(path) for path in done.cache.glob("*/_job.pklz")]
    assert len(jobs) == 10
    code = (
        "import sys, cloudpickle\n"
        "sys.modules['nicarbon'] = None\n"
        f"sys.path.insert(0, {str(importlib.util.find_spec('pydra_tasks').origin)!r}[:-15])\n"
        "print([cloudpickle.load(open(path, 'rb')).name for path in sys.argv[1:]])"
    )
    read = subprocess.run([sys.executable, "-c", code, *jobs], capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    assert sorted(eval(read.stdout)).count("burn") == 3


@pytest.mark.parametrize(("worker", "options"), WORKERS)
def test_nested_splits_are_rows_in_their_place(submit, tmp_path, worker, options):
    done = submit("nested", worker, options, run_dir="run", object=True)
    assert done.ended[0]["errored"] is False
    run = nicarbon.open(tmp_path / "run")
    spans = run.attribution.spans
    names = {span.node for span in spans}
    leaves = ("scaled[0]", "scaled[1]", "total", "inner/a", "inner/b", "both")
    expected = {f"main/sub[{i}]/{leaf}" for i in range(20) for leaf in leaves}
    expected |= {f"main/after[{i}]" for i in range(20)} | {"main/total"}
    assert names == expected
    assert len([row for row in run.summary("node").rows if row.name.endswith("/inner/a")]) == 20
    # 2 factors for all 20: their twins ran once, and are counted once.
    ran = [span for span in spans if span.outcome == "ran"]
    assert len([s for s in ran if "/scaled[" in s.node]) == 2
    (host,) = run.attribution.hosts
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    assert host.engine_j > 0

    graph = run.executed()
    assert not run.summary("node").missing
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
    submit("split", run_dir="run", object=True)
    assert b"x: 1" not in b"".join(p.read_bytes() for p in (tmp_path / "run").iterdir())
    submit("split", base="other", run_dir="told", object=True, options={"state_values": True})
    nodes = nicarbon.open(tmp_path / "told").executed().nodes
    assert nodes["main/Burn[1]"]["state"] == ("Burn.x=1", "Burn.x: 2")


@pytest.mark.parametrize(("worker", "options"), WORKERS)
def test_a_failing_task(submit, tmp_path, worker, options):
    plain = submit("failing", worker, options, base="plain")
    done = submit("failing", worker, options, run_dir="run")
    assert done.ended == plain.ended
    run = nicarbon.open(tmp_path / "run")
    assert outcomes(tmp_path / "run") == {("main/ok", "ran"), ("main/bad", "failed")}
    (bad,) = [s for s in run.attribution.spans if s.node == "main/bad"]
    assert bad.error == "ValueError"
    assert run.summary("node").missing == ("main/after",)
    assert ("main/bad", "main/after") in run.executed().edges


def test_a_task_that_is_killed(submit, tmp_path):
    plain = submit("dying", "cf", {"n_procs": 1}, base="plain")
    done = submit("dying", "cf", {"n_procs": 1, "interval_s": 0.05}, run_dir="run")
    assert done.ended == plain.ended
    assert outcomes(tmp_path / "run") == {("main/ok", "ran"), ("main/dead", "killed")}
    run = nicarbon.open(tmp_path / "run")
    (dead,) = [span for span in run.attribution.spans if span.node == "main/dead"]
    assert dead.cpu_s > 0


@pytest.mark.parametrize(("worker", "options"), WORKERS)
def test_a_partial_cache(submit, tmp_path, worker, options):
    submit("split", worker, options)
    done = submit("longer", worker, options, run_dir="run")
    assert done.ran == ["Burn 3"]
    assert outcomes(tmp_path / "run") == {
        ("main/Burn[0]", "cached"),
        ("main/Burn[1]", "cached"),
        ("main/Burn[2]", "ran"),
    }


@pytest.mark.parametrize(("worker", "options"), WORKERS)
def test_twins_run_once_and_are_counted_once(submit, tmp_path, worker, options):
    submit("twins", worker, options, run_dir="run")
    found = outcomes(tmp_path / "run")
    assert sorted(o for node, o in found if node in ("main/first", "main/second")) == [
        "cached",
        "ran",
    ]


def test_an_unedited_script(submit, tmp_path):
    launcher = [sys.executable, "-m", "nicarbon", "run", "-o", str(tmp_path / "run")]
    done = submit("one failing one", "cf", {"n_procs": 2}, launcher=launcher)
    assert [ended["errored"] for ended in done.ended] == [False, True, False]
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
    submit("one split", threads=True, run_dir="run")
    found = {(node.partition("/")[2], outcome) for node, outcome in outcomes(tmp_path / "run")}
    # One of both is the first to begin.
    assert found == {("", "ran"), ("Burn[0]", "ran"), ("Burn[1]", "ran")}


def test_a_submitter_inside_a_task_is_that_tasks_own(submit, tmp_path):
    done = submit("nesting", "cf", {"n_procs": 1}, run_dir="run")
    assert done.ended[0]["errored"] is False
    assert outcomes(tmp_path / "run") == {("main/node", "ran")}


@pytest.mark.parametrize(("worker", "options"), WORKERS)
def test_hooks_and_audits_of_the_user(submit, tmp_path, worker, options):
    plain = submit("one", worker, options, base="plain", hooks=True, audit=True)
    done = submit("one", worker, options, hooks=True, audit=True, run_dir="run")
    assert done.ran == plain.ran
    assert {
        f"hook {name}" for name in ("pre_run", "pre_run_task", "post_run_task", "post_run")
    } < {*done.ran}
    messages = [list((tmp_path / base / "messages").iterdir()) for base in ("plain", "work")]
    assert len(messages[0]) == len(messages[1]) > 0


def test_a_run_folder_that_cannot_be_made_stops_nothing(submit, tmp_path):
    (tmp_path / "run").write_text("")
    done = submit("one", run_dir="run")
    assert done.ended[0]["errored"] is False
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
