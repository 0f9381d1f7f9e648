# SPDX-License-Identifier: Apache-2.0
"""The real sMRIPrep, FreeSurfer on, its command unchanged, under ``nicarbon run``.

Everything that pip installs is real; the programs of ANTs, FSL, FreeSurfer and Workbench are
stand-ins that leave the files of the real ones, so that every node of the workflow executes. By
default a metered run of two subjects, then a plain one of the first in the same folders. With
``NICARBON_TEST_SMRIPREP=full`` also template registration, MSM and CIFTI, and a plain run from
scratch to compare with.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from collections import Counter
from types import SimpleNamespace

import brain_tools
import pytest
import smriprep_site

FULL = os.environ.get("NICARBON_TEST_SMRIPREP") == "full"
OPTIONS = (
    ("--cifti-output", "91k", "--output-spaces", "MNI152NLin2009cAsym")
    if FULL
    else ("--no-msm", "--skull-strip-mode", "skip")
)
SUBJECTS = ("sub-01", "sub-02")
# They are alike: a run in the folders of one of both needs but one of them.
ONE_OF_THEM = ("--participant-label", "01")
PATIENCE_S = 1500
pytestmark = pytest.mark.timeout(4 * PATIENCE_S)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """sMRIPrep, and what it needs."""
    try:
        programs = smriprep_site.environment()
    except smriprep_site.NotHereError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("smriprep") / "site"
    return SimpleNamespace(
        folder=folder, programs=programs, env=smriprep_site.make(folder, programs)
    )


def smriprep(site, *launcher, trace="", options=()):
    """Run it; return its exit code and what it said."""
    folder = site.folder
    done = subprocess.run(
        [
            *(*launcher, "smriprep", "bids", "out", "participant", "-w", "work"),
            *(
                "--nprocs",
                "2",
                "--mem-gb",
                "8",
                "--omp-nthreads",
                "1",
                "--notrack",
                "-v",
                *OPTIONS,
                *options,
            ),
        ],
        cwd=folder,
        env={**site.env, brain_tools.TRACE: str(folder / f"trace-{trace}")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
    )
    log = done.stdout
    return SimpleNamespace(code=done.returncode, log=log, executed=executed(log))


def _only_in_full():
    if not FULL:
        pytest.skip("takes minutes: NICARBON_TEST_SMRIPREP=full")


def executed(log):
    """Names of the nodes that nipype says it executed, as often as it says so."""
    return Counter(map(lasting, re.findall(r'\[Node\] Executing "([^"]+)"', log)))


def lasting(name):
    """What is left of a node's name without the time and number of sMRIPrep's run."""
    return re.sub(r"^(fsdir_run)_\w+$", r"\1", name)


@pytest.fixture(scope="module")
def plain_before(site):
    """A plain run from scratch; what it left is put aside."""
    _only_in_full()
    done = smriprep(site, trace="plain-before")
    for name in ("out", "work"):
        (site.folder / name).rename(site.folder / f"{name}-plain")
    return done


@pytest.fixture(scope="module")
def metered(site, request):
    if FULL:
        request.getfixturevalue("plain_before")
    return smriprep(site, "nicarbon", "run", "--progress", "none", "-o", "run", trace="metered")


@pytest.fixture(scope="module")
def plain_after(site, metered):
    """A plain run in the folders of the metered one."""
    return smriprep(site, trace="plain-after", options=ONE_OF_THEM)


@pytest.fixture(scope="module")
def cached(site, plain_after):
    _only_in_full()
    launcher = ("nicarbon", "run", "--progress", "none", "-o", "again")
    return smriprep(site, *launcher, trace="cached", options=ONE_OF_THEM)


@pytest.fixture(scope="module")
def run(site, metered):
    import nicarbon

    return nicarbon.open(site.folder / "run")


def test_it_runs_to_its_end(metered):
    assert metered.code == 0, metered.log[-5000:]
    assert "failed to run" not in metered.log


def test_every_node_is_metered(metered, run):
    summary = run.summary("node")
    assert summary.missing == ()
    assert summary.total.n_nodes > (600 if FULL else 300)
    assert summary.total.n_failed == 0
    assert summary.total.n_cached == 0


def test_each_execution_is_metered_once(metered, run):
    """As often as nipype says it: what always runs (recon-all) runs again for its MapNode."""
    assert recorded(run) == metered.executed


def recorded(run):
    """Names of the nodes that were metered, as nipype's log has them, as often as they ran."""
    # What iterables add to a name stands behind it: ``resample.a0``.
    names = {
        node.name: lasting(node.name.removeprefix(f"{node.workflow}.").split(".")[0])
        for graph in run.facts.graphs
        for node in graph.nodes
    }
    spans = [span for span in run.attribution.spans if span.outcome == "ran"]
    mapped = {span.map_node for span in spans}
    return Counter(
        names[span.node]
        if span.map_node is None
        else f"_{names[span.map_node]}{span.node[len(span.map_node) + 1 : -1]}"
        for span in spans
        if span.node not in mapped
    )


def test_every_node_has_a_stage(run):
    stages = run.summary("stage")
    assert "unclassified" not in {row.name for row in stages.rows}
    assert {"surface reconstruction", "segmentation", "registration", "reporting"} <= {
        row.name for row in stages.rows
    }


def test_the_sum_is_kept(run):
    for host in run.attribution.hosts:
        assert abs(host.residual_j) <= 1e-9 * host.energy_j


def test_by_subject(run):
    rows = {row.name: row for row in run.summary("subject").rows}
    assert set(rows) <= {*SUBJECTS, "no subject"}
    assert rows["sub-01"].n_nodes == rows["sub-02"].n_nodes > 100
    assert sum(row.n_nodes for row in rows.values()) == run.summary("node").total.n_nodes
    if "no subject" in rows:
        assert rows["no subject"].n_nodes < 5


def test_recon_alls_programs_are_its_nodes(run):
    spans = [span for span in run.attribution.spans if span.node.endswith("autorecon1")]
    assert len(spans) == 2
    # Four programs and itself, each with 0.03 s of CPU time.
    assert all(span.cpu_s > 0.15 for span in spans)


def test_the_command_line_is_the_plain_ones(site, metered):
    """FMRIPrep and sMRIPrep hash it, and show it in their reports."""
    about = (site.folder / "out/smriprep/sub-01.html").read_text()
    assert f"{site.programs}/smriprep bids out participant" in about


def test_workers_are_started_and_limited_as_without(site, metered, plain_after):
    def seen(name):
        lines = (site.folder / f"trace-{name}").read_text().splitlines()
        return {line for line in lines if "multiprocessing.forkserver" in json.loads(line)[1]}

    assert len(seen("metered")) > 10
    assert seen("plain-after")
    assert seen("plain-after") <= seen("metered")


def test_a_plain_run_after_it_finds_everything_cached(metered, plain_after):
    """But what FreeSurfer's interfaces always run anew, and what depends on it."""
    assert plain_after.code == 0, plain_after.log[-5000:]
    again, all_of_them = plain_after.executed.total(), metered.executed.total()
    assert 0 < again < 0.5 * all_of_them / len(SUBJECTS)
    assert metered.executed["fast"] == len(SUBJECTS)
    assert plain_after.executed["fast"] == 0


def test_a_metered_run_after_that_executes_no_more(site, plain_after, cached):
    import nicarbon

    assert cached.code == 0
    assert cached.executed <= plain_after.executed
    assert recorded(nicarbon.open(site.folder / "again")) == cached.executed


def contents(folder):
    """Content of each derivative by its name, without what differs between any two runs."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or "/log/" in name or name.startswith("smriprep/logs/"):
            continue
        data = path.read_bytes()
        if name.endswith(".gz"):
            data = gzip.decompress(data)
        # Reports have times, identifiers of their elements, and random numbers in figures.
        found[name] = None if name.endswith((".html", ".svg", ".log")) else data
    return found


def test_outputs_are_those_of_a_plain_run(site, plain_before, metered):
    assert plain_before.code == metered.code == 0
    assert plain_before.executed == metered.executed
    plain, with_meter = contents(site.folder / "out-plain"), contents(site.folder / "out")
    assert plain.keys() == with_meter.keys()
    assert [name for name in plain if plain[name] != with_meter[name]] == []
