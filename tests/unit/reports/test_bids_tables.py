# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from nicarbon import details, rows
from nicarbon.reports import bids_tables
from nicarbon.reports.bids_tables import columns_of, hosts_table, joined, sidecar


def test_rows_of_other_runs_are_kept():
    before = "run_id\tname\nr1\ta\nr2\tb\n"
    assert joined(before, "run_id\tname\nr1\tc\n", "r1") == "run_id\tname\nr2\tb\nr1\tc\n"
    assert joined("", "run_id\tname\nr1\tc\n", "r1") == "run_id\tname\nr1\tc\n"


def test_a_column_that_an_older_version_lacked_is_missing_in_its_rows():
    before = "run_id\tname\told\nr1\ta\t1\n"
    after = joined(before, "run_id\tname\tnew\nr2\tb\t2\n", "r2")
    assert after == "run_id\tname\tnew\told\nr1\ta\tn/a\t1\nr2\tb\t2\tn/a\n"


def test_every_column_has_a_description():
    names = (*rows.COLUMNS, *details.COLUMNS, "run_id")
    about = json.loads(sidecar(names))
    assert set(about) == set(names)
    with pytest.raises(KeyError):
        sidecar(["unheard_of"])


def test_units_are_those_in_the_names():
    units = {"_j": "J", "_s": "s", "_g": "g", "_gb": "GB", "_bytes": "byte"}
    for name, about in bids_tables._columns().items():
        unit = next((unit for end, unit in units.items() if name.endswith(end)), None)
        assert about.get("Units") == unit, name


def test_a_host_without_energy_has_none(run_folders):
    dark = run_folders.host(0.0, energy_j=0.0, uncovered_s=10.0, sensors=())
    made = run_folders.run([run_folders.span("wf.fast", energy_j=None)], [dark])
    text = hosts_table(made.summary())
    columns, values = (line.split("\t") for line in text.splitlines())
    host = dict(zip(columns, values, strict=True))
    assert (host["energy_j"], host["nodes_j"], host["sensors"]) == ("n/a", "n/a", "n/a")
    assert host["uncovered_s"] == "10.0"
    assert columns_of([text]) == columns
