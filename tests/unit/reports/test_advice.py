# SPDX-License-Identifier: Apache-2.0
import json

from nicarbon.advice import Advice, Advised
from nicarbon.reports.advice import render, saves, to_json
from nicarbon.whatif import Saving


def made(*savings, carbon_g=None, **more):
    advice = tuple(
        Advice(f"do {n}\x1b", f"it showed {n}", saving, "somebody 2024" if n else "")
        for n, saving in enumerate(savings)
    )
    given = {"whatif": ("--stage", "a stage"), "notes": ("mind this",)} | more
    return Advised("run-a", "runs/a", 200.0, carbon_g, advice, **given)


def test_what_each_saves():
    found = made(Saving(30.0, 50.0, 40.0, 60.0, 0.01), Saving(0.0, 20.0, -1.0, 30.0))
    text = render(found)
    assert (
        "1. do 0\ufffd\n   saves 50 J (40-60 J), 25.0 % of the run's; 10 mg; ready 30 s sooner"
        in text
    )
    assert "   here: it showed 0\n" in text
    assert "2. do 1\ufffd\n   saves 20 J (0-30 J), 10.0 % of the run's; costs no time" in text
    assert text.count("published: somebody 2024") == 1
    assert "each alone" in text
    assert "! mind this" in text
    assert "grams: nicarbon price runs/a" in text
    assert text.endswith("next: nicarbon whatif runs/a --stage 'a stage'\n")
    assert "~" not in text


def test_what_no_counter_measured_is_marked():
    text = render(made(Saving(30.0, 50.0, 40.0, 60.0, 0.01), carbon_g=0.04, method="modelled"))
    assert text.startswith("run run-a, ~200 J, ~40 mg: what to change first\n")
    assert "saves ~50 J (40-60 J), 25.0 % of the run's; ~10 mg" in text
    assert "~ modelled or assumed, not measured" in text


def test_what_costs_time_says_so():
    found = made(Saving(-90.0, 50.0, 40.0, 60.0), carbon_g=1.0)
    assert saves(found.advice[0], found).endswith("ready 1 min 30 s later")
    assert "grams: nicarbon price" not in render(found)


def test_nothing_to_say():
    assert "nothing that this run shows" in render(made())


def test_for_programs():
    document = json.loads(to_json(made(Saving(1.0))))
    assert document["advice"][0]["saving"]["time_s"] == 1.0
