# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import msgspec
import pytest

from nicarbon.advice import MEMORY_W_PER_GB, SURFACES, _gpu, _replayed, advise
from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.errors import NicarbonError
from nicarbon.records import End
from nicarbon.run import Run


def changed(facts, ends=None, idle_w=4.0, edges=None, **nodes):
    """The same run with other ends, idle power and nodes, by their last names."""
    graph = facts.graphs[0]
    graph = msgspec.structs.replace(
        graph,
        nodes=tuple(
            msgspec.structs.replace(node, **nodes.get(node.name.partition(".")[2], {}))
            for node in graph.nodes
        ),
        edges=graph.edges if edges is None else edges,
    )
    (file,) = facts.node_files
    lines = tuple(
        msgspec.structs.replace(line, **(ends or {})) if isinstance(line, End) else line
        for line in file.lines
    )
    headers = tuple(
        msgspec.structs.replace(f, host=msgspec.structs.replace(f.host, idle_power_w=idle_w))
        for f in facts.sample_files
    )
    return msgspec.structs.replace(
        facts,
        graphs=(graph,),
        node_files=(msgspec.structs.replace(file, lines=lines),),
        sample_files=headers,
    )


@pytest.fixture
def facts(run_folders):
    """Ten seconds at 10 W: strip 3 s, mask 1 s, fast 4 s, one after the other."""
    return run_folders.ok(run_folders.facts(), "a")


def about(found, words):
    return next(one for one in found.advice if words in one.what)


def test_surfaces_where_no_output_needs_them(facts):
    found = advise(Run(changed(facts, fast={"stage": SURFACES}), "runs/a"))
    one = about(found, "leave surface reconstruction out")
    # Its mask has the stage, too: 30 J above idle, and half of the 37 J that go with the time.
    assert one.saving.energy_j == pytest.approx(30 + 0.5 * 37)
    assert one.saving.time_s == pytest.approx(5)
    assert one.saving.energy_low_j < one.saving.energy_j < one.saving.energy_high_j
    assert "Souter et al. 2024" in one.published
    assert "48 %" in one.published
    assert "it took 50 J and 5 s" in one.evidence
    assert not any("surface" in one.what for one in advise(Run(facts, "runs/a")).advice)


def test_idle_power_while_the_path_runs_alone(facts):
    one = about(advise(Run(changed(facts), "runs/a")), "several scans at once")
    # 8 s of 4 W: with one more run beside it, half of that.
    assert one.saving.energy_j == pytest.approx(16)
    assert "80 J, 32 J of it as idle power (calibrated)" in one.evidence


def test_processors_that_are_asked_for_and_not_used(facts):
    run = Run(
        changed(
            facts, edges=(("wf.strip", "wf.mask"),), strip={"n_procs": 4}, fast={"n_procs": 4}
        ),
        "runs/a",
    )
    one = about(advise(run), "processors that nodes use")
    assert "2 nodes kept at most half" in one.evidence
    assert "wf.fast (1.0 of 4), wf.strip (1.0 of 4)" in one.evidence
    # Beside each other they take 4 s instead of 8.
    assert one.saving.time_s == pytest.approx(4)
    assert one.saving.energy_j == pytest.approx(0.4 * 37)


def test_memory_that_is_asked_for_and_not_used(facts):
    run = Run(changed(facts, {"peak_memory_bytes": 2 * 10**9}, fast={"mem_gb": 50.0}), "runs/a")
    one = about(advise(run), "memory that nodes use")
    assert one.saving.energy_j == pytest.approx(MEMORY_W_PER_GB * 48 * 4)
    assert one.saving.energy_low_j == 0
    assert "wf.fast (2 of 50 GB)" in one.evidence
    assert "Lannelongue" in one.published


def test_failed_work(run_folders):
    one = about(advise(Run(run_folders.facts(), "runs/a")), "why nodes failed")
    assert one.saving.energy_j == pytest.approx(40)
    assert "1 execution failed or were killed, after 4 s" in one.evidence
    assert "wf.fast" in one.evidence


def test_what_the_cache_would_have_served(facts, run_folders, tmp_path):
    facts = changed(facts, {"inputs_hash": "0123"})
    later = msgspec.structs.replace(
        facts, info=msgspec.structs.replace(facts.info, t_unix_ns=facts.info.t_unix_ns + 10**12)
    )
    run_folders.write(tmp_path / "before", facts)
    folder = run_folders.write(tmp_path / "after", later)
    one = about(advise(Run.open(folder)), "keep the working folder")
    assert "in 1 earlier run beside this one" in one.evidence
    assert one.saving.energy_j == pytest.approx(80)
    before = advise(Run.open(tmp_path / "before"))
    assert not any("working folder" in one.what for one in before.advice)


def test_freesurfer_beside_what_was_published_of_fastsurfer(facts):
    run = Run(changed(facts, fast={"program": "recon-all"}), "runs/a")
    one = about(advise(run), "FastSurfer on a GPU")
    assert one.saving.energy_j == pytest.approx(40 * (1 - 26.7 / 108.5))
    assert one.saving.energy_low_j == pytest.approx(38 * (1 - 34.4 / 88.7))
    assert one.saving.time_s == pytest.approx(4 * (1 - 1.6 / 8.3))
    assert "26.7 Wh on a GPU for 108.5 Wh" in one.published


def test_a_gpu_that_is_only_held(run_folders):
    span = run_folders.span("wf.net", gpu_j=100.0, gpu_held_j=60.0)
    case = SimpleNamespace(spans=[span], price=None)
    (one,) = _gpu(case)
    assert one.saving.energy_j == 60
    assert "of 100 J of GPUs, 60 J went while wf.net only held memory" in one.evidence
    assert not list(_gpu(SimpleNamespace(spans=[run_folders.span("a")], price=None)))


def test_other_electricity_and_the_order_by_grams(facts):
    run = Run(changed(facts, fast={"stage": SURFACES}), "runs/a")
    run.chosen_price = Price(given(100.0))
    found = advise(run, {"here": Price(given(200.0)), "there": Price(given(10.0))})
    assert found.carbon_g == pytest.approx(85 / 3.6e6 * 100)
    one = found.advice[0]
    assert one.what == "run it with other electricity: there"
    assert one.saving.carbon_g == pytest.approx(0.9 * found.carbon_g)
    assert not any(one.what.endswith(": here") for one in found.advice)
    grams = [one.saving.carbon_g for one in found.advice]
    assert grams == sorted(grams, reverse=True)
    assert all(grams)


def test_an_engine_that_sleeps(request):
    folder = request.config.rootpath / "docs" / "examples" / "first-run"
    one = about(advise(Run.open(folder)), "look oftener")
    assert "nodes begin in steps of 2 s" in one.evidence
    assert one.saving.time_s > 5
    assert one.saving.energy_j > 0


def test_a_replay_that_is_off_is_said(facts):
    assert not any("replay" in note for note in advise(Run(facts, "runs/a")).notes)
    replay = SimpleNamespace(makespan_error=-0.245)
    assert list(_replayed(replay)) == [
        "savings of time are of a replay that is off by -24.5 % of the run's time"
    ]


def test_nothing_to_advise_on(run_folders):
    with pytest.raises(NicarbonError, match="no node took time"):
        advise(run_folders.run([]))
