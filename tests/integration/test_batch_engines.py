# SPDX-License-Identifier: Apache-2.0
"""Every plugin of nipype's that writes job scripts, on stand-ins that really run the scripts."""

from __future__ import annotations

import gzip
import os
import re
import sys

import pytest

from nicarbon.attribution import attribute
from nicarbon.reader import read_run as read_facts

# Plugin: the batch system, and what the plugin can't do without.
POLLING = {
    "SLURM": "slurm",
    "SGE": "sge",
    "PBS": "pbs",
    "LSF": "lsf",
    "OAR": "oar",
    "Condor": "condor",
}
GRAPHS = {
    "SLURMGraph": "slurm",
    "SGEGraph": "sge",
    "PBSGraph": "pbs",
    "CondorDAGMan": "condor",
}
ARGS = {"SLURMGraph": {"dont_resubmit_completed_jobs": False}}
# Each question about a job starts programs: asked all the time, they are most of what runs.
POLL_S = 0.5
PLUGINS = [*POLLING, *GRAPHS]
# They give each node to a job that only finds it in the cache, as SLURMGraph does.
SLOW_AGAIN = {"SGEGraph", "PBSGraph", "CondorDAGMan"}

# What the workflow leaves with nipype's own Linear plugin: the same for every test.
_plain_outputs: dict[str, bytes] = {}


@pytest.fixture
def turn(workflow, batch_system, tmp_path):
    """Run the small workflow once on a plugin, to the end of its last job."""
    systems = {}

    def run(plugin, run_dir=None, **more):
        system = systems.setdefault(plugin, None) or batch_system((POLLING | GRAPHS)[plugin])
        systems[plugin] = system
        log = tmp_path / "log.txt"
        before = log.read_text() if log.exists() else ""
        more["env"] = {**system.env, **more.pop("env", {})}
        args = ARGS.get(plugin)
        done = workflow("small", plugin, run_dir, plugin_args=args, poll_s=POLL_S, **more)
        system.wait()
        assert done.ended["type"] is None, done.stderr[-2000:]
        done.ran = log.read_text()[len(before) :].splitlines()
        done.jobs = system.jobs()
        return done

    return run


def outputs(base):
    """Return what the nodes wrote."""
    return {
        str(path.relative_to(base)): path.read_bytes()
        for path in sorted(base.rglob("*.txt"))
        if path.name.startswith("out_") or path.name == "joined.txt"
    }


def results(base):
    """Return each result file's time, and which file it is."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in base.rglob("result_*")}


def unzipped(path):
    return gzip.decompress(path.read_bytes())


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_node_is_metered_where_it_runs(turn, workflow, read_run, tmp_path, plugin):
    metered = turn(plugin, tmp_path / "run")
    if not _plain_outputs:
        _plain_outputs.update(outputs(workflow("small", base=tmp_path / "linear").base))
    assert outputs(metered.base) == _plain_outputs
    assert len(_plain_outputs) == 4
    run = read_run(tmp_path / "run")
    ran = [run.by_span[end["span"]] for end in run.ends if end["outcome"] == "ran"]
    elements = {"small.each[0]", "small.each[1]"}
    names = {"small.first", "small.each", "small.last", "small.here", *elements}
    assert {start["node"] for start in ran} == names
    assert len(ran) == len(names)
    # The driver itself ran at most the one node that asks for it.
    n_jobs = len(names) - 1 if plugin in POLLING else len(names) - len(elements)
    assert len(run.processes) - 1 == n_jobs
    facts = read_facts(tmp_path / "run")
    assert facts.n_skipped_lines == 0
    jobs = [file.job for file in facts.node_files if file.job is not None]
    assert {job.scheduler for job in jobs} == {(POLLING | GRAPHS)[plugin]}
    known = {str(job.number) for job in metered.jobs}
    assert {re.match(r"\d+", job.job_id)[0] for job in jobs} <= known
    # Each job had a sampler of its own, and the sum is kept.
    assert len(facts.sample_files) == len(run.processes)
    (host,) = attribute(facts).hosts
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    assert host.nodes_j > 0
    assert host.engine_j > 0
    for name in metered.base.rglob("*.pklz"):
        assert b"nicarbon" not in unzipped(name), name
    before = results(metered.base)
    assert len(before) == 6
    if plugin in SLOW_AGAIN:
        return
    # Without the meter, on the same folder, nothing is run again.
    plain = turn(plugin)
    assert (plain.ran, results(plain.base)) == ([], before)


@pytest.mark.parametrize("plugin", ["SLURM", "SLURMGraph"])
def test_after_a_plain_run_nothing_is_run_again(turn, tmp_path, plugin):
    kept = []
    for run_dir in (None, tmp_path / "run"):
        done = turn(plugin, run_dir)
        kept.append(results(done.base))
        assert len(done.ran) == (3 if len(kept) == 1 else 0)
    assert len(kept[0]) == 6
    assert kept[1] == kept[0]


@pytest.fixture
def without_nicarbon(tmp_path):
    """An environment for jobs whose interpreter has all of this one's packages but nicarbon."""
    folder = tmp_path / "hidden"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os, sys\nif 'STAND_IN_JOB' in os.environ:\n    sys.modules['nicarbon'] = None\n"
    )
    return str(folder)


@pytest.mark.parametrize("plugin", ["SLURM", "SLURMGraph"])
def test_an_interpreter_without_nicarbon_runs_the_nodes_unmetered(
    turn, environment, tmp_path, plugin, without_nicarbon
):
    path = os.pathsep.join([without_nicarbon, environment()["PYTHONPATH"]])
    done = turn(plugin, tmp_path / "run", env={"PYTHONPATH": path})
    assert len(outputs(done.base)) == 4
    facts = read_facts(tmp_path / "run")
    in_jobs = {"small.first", "small.each", "small.last"}
    if plugin == "SLURM":
        in_jobs |= {"small.each[0]", "small.each[1]"}
    else:
        in_jobs |= {"small.here"}
    assert {record.node for record in facts.unmetered} == in_jobs
    assert {record.interpreter for record in facts.unmetered} == {sys.executable}
    assert all("nicarbon" in record.reason for record in facts.unmetered)


def test_a_run_folder_that_jobs_cannot_see_is_said_in_their_output(turn, environment, tmp_path):
    # The driver's folder is moved away once the driver is there: for the jobs it is not.
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import os\n"
        "if 'STAND_IN_JOB' in os.environ:\n"
        "    isdir = os.path.isdir\n"
        f"    os.path.isdir = lambda path: path != {str(tmp_path / 'run')!r} and isdir(path)\n"
    )
    path = os.pathsep.join([str(hide), environment()["PYTHONPATH"]])
    done = turn("SLURM", tmp_path / "run", env={"PYTHONPATH": path})
    # A MapNode that collects its elements' results removes what their jobs said.
    said = [path.read_text() for path in done.base.rglob("slurm-*.out")]
    assert len(said) == 3
    assert all(
        "the run folder must be on a file system that the jobs share" in text for text in said
    )
