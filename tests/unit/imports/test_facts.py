# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta
from math import fsum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recon_logs import BEGIN, STEPS, recon_all

from nicarbon.imports import cpus
from nicarbon.imports.facts import imported
from nicarbon.imports.folders import write_folder
from nicarbon.imports.recording import ASSUMED
from nicarbon.logs.freesurfer import ReconAll
from nicarbon.logs.steps import Invocation, Log, Step
from nicarbon.run import Run

GOLD = cpus.named("Xeon Gold 6148")


@pytest.fixture
def make(tmp_path):
    def make(*texts, cpu=GOLD, **more):
        path = tmp_path / "recon-all.log"
        path.write_text("".join(texts))
        done = imported([ReconAll().read(path)], cpu, **more)
        write_folder(tmp_path / "run", done.facts)
        return done, Run.open(tmp_path / "run")

    return make


def test_a_log_becomes_a_run_like_any_other(make):
    done, run = make(recon_all()[0])
    summary = run.summary()
    assert summary.total.method == "modelled"
    assert summary.total.n_failed == 0
    assert summary.total.cpu_s == pytest.approx(done.counted_s + done.assumed_s)
    assert summary.total.energy_low_j < summary.total.energy_j < summary.total.energy_high_j
    (host,) = summary.hosts
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    assert (host.engine_j, host.meter_j) == (0, 0)
    assert host.other_j == pytest.approx(0, abs=1e-6 * host.energy_j)
    assert not any("BROKEN" in note for note in summary.notes)


def test_counted_cpu_time_is_that_of_the_log_and_its_command_names_the_stage(make):
    done, run = make(recon_all()[0])
    row = run.nodes.loc["recon-all.CA_Reg.mri_ca_register"]
    assert row.cpu_s == pytest.approx(3 * 719.6, abs=0.02)
    assert row.stage == "registration"
    assert done.assumed_s == 7  # before the first marker


def test_every_step_has_a_stage(make):
    _, run = make(recon_all()[0])
    assert "unclassified" not in set(run.nodes.stage)


def test_a_log_without_a_count_says_that_cpu_time_is_assumed(make):
    _, run = make(recon_all(fstime=False)[0])
    nodes = run.nodes
    assert "unclassified" not in set(nodes.stage)
    assert set(nodes.cpu_incomplete) == {ASSUMED}
    row = run.summary().total
    assert row.energy_high_j / row.energy_low_j > 10


def test_hemispheres_are_chains_that_meet(make):
    _, run = make(recon_all(fstime=False)[0])
    edges = set(run.graph.edges)
    assert ("recon-all.Fill", "recon-all.QSphere_lh") in edges
    assert ("recon-all.Fill", "recon-all.QSphere_rh") in edges
    assert ("recon-all.QSphere_lh", "recon-all.Curv_H_and_K_lh") in edges
    assert ("recon-all.QSphere_lh", "recon-all.QSphere_rh") not in edges
    assert ("recon-all.Cortical_Parc_2_rh", "recon-all.Cortical_ribbon_mask") in edges
    names = {row.name for row in run.summary("hemisphere").rows}
    assert names == {"hemi-L", "hemi-R", "no hemisphere"}


def test_a_pause_of_two_days_costs_nothing(make):
    first = recon_all(fails_at="CA Reg")[0]
    second = recon_all(STEPS[6:], begin=BEGIN + timedelta(days=2))[0]
    done, run = make(first, "New invocation of recon-all\n\n", second)
    (host,) = run.attribution.hosts
    assert host.duration_s == pytest.approx(done.wall_s, abs=5)


def test_a_step_that_failed_is_failed(make):
    _, run = make(recon_all(fails_at="CA Reg", fstime=False)[0])
    assert run.nodes.loc["recon-all.CA_Reg", "outcome"] == "failed"
    assert run.summary().total.n_failed == 1


def test_a_killed_run_keeps_its_last_step_as_killed(make):
    _, run = make(recon_all(killed_at="Surf Reg")[0])
    name = "recon-all.Curv_H_and_K_rh.mris_curvature"
    assert list(run.nodes.index[run.nodes.outcome == "killed"]) == [name]
    assert run.nodes.loc[name, "cpu_s"] == pytest.approx(35.6, abs=0.1)


def test_a_step_without_a_time_has_no_energy_and_is_counted(make):
    done, run = make(recon_all(killed_at="Surf Reg", fstime=False)[0])
    assert done.n_untimed == 1
    assert run.summary().missing == ("recon-all.Curv_H_and_K_rh",)


def test_the_processor_and_a_machine_alone_change_only_the_energy(tmp_path):
    path = tmp_path / "log"
    path.write_text(recon_all()[0])
    log = ReconAll().read(path)
    shared, alone = (imported([log], GOLD, alone=alone).facts for alone in (False, True))
    assert shared.node_files == alone.node_files
    assert shared.graphs == alone.graphs
    (a,), (b,) = shared.sample_files, alone.sample_files
    assert a.samples == b.samples
    assert a.host.sensors != b.host.sensors


def test_the_same_log_gives_the_same_bytes(tmp_path):
    path = tmp_path / "log"
    path.write_text(recon_all()[0])
    written = []
    for n in range(2):
        write_folder(tmp_path / str(n), imported([ReconAll().read(path)], GOLD).facts)
        written.append({p.name: p.read_bytes() for p in (tmp_path / str(n)).iterdir()})
    assert written[0] == written[1]


seconds = st.floats(0, 1e5).map(lambda s: round(s, 2))
some_steps = st.lists(
    st.tuples(seconds, seconds, st.sampled_from([None, "lh", "rh"]), st.integers(1, 64)),
    min_size=1,
    max_size=12,
)


@given(some_steps)
@settings(max_examples=60, deadline=None)
def test_whatever_ran_when_the_sum_is_kept(found):
    made = tuple(
        Step(f"s{i}", side, first, first + length, length, threads=threads)
        for i, (first, length, side, threads) in enumerate(found)
    )
    log = Log("any", "", (Invocation("any", made, None, None),))
    run = Run(imported([log], GOLD).facts)
    (host,) = run.attribution.hosts
    assert abs(host.residual_j) <= 1e-9 * max(host.energy_j, 1e-9)
    of_nodes = fsum(span.energy_j or 0.0 for span in run.attribution.spans)
    assert host.nodes_j == pytest.approx(of_nodes)
    assert host.other_j <= 1e-6 * host.energy_j + 1e-9
