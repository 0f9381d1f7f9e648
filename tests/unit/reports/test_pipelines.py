# SPDX-License-Identifier: Apache-2.0
import json

from nicarbon.cohort import Side, published
from nicarbon.references import references
from nicarbon.reports.pipelines import render, to_json, to_markdown, to_tsv, written
from nicarbon.spread import Spread


def made(name="wf CPU", device="CPU", n=3, method="modelled"):
    sd = None if n == 1 else 360.0
    total = {"runtime": Spread(3600.0, sd, n), "energy": Spread(7200.0, sd, n), "carbon": None}
    return Side(name, "wf", device, total, {}, None, method, n)


def row(text, name):
    return next(line for line in text.splitlines() if line.startswith(name)).split()


def test_a_row_a_pipeline_and_a_column_a_device():
    sides = [made(), made("wf GPU", "GPU", method="measured"), made("mine")]
    text = render(sides)
    assert row(text, "wf ") == [
        "wf",
        "1",
        "(0.1)",
        "1",
        "(0.1)",
        "~2",
        "(0.1)",
        "2",
        "(0.1)",
        "n/a",
        "n/a",
    ]
    assert row(text, "mine") == ["mine", "1", "(0.1)", "-", "~2", "(0.1)", "-", "n/a", "-"]
    assert "wf CPU: mean (SD) of 3 runs" in text
    assert "~ modelled" in text


def test_published_figures_say_so():
    sides = [published(one) for one in references().values()]
    for text in (render(sides), to_markdown(sides)):
        assert "FastSurfer (published)" in text
        assert "nothing of it was run here" in text
    assert [one["published"] for one in json.loads(to_json(sides))] == [True] * 3
    assert to_tsv(sides).splitlines()[1].split("\t")[-2:] == ["3.26", "0.5"]


def test_digits():
    assert written(Spread(108.5, 19.8, None), 1.0) == "108.5 (19.8)"
    assert written(Spread(0.0273, None, 1), 1.0, "~") == "~0.0273"
    assert written(None, 1.0) == "n/a"
