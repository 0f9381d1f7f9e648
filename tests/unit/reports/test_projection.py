# SPDX-License-Identifier: Apache-2.0
import json

import msgspec

from nicarbon.cohort import Side, published
from nicarbon.datasets import datasets
from nicarbon.projection import project
from nicarbon.references import references
from nicarbon.reports.projection import render, render_datasets, to_json, to_tsv
from nicarbon.spread import Spread


def made(n=4):
    sd = None if n == 1 else 36.0
    figure = Spread(3600.0, sd, n)
    total = {"runtime": figure, "cpu": figure, "energy": figure, "carbon": None}
    return Side("wf\x1b CPU", "wf", "CPU", total, {}, (3000.0, 4000.0), "measured", n)


def test_what_no_counter_measured_is_marked():
    side = msgspec.structs.replace(made(), method="modelled")
    text = render([project(side, 24_000, price_per_kwh=0.5)], currency="EUR")
    assert "~24 kWh (" in text
    assert "~12 EUR (" in text
    assert "1,000 CPU-days (" in text
    assert "~0.024 kWh" in text
    assert "~ modelled or assumed, not measured" in text
    assert "~" not in render([project(made(), 24_000)])


def test_per_experiment_and_per_capita():
    found = [project(made(), 24_000, machines=10, researchers=5, price_per_kwh=0.5)]
    text = render(found, machines=10, researchers=5, currency="EUR")
    assert "24,000  1,000 CPU-days (" in text
    assert "24 kWh (" in text
    assert "12 EUR (" in text
    assert "10 machines, of 5: each, a day" in text
    assert "0.024 kWh" in text
    assert "0.048 kWh" in text
    assert "ranges: 95 %" in text
    assert "grams: price the runs" in text
    assert "\x1b" not in text


def test_what_is_printed_elsewhere_is_beside_it():
    text = render([project(published(references()["fastsurfer-gpu"]), 10_000)])
    assert "published for 10,000 scans: 671 GPU-days (here -0.6 %), 8 kg (here +0.0 %)" in text
    assert "does not say how many runs" in text
    assert "ranges: 95 %" not in text
    assert "cost" not in text


def test_for_programs():
    found = [project(made(1), 24)]
    assert json.loads(to_json(found))[0]["machine_days"] == {
        "value": 1.0,
        "low": None,
        "high": None,
    }
    head, row = (line.split("\t") for line in to_tsv(found).splitlines())
    cells = dict(zip(head, row, strict=True))
    assert cells["machine_days"] == "1.0"
    assert cells["machine_days_low"] == "n/a"
    assert cells["money"] == "n/a"


def test_datasets_have_a_line_each():
    text = render_datasets(datasets())
    assert len(text.splitlines()) == len(datasets()) + 2
