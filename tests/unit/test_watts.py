# SPDX-License-Identifier: Apache-2.0
"""Watts of kinds of programs: learned where mixes tell, and moved without a joule lost."""

from __future__ import annotations

import numpy as np
import pytest
from timelines import line

from nicarbon.curves import Piece
from nicarbon.watts import Table, Watts, learn, table, weighed


def run(seed, light_w=3.0, heavy_w=7.0, noise_w=0.5, n=40):
    chance = np.random.default_rng(seed)
    light, heavy = chance.integers(0, 6, n).astype(float), chance.integers(0, 6, n).astype(float)
    power = 50 + light_w * light + heavy_w * heavy + noise_w * chance.standard_normal(n)
    return Table(power, {"light": light, "heavy": heavy, "": np.full(n, 0.5)})


def test_differences_are_learned_from_mixes_that_differ():
    watts = learn([run(seed) for seed in range(4)])
    assert watts.more_w["heavy"] - watts.more_w["light"] == pytest.approx(4.0, rel=0.05)
    assert watts.n_runs == 4
    assert watts.left < 0.3


def test_nothing_is_learned_where_nothing_is_foretold():
    assert learn([]) is None
    assert learn([run(0), run(1)]) is None
    same = learn([run(seed, 5.0, 5.0, noise_w=5.0) for seed in range(6)])
    assert same is None or same.left > 0.97
    # Power that follows nothing that any run has in common.
    odd = [run(seed, *((2.0, 8.0) if seed % 2 else (8.0, 2.0))) for seed in range(6)]
    assert learn(odd) is None or learn(odd).left > 0.97


def test_what_all_kinds_share_is_no_difference():
    """Power that bends with the number of busy CPUs, as frequency makes it, teaches nothing."""
    runs = []
    for seed in range(5):
        one = run(seed)
        busy = one.cpus["light"] + one.cpus["heavy"]
        runs.append(Table(50 + 9 * busy - 0.3 * busy**2, one.cpus))
    watts = learn(runs)
    assert watts is None or max(map(abs, watts.more_w.values())) < 0.05


def test_a_kind_that_only_one_run_has_does_no_harm():
    alone = Table(np.array([60.0, 70.0]), {"new": np.array([1.0, 2.0]), "": np.zeros(2)})
    watts = learn([*(run(seed) for seed in range(4)), alone])
    assert watts.more_w["heavy"] - watts.more_w["light"] == pytest.approx(4.0, rel=0.1)
    assert abs(watts.more_w["new"]) < 5


def test_weighed_seconds_add_up_and_cost_what_was_learned():
    energy = line([100.0, 120.0])
    busy = np.array([5.0, 5.0])
    nodes = {"a": Piece(0, np.array([2.0, 1.0])), "b": Piece(0, np.array([2.0, 3.0]))}
    watts = Watts({"light": -2.0, "heavy": 2.0, "": 0.0}, 0.1, 5)
    found, others = weighed(energy, busy, nodes, {"a": "light", "b": "heavy"}, watts)
    whole = found["a"].cpu_s + found["b"].cpu_s + others * 1.0
    assert whole == pytest.approx(busy)
    # The same CPU seconds beside each other: 2 x (2 - -2) W apart.
    first_j = [energy.energy_j[0] / 5 * found[span].cpu_s[0] for span in "ab"]
    assert first_j[1] - first_j[0] == pytest.approx(8.0)


def test_nobody_pays_less_than_nothing():
    watts = Watts({"light": -500.0, "heavy": 500.0, "": 0.0}, 0.1, 5)
    nodes = {"a": Piece(0, np.array([1.0])), "b": Piece(0, np.array([1.0]))}
    found, others = weighed(
        line([10.0]), np.array([2.0]), nodes, {"a": "light", "b": "heavy"}, watts
    )
    assert found["a"].cpu_s[0] > 0
    assert found["a"].cpu_s[0] + found["b"].cpu_s[0] == pytest.approx(2.0)
    assert others[0] > 0


def test_a_kind_that_was_never_met_costs_the_mean():
    watts = Watts({"heavy": 3.0, "": 0.0}, 0.5, 5)
    nodes = {"a": Piece(0, np.array([1.0])), "b": Piece(0, np.array([1.0]))}
    alone, _ = weighed(line([20.0]), np.array([1.0]), {"a": nodes["a"]}, {"a": "new"}, watts)
    assert alone["a"].cpu_s == pytest.approx([1.0])
    both, _ = weighed(line([20.0]), np.array([2.0]), nodes, {"a": "new", "b": "heavy"}, watts)
    assert 0 < both["a"].cpu_s[0] < 1 < both["b"].cpu_s[0]


def test_where_nothing_is_known_nothing_is_moved():
    watts = Watts({"light": -2.0, "heavy": 2.0, "": 0.0}, 0.1, 5)
    nodes = {"a": Piece(0, np.array([1.0, 0.0])), "b": Piece(0, np.array([1.0, 0.0]))}
    kinds = {"a": "light", "b": "heavy"}
    found, _ = weighed(line([0.0, 5.0], [False, True]), np.array([2.0, 0.0]), nodes, kinds, watts)
    assert found["b"].cpu_s[1] == 0.0
    assert np.isfinite(found["a"].cpu_s).all()


def test_a_table_has_the_others_too_and_leaves_out_what_was_not_measured():
    nodes = {"a": Piece(1, np.array([1.0, 2.0])), "b": Piece(2, np.array([1.0]))}
    found = table(
        line([9.0, 10.0, 20.0], [False, True, True]),
        np.array([1.0, 1.5, 4.0]),
        nodes,
        {"a": "fsl", "b": "fsl"},
    )
    assert found.power_w.tolist() == [10.0, 20.0]
    assert found.cpus["fsl"].tolist() == [1.0, 3.0]
    assert found.cpus[""].tolist() == [0.5, 1.0]
    assert table(line([1.0], [False]), np.array([1.0]), {}, {}) is None
