# SPDX-License-Identifier: Apache-2.0
"""Four nodes that compute at once, and a stranger: the parts add up to the host's energy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nicarbon.attribution import attribute
from nicarbon.reader import read_run as read_facts

FOUR = """
import json, os, resource, sys
import nicarbon
from nipype import Function, Node, Workflow

def burn(cpu_s):
    import os, time
    began = time.process_time()
    # A child, too: half of what a node uses is not its process's own.
    code = "import time\\nwhile time.process_time() < %s: pass" % (cpu_s / 2)
    import subprocess, sys
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
    until = time.process_time() + cpu_s / 2
    while time.process_time() < until:
        pass
    return os.getpid()

def main():
    wf = Workflow(name="w", base_dir=os.path.abspath("work"))
    wf.config["execution"] = {"poll_sleep_duration": "0.02"}
    for k in range(4):
        node = Node(Function(function=burn, input_names=["cpu_s"], output_names=["o"]),
                    name=f"burn{k}")
        node.inputs.cpu_s = 1.0
        wf.add_nodes([node])
    wf.run(plugin=nicarbon.plugin("MultiProc", n_procs=4, run_dir="run", interval_s=0.2))

if __name__ == "__main__":
    main()
"""
STRANGER = "while True: pass"


@pytest.fixture
def facts(tmp_path, environment):
    (tmp_path / "four.py").write_text(FOUR)
    stranger = subprocess.Popen([sys.executable, "-I", "-S", "-c", STRANGER])
    try:
        done = subprocess.run(
            [sys.executable, "four.py"],
            env=environment(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        stranger.kill()
        stranger.wait()
    assert done.returncode == 0, done.stderr
    return read_facts(tmp_path / "run")


def test_law_one_holds_beside_a_busy_stranger(facts, tmp_path):
    result = attribute(facts)
    (host,) = result.hosts
    parts = {
        "nodes": host.nodes_j,
        "engine": host.engine_j,
        "meter": host.meter_j,
        "other": host.other_j,
        "unattributed": host.unattributed_j,
    }
    assert all(part >= 0 for part in parts.values())
    assert sum(parts.values()) == pytest.approx(host.energy_j, rel=1e-9)
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    spans = [span for span in result.spans if span.outcome == "ran"]
    assert len(spans) == 4
    assert sum(span.energy_j for span in spans) == pytest.approx(host.nodes_j, rel=1e-9)
    # The stranger's share is not the nodes': four of them never get the host's whole energy.
    assert host.other_j > 0.05 * host.energy_j
    assert host.nodes_j < 0.95 * host.energy_j
    # A second's work each, plus what starting a Python costs.
    assert all(1.0 <= span.cpu_s < 1.5 for span in spans)
    assert host.scaled_cpu_s < 0.02 * sum(span.cpu_s for span in spans)


def test_the_summary_says_the_same(facts, tmp_path, environment):
    done = subprocess.run(
        [sys.executable, "-m", "nicarbon", "summary", "--by", "node", "--format", "json", "run"],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    (host,) = summary["hosts"]
    assert sum(row["energy_j"] for row in summary["rows"]) == pytest.approx(host["nodes_j"])
    assert {row["name"] for row in summary["rows"]} == {f"w.burn{k}" for k in range(4)}
    assert summary["coverage"] == pytest.approx(host["nodes_j"] / host["energy_j"])
