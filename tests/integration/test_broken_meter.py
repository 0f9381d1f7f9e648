# SPDX-License-Identifier: Apache-2.0
"""Whatever function of the meter breaks, the pipeline is as without it, and it is said once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from break_the_meter import ERRORS

# While these are broken nobody can end what they end.
ENDS = {
    "nicarbon.meter.recorder.Meter._leave_orphans",
    "nicarbon.meter.subreaper.switch",
}
# At least these belong to what is called, if the search for them works.
CALLED = {
    "nicarbon.meter.recorder.Meter.begin",
    "nicarbon.meter.recorder.Meter.end",
    "nicarbon.meter.session.Session.__init__",
    "nicarbon.meter.presence.Presence._start_sampler",
    "nicarbon.meter.writer.Writer.write",
}


def broken(environment, tmp_path, *arguments):
    """Break each function that is called; return how the plain run and each other one ended."""
    done = subprocess.run(
        [sys.executable, "-m", "break_the_meter", *arguments],
        env=environment(NICARBON_TEST_LOG=str(tmp_path / "log.txt")),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    found = json.loads(line[6:])
    return found["plain"], found["broken"]


def assert_nothing_changed(plain, broken, n_processes=1):
    """Compare; each process that runs nodes says by itself that its metering failed."""
    assert plain["ended"]
    assert plain["outputs"]
    for function, run in broken.items():
        assert {key: run[key] for key in plain} == plain, function
        assert not run["traceback"], function
        warnings = [line for line in run["said"] if "run recorded" not in line]
        failed = [line.split()[5] for line in warnings if "metering failed in process" in line]
        assert len(failed) == len(set(failed)) <= n_processes, (function, warnings)
        # The end of the run may add which file, or the sampler, it was.
        assert 1 <= len(warnings) <= n_processes + 1, (function, warnings)
        assert function in ENDS or not run["adopts"], function


@pytest.mark.parametrize("error", ERRORS)
def test_on_linear(environment, tmp_path, error):
    plain, found = broken(environment, tmp_path, "meter", error, "Linear", "first")
    assert found.keys() >= CALLED
    assert_nothing_changed(plain, found)


def test_where_nodes_are_found_in_the_cache(environment, tmp_path):
    arguments = ("meter", "bug", "MultiProc", "again", "recorder", "writer")
    plain, found = broken(environment, tmp_path, *arguments)
    assert "nicarbon.meter.recorder.Meter.cached" in found
    assert_nothing_changed(plain, found, n_processes=3)


def test_the_engine_itself(environment, tmp_path):
    """What stands in place of nipype's own methods is left out: they call it, and little else."""
    plain, found = broken(environment, tmp_path, "engine", "bug", "Linear", "first")
    names = {name.removeprefix("nicarbon.engines.") for name in found}
    assert names >= {
        *("nipype._report", "nipype_elements._enter", "nipype_graph.envelop"),
        *("nipype_names._homes", "nipype_node._identity", "nipype_node.inputs_hash"),
        *("nipype_observe.ask_for_jobs", "nipype_script.with_prelude"),
    }
    assert_nothing_changed(plain, found)
