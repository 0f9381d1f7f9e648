# SPDX-License-Identifier: Apache-2.0
"""Metering inside containers that have no nicarbon, with the sensors read outside.

No container engine runs in every place where tests do: stand-ins named ``apptainer`` and
``docker`` make the same namespaces and roots (`container_stand_in`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nicarbon

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests" / "support" / "container_stand_in.py"
SYSTEM = [
    path for path in ("/usr", "/bin", "/lib", "/lib64", "/etc", "/dev") if Path(path).exists()
]
BURN = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
PATIENCE_S = 120


def can_unshare():
    command = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--uts"]
    try:
        done = subprocess.run(
            [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, timeout=20
        )
    except OSError:
        return False
    return done.returncode == 0


pytestmark = pytest.mark.skipif(
    not can_unshare(), reason="namespaces and mounts are not allowed here"
)


@pytest.fixture
def image(tmp_path, engine):
    """Make an image of some folders of this machine; return what the engine calls it."""

    def make(*content):
        folder = tmp_path / "image"
        (folder / "root").mkdir(parents=True)
        (folder / "content").write_text("\n".join([*SYSTEM, *map(str, content)]))
        return str(folder) if engine == "apptainer" else "pipeline:1"

    return make


@pytest.fixture(params=["apptainer", "docker"])
def engine(request, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / request.param
    program.write_text(f"#!{sys.executable} -IS\n{STAND_IN.read_text()}")
    program.chmod(0o755)
    return request.param


@pytest.fixture
def contain(tmp_path, engine):
    """Run the verb."""

    def run(*arguments, **keywords):
        return subprocess.run(
            [sys.executable, "-m", "nicarbon", "container", "--engine", engine, *arguments],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "XDG_CACHE_HOME": str(tmp_path / "cache"),
                "CONTAINER_STAND_IN_IMAGE": str(tmp_path / "image"),
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            **keywords,
        )

    return run


# The interpreter without this environment: nothing that nicarbon depends on is installed in it.
BARE = os.path.join(os.path.realpath(sys.base_prefix), "bin", os.path.basename(sys.executable))


def test_a_command_under_a_bare_python(image, contain, read_run, tmp_path, engine):
    done = contain(
        *("--run", "-o", "run", "--interval", "0.1", "--python", BARE),
        *(image(os.path.realpath(sys.base_prefix)), "--"),
        *("sh", "-c", f"echo hello; {BURN}; exit 3"),
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("hello\n")
    run, records = nicarbon.open(tmp_path / "run"), read_run(tmp_path / "run")
    (host,) = run.attribution.hosts
    assert host.nodes_j > 0
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    (span,) = run.attribution.spans
    assert (span.node, span.outcome) == ("sh", "failed")
    assert span.cpu_s > 0.1
    # It was seen from outside while it ran, by its numbers out here.
    beats = [s["spans"][span.span] for s in records.samples if span.span in s.get("spans", {})]
    assert len(beats) > 1
    assert beats == sorted(beats)
    assert 0 < beats[-1] <= span.cpu_s + 0.1
    samples = [s for s in records.samples if s["kind"] == "sample"]
    assert samples[-1]["driver_cpu_s"] > 0.1
    assert "the run has no end" not in done.stdout


NODES = """
import sys
from nipype import Function, MapNode, Node, Workflow

def burn(n):
    import time
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    return n

def main():
    wf = Workflow("wf", base_dir="/data")
    first = Node(Function(["n"], ["n"], burn), "first")
    first.inputs.n = 1
    many = MapNode(Function(["n"], ["n"], burn), name="many", iterfield=["n"])
    many.inputs.n = [1, 2]
    wf.connect(first, "n", Node(Function(["n"], ["n"], burn), "last"), "n")
    wf.add_nodes([many])
    wf.config = {"execution": {"poll_sleep_duration": 0.05}}
    wf.run("MultiProc", plugin_args={"n_procs": 2, "mp_context": "forkserver"})
    print("FROM", sys.modules["nicarbon"].__file__)
    print("DEPENDS", sorted({"msgspec", "rich", "nicarbon.run"} & set(sys.modules)))

if __name__ == "__main__":
    main()
"""


def test_a_nipype_pipeline_in_an_image(image, contain, read_run, tmp_path, engine):
    data = tmp_path / "data"
    data.mkdir()
    (data / "pipeline.py").write_text(NODES)
    done = contain(
        *(
            image(os.path.realpath(sys.base_prefix), sys.prefix),
            "--run",
            "--bind",
            f"{data}:/data",
        ),
        *("-o", "run", "--interval", "0.1", "--python", sys.executable),
        *("--", "/data/pipeline.py"),
    )
    assert done.returncode == 0, done.stderr
    assert "FROM /nicarbon.pyz/nicarbon/__init__.py\n" in done.stdout
    assert "DEPENDS []\n" in done.stdout
    run, records = nicarbon.open(tmp_path / "run"), read_run(tmp_path / "run")
    ran = {s.node for s in run.attribution.spans if s.outcome == "ran"}
    assert ran == {"wf.first", "wf.last", "wf.many", "wf.many[0]", "wf.many[1]"}
    (host,) = run.attribution.hosts
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    assert run.summary("node").total.cpu_s > 1.1
    beaten = {span for s in records.samples for span in s.get("spans", {})}
    assert {records.by_span[span]["node"] for span in beaten} >= {"wf.first", "wf.many[0]"}


def test_the_printed_lines_do_the_same(image, contain, tmp_path, engine):
    done = contain(
        *("-o", "run", "--python", BARE, image(os.path.realpath(sys.base_prefix))),
        *("--", "sh", "-c", BURN),
    )
    assert done.returncode == 0
    attending, line = done.stdout.splitlines()
    assert attending == f"nicarbon container --attend {tmp_path / 'run'} &"
    assert list((tmp_path / "run").iterdir()) == []
    path = os.pathsep.join(
        (str(tmp_path / "bin"), os.path.dirname(sys.executable), "/usr/bin:/bin")
    )
    subprocess.run(
        ["sh", "-c", f"{attending}\n{line}\ncode=$?\nwait\nexit $code"],
        check=True,
        env={
            **os.environ,
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "CONTAINER_STAND_IN_IMAGE": str(tmp_path / "image"),
        },
        timeout=PATIENCE_S,
    )
    (host,) = nicarbon.open(tmp_path / "run").attribution.hosts
    assert host.nodes_j > 0


def test_an_image_without_python_is_the_engines_error(image, contain, tmp_path, engine):
    done = contain(*("--run", "-o", "run", "--python", "/nowhere/python3", image(), "--", "true"))
    assert done.returncode != 0
    assert "nicarbon: no energy: nothing began a run in the container" in done.stderr
    assert "Traceback" not in done.stderr
