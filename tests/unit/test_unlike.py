# SPDX-License-Identifier: Apache-2.0
"""What unlike programs may cost more or less: exact in who pays for whom, estimated in watts."""

from __future__ import annotations

import numpy as np
import pytest
from timelines import line

from nicarbon.curves import Piece
from nicarbon.kinds import Kinds
from nicarbon.unlike import Doubt, doubts, joined, sigma

S = 1_000_000_000


def found(power_w, nodes, of, others=0.0, covered=None, **kind):
    """Doubts of nodes given as CPUs in each second, from their first."""
    pieces = {span: Piece(first, np.array(cpus, float)) for span, (first, cpus) in nodes.items()}
    busy = np.full(len(power_w), float(others))
    for piece in pieces.values():
        busy[piece.where] += piece.cpu_s
    # Each lives for the whole of its seconds.
    lives_ns = {
        span: (first * S, (first + len(cpus)) * S) for span, (first, cpus) in nodes.items()
    }
    return doubts(line(power_w, covered), busy, pieces, Kinds(of, **kind), 8, lives_ns)


def test_who_is_alone_or_among_its_like_is_sure():
    of = {"a": "fsl", "b": "fsl", "c": "fsl"}
    both = found([20.0] * 4, {"a": (0, [1, 1]), "b": (2, [1, 1]), "c": (2, [1, 1])}, of)
    assert both["a"].kinds_j == ()
    assert both["a"].own_j == pytest.approx(0.0, abs=1e-6)
    assert both["b"].kinds_j == ()
    # Executions of one kind differ a little.
    assert 0 < both["b"].own_j < 10


def test_what_one_kind_gets_too_much_another_lacks():
    nodes = {"a": (0, [1, 1, 2]), "b": (1, [3, 1])}
    unlike = found([20.0, 30.0, 25.0], nodes, {"a": "fsl", "b": "ants"})
    a, b = (dict(unlike[span].kinds_j) for span in "ab")
    # b: 3 x (1 - 3/4) + 1 x (1 - 1/3) CPU seconds stood beside what was no ants.
    assert b["ants"] == pytest.approx(-b["fsl"])
    assert a["fsl"] == pytest.approx(-a["ants"])
    assert b["ants"] == pytest.approx(a["fsl"])
    whole = joined(unlike.values())
    assert all(abs(joules) < 1e-9 for _, joules in whole.kinds_j)


def test_the_others_are_a_kind_too():
    [one] = found([20.0] * 3, {"a": (0, [1, 1, 1])}, {"a": "fsl"}, others=1.0).values()
    [(others, lost), (name, got)] = one.kinds_j
    assert (others, name) == ("", "fsl")
    assert lost < 0 < got


def test_that_nodes_are_alike_says_nothing_of_strangers():
    # One kind after the other, on power that never changes, beside a stranger.
    nodes = {span: (10 * i, [1] * 10) for i, span in enumerate("abcd")}
    of = {span: span for span in nodes}
    alike = found([30.0] * 40, nodes, of, others=1.0)["b"]
    of_own, of_others = (dict(alike.kinds_j)[name] for name in ("b", ""))
    assert abs(of_others) > 2 * abs(of_own)


def test_an_execution_of_several_programs_is_unlike_its_own_kind():
    nodes = {"a": (0, [1, 1]), "b": (0, [1, 1])}
    of = {"a": "recon", "b": "recon"}
    sure = found([20.0, 20.0], nodes, of)
    assert sigma([sure["a"]]) < sigma([found([20.0, 20.0], nodes, of, several="ab")["a"]])


def test_power_that_follows_the_mix_widens_the_range():
    # Two kinds take turns beside each other; power depends on which, or does not.
    heavy = [1 + i % 2 for i in range(40)]
    light = [2 - i % 2 for i in range(40)]
    nodes, of = {"a": (0, heavy), "b": (0, light)}, {"a": "ants", "b": "fsl"}
    same = found([10.0 + 5 * 3] * 40, nodes, of)["a"]
    apart = found([10.0 + 8 * h + 2 * x for h, x in zip(heavy, light, strict=True)], nodes, of)[
        "a"
    ]
    assert sigma([apart]) > 3 * sigma([same])


def test_a_model_teaches_nothing_about_programs():
    heavy, light = [1, 2] * 20, [2, 1] * 20
    nodes, of = {"a": (0, heavy), "b": (0, light)}, {"a": "ants", "b": "fsl"}
    power_w = [10.0 + 5 * 3] * 40
    measured = found(power_w, nodes, of)["a"]
    modelled = found(power_w, nodes, of, measured=False)["a"]
    assert sigma([modelled]) > 1.1 * sigma([measured])


def test_idle_power_is_shared_by_rule_and_leaves_no_doubt():
    nodes = {"a": (0, [1, 2, 3, 2]), "b": (0, [1, 1, 2, 2])}
    of = {"a": "ants", "b": "fsl"}

    def power_w(idle_w):
        cpus = [sum(pair) for pair in zip(*(cpus for _, cpus in nodes.values()), strict=True)]
        return [idle_w + 5 * busy for busy in cpus]

    little, much = (sigma([found(power_w(w), nodes, of)["a"]]) for w in (2.0, 100.0))
    # The same watts a CPU, beside 50 times the idle power.
    assert much < 4 * little


def test_what_is_not_covered_counts_nowhere():
    nodes = {"a": (0, [1, 1, 1]), "b": (0, [1, 1, 1])}
    of = {"a": "ants", "b": "fsl"}
    some = found([20.0, 0.0, 20.0], nodes, of, covered=[True, False, True])
    all_of_it = found([20.0, 20.0], {"a": (0, [1, 1]), "b": (0, [1, 1])}, of)
    assert sigma([some["a"]]) == pytest.approx(sigma([all_of_it["a"]]))
    assert found([0.0], {"a": (0, [1])}, {"a": "ants"}, covered=[False]) == {}
    assert found([20.0], {}, {}) == {}


def test_long_runs_are_told_apart_in_stretches(monkeypatch):
    monkeypatch.setattr("nicarbon.unlike._CELLS", 360)
    n = 300
    nodes = {"a": (0, [1] * n), "b": (0, [2] * n), "short": (150, [0.5])}
    of = {"a": "ants", "b": "fsl", "short": "shell"}
    coarse = found([30.0] * n, nodes, of)
    monkeypatch.undo()
    fine = found([30.0] * n, nodes, of)
    for span in ("a", "b"):
        assert sigma([coarse[span]]) == pytest.approx(sigma([fine[span]]), rel=0.05)
    # What was spread over a stretch stood beside as many others.
    assert sigma([coarse["short"]]) == pytest.approx(sigma([fine["short"]]), rel=0.2)


def test_own_differences_are_independent():
    assert sigma([Doubt(own_j=3.0), Doubt(own_j=4.0)]) == 5.0
    assert sigma([Doubt((("a", 3.0),)), Doubt((("a", 4.0),))]) == 7.0
    assert sigma([]) == 0.0


def test_who_came_and_went_within_a_second_has_its_part_of_the_idle_power_in_doubt():
    # Half a second of four threads, then half a second of one; power is mostly idling.
    nodes = {"a": (0, [2.0]), "b": (0, [0.5])}
    pieces = {span: Piece(first, np.array(cpus)) for span, (first, cpus) in nodes.items()}
    kinds = Kinds(dict.fromkeys(nodes, "fsl"))
    halves = {"a": (0, S // 2), "b": (S // 2, S)}
    one, other = (
        doubts(line([100.0]), np.array([2.5]), pieces, kinds, 8, lives_ns)
        for lives_ns in (halves, dict.fromkeys(nodes, (0, S)))
    )
    assert dict(one["a"].kinds_j)["(idle)"] == pytest.approx(-dict(one["b"].kinds_j)["(idle)"])
    # It got four fifths of the idle power, and had a half of the second.
    assert 0 < dict(one["a"].kinds_j)["(idle)"] < 0.3 * 100.0
    assert not any(name == "(idle)" and abs(j) > 1e-9 for name, j in other["a"].kinds_j)
