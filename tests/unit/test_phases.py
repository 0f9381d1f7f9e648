# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest

from nicarbon.hosttime import host_times
from nicarbon.phases import PHASES, phases
from nicarbon.records import End, Start
from nicarbon.run import Run

S = 1_000_000_000


def test_the_energy_of_the_host_is_divided_by_what_ran(run_folders):
    facts = run_folders.facts()
    (file,) = facts.node_files
    key = f"{run_folders.KEY}-x"
    beside = (Start(key, "wf.beside", 2 * S, 0, 0.0), End(key, 3 * S, "ran", 0.5, error=None))
    file = msgspec.structs.replace(file, lines=(*file.lines, *beside))
    run = Run(msgspec.structs.replace(facts, node_files=(file,)))
    alone, others, idle = run.bottlenecks().phases
    assert (alone.duration_s, others.duration_s, idle.duration_s) == (7, 1, 2)
    assert (alone.energy_j, others.energy_j, idle.energy_j) == pytest.approx((70, 10, 20))
    energies = (alone.energy_j, others.energy_j, idle.energy_j)
    assert sum(energies) == pytest.approx(run.attribution.hosts[0].energy_j)


def test_the_runs_time_is_cut_into_three(run_folders):
    times = {"a": (1 * S, 4 * S), "b": (3 * S, 5 * S), "c": (5 * S, 6 * S)}
    hosts = host_times(run_folders.facts())
    offsets = dict.fromkeys(hosts, 0.0)
    found = phases(times, {"a", "c"}, hosts, offsets, [(0, 10 * S)])
    assert tuple(phase.name for phase in found) == PHASES
    assert [phase.duration_s for phase in found] == [3, 2, 5]
    assert [phase.energy_j for phase in found] == pytest.approx([30, 20, 50])


def test_a_host_that_cannot_be_placed_in_time_has_no_energy_to_tell(run_folders):
    hosts = host_times(run_folders.facts())
    found = phases({"a": (1 * S, 4 * S)}, {"a"}, hosts, {}, [(0, 10 * S)])
    assert [phase.duration_s for phase in found] == [3, 0, 7]
    assert {phase.energy_j for phase in found} == {None}
