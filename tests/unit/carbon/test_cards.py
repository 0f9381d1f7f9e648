# SPDX-License-Identifier: Apache-2.0
import tomllib
from math import exp, pi, sqrt

import msgspec
import pytest

from nicarbon.carbon.cards import Factors, effective_mm2, made, named
from nicarbon.carbon.embodied import TABLE

FACTORS = msgspec.convert(tomllib.loads(TABLE.read_text("utf-8"))["gpu"], Factors)


def test_the_wafer_of_a_die_by_hand():
    # 10 mm squares with 0.2 mm between: 10.2 mm each.
    cut = 10.2**2
    n = pi * 150**2 / cut - pi * 300 / sqrt(2 * cut)
    assert effective_mm2(100, FACTORS) == pytest.approx(pi * 150**2 / n / exp(-sqrt(0.10404)))


@pytest.mark.parametrize(("die", "printed"), [(826, 2876.29), (814, 2808.45), (815, 2814.07)])
def test_it_is_what_boavizta_prints_for_its_dies(die, printed):
    assert effective_mm2(die, FACTORS) == pytest.approx(printed, abs=0.005)


def test_a_card_by_hand():
    (kg, low, high), is_known = made("NVIDIA H100 80GB HBM3", FACTORS)
    memory = 6 * effective_mm2(80 * 15.5 / 6, FACTORS) * 0.18379
    board = 296 * 0.032549 + 0.9 * 5.7412 + 0.79 * 8.2542 + 1.69 * 0.25955
    assert kg == pytest.approx(2808.45 * 0.042592 + memory + board, rel=1e-5)
    assert is_known
    # What NVIDIA declares is in the range: 1,312 kg of eight.
    assert low == pytest.approx(1312 / 8, rel=0.01)
    assert high == kg


@pytest.mark.parametrize(
    ("product", "like"),
    [
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA A100-SXM4-80GB", "A100 80GB"),
        ("NVIDIA A100 80GB PCIe", "A100 80GB"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("Tesla V100-PCIE-32GB", "V100 32GB"),
        ("Tesla T4", "T4"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA GeForce RTX 3090 Ti", "RTX 3090"),
        ("Quadro RTX 6000", "RTX 6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 ADA"),
    ],
)
def test_products_as_their_driver_names_them(product, like):
    assert named(product, FACTORS.cards) is FACTORS.cards[like]


@pytest.mark.parametrize(
    "product",
    [
        "",
        "NVIDIA B200",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA RTX PRO 6000 Blackwell Server Edition",
        "Tesla T40",
    ],
)
def test_one_that_is_not_in_the_table_has_the_range_of_all(product):
    (kg, low, high), is_known = made(product, FACTORS)
    assert not is_known
    every = [made(name, FACTORS)[0] for name in FACTORS.cards]
    assert low == min(one[1] for one in every)
    assert high == max(one[2] for one in every)
    assert low < kg < high
