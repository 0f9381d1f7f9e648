# SPDX-License-Identifier: Apache-2.0
"""Dividing one timeline; whole hosts are divided in the tests of attribution."""

from __future__ import annotations

import numpy as np
import pytest

from nicarbon.curves import executions
from nicarbon.records import End, NodeFile, Process, Start
from nicarbon.shares import divide
from nicarbon.timeline import Timeline

S = 1_000_000_000


def line(energy_j, busy_cpu_s, covered=None):
    n = len(energy_j)
    energy = np.array(energy_j)
    return Timeline(
        t_ns=np.arange(n + 1, dtype=np.int64) * S,
        covered=np.array(covered or [True] * n),
        energy_j=energy,
        low_j=0.5 * energy,
        high_j=2 * energy,
        busy_cpu_s=np.array(busy_cpu_s),
        recount_j=float(energy.sum()),
        n_domains=1,
    )


def node(first_s, last_s, cpu_s):
    lines = (Start("a", "wf.a", first_s * S, 0, 0.0), End("a", last_s * S, "ran", cpu_s))
    return [NodeFile(Process("h", "h", 1, 1, "h-1-1"), lines)]


def share(a_line, files):
    return divide(a_line, executions(files, [], []), files, [])


def test_a_share_is_cpu_seconds_of_busy_seconds():
    parts = share(line([10.0, 40.0], [4.0, 2.0]), node(0, 2, 2.0))
    a = parts.shares["a"]
    assert a.energy_j == pytest.approx(10 / 4 + 40 / 2)
    assert (a.low_j, a.high_j) == pytest.approx((0.5 * a.energy_j, 2 * a.energy_j))
    [(others, lost), (own, got)] = a.doubt.kinds_j
    assert (others, own) == ("", "a")
    assert lost < 0 < got
    assert a.host_s == pytest.approx(1 / 4 + 1 / 2)
    assert parts.other_j == pytest.approx(50 - a.energy_j)
    assert parts.unattributed_j == 0.0


def test_an_interval_that_is_not_covered_has_no_energy_and_no_seconds():
    parts = share(line([10.0, 0.0], [1.0, 1.0], [True, False]), node(0, 2, 2.0))
    assert parts.shares["a"].energy_j == 10.0
    assert parts.shares["a"].host_s == 1.0
    assert share(line([0.0], [1.0], [False]), node(0, 1, 1.0)).shares == {}


def test_what_is_claimed_beyond_busy_time_is_stated():
    parts = share(line([10.0], [0.5]), node(0, 1, 2.0))
    assert parts.scaled_cpu_s == pytest.approx(1.5)
    assert parts.shares["a"].energy_j == 10.0
    # Busy time that falls was no busy time.
    assert share(line([10.0], [-0.5]), node(0, 1, 2.0)).scaled_cpu_s == pytest.approx(2.0)


def test_where_nothing_was_busy_nobody_pays():
    parts = share(line([10.0, 4.0], [1.0, 0.0]), node(0, 1, 1.0))
    assert parts.unattributed_j == 4.0
    assert parts.other_j == 0.0
    assert parts.shares["a"].energy_j == 10.0


def test_a_long_execution_says_when_it_used_its_energy():
    n = 300
    a_line = line([float(i) for i in range(n)], [1.0] * n)
    of_node = share(a_line, node(30, 250, 220.0)).shares["a"]
    edges = [first for first, _, _ in of_node.course] + [of_node.course[-1][1]]
    assert [t // S for t in edges] == [30, 60, 120, 180, 240, 250]
    joules = [energy_j for _, _, energy_j in of_node.course]
    assert joules[:2] == pytest.approx([sum(range(30, 60)), sum(range(60, 120))])
    assert sum(joules) == pytest.approx(of_node.energy_j)
    # A short one's is taken as even.
    assert share(a_line, node(30, 149, 119.0)).shares["a"].course == ()


def test_energy_between_two_instants_is_known_inside_an_interval_too():
    files = node(1, 3, 2.0)
    ran = executions(files, [], [])
    edges = {"a": [S, 3 * S // 2, 2 * S, 11 * S // 4, 3 * S]}
    found = divide(line([10.0, 20.0, 40.0], [1.0] * 3), ran, files, [], edges).shares["a"]
    # Even inside each interval: 20 J in the second second, 40 J in the third.
    assert found.stretches_j == pytest.approx((10.0, 10.0, 30.0, 10.0))
    assert sum(found.stretches_j) == pytest.approx(found.energy_j)
