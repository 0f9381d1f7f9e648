# SPDX-License-Identifier: Apache-2.0
"""``nicarbon container --run`` with the real podman and docker, where they run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import container_engines
import pytest

import nicarbon
from nicarbon.meter import containers

PATIENCE_S = 120
BARE = os.path.join(os.path.realpath(sys.base_prefix), "bin", os.path.basename(sys.executable))
HERE = {os.path.realpath(sys.base_prefix), os.path.realpath(sys.prefix)}
BURN = """
import time
until = time.process_time() + 0.5
while time.process_time() < until:
    pass
print(time.process_time(), flush=True)
time.sleep(60)
"""
WORKFLOW = """
from nipype import Function, MapNode, Node, Workflow

def burn(n):
    import time
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    return n

wf = Workflow("wf", base_dir="/data")
many = MapNode(Function(["n"], ["n"], burn), name="many", iterfield=["n"])
many.inputs.n = [1, 2]
wf.connect(many, "n", Node(Function(["n"], ["n"], burn), "last"), "n")
wf.run("Linear")
"""


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request):
    stack = contextlib.ExitStack()
    try:
        found = stack.enter_context(container_engines.running(request.param))
    except container_engines.NotHereError as error:
        pytest.skip(str(error))
    with stack:
        yield found


@pytest.fixture
def contain(engine, tmp_path):
    """Start the verb; return its process, and where its run will be."""
    binds = [word for path in HERE for word in ("--bind", f"{path}:{path}:ro")]
    options = [f"--option={word}" for word in engine.options]

    def start(*words, more=(), python=BARE):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nicarbon", "container", "--run"),
                *("--engine", engine.name, "-o", "run", "--interval", "0.2"),
                *("--python", python, *binds, *options, *more, container_engines.IMAGE),
                *("--", *words),
            ],
            cwd=tmp_path,
            env={**engine.env, "XDG_CACHE_HOME": str(tmp_path / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # As in a terminal: a group of its own, that Ctrl-C goes to.
            start_new_session=True,
        )
        return SimpleNamespace(process=process, run_dir=tmp_path / "run")

    return start


def until(seen):
    """Wait for something to be seen."""
    until_s = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_pipeline_in_an_image_that_cannot_be_written_to(contain, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "pipeline.py").write_text(WORKFLOW)
    started = contain(
        *(sys.executable, "/data/pipeline.py"),
        more=("--bind", f"{data}:/data", "--option=--read-only", "--option=--tmpfs=/tmp"),
        python=sys.executable,
    )
    said, _ = started.process.communicate(timeout=PATIENCE_S)
    assert started.process.returncode == 0, said
    run = nicarbon.open(started.run_dir)
    ran = {span.node for span in run.attribution.spans if span.outcome == "ran"}
    assert ran == {"wf.many", "wf.many[0]", "wf.many[1]", "wf.last"}
    (host,) = run.attribution.hosts
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    assert run.summary("node").total.cpu_s == pytest.approx(0.9, abs=0.3)
    assert all(path.stat().st_uid == os.getuid() for path in started.run_dir.iterdir())


@pytest.mark.parametrize(
    ("how", "code", "outcome"), [("Ctrl-C", 130, ["failed"]), ("kill", 137, [])]
)
def test_what_ends_early(contain, engine, read_run, tmp_path, how, code, outcome):
    started = contain(
        *("sh", "-c", ": > /data/begun; while :; do :; done"),
        more=("--bind", f"{tmp_path}:/data", "--option=--name=early"),
    )
    until((tmp_path / "begun").exists)
    seen = started.run_dir.glob
    until(lambda: any('"spans":{"' in p.read_text() for p in seen("samples-*.jsonl")))
    if how == "Ctrl-C":
        os.killpg(started.process.pid, signal.SIGINT)
    else:
        assert engine.call("kill", "early").returncode == 0
    said, _ = started.process.communicate(timeout=PATIENCE_S)
    assert started.process.returncode == code, said
    assert "Traceback" not in said
    records = read_run(started.run_dir)
    assert [end["outcome"] for end in records.ends] == outcome
    run = nicarbon.open(started.run_dir)
    assert run.summary("node").total.cpu_s > 0
    (host,) = run.attribution.hosts
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    assert engine.call("ps", "--all", "--quiet").stdout == b""


def test_a_containers_cgroup_says_what_it_used(engine):
    """Which is how a daemon's container is metered that a node asked for."""
    binds = [word for path in HERE for word in ("-v", f"{path}:{path}:ro")]
    words = ("--detach", *engine.options, *binds, container_engines.IMAGE, BARE, "-c", BURN)
    number = engine.call("run", *words).stdout.decode().strip()
    try:
        until(lambda: engine.call("logs", number).stdout.endswith(b"\n"))
        used_s = float(engine.call("logs", number).stdout)
        path = containers.find(number)
        assert path is not None
        # What began the container is in it, too.
        assert used_s - 0.01 <= containers.read_s(path) <= used_s + 0.3
    finally:
        engine.call("kill", number)  # Else podman waits ten seconds for its end.
        engine.call("rm", "--force", number)
