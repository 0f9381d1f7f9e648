# SPDX-License-Identifier: Apache-2.0
"""Several runs of one pipeline teach what its nodes cost: on a host whose joules are known."""

from __future__ import annotations

import json
from dataclasses import replace
from math import fsum

import msgspec
import pytest

from nicarbon.attribution import attribute
from nicarbon.cli import main
from nicarbon.pooled import taught
from nicarbon.reader import read_run
from nicarbon.run import Run
from nicarbon.testing import mixes

TOOLS = (
    mixes.Tool("light", 2.0, median_s=3.0),
    mixes.Tool("heavy", 8.0, median_s=3.0),
    mixes.Tool("usual", 5.0, median_s=2.0),
)
MIX = mixes.Mix(TOOLS, {"cpus_per_socket": 16}, n_at_once=6, length_s=30.0, strangers=())


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Four runs of a pipeline, with the truth of the last."""
    folder = tmp_path_factory.mktemp("pooled")
    truth = {}
    for i in range(4):
        truth = mixes.carry_out(replace(MIX, seed=i), folder / str(i))
    return [folder / str(i) / "run" for i in range(4)], truth


def off(result, truth):
    """Return how far the sum of each kind of node is from the truth."""
    sums = {}
    for span in result.spans:
        energy_j, true_j = sums.get(span.node, (0.0, 0.0))
        sums[span.node] = energy_j + (span.energy_j or 0), true_j + truth[span.span].energy_j
    return {node: abs(energy_j / true_j - 1) for node, (energy_j, true_j) in sums.items()}


def test_watts_of_other_runs_halve_the_error_and_keep_the_sum(done):
    paths, truth = done
    *others, last = (read_run(path) for path in paths)
    watts = taught(others)
    [machine] = watts
    assert machine.startswith("simulated processor")
    before, after = attribute(last), attribute(last, watts)
    [h], [as_was] = after.hosts, before.hosts
    parts = (h.nodes_j, h.engine_j, h.meter_j, h.other_j, h.unattributed_j)
    assert fsum(parts) == pytest.approx(h.energy_j, rel=1e-9)
    assert h.energy_j == as_was.energy_j
    assert (as_was.n_taught, h.n_taught) == (0, 3)
    by_time, by_watts = off(before, truth), off(after, truth)
    assert by_time["wf.light"] > 0.2
    for node, error in by_watts.items():
        assert error < max(0.5 * by_time[node], 0.03)
    # Less is left unknown, and idle power goes by time as before.
    assert after.spans[0].cpu_s == before.spans[0].cpu_s


def test_runs_on_other_machines_teach_nothing(done):
    paths, _ = done

    def elsewhere(facts):
        files = tuple(
            msgspec.structs.replace(f, host=msgspec.structs.replace(f.host, cpu_model="other"))
            for f in facts.sample_files
        )
        return msgspec.structs.replace(facts, sample_files=files)

    *others, last = (read_run(path) for path in paths)
    watts = taught(elsewhere(facts) for facts in others)
    assert watts
    assert attribute(last, watts) == attribute(last)


def test_two_runs_teach_nothing(done):
    paths, _ = done
    assert taught(read_run(path) for path in paths[:2]) == {}


def test_a_run_says_by_what_it_is_shared(done):
    paths, _ = done
    runs = [Run.open(path) for path in paths]
    pooled = runs[-1].pooled(runs)
    assert "CPU time x what 4 runs taught" in pooled.summary().notes[-1]
    assert not any("shared by" in note for note in runs[-1].summary().notes)
    assert "taught nothing" in runs[-1].pooled(runs[:1]).summary().notes[-1]
    rows = [
        {row.name: row.energy_j for row in run.summary("node").rows} for run in (runs[-1], pooled)
    ]
    assert rows[1]["wf.heavy"] > 1.05 * rows[0]["wf.heavy"]


def test_the_summary_takes_runs_to_learn_from(done, capsys):
    paths, _ = done
    argv = ["summary", str(paths[-1]), "--by", "node", "--format", "json"]
    assert main([*argv]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main([*argv, "--taught-by", f"{paths[0].parents[1]}/*/run"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert "what 4 runs taught" in captured.err
    before, after = (one if isinstance(one, dict) else one[0] for one in (plain, found))
    assert after["hosts"][0]["n_taught"] == 4
    assert after["total"]["energy_j"] == pytest.approx(before["total"]["energy_j"], rel=0.02)
    assert main([*argv, "--taught-by", "/nowhere"]) == 2
    assert "/nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["graph", "-o", "{tmp}/graph.json", "--level", "node"],
        ["report", "-o", "{tmp}/report.html"],
        ["bottleneck", "--format", "json"],
    ],
    ids=lambda argv: argv[0],
)
def test_other_verbs_take_runs_to_learn_from(done, tmp_path, capsys, argv):
    paths, _ = done
    argv = [argv[0], str(paths[-1]), *(part.format(tmp=tmp_path) for part in argv[1:])]
    shown = []
    for more in ([], ["--taught-by", f"{paths[0].parents[1]}/*/run"]):
        assert main([*argv, *more]) == 0
        written = [file.read_text("utf-8") for file in tmp_path.iterdir()]
        shown.append((written, capsys.readouterr().out))
    assert shown[0] != shown[1]
    assert main([*argv, "--taught-by", "/nowhere"]) == 2
    assert "/nowhere" in capsys.readouterr().err
