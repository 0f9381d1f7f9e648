# SPDX-License-Identifier: Apache-2.0
"""What a card says of its processes."""

from __future__ import annotations

import pytest

from nicarbon.meter.sensors import nvml

S = 1_000_000_000


@pytest.fixture
def card(host, clock, cards, monkeypatch):
    """One card whose clocks, and whose driver's, are the test's."""
    cards.add()
    sensor = nvml.Nvml(host.path, clock.monotonic_ns)
    (card,) = sensor.cards
    monkeypatch.setattr(card, "_unix_ns", clock.unix_ns)
    return card


def later(clock, cards, seconds):
    clock.now_ns += round(seconds * S)
    cards.now(clock.unix_ns() // 1000)


def test_each_process_has_its_part_of_the_time_since_the_last_question(card, clock, cards):
    now_us = clock.unix_ns() // 1000
    cards.process(7, sm=60)
    cards.process(8, sm=20, last_us=now_us + 500_000)
    card.computed()
    later(clock, cards, 1.0)
    first = card.computed()
    assert first.sm_s == {7: pytest.approx(0.6), 8: pytest.approx(0.1)}
    assert first.t_ns == clock.now_ns
    later(clock, cards, 2.0)
    assert card.computed().sm_s == {7: pytest.approx(1.2)}


def test_its_own_clock_says_up_to_when_that_is_known(card, clock, cards):
    cards.process(7, sm=60, last_us=clock.unix_ns() // 1000 + 700_000)
    card.computed()
    later(clock, cards, 1.0)
    assert card.computed().t_ns == clock.now_ns - 300_000_000


def test_while_nothing_computes_nothing_is_claimed(card, clock, cards):
    cards.process(7, sm=0)
    later(clock, cards, 1.0)
    assert card.computed().sm_s == {}


def test_places_that_the_driver_did_not_fill_are_left_out(card, clock, cards):
    cards.change(rubbish=1)
    cards.process(7, sm=50)
    card.computed()
    later(clock, cards, 1.0)
    assert card.computed().sm_s == {7: pytest.approx(0.5)}
    cards.no_processes()
    later(clock, cards, 1.0)
    assert card.computed().sm_s == {}


def test_a_driver_that_does_not_tell_is_no_driver_that_says_nothing(card, clock, cards):
    cards.change(sm=None, utilisation=40)
    assert card.computed() is None
    assert card.computing() == pytest.approx(0.4)
    cards.change(utilisation=None)
    assert card.computing() is None
    cards.change(no_processes=1)
    assert card.holders() is None


def test_who_holds_memory(card, clock, cards):
    cards.process(7, memory=5 << 20)
    cards.process(8, memory=-1)  # the driver knows the process and not its memory
    cards.process(9, memory=1, last_us=1)
    assert card.holders() == {7: 5 << 20, 8: None}
    cards.no_processes()
    assert card.holders() == {}
