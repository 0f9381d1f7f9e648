# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import msgspec
import pytest

from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.records import Domain, Sensor
from nicarbon.reports.runs import Shown, render_many

VIRTUAL = Sensor("virtual", "modelled", (Domain("host", "host"),))


@pytest.fixture
def shown(run_folders):
    """Make a run for the table."""

    def make(name, state="ok", energy_j=10.0, notes=(), price=None, **more):
        spans = [
            run_folders.span("wf.strip", 0, 2, energy_j, **more),
            run_folders.span("wf.fast", 2, 4, energy_j and 2 * energy_j, **more),
        ]
        run = run_folders.run(spans)
        run.chosen_price = price
        summary = msgspec.structs.replace(run.summary(), path=f"runs/{name}", notes=notes)
        return Shown(name, state, summary)

    return make


def cells(text, start):
    (found,) = [line for line in text.splitlines() if re.match(f"{start} {{2,}}", line)]
    return re.split(r" {2,}", found)


def test_a_row_for_each_run_and_their_sum(shown):
    text = render_many([shown("1"), shown("2", energy_j=20.0)])
    assert cells(text, "run")[:4] == ["run", "state", "energy", "range"]
    assert cells(text, "1") == [
        "1", "ok", "30 J", "28.5-31.5 J", "33.3 %", "4 s", "4 s", "2", "measured"
    ]  # fmt: skip
    assert cells(text, "2 runs")[1:3] == ["90 J", "85.5-94.5 J"]
    assert cells(text, "segmentation")[1] == "60 J"
    assert cells(text, "total")[1:4] == ["90 J", "85.5-94.5 J", "100.0 %"]
    assert "!" not in text


def test_numbers_in_names_sort_as_numbers(shown):
    text = render_many([shown(name) for name in ("sub-10", "sub-9", "sub-100", "x")])
    names = [line.split()[0] for line in text.splitlines() if line.startswith(("sub", "x "))]
    assert names == ["sub-9", "sub-10", "sub-100", "x"]


def test_runs_that_want_attention_are_named_the_worst_is_next(shown):
    states = ["ok", "failed", "dead", "dead", "going on", "no record", "interrupted", "dead"]
    text = render_many([shown(str(i), state) for i, state in enumerate(states)], command=" -x")
    warned = [line for line in text.splitlines() if line.startswith("!")]
    assert warned == [
        "! 3 runs have no end and nobody writes to them any more: they were killed: 2-3,7",
        "! 1 run began and recorded nothing: 5",
        "! 1 run failed: 1",
        "! 1 run was interrupted: 6",
        "! 1 run is still going on: 4",
    ]
    assert text.splitlines()[-1] == "next: nicarbon summary runs/2 -x"


def test_a_run_that_is_broken_says_so(shown):
    text = render_many([shown("a"), shown("b", notes=("BROKEN: on n1 ...",))])
    assert "! BROKEN: the parts do not add up in b; please report them" in text


def test_grams_only_where_every_run_has_them(shown):
    price = Price(given(100.0), 1.0, "2026-11-22T10:00:00Z")
    both = render_many([shown("a", price=price), shown("b", price=price)])
    assert cells(both, "a")[4] == "0.833 mg"
    assert cells(both, "total")[3] == "1.67 mg"
    assert "grams:" not in both
    one = render_many([shown("a", price=price), shown("b")])
    assert cells(one, "total")[3] == "n/a"
    assert "grams: nicarbon price runs/b" in one


def test_what_is_missing_is_not_nothing(shown):
    text = render_many([shown("a", energy_j=None), shown("b")])
    assert cells(text, "a")[2:4] == ["n/a", "n/a"]
    assert cells(text, "total")[1] == "30 J"


def test_modelled_energies_are_marked(shown):
    text = render_many([shown("a"), shown("b", method="modelled")])
    assert cells(text, "a")[2] == "30 J"
    assert cells(text, "b")[2] == "~30 J"
    assert cells(text, "total")[1] == "~60 J"
    assert "~ modelled or assumed" in text


def test_names_are_shown_and_not_obeyed(shown):
    text = render_many([shown("a\x1b[31m[bold]"), shown("b" * 300)], width=80)
    assert "\x1b" not in text
    assert "a�[31m[bold]" in text
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("next"))
