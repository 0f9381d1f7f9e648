# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
import threading
from types import ModuleType

import pytest

from nicarbon.engines import nipype_script as module
from nicarbon.engines.nipype_node import Envelope
from nicarbon.engines.nipype_script import scripts_metered
from nicarbon.meter.recorder import RunContext

NAME = 'wf.a "%s" {arguments}\n'


class Node:
    name = "a"


@pytest.fixture
def writer(tmp_path, monkeypatch):
    """A module with a function that writes a script and its pickle, as nipype's does."""
    written = []

    def create_pyscript(node, updatehash=False, store_exception=True):
        written.append((node, updatehash, store_exception))
        (tmp_path / "node_1_wf_a.pklz").write_bytes(b"")
        script = tmp_path / "pyscript_1_wf_a.py"
        script.write_text("print('the node ran')\n")
        return str(script)

    home = ModuleType("home_of_scripts")
    home.create_pyscript, home.written = create_pyscript, written
    monkeypatch.setitem(sys.modules, "home_of_scripts", home)
    return home


@pytest.fixture
def plugin(writer):
    return type("Plugin", (), {"__module__": "home_of_scripts"})()


def envelope(tmp_path, **more):
    (tmp_path / "run").mkdir(exist_ok=True)
    context = RunContext(str(tmp_path / "run"), "key", None, ("--interval", "2"))
    return Envelope(Node(), context, NAME, **more)


def run(script, *options):
    return subprocess.run(
        [sys.executable, *options, script], capture_output=True, text=True, cwd="/", timeout=60
    )


def test_the_function_gets_the_plain_node_and_its_script_a_prelude(writer, plugin, tmp_path):
    original = writer.create_pyscript
    node = envelope(tmp_path, place=("wf.m", 3))
    with scripts_metered(plugin):
        script = writer.create_pyscript(node, updatehash=True, store_exception=False)
    assert writer.create_pyscript is original
    ((given, updatehash, store_exception),) = writer.written
    assert type(given) is Node
    assert (updatehash, store_exception) == (True, False)
    text = (tmp_path / "pyscript_1_wf_a.py").read_text()
    assert text.endswith("\nprint('the node ran')\n")
    assert text.isascii()
    assert ascii(str(tmp_path / "node_1_wf_a.pklz")) in text
    assert "('wf.m', 3)" in text
    assert script == str(tmp_path / "pyscript_1_wf_a.py")


def test_a_node_without_an_envelope_gets_the_script_that_it_always_gets(writer, plugin):
    with scripts_metered(plugin):
        script = writer.create_pyscript(Node())
    with open(script) as file:
        assert file.read() == "print('the node ran')\n"


def test_without_nicarbon_the_node_runs_and_says_so_in_the_run_folder(writer, plugin, tmp_path):
    with scripts_metered(plugin):
        script = writer.create_pyscript(envelope(tmp_path))
    done = run(script, "-I", "-S")
    assert (done.returncode, done.stdout, done.stderr) == (0, "the node ran\n", "")
    (path,) = (tmp_path / "run").iterdir()
    record = json.loads(path.read_text())
    assert path.name.startswith("unmetered-")
    assert record["node"] == NAME
    assert record["interpreter"] == sys.executable
    assert record["reason"] == "ModuleNotFoundError: No module named 'nicarbon'"


def test_without_nicarbon_and_without_the_folder_it_says_one_line(writer, plugin, tmp_path):
    node = envelope(tmp_path)
    with scripts_metered(plugin):
        script = writer.create_pyscript(node)
    (tmp_path / "run").rmdir()
    done = run(script, "-I", "-S")
    assert (done.returncode, done.stdout) == (0, "the node ran\n")
    assert done.stderr.startswith("nicarbon: not here, and this node runs unmetered: ")
    assert done.stderr.count("\n") == 1


def test_what_cannot_be_metered_is_said_and_the_script_stays(writer, plugin, tmp_path, capfd):
    def elsewhere(node):
        (tmp_path / "other.py").write_text("pass\n")
        return str(tmp_path / "other.py")

    writer.create_pyscript = elsewhere
    module_failed = module.fail.__globals__
    module_failed["_failed"] = False
    with scripts_metered(plugin):
        script = writer.create_pyscript(envelope(tmp_path))
    module_failed["_failed"] = False
    assert "metering failed" in capfd.readouterr().err
    with open(script) as file:
        assert file.read() == "pass\n"


def test_two_workflows_at_once_share_the_wrapper(writer, plugin):
    original, inside, leave = writer.create_pyscript, threading.Event(), threading.Event()

    def other():
        with scripts_metered(plugin):
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    with scripts_metered(plugin):
        wrapped = writer.create_pyscript
        thread.start()
        assert inside.wait(30)
        assert writer.create_pyscript is wrapped
    assert writer.create_pyscript is wrapped
    leave.set()
    thread.join()
    assert writer.create_pyscript is original


def test_an_exception_of_nipypes_leaves_all_as_it_was(writer, plugin):
    original = writer.create_pyscript
    with pytest.raises(ZeroDivisionError), scripts_metered(plugin):
        raise ZeroDivisionError
    assert writer.create_pyscript is original


def test_nipypes_own_module_is_wrapped_for_any_plugin():
    from nipype.pipeline.plugins import base

    original = base.create_pyscript
    with scripts_metered(object()):
        assert base.create_pyscript.__wrapped__ is original
    assert base.create_pyscript is original
