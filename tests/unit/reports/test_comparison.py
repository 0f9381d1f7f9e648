# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from nicarbon.cohort import Side, published
from nicarbon.comparison import compare
from nicarbon.references import references
from nicarbon.reports.comparison import markdown, render, to_json, to_markdown, to_tsv
from nicarbon.spread import Spread


def made(name, energy, n=4, stages=("segmentation",), **more):
    sd = None if n == 1 else 0.1 * energy
    figures = {
        "runtime": Spread(60.0, None if n == 1 else 0.0, n),
        "cpu": Spread(120.0, None if n == 1 else 6.0, n),
        "energy": Spread(energy, sd, n),
        "carbon": None,
    }
    given = {"pipeline": "wf", "device": "CPU", "method": "measured", "energy_range": None} | more
    return Side(name, total=figures, stages=dict.fromkeys(stages, figures), n=n, **given)


def lines(text, stage):
    found = text.splitlines()
    at = found.index(stage)
    return [" ".join(line.split()) for line in found[at + 1 : at + 3]]


def test_each_stage_on_each_side():
    text = render(compare([made("a", 100.0), made("b", 200.0, stages=("segmentation", "other"))]))
    assert lines(text, "segmentation") == [
        "a 1 min 0 s (SD 0 %) 2 min 0 s (SD 5 %) 100 J (SD 10 %)",
        "b 1 min 0 s (SD 0 %) +0.0 % 2 min 0 s (SD 5 %) +0.0 % 200 J (SD 10 %) +100 %*",
    ]
    assert lines(text, "other")[0] == "a - - -"
    assert "a: mean (SD) of 4 runs" in text
    assert "CO2e" not in text


def test_that_nobody_knows_the_noise_is_marked():
    text = render(compare([made("a", 100.0, 1), made("b", 90.0, 1, method="modelled")]))
    assert lines(text, "whole run") == [
        "a 1 min 0 s 2 min 0 s 100 J",
        "b 1 min 0 s +0.0 %? 2 min 0 s +0.0 %? ~90 J -10 %?",
    ]
    assert "! a single run of a, b" in text


def test_a_narrow_terminal_keeps_names_whole():
    one = published(references()["freesurfer-cpu"])
    other = made("mine", 100.0)
    other.total["carbon"] = Spread(3.0, 1.0, 4)
    text = render(compare([one, other]), width=80)
    table = text.partition("\n\n")[0] + text.partition("whole run")[2].partition("\n\n")[0]
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "  FreeSurfer CPU" in text
    assert "CPU time" not in text


def test_for_programs():
    found = compare([made("a", 100.0), made("b", 200.0)])
    whole = json.loads(to_json(found))["whole"]
    assert whole["entries"][1]["differences"]["energy"]["relative"] == pytest.approx(1.0)
    head, *rows = (line.split("\t") for line in to_tsv(found).splitlines())
    last = dict(zip(head, rows[-1], strict=True))
    assert (last["stage"], last["side"], last["n"]) == ("whole run", "b", "4")
    assert float(last["energy_difference"]) == pytest.approx(1.0)
    assert last["energy_beyond_noise"] == "True"
    assert last["carbon_g"] == "n/a"


def test_to_paste():
    text = to_markdown(compare([made("a", 100.0), made("b", 200.0)]))
    assert "| segmentation | a | 1 min 0 s (SD 0 %) |" in text
    assert "| **whole run** | a |" in text
    assert markdown([["a|b"], ["c\x1b[0m"]]) == "| a\\|b |\n| --- |\n| c\ufffd[0m |\n"


def test_names_are_harmless():
    found = compare([made("a\x1b[31m", 100.0), made("b", 200.0, stages=("x\x07",))])
    for text in (render(found), to_markdown(found)):
        assert "\x1b" not in text
        assert "\x07" not in text
