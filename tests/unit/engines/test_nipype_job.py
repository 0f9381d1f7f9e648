# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nicarbon.engines import nipype_job

# What a job script does, with a module of the test's in the place of nipype's.
SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from nicarbon.engines.nipype_job import activate
activate({run_dir!r}, {pickled!r}, "wf.a[0]", ("wf.a", 0), ("--interval", "0.2"))
assert "nipype" not in sys.modules
from nipype.utils.filemanip import loadpkl
assert loadpkl("elsewhere.pklz")["node"].where == "elsewhere.pklz"
info = loadpkl({pickled!r})
print(type(info["node"]).__name__, info["node"].run(), info["updatehash"])
"""
FILEMANIP = """
class Node:
    name = "a"
    def __init__(self, where):
        self.where = where
    def output_dir(self):
        return "/nowhere"
    def run(self, updatehash=False):
        return "ran"

def loadpkl(infile):
    return {"node": Node(infile), "updatehash": False}
"""


@pytest.fixture
def job(tmp_path):
    package = tmp_path / "fake" / "nipype"
    for name in ("utils/filemanip.py", "pipeline/engine/nodes.py"):
        module = package / name
        module.parent.mkdir(parents=True)
        for folder in (package, package / "pipeline", module.parent):
            folder.mkdir(exist_ok=True)
            (folder / "__init__.py").touch()
        module.write_text(FILEMANIP if "utils" in name else "")

    def run(run_dir):
        script = SCRIPT.format(
            folder=str(tmp_path / "fake"), run_dir=str(run_dir), pickled="/batch/node_1.pklz"
        )
        return subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
        )

    return run


def test_the_one_node_of_the_script_arrives_in_an_envelope(job, tmp_path):
    (tmp_path / "run").mkdir()
    done = job(tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Envelope ran False\n"
    (path,) = (tmp_path / "run").glob("nodes-*.jsonl")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    kinds = [record["kind"] for record in records]
    assert kinds == ["process", "driver", "job", "start", "end", "driver"]
    start = records[3]
    assert (start["node"], start["map_node"], start["index"]) == ("wf.a[0]", "wf.a", 0)


def test_where_the_run_folder_cannot_be_seen_the_node_is_plain(job, tmp_path):
    done = job(tmp_path / "missing")
    assert (done.returncode, done.stdout) == (0, "Node ran False\n")
    assert "runs unmetered" in done.stderr


def test_a_meter_that_fails_costs_one_line(monkeypatch, capfd):
    def fails(*arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr(nipype_job.job, "begin", fails)
    monkeypatch.setattr("nicarbon.meter.messages._failed", False)
    nipype_job.activate("/run", "/node.pklz", "wf.a")
    assert "metering failed in process" in capfd.readouterr().err


def test_a_pickle_of_another_shape_is_left_as_it_is(monkeypatch, capfd):
    monkeypatch.setattr("nicarbon.meter.messages._failed", False)
    module = type(sys)("module")
    module.loadpkl = lambda infile: ["no dict"]
    nipype_job._meter_the_node(module, "a.pklz", None, "wf.a", None)
    assert module.loadpkl("a.pklz") == ["no dict"]
    assert "metering failed" in capfd.readouterr().err
