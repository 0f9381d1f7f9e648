# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from nicarbon.cohort import Side, published
from nicarbon.references import references
from nicarbon.reports.pipelines import render, to_json, to_markdown, to_tsv, written
from nicarbon.spread import Spread

PUBLISHED = [published(one) for one in references().values()]


def made(name="wf CPU", device="CPU", n=3, method="modelled"):
    sd = None if n == 1 else 360.0
    total = {"runtime": Spread(3600.0, sd, n), "energy": Spread(7200.0, sd, n), "carbon": None}
    return Side(name, "wf", device, total, {}, None, method, n)


def row(text, name):
    return next(line for line in text.splitlines() if line.startswith(name)).split()


def test_a_row_a_pipeline_and_a_column_a_device():
    sides = [made(), made("wf GPU", "GPU", method="measured"), made("mine")]
    text = render(sides)
    runtimes, modelled, measured = "1.00 (0.10)", "~2.00 (0.10)", "2.00 (0.10)"
    both = f"{runtimes} {runtimes} {modelled} {measured} n/a n/a".split()
    assert row(text, "wf ") == ["wf", *both]
    assert row(text, "mine") == ["mine", *f"{runtimes} - {modelled} - n/a -".split()]
    assert "wf CPU: mean (SD) of 3 runs" in text
    assert "~ modelled" in text


def test_published_figures_say_so():
    for text in (render(PUBLISHED), to_markdown(PUBLISHED)):
        assert "FastSurfer (published)" in text
        for implied in ("30.05", "29.98", "29.96"):
            assert f"its grams are its energy at {implied} g/kWh" in text
        assert "nothing of it was run here" in text
    assert [one["published"] for one in json.loads(to_json(PUBLISHED))] == [True] * 3
    assert to_tsv(PUBLISHED).splitlines()[1].split("\t")[-2:] == ["3.26", "0.5"]


def test_published_figures_have_the_digits_of_their_source():
    table = [line.split(" | ") for line in to_markdown(PUBLISHED).splitlines() if "(p" in line]
    assert [[cell.strip("| ") for cell in cells[1:]] for cells in table[:2]] == [
        ["8.3 (1.03)", "-", "108.5 (19.8)", "-", "3.26 (0.5)", "-"],
        ["9.8 (0.74)", "1.6 (0.47)", "126.4 (16.1)", "26.7 (7.7)", "3.79 (0.5)", "0.80 (0.2)"],
    ]


@pytest.mark.parametrize(
    ("mean", "sd", "text"),
    [
        (108.5, 19.8, "108 (20)"),
        (8.3, 1.03, "8.3 (1.0)"),
        (0.8, 0.2, "0.80 (0.20)"),
        (0.027261, 0.0123, "0.027 (0.012)"),
        (12.3456, 0.0996, "12.35 (0.10)"),
        (0.00123, 0.4, "0.00 (0.40)"),
        (12345.6, 2345.6, "12346 (2346)"),
        (0.0273, None, "0.0273"),
        (1234.5, None, "1234"),
        (0.9996, None, "1.00"),
        (5.0, 0.0, "5.00 (0)"),
        (0.0, 0.0, "0 (0)"),
    ],
)
def test_no_more_digits_than_the_runs_differ_by(mean, sd, text):
    assert written(Spread(mean, sd, None), 1.0) == text


def test_marked_and_unknown():
    assert written(Spread(0.0273, None, 1), 1.0, "~") == "~0.0273"
    assert written(None, 1.0) == "n/a"
