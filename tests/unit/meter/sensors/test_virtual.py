# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.meter.processes import ProcFS
from nicarbon.meter.sensors import virtual

TABLE = virtual.load_table()


def cpu(vendor="", family=None, model=None, stepping=None, name=""):
    return {
        "vendor": vendor,
        "family": family,
        "model": model,
        "stepping": stepping,
        "name": name,
        "flags": frozenset(),
    }


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "name"),
    [
        ("GenuineIntel", 6, 79, 1, "Broadwell"),
        ("GenuineIntel", 6, 85, 4, "Skylake-SP"),
        ("GenuineIntel", 6, 85, 7, "Cascade Lake"),
        ("GenuineIntel", 6, 85, 11, None),  # Cooper Lake
        ("GenuineIntel", 6, 106, 6, "Ice Lake"),
        ("GenuineIntel", 6, 143, 8, "Sapphire Rapids"),
        ("GenuineIntel", 6, 207, 2, "Emerald Rapids"),
        ("GenuineIntel", 6, 173, 1, "Granite Rapids/Sierra Forest"),
        ("AuthenticAMD", 23, 1, 2, "EPYC 7001"),
        ("AuthenticAMD", 23, 49, 0, "EPYC 7002"),
        ("AuthenticAMD", 25, 1, 1, "EPYC 7003"),
        ("AuthenticAMD", 25, 17, 1, "EPYC 9004"),
        ("AuthenticAMD", 25, 160, 1, "EPYC 9004"),
        ("AuthenticAMD", 26, 2, 1, "EPYC 9005"),
        ("AuthenticAMD", 6, 143, 1, None),
        ("GenuineIntel", 6, None, None, None),
    ],
)
def test_a_masked_virtual_cpu_is_known_by_its_numbers(vendor, family, model, stepping, name):
    masked = cpu(vendor, family, model, stepping, "AMD EPYC")
    assert virtual.microarchitecture(masked, TABLE) == name


@pytest.mark.parametrize(
    ("brand", "name"),
    [
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "Broadwell"),
        ("Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz", None),
        ("Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz", "Skylake-SP"),
        ("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", "Cascade Lake"),
        ("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", "Ice Lake"),
        ("Intel(R) Xeon(R) Platinum 8380HL CPU @ 2.90GHz", None),
        ("Intel(R) Xeon(R) Platinum 8481C", "Sapphire Rapids"),
        ("INTEL(R) XEON(R) PLATINUM 8592+", "Emerald Rapids"),
        ("Intel(R) Xeon(R) 6972P", "Granite Rapids/Sierra Forest"),
        ("AMD EPYC 7551 32-Core Processor", "EPYC 7001"),
        ("AMD EPYC 7742 64-Core Processor", "EPYC 7002"),
        ("AMD EPYC 7B13 64-Core Processor", "EPYC 7003"),
        ("AMD EPYC 9R14", "EPYC 9004"),
        ("AMD EPYC 9755 128-Core Processor", "EPYC 9005"),
        ("Neoverse-N1", None),
        ("", None),
    ],
)
def test_the_brand_name_is_the_second_chance(brand, name):
    assert virtual.microarchitecture(cpu(name=brand), TABLE) == name


def test_a_desktop_part_is_no_server_though_it_shares_its_numbers():
    ryzen = cpu("AuthenticAMD", 23, 1, 1, "AMD Ryzen 7 1700 Eight-Core Processor")
    assert virtual.microarchitecture(ryzen, TABLE) is None


def test_every_name_of_the_table_has_its_watts_and_the_table_its_source():
    for row in (*TABLE["identities"], *TABLE["brands"]):
        assert row["name"] in TABLE["families"]
    for key in ("source", "date", "licence"):
        assert TABLE[key]
    for row in TABLE["families"].values():
        assert 0 < row["idle_w"] < row["max_w"] < 10
        assert row["n"] >= 10


def test_a_known_family_is_its_servers_share_within_a_factor_of_1_5():
    curve = virtual.model(4, None, "EPYC 9005")
    assert curve["idle_w"] == pytest.approx([4 * 0.21 / 1.5, 4 * 0.21, 4 * 0.21 * 1.5])
    assert curve["busy_w"] == pytest.approx([0.96 / 1.5, 0.96, 0.96 * 1.5])
    assert curve["idle_w"][1] + 4 * curve["busy_w"][1] == pytest.approx(4 * 1.17)
    assert "SPECpower" in curve["source"]


def test_an_unknown_family_is_the_mean_within_a_factor_of_2_5_that_holds_them_all():
    curve = virtual.model(1, None, None)
    families = TABLE["families"].values()
    assert curve["idle_w"][1] == pytest.approx(sum(f["idle_w"] for f in families) / 12, abs=1e-6)
    assert curve["idle_w"][2] / curve["idle_w"][1] == pytest.approx(2.5, rel=1e-4)
    full_w = [idle + busy for idle, busy in zip(curve["idle_w"], curve["busy_w"], strict=True)]
    assert all(full_w[0] < f["max_w"] < full_w[2] for f in families)


def test_memory_is_only_in_the_high_curve():
    with_memory, without = virtual.model(4, 10**11, None), virtual.model(4, None, None)
    assert with_memory["idle_w"][:2] == without["idle_w"][:2]
    assert with_memory["idle_w"][2] - without["idle_w"][2] == pytest.approx(37.25)
    assert with_memory["busy_w"] == without["busy_w"]


def test_the_sensor_models_the_whole_host(host):
    host.cpu("AMD EPYC", vendor_id="AuthenticAMD", **{"cpu family": "26", "model": "2"})
    host.idle_ticks(0, n_cpus=8)
    sensor = virtual.Virtual(ProcFS(host.path))
    assert (sensor.method, sensor.family, sensor.read()) == ("modelled", "EPYC 9005", {})
    assert sensor.domains[0]["account"]
    assert sensor.domains[0]["model"] == virtual.model(8, None, "EPYC 9005")
    assert "1.5" in sensor.note
    assert sensor.status().works


def test_the_sensor_says_that_it_does_not_know_the_cpu(host):
    sensor = virtual.Virtual(ProcFS(host.path))
    assert sensor.family is None
    assert "2.5" in sensor.note
    assert "unknown" in sensor.note
