# SPDX-License-Identifier: Apache-2.0
"""Tests of pydra's engine end as without us where we meter every submitter of theirs.

pydra ships its own tests neither in its wheel nor in its sdist. With a checkout of its version,
``NICARBON_PYDRA_TESTS=CHECKOUT/pydra pytest tests/integration/test_pydras_own_tests.py`` runs
those; by default a few that do what they do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter

import pytest

import nicarbon

CHECKOUT = os.environ.get("NICARBON_PYDRA_TESTS")
pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("pydra") is None
        or importlib.util.find_spec("pydra.compose") is None,
        reason="not installed: pip install 'nicarbon[pydra]'",
    ),
    # Theirs take minutes, twice.
    pytest.mark.timeout(300 if CHECKOUT is None else 7500),
]
# They ask for what a host may lack.
SUBSET = ["-k", "not slurm and not docker and not singularity and not sge and not oar"]
# Options of theirs ask for their own folder to be the working one.
OPTIONS = ["-q", "-p", "no:cacheprovider", "-o", "addopts="]

OWN = """
import pytest
from pydra.engine.audit import Audit
from pydra.engine.submitter import Submitter
from pydra.workers import base, debug
from pydra_tasks import Burn, Double, Fail, Inner, Mixed, Twins

WORKERS = ["debug", "cf", debug.Worker, "mine"]


class Mine(debug.Worker):
    _plugin_name = "mine"
    seen = []

    def run(self, job, rerun=False):
        self.seen.append(job.name)
        return super().run(job, rerun=rerun)


@pytest.fixture(params=WORKERS, ids=str)
def worker(request):
    return Mine() if request.param == "mine" else request.param


@pytest.mark.parametrize("task", [Mixed(xs=[1, 2]), Twins(x=1), Double(x=3)], ids=str)
def test_runs_and_is_found_again(task, worker, tmp_path):
    with Submitter(worker=worker, cache_root=tmp_path) as sub:
        first = sub(task)
    with Submitter(worker="debug", cache_root=tmp_path) as sub:
        again = sub(task)
    assert not first.errored
    assert again.outputs == first.outputs


def test_a_worker_of_ones_own_is_asked_for_each_job(tmp_path):
    mine = Mine()
    mine.seen.clear()
    with Submitter(worker=mine, cache_root=tmp_path) as sub:
        sub(Inner(y=1))
    assert mine.seen == ["main", "a", "b"]
    assert sub.worker.plugin_name() == "mine"
    assert isinstance(sub.worker, Mine) and isinstance(sub.worker, base.Worker)


def test_an_error_is_the_tasks(worker, tmp_path):
    with pytest.raises(Exception, match="deliberate"):
        Fail(x=1)(worker=worker if isinstance(worker, str) else "debug", cache_root=tmp_path)


def test_readonly_caches(tmp_path):
    first = Burn(x=2, cpu_s=0.0)(cache_root=tmp_path / "a")
    second = Burn(x=2, cpu_s=0.0)(cache_root=tmp_path / "b", readonly_caches=[tmp_path / "a"])
    assert first.out == second.out == 4
    assert not list((tmp_path / "b").glob("python-*"))


def test_an_audit_that_raises(monkeypatch, tmp_path):
    def raises(self, odir):
        raise RuntimeError("deliberate")

    monkeypatch.setattr(Audit, "start_audit", raises)
    with pytest.raises(RuntimeError, match="deliberate"):
        Double(x=5)(cache_root=tmp_path)


def test_one_after_an_audit_that_raised(tmp_path):
    assert Double(x=5)(cache_root=tmp_path).out == 10


def test_one_that_fails():
    assert Double(x=1) == "something else"
"""


def run(environment, tmp_path, name, run_dir, tests):
    folder = tmp_path / name
    folder.mkdir()
    env = environment(
        NICARBON_TEST_TWINS=run_dir, NICARBON_TEST_OUTCOMES=str(tmp_path / f"{name}.json")
    )
    # Their tests have settings of their own, among them which warnings are errors.
    command = [sys.executable, "-m", "pytest", *OPTIONS, *SUBSET, tests]
    return subprocess.run(
        [*command, "-p", "metered_submitters", f"--basetemp={folder / 'tmp'}"],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280 if CHECKOUT is None else 3600,
    ).stdout


def test_they_end_as_without_us(environment, tmp_path):
    tests = CHECKOUT
    if tests is None:
        tests = str(tmp_path / "test_own.py")
        (tmp_path / "test_own.py").write_text(OWN)
    turns = {"plain": "", "metered": str(tmp_path / "run")}
    said = {name: run(environment, tmp_path, name, turns[name], tests) for name in turns}
    plain, metered = (json.loads((tmp_path / f"{name}.json").read_text()) for name in turns)
    assert metered == plain, said["metered"][-3000:]
    assert "metering failed" not in said["metered"]
    counts = Counter(plain.values())
    assert counts["passed"] >= 18, said["plain"][-3000:]
    assert counts["failed"] == 1 or CHECKOUT

    outcomes = Counter(s.outcome for s in nicarbon.open(tmp_path / "run").attribution.spans)
    assert outcomes["ran"] > 30
    assert outcomes["cached"] >= 10
    assert outcomes.keys() <= {"ran", "cached", "failed"} or CHECKOUT
