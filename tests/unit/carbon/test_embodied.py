# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import msgspec
import pytest

from nicarbon.carbon.embodied import (
    BOAVIZTA,
    Declared,
    Embodied,
    Made,
    Making,
    Unit,
    scored,
    server,
    shares,
)
from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.carbon.pricing import Pricing
from nicarbon.errors import PriceError
from nicarbon.records import Domain, Host, Sensor
from nicarbon.rows import fold_one

SOCKETS = Sensor(
    "rapl", "measured", tuple(Domain(f"package-{i}", "package", socket=i) for i in range(2))
)


def host(cpu_model="", n_cpus=80, memory_gb=384.0, sensors=(SOCKETS,)):
    memory = None if memory_gb is None else int(memory_gb * 1e9)
    return Host("0123456789ab", "scanner", "boot", 1, n_cpus, 0, 0, sensors, cpu_model, memory)


def test_a_server_by_hand():
    # Two Xeon Gold 6148 of 20 cores: 40 x 24.5 mm2 at 0.0197 kg, 2 x 9.14 kg; 12 modules of 32 GB
    # at 5.22 kg, 384 GB / 0.625 x 2.2 kg; board, case, power supplies and assembly.
    made = server(host("Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz"))
    rest = 66.1 + 150 + 2 * 2.99 * 24.3 + 6.68
    cpu, ram = 40 * 24.5 * 0.0197 + 2 * 9.14, 384 / 0.625 * 2.2 + 12 * 5.22
    assert made.kg == pytest.approx(cpu + ram + rest)
    assert made.low_kg == pytest.approx(
        40 * 10 * 0.0197 + 2 * 9.14 + 384 / 1.25 * 2.2 + 12 * 5.22 + rest
    )
    assert made.high_kg == pytest.approx(40 * 50 * 0.0197 + 2 * 9.14 + ram + rest)
    assert made.source == BOAVIZTA


def test_an_unknown_processor_may_show_cores_or_threads():
    made = server(host("AMD EPYC", n_cpus=4, memory_gb=16, sensors=()))
    known = 9.14 + 5.22 + 368.094
    assert made.kg == pytest.approx(2 * 24.5 * 0.0197 + 16 / 0.625 * 2.2 + known)
    assert made.high_kg == pytest.approx(4 * 50 * 0.0197 + 16 / 0.625 * 2.2 + known)


GPUS = Sensor(
    "nvml", "measured", tuple(Domain(f"gpu-{i}", "gpu", card="Tesla T4") for i in range(2))
)


def test_the_gpus_that_were_recorded_are_in_it():
    without, made = server(host()), server(host(sensors=(SOCKETS, GPUS)))
    # Of a T4: see test_cards.
    assert made.gpus_kg == pytest.approx(2 * 147.738, rel=1e-4)
    assert made.kg == pytest.approx(without.kg + made.gpus_kg)
    assert made.low_kg == pytest.approx(without.low_kg + 0.287 * made.gpus_kg)
    assert made.source == f"{BOAVIZTA}, with 2 GPUs"
    check = msgspec.structs.replace(GPUS.domains[0], account=False)
    assert server(host(sensors=(SOCKETS, Sensor("nvml", "measured", (check,))))).gpus_kg == 0
    odd = Sensor("nvml", "measured", (Domain("gpu-0", "gpu", card="Odd 1"),))
    assert server(host(sensors=(odd,))).source.endswith(
        "with 1 GPU; not in its table, taken for a large one: Odd 1"
    )


def test_reserved_cpus_are_no_part_of_its_gpus(run_folders):
    headers = {run_folders.ID: host(sensors=(SOCKETS, GPUS))}
    (whole,) = made_of(run_folders, Declared(None), headers=headers)
    (part,) = made_of(run_folders, Declared(None), headers=headers, reserved_cpus=8)
    kg, gpus_kg = whole.made.kg, whole.made.gpus_kg
    assert part.carbon_g / whole.carbon_g == pytest.approx(((kg - gpus_kg) / 10 + gpus_kg) / kg)


def test_without_memory_it_cannot_be_computed():
    with pytest.raises(PriceError, match="host scanner: its memory was not recorded; declare kg"):
        server(host(memory_gb=None))


def made_of(run_folders, *declared, headers=None, **more):
    hosts = (run_folders.host(duration_s=3600.0),)
    known = {run_folders.ID: host()} if headers is None else headers
    return shares(Making(declared, **more).of(hosts, known), hosts, known)


def test_a_share_is_that_of_the_reserved_time(run_folders):
    (share,) = made_of(run_folders, Declared(Made(1000, 800, 1500)), years=5.0)
    assert share.carbon_g == pytest.approx(1000 * 1000 / (5 * 8760))
    assert share.carbon_low_g == pytest.approx(0.8 * share.carbon_g)
    assert share.carbon_high_g == pytest.approx(1.5 * share.carbon_g)
    # The worked example of the specification: 1,000 kg over 4 years are 28 g an hour.
    (share,) = made_of(run_folders, Declared(Made(1000, 1000, 1000)))
    assert round(share.carbon_g, 1) == 28.5
    assert share.reserved_s == 3600


def test_a_share_is_that_of_the_reserved_cpus(run_folders):
    (whole,) = made_of(run_folders, Declared(Made(1000, 1000, 1000)))
    (part,) = made_of(run_folders, Declared(Made(1000, 1000, 1000)), reserved_cpus=8)
    assert (part.part, part.carbon_g) == (0.1, pytest.approx(whole.carbon_g / 10))
    (more,) = made_of(run_folders, Declared(Made(1000, 1000, 1000)), reserved_cpus=200)
    assert more.part == 1


def test_a_longer_life_is_a_smaller_share(run_folders):
    (share,) = made_of(
        run_folders, Declared(Made(1000, 1000, 1000)), years=4, low_years=2, high_years=8
    )
    low, high = share.carbon_low_g / share.carbon_g, share.carbon_high_g / share.carbon_g
    assert (low, high) == pytest.approx((0.5, 2))


def test_hosts_by_name_and_all_others(run_folders):
    declared = (Declared(Made(1, 1, 1), "scanner"), Declared(Made(2, 2, 2)))
    assert made_of(run_folders, *declared)[0].made.kg == 1
    assert made_of(run_folders, Declared(None))[0].made == server(host())
    several = (run_folders.host(hostname="node6, scanner"),)
    assert Making(declared).of(several, {}).hosts[run_folders.ID].kg == 1
    with pytest.raises(PriceError, match="host scanner: no embodied emissions are declared"):
        made_of(run_folders, Declared(Made(1, 1, 1), "other"))
    with pytest.raises(PriceError, match="host scanner: nothing was recorded of it"):
        made_of(run_folders, Declared(None), headers={})


@pytest.mark.parametrize("figures", [(-1, -1, 0), (1, 2, 3), (1, 0, math.nan), (1e6, 1, 1e6)])
def test_no_host_is_like_that(figures):
    with pytest.raises(PriceError, match="embodied emissions of"):
        Made(*figures)


@pytest.mark.parametrize("years", [(0, 0, 0), (4, 5, 6), (4, 3, 31), (math.nan, 1, 2)])
def test_no_lifetime_is_like_that(years):
    with pytest.raises(PriceError, match="a lifetime of"):
        Embodied({}, *years)
    with pytest.raises(PriceError, match="0 CPUs were reserved"):
        Embodied({}, 4, 4, 4, 0)


def test_a_score_per_unit(run_folders):
    spans = [run_folders.span("wf.strip", energy_j=3.6e6)]
    total = fold_one("total", spans, {}, Pricing(Price(given(100)), spans).row)
    made = made_of(run_folders, Declared(Made(1000, 900, 1200)))
    score = scored(Unit("scan", 4), total, made)
    m = made[0].carbon_g
    assert (score.operational_g, score.embodied_g) == (pytest.approx(100), m)
    assert score.score_g == pytest.approx((100 + m) / 4)
    assert score.score_low_g == pytest.approx((100 + m - math.hypot(5, 0.1 * m)) / 4)
    assert score.score_high_g == pytest.approx((100 + m + math.hypot(5, 0.2 * m)) / 4)
    alone = scored(Unit("scan", 4), total, ())
    assert (alone.embodied_g, alone.score_g) == (None, pytest.approx(25))
    unknown = msgspec.structs.replace(total, carbon_g=None)
    assert scored(Unit("scan", 4), unknown, ()) is None
    with pytest.raises(PriceError, match="0 of unit 'scan': give 1 or more"):
        Unit("scan", 0)
