# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.calibration import CalibrationError, Phase, fitted, given

# 40 W idle; a CPU second is worth 6 J alone, 4 J among all, 5 J copying memory.
PHASES = (
    Phase("idle", 20.0, 0.0, 0.0, 40.0),
    Phase("one core", 20.0, 1.0, 1.0, 46.0),
    Phase("memory-bound", 20.0, 8.0, 8.0, 80.0),
    Phase("all cores", 20.0, 8.0, 8.0, 72.0),
)


def changed(name, **values):
    def phase(one):
        fields = {field: getattr(one, field) for field in Phase.__struct_fields__}
        return Phase(**{**fields, **values}) if one.name == name else one

    return tuple(phase(one) for one in PHASES)


def test_the_line_goes_through_idle_and_its_range_holds_every_load():
    idle, busy = fitted(PHASES, 8, 0.05)
    assert idle == pytest.approx((38.0, 40.0, 42.0))
    assert busy == pytest.approx((4 * 0.95, (6 + 8 * 40 + 8 * 32) / 129, 6 * 1.05))
    for phase in PHASES:
        low, high = (idle[i] + busy[i] * phase.busy_cpus for i in (0, 2))
        assert low < phase.power_w < high


def test_a_little_work_of_others_while_idle_is_taken_off():
    phases = changed("idle", busy_cpus=0.2, power_w=40.8)
    idle, busy = fitted(phases, 8, 0.05)
    assert idle[1] == pytest.approx(40.8 - 0.2 * busy[1])
    assert idle[0] < idle[1] < idle[2]


@pytest.mark.parametrize(
    ("phases", "words"),
    [
        (changed("idle", busy_cpus=0.5), "not idle: 0.5 of 8 CPUs"),
        (changed("idle", power_w=None), "no counter"),
        (changed("one core", power_w=None), "no counter"),
        (changed("one core", power_w=39.0), "did not rise"),
        (changed("one core", power_w=40.0), "did not rise"),
        (changed("one core", busy_cpus=0.0), "did not rise"),
        (PHASES[:1], "did not rise"),
    ],
)
def test_what_gives_no_curve_says_why(phases, words):
    with pytest.raises(CalibrationError, match=words):
        fitted(phases, 8, 0.05)


def test_watts_at_the_plug_have_a_wider_range_between_their_ends():
    idle, busy = given(40.0, 200.0, 8)
    assert idle == pytest.approx((40 / 1.1, 40, 44))
    assert busy == pytest.approx((20 / 1.3, 20, 26))


@pytest.mark.parametrize(
    ("idle", "full"), [(0, 10), (-1, 10), (20, 10), (10, 10), (1, 1e7), (float("nan"), 10)]
)
def test_watts_of_no_machine_are_refused(idle, full):
    with pytest.raises(CalibrationError, match="--idle-watts"):
        given(idle, full, 4)
