# SPDX-License-Identifier: Apache-2.0
"""A simulated socket draws what its programs, its frequency and its limits make of it."""

from __future__ import annotations

import pytest

from nicarbon.testing.processor import Processor
from nicarbon.testing.programs import Program


def programs(*loads):
    return [
        Program(i, 1, "p", 0, cpus, watts, dram_watts, 0, "p")
        for i, (cpus, watts, dram_watts) in enumerate(loads)
    ]


def test_a_plain_socket_draws_the_sum_of_its_programs():
    drawn = Processor(8).draw_w(programs((2, 5, 1), (1, 3, 0)), 0.5)
    assert drawn == [(5.0, 1.0), (1.5, 0.0)]


def test_a_nearly_empty_socket_runs_faster_and_each_second_costs_more():
    processor = Processor(8, boost=0.5)
    [(one, _)] = processor.draw_w(programs((1, 4, 0)), 1.0)
    [(full, _)] = processor.draw_w(programs((8, 4, 0)), 1.0)
    assert one == pytest.approx(4 * (1 + 0.5 * 7 / 8))
    assert full == pytest.approx(8 * 4)


def test_threads_of_one_core_draw_less_than_two_cores():
    processor = Processor(8, shared_core=0.6)
    # 6 threads on 4 cores: 2 cores have two, so 4 of the 6 share.
    [(drawn, _)] = processor.draw_w(programs((6, 5, 0)), 1.0)
    assert drawn == pytest.approx(2 * 5 + 4 * 3)


def test_the_limit_of_the_package_slows_everybody_down_alike():
    processor = Processor(8, idle_w=10, uncore_w=5, limit_w=35)
    (a, _), (b, _) = processor.draw_w(programs((2, 6, 0), (4, 7, 0)), 1.0)
    assert (a, b) == pytest.approx((20 * 12 / 40, 20 * 28 / 40))


def test_memory_has_an_end():
    processor = Processor(8, memory_limit_w=6)
    (_, a), (_, b) = processor.draw_w(programs((2, 1, 2), (2, 1, 4)), 1.0)
    assert (a, b) == pytest.approx((2, 4))


def test_an_idle_socket_draws_nothing_for_being_active():
    assert Processor(8, uncore_w=10).active_w(0) == 0
    assert Processor(8, uncore_w=10).active_w(0.3) == pytest.approx(3)
    assert Processor(8, uncore_w=10).draw_w([], 1.0) == []


def test_a_measured_curve_is_what_ordinary_programs_draw():
    processor = Processor(8, idle_w=2, curve=((0.0, 2.0), (0.5, 30.0), (1.0, 40.0)))
    [(half, _)] = processor.draw_w(programs((4, 5, 0)), 1.0)
    assert half == pytest.approx(28)
    (light, _), (heavy, _) = processor.draw_w(programs((4, 2.5, 0), (4, 7.5, 0)), 1.0)
    assert (light, heavy) == pytest.approx((9.5, 28.5))
