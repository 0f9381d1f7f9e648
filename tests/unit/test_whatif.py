# SPDX-License-Identifier: Apache-2.0
from math import hypot, inf

import msgspec
import pytest

from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.costs import Part, costs
from nicarbon.errors import NicarbonError
from nicarbon.run import Run
from nicarbon.whatif import Change, taken_from, what_if

# strip 3 s, and of segmentation mask 1 s and fast 4 s, one after the other at 10 W, of which 4 W
# are idle: 18, 6 and 24 J above. The run's 85 J are those of its nodes and of the second before
# them and the one after, less what others used: 37 J go with the time.


@pytest.fixture
def make(run_folders):
    """Make a run with a calibrated idle power (4 W); None for none."""

    def make(idle_w=4.0, graph=None):
        facts = run_folders.ok(run_folders.facts(), "a")
        files = tuple(
            msgspec.structs.replace(
                file, host=msgspec.structs.replace(file.host, idle_power_w=idle_w)
            )
            for file in facts.sample_files
        )
        facts = msgspec.structs.replace(facts, sample_files=files)
        return Run(msgspec.structs.replace(facts, graphs=(graph,)) if graph else facts, "runs/a")

    return make


def test_the_replay_is_the_run(make):
    found = what_if(make())
    assert found.measured.makespan_s == 10
    assert found.replayed.makespan_s == pytest.approx(10)
    assert found.makespan_error == pytest.approx(0, abs=1e-9)
    assert found.measured.energy_j == pytest.approx(85)
    assert found.energy_error == pytest.approx(0, abs=1e-9)
    assert (found.n_procs_seen, found.n_procs) == (1, 1)
    assert found.changed == found.replayed
    assert found.saving.energy_j == pytest.approx(0, abs=1e-9)


def test_a_stage_left_out(make):
    found = what_if(make(), [Change("segmentation", inf)])
    assert found.changed.makespan_s == pytest.approx(5)
    assert found.changed.energy_j == pytest.approx(37 * 0.5 + 18)
    assert found.saving.time_s == pytest.approx(5)
    assert found.saving.energy_j == pytest.approx(85 - 36.5)


def test_a_stage_that_is_faster_at_more_power(make):
    found = what_if(make(), [Change("segmentation", 4.0, 1.5)])
    assert found.changed.makespan_s == pytest.approx(5 + 5 / 4)
    assert found.changed.energy_j == pytest.approx(37 * 0.625 + 18 + 30 * 1.5 / 4)


def test_more_processors_help_what_does_not_wait(make, run_folders):
    graph = msgspec.structs.replace(run_folders.GRAPH, edges=(("wf.strip", "wf.mask"),))
    found = what_if(make(graph=graph), n_procs=2)
    # strip and mask beside fast: 4 s, with one second before and after.
    assert found.changed.makespan_s == pytest.approx(6)
    assert found.changed.energy_j == pytest.approx(37 * 0.6 + 48)
    assert what_if(make(), n_procs=2).changed.makespan_s == pytest.approx(10)


def test_other_electricity(make):
    run = make()
    run.chosen_price = Price(given(100.0), 1.2)
    found = what_if(run, price=lambda seconds: Price(given(10.0), 1.2 if seconds else 0.0))
    assert found.measured.carbon_g == pytest.approx(85 / 3.6e6 * 100 * 1.2)
    assert found.changed.carbon_g == pytest.approx(found.measured.carbon_g / 10)
    assert found.saving.carbon_g == pytest.approx(0.9 * found.measured.carbon_g)
    assert "10 g/kWh" in found.price
    assert found.changed.energy_j == pytest.approx(85)


def test_ranges_go_from_no_idle_power_to_the_lowest_seen(make):
    found = what_if(make(None), [Change("segmentation", inf)])
    # Where all of the 10 W is idle power, half of the 85 J goes with half of the time; where none
    # is, the 50 J of the stage's nodes and half of the 5 J that are no node's. The sensors' 5 %
    # are in the range too.
    assert found.saving.energy_j == pytest.approx(42.5)
    assert found.saving.energy_low_j == pytest.approx(0.95 * 42.5)
    assert found.saving.energy_high_j == pytest.approx(42.5 + hypot(0.05 * 42.5, 10.0))
    assert any("lowest power seen" in note for note in found.notes)


def test_a_stage_as_it_is_in_another_run(make):
    run, other = make(), make()
    change = taken_from("segmentation", costs(run), costs(other), "runs/b")
    assert (change.speedup, change.power, change.source) == pytest.approx((1, 1, "runs/b"))
    faster = msgspec.structs.replace(
        costs(other), parts={"x": {"segmentation": Part(seconds=1.0, energy_j=28.0, idle_j=4.0)}}
    )
    change = taken_from("segmentation", costs(run), faster, "runs/b")
    assert (change.speedup, change.power) == pytest.approx((5, 4))
    found = what_if(run, [change])
    assert found.changed.makespan_s == pytest.approx(6)
    assert found.changed.energy_j == pytest.approx(37 * 0.6 + 18 + 24)


def test_without_energy_there_is_time(make):
    run = make()
    found = what_if(Run(msgspec.structs.replace(run.facts, sample_files=()), "runs/a"), n_procs=8)
    assert found.changed.energy_j is None
    assert found.saving.energy_j is None
    assert "no energy reading" in " ".join(found.notes)


def test_what_cannot_be_asked(make, run_folders):
    with pytest.raises(NicarbonError, match="no such stage"):
        what_if(make(), [Change("registration")])
    empty = run_folders.run([])
    with pytest.raises(NicarbonError, match="no node took time"):
        what_if(empty)


def test_more_processors_than_the_host_has_is_said(make):
    assert any("slow each other down" in note for note in what_if(make(), n_procs=64).notes)
