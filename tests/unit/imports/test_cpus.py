# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from nicarbon.errors import CpuError
from nicarbon.imports import cpus
from nicarbon.meter.sensors import virtual

GOLD = cpus.named("Xeon Gold 6148")


@pytest.mark.parametrize(
    "name",
    ["Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", "xeon gold 6148", "Intel Xeon Gold 6148"],
)
def test_a_processor_is_known_by_the_names_that_people_and_kernels_give_it(name):
    assert cpus.named(name) == GOLD


def test_the_groups_processor_is_what_its_maker_says():
    assert (GOLD.tdp_w, GOLD.package_threads, GOLD.threads_per_core) == (150, 40, 2)
    assert (GOLD.family, GOLD.host_threads) == ("Skylake-SP", 80)


def test_near_names_are_offered_for_one_that_is_not_known():
    with pytest.raises(CpuError, match=r"Gold 6147.*did you mean.*Intel Xeon Gold 6148"):
        cpus.named("Xeon Gold 6147")
    with pytest.raises(CpuError, match="--tdp 150 --cores 20"):
        cpus.named("abacus")


@pytest.mark.parametrize(
    ("tdp_w", "cores"), [(0, 8), (-5, 8), (float("nan"), 8), (95, 0), (1e9, 8)]
)
def test_figures_that_no_processor_has_are_refused(tdp_w, cores):
    with pytest.raises(CpuError):
        cpus.given(tdp_w, cores)


def test_every_processor_of_the_table_is_found_by_its_own_name_and_makes_sense():
    for name, entry in cpus._table().items():
        cpu = cpus.named(name)
        assert cpu.name == name
        assert cpu.threads_per_core in (1, 2)
        assert 1 <= entry.tdp_w / entry.cores <= 35
        assert (cpu.family is not None) == (cpu.host_threads == 2 * entry.threads)


@pytest.mark.parametrize("cpu", [GOLD, cpus.named("Core i7-8700"), cpus.given(150, 20)])
@pytest.mark.parametrize("alone", [False, True])
def test_a_range_holds_its_central_value_and_a_wider_time_makes_it_wider(cpu, alone):
    model = cpus.model(cpu, 1.5, (1.0, 1.0), alone=alone)
    for low, central, high in (model.idle_w, model.busy_w):
        assert 0 < low < central < high
    wider = cpus.model(cpu, 1.5, (0.5, 4.0), alone=alone)
    assert wider.busy_w[0] < model.busy_w[0]
    assert wider.busy_w[2] > model.busy_w[2]
    assert wider.idle_w == model.idle_w


def test_alone_means_all_idle_power_and_the_default_lies_between():
    idle_w, _ = virtual.watts(virtual.load_table(), "Skylake-SP")
    alone = cpus.model(GOLD, 1.0, (1, 1), alone=True)
    shared = cpus.model(GOLD, 1.0, (1, 1), alone=False)
    assert alone.idle_w[1] == pytest.approx(80 * idle_w)
    assert shared.idle_w[1] == pytest.approx(math.sqrt(80) * idle_w, rel=1e-3)
    assert shared.idle_w[2] == alone.idle_w[2]


def test_a_processor_that_is_in_no_family_draws_its_design_power_at_full_load():
    cpu = cpus.given(150, 20)
    model = cpus.model(cpu, 20, (1, 1), alone=True)
    assert model.idle_w[1] + 20 * model.busy_w[1] == pytest.approx(150, rel=1e-3)
    assert "TDP" in model.source


def test_this_host_needs_no_name():
    cpu = cpus.this_host()
    assert cpu.host_threads >= 1
    assert cpus.model(cpu, 1, (1, 1), alone=False).busy_w[1] > 0


def test_the_groups_figures_lie_in_the_range_of_a_scan_of_eight_hours():
    # 8.3 h and 108.5 Wh for one T1w on this processor, a site's PUE of 1.2 or 1.58 in it:
    # neuropipelines.github.io/10carbon
    model = cpus.model(GOLD, 1.0, (1, 1), alone=False)
    low, central, high = (
        8.3 * (idle_w + busy_w) for idle_w, busy_w in zip(model.idle_w, model.busy_w, strict=True)
    )
    for published_wh in (108.5 / 1.2, 108.5 / 1.58):
        assert low < published_wh < high
        assert central / 1.5 < published_wh < central * 1.5
