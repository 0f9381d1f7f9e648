# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nicarbon.engines.nipype_node import Envelope
from nicarbon.engines.nipype_script import with_prelude
from nicarbon.meter import messages
from nicarbon.meter.recorder import RunContext

NAME = 'wf.a "%s" {arguments}\n'


class Node:
    name = "a"


@pytest.fixture
def given():
    """What the function that is nipype's was called with."""
    return []


@pytest.fixture
def create_pyscript(tmp_path, given):
    """A function that writes a script and its pickle, as nipype's does, with the prelude."""

    def create_pyscript(node, updatehash=False, store_exception=True):
        given.append((type(node), updatehash, store_exception))
        (tmp_path / "node_1_wf_a.pklz").write_bytes(b"")
        script = tmp_path / "pyscript_1_wf_a.py"
        script.write_text("print('the node ran')\n")
        return str(script)

    return with_prelude(create_pyscript)


def envelope(tmp_path, **more):
    (tmp_path / "run").mkdir(exist_ok=True)
    context = RunContext(str(tmp_path / "run"), "key", None, ("--interval", "2"))
    return Envelope(Node(), context, NAME, **more)


def run(script, *options):
    return subprocess.run(
        [sys.executable, *options, script], capture_output=True, text=True, cwd="/", timeout=60
    )


def test_the_function_gets_the_plain_node_and_its_script_a_prelude(
    create_pyscript, given, tmp_path
):
    node = envelope(tmp_path, place=("wf.m", 3))
    script = create_pyscript(node, updatehash=True, store_exception=False)
    assert given == [(Node, True, False)]
    assert script == str(tmp_path / "pyscript_1_wf_a.py")
    with open(script) as file:
        text = file.read()
    assert text.endswith("\nprint('the node ran')\n")
    assert text.isascii()
    assert ascii(str(tmp_path / "node_1_wf_a.pklz")) in text
    assert "('wf.m', 3)" in text


def test_a_node_without_an_envelope_gets_the_script_that_it_always_gets(create_pyscript):
    with open(create_pyscript(Node())) as file:
        assert file.read() == "print('the node ran')\n"


def test_without_nicarbon_the_node_runs_and_says_so_in_the_run_folder(create_pyscript, tmp_path):
    done = run(create_pyscript(envelope(tmp_path)), "-I", "-S")
    assert (done.returncode, done.stdout, done.stderr) == (0, "the node ran\n", "")
    (path,) = (tmp_path / "run").iterdir()
    record = json.loads(path.read_text())
    assert path.name.startswith("unmetered-")
    assert record["node"] == NAME
    assert record["interpreter"] == sys.executable
    assert record["reason"] == "ModuleNotFoundError: No module named 'nicarbon'"


def test_a_nicarbon_of_another_version_is_as_none(create_pyscript, tmp_path, monkeypatch):
    """The driver's prelude may know arguments that the job's nicarbon does not."""
    package = tmp_path / "other" / "nicarbon" / "engines"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "nipype_job.py").write_text("def activate():\n    pass\n")
    script = create_pyscript(envelope(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    done = run(script, "-S")
    assert (done.returncode, done.stdout) == (0, "the node ran\n")
    (path,) = (tmp_path / "run").iterdir()
    assert json.loads(path.read_text())["reason"].startswith("TypeError: activate() got an unexp")


def test_without_nicarbon_and_without_the_folder_it_says_one_line(create_pyscript, tmp_path):
    script = create_pyscript(envelope(tmp_path))
    (tmp_path / "run").rmdir()
    done = run(script, "-I", "-S")
    assert (done.returncode, done.stdout) == (0, "the node ran\n")
    assert done.stderr.startswith("nicarbon: not here, and this node runs unmetered: ")
    assert done.stderr.count("\n") == 1


def test_what_cannot_be_metered_is_said_and_the_script_stays(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(messages, "_failed", False)

    def elsewhere(node):
        (tmp_path / "other.py").write_text("pass\n")
        return str(tmp_path / "other.py")

    script = with_prelude(elsewhere)(envelope(tmp_path))
    assert "metering failed" in capfd.readouterr().err
    with open(script) as file:
        assert file.read() == "pass\n"
