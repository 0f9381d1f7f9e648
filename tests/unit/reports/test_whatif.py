# SPDX-License-Identifier: Apache-2.0
from math import inf

import pytest

from nicarbon.reports.whatif import change_line, error_line, render, saving_line
from nicarbon.schedule import Engine
from nicarbon.whatif import Change, Outcome, Saving, WhatIf


def made(**more):
    one = Outcome(100.0, 50.0, 40.0, 70.0)
    given = {
        "run_id": "run\x1b",
        "path": "runs/a",
        "measured": one,
        "replayed": one,
        "changed": Outcome(60.0, 30.0, 20.0, 50.0),
        "saving": Saving(40.0, 20.0, 15.0, 30.0),
        "makespan_error": 0.012,
        "energy_error": -0.034,
        "n_procs_seen": 4,
        "n_procs": 4,
        "engine": Engine(0.05),
        "changes": (Change("segmentation", inf),),
        "notes": ("mind this\x07",),
    } | more
    return WhatIf(**given)


def test_the_answer():
    text = render(made())
    assert text.startswith("run run\ufffd: what if\n  segmentation: left out\n")
    assert "that is 40 s less, 20 J less (15 J to 30 J)" in text
    assert "off by +1.2 % of its time, its energy by -3.4 %" in text
    assert "takes 0.05 s to start a node" in text
    assert "! mind this\ufffd" in text


def test_what_no_counter_measured_is_marked():
    assert "~" not in render(made())
    text = render(made(method="modelled"))
    assert [line.split() for line in text.splitlines() if "20-50 J" in line] == [
        ["what", "if", "1", "min", "0", "s", "~30", "J", "20-50", "J"]
    ]
    assert "that is 40 s less, ~20 J less" in text
    assert "~ modelled or assumed, not measured" in text


def test_a_replay_that_is_right_is_off_by_nothing():
    assert "off by +0.0 % of its time" in error_line(made(makespan_error=-1e-9))


def test_the_replay_alone_has_no_answer():
    text = render(made(changes=()))
    assert "nothing is other than it was" in text
    assert "what if  " not in text
    assert "that is" not in text


@pytest.mark.parametrize(
    ("saving", "said"),
    [
        (Saving(-5.0), "that is 5 s more"),
        (
            Saving(0.0, -8.0, -9.0, -7.0, -0.002),
            "that is 0 s less, 8 J more (7 J to 9 J), 2 mg more",
        ),
        (Saving(1.0, 8.0, 7.0, 9.0, 0.002), "that is 1 s less, 8 J less (7 J to 9 J), 2 mg less"),
    ],
)
def test_more_is_said_as_more(saving, said):
    assert saving_line(made(saving=saving)) == said


def test_an_engine_that_looks():
    assert "looks every 2 s" in error_line(made(engine=Engine(look_s=2.0)))


def test_a_change_in_words():
    line = "segmentation: 2 times as fast at 3 times the power, as in runs/b"
    assert change_line(Change("segmentation", 2.0, 3.0, "runs/b")) == line
