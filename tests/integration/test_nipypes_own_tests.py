# SPDX-License-Identifier: Apache-2.0
"""nipype's own tests of engine and plugins end as without us where we meter all that they run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

pytest.importorskip("nipype")

# All of them but those that hand jobs to a PBS where its commands are installed: whether these
# pass is up to the host.
SUBSET = ["--pyargs", "nipype.pipeline", "-k", "not test_run_pbs"]
N_TESTS = 130


def start(environment, tmp_path, name, run_dir):
    env = environment(
        NICARBON_TEST_TWINS=run_dir, NICARBON_TEST_OUTCOMES=str(tmp_path / f"{name}.json")
    )
    # nipype's tests have settings of their own, among them which warnings are errors.
    folder = tmp_path / name
    folder.mkdir()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUBSET]
    return subprocess.Popen(
        [*command, "-p", "metered_twins", f"--basetemp={folder / 'tmp'}"],
        env=env,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_nipypes_own_tests_end_as_without_us(environment, read_run, tmp_path):
    turns = {"plain": "", "metered": str(tmp_path / "run")}
    running = {name: start(environment, tmp_path, name, turns[name]) for name in turns}
    said = {name: process.communicate(timeout=300)[0] for name, process in running.items()}
    plain, metered = (json.loads((tmp_path / f"{name}.json").read_text()) for name in turns)
    assert Counter(plain.values())["passed"] >= N_TESTS, said["plain"][-3000:]
    assert metered == plain, said["metered"][-3000:]
    assert "metering failed" not in said["metered"]

    run = read_run(tmp_path / "run")
    plugins = Counter(graph["plugin"] for graph in run.graphs)
    assert plugins.keys() >= {"Linear", "MultiProc", "LegacyMultiProc", "Debug"}
    assert sum(plugins.values()) > 60
    assert len(run.starts) > 200
    assert Counter(r["span"] for r in run.starts) == Counter(r["span"] for r in run.ends)
