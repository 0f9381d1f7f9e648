# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from nicarbon.engines import bundle


@pytest.fixture(scope="module")
def node_side(tmp_path_factory):
    return bundle.write(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def inside(node_side, tmp_path):
    """Run the bundle as a container would, without one."""

    def run(*words, options=(), env=None):
        return subprocess.run(
            [sys.executable, "-I", "-S", node_side, "--run-dir", "run", *options, "--", *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def kinds(run_dir):
    return [
        json.loads(line)["kind"]
        for path in sorted(run_dir.glob("*-*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_a_command_is_one_node_and_its_sampler_is_here(inside, tmp_path):
    done = inside("sh", "-c", "echo out; exit 4", options=("--interval", "0.1"))
    assert (done.returncode, done.stdout, done.stderr) == (4, "out\n", "")
    found = kinds(tmp_path / "run")
    assert found.count("start") == found.count("end") == 1
    assert "sample" in found


def test_a_script_runs_in_this_process(inside, tmp_path):
    (tmp_path / "s.py").write_text("import sys; print(sys.argv, sys.path[0]); sys.exit(7)")
    done = inside("s.py", "x")
    assert done.returncode == 7
    assert done.stdout == f"['s.py', 'x'] {tmp_path}\n"


def test_where_nobody_samples_outside_it_goes_on(inside, tmp_path):
    done = inside("true", options=("--outside", "yes"))
    assert done.returncode == 0
    assert done.stderr == (
        "nicarbon: nobody outside reads the sensors: CPU time is recorded, energy is not\n"
    )
    assert "sample" not in kinds(tmp_path / "run")


def test_mistakes_are_one_line(inside, tmp_path):
    done = inside("no-such-command")
    assert done.returncode == 2
    assert done.stderr == "nicarbon: there is no file or command no-such-command\n"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()
    done = inside("true")
    assert done.returncode == 2
    assert "is not empty" in done.stderr


def test_a_command_of_another_python_is_run_by_that_one(inside, tmp_path):
    here = tmp_path / "venv" / "bin"
    here.mkdir(parents=True)
    python = here / "python3"
    python.write_text(f'#!/bin/sh\necho switched >&2\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    tool = here / "tool"
    tool.write_text(f"#!{python}\nimport sys; print('tool', sys.argv[1:])\n")
    tool.chmod(0o755)
    env = {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}
    for words in (["tool", "x"], ["python3", str(tool), "x"]):
        done = inside(*words, env=env)
        assert done.stderr.startswith("switched\n")
        assert done.stdout == "tool ['x']\n"
        shutil.rmtree(tmp_path / "run")


def test_a_script_after_its_python_runs_in_this_process(inside, tmp_path):
    (tmp_path / "s.py").write_text("import sys; print('nicarbon.engines.inside' in sys.modules)")
    assert inside(sys.executable, "s.py").stdout == "True\n"
