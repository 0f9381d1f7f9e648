# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import msgspec
import pytest

from nicarbon import records
from nicarbon.meter.sensors import Status, contract


class Good:
    name = "good"
    method = "measured"
    relative_error = 0.02
    note = ""

    def __init__(self, **domain):
        self.domains = [
            {"name": "good/a", "kind": "psys", "account": True, "unit_j": 1e-3, **domain}
        ]
        self.shows = {"good/a": 5}

    def read(self):
        return self.shows

    def status(self):
        return Status(True)

    def close(self):
        pass


def changed(**values):
    sensor = Good()
    for name, value in values.items():
        setattr(sensor, name, value)
    return sensor


def test_a_good_sensor_breaks_nothing():
    model = {"idle_w": [1, 2, 3], "busy_w": [1, 2, 3], "source": "a meter"}
    assert contract.breaches(Good()) == []
    assert contract.breaches(Good(range=10, max_power_w=5.0, socket=0, since_open=True)) == []
    assert contract.breaches(Good(model=model)) == []


@pytest.mark.parametrize(
    ("sensor", "words"),
    [
        (object(), "no method read()"),
        (changed(close=None), "no method close()"),
        (changed(name="two words"), "must be a word"),
        (changed(name="rapl"), "another sensor's"),
        (changed(method="guessed"), "measured, modelled, assumed"),
        (changed(relative_error=1), "fraction"),
        (changed(relative_error=math.nan), "fraction"),
        (changed(relative_error=None), "fraction"),
        (changed(note=None), "note"),
        (changed(domains=None), "list"),
        (changed(domains=["x"]), "must be a dict"),
        (changed(domains=Good().domains * 2), "one name"),
        (changed(domains=[{"name": "x"}]), "lacks kind, account, unit_j"),
        (Good(colour="red"), "colour is no field"),
        (Good(name=5), "name must not be 5"),
        (Good(name="package-0"), "another sensor's"),
        (Good(kind="sun"), "kind must be one of"),
        (Good(account=1), "account must not be 1"),
        (Good(unit_j=True), "unit_j must not be True"),
        (Good(unit_j=0.0), "greater than 0"),
        (Good(unit_j=math.inf), "greater than 0"),
        (Good(range=-1), "greater than 0"),
        (Good(range=1.5), "range must not be 1.5"),
        (Good(model={"idle_w": [1, 2, 3]}), "busy_w"),
        (Good(model={"idle_w": [3, 2, 1], "busy_w": [1, 2, 3]}), "low, central and high"),
    ],
)
def test_what_is_wrong_is_said(sensor, words):
    assert words in contract.breaches(sensor, {"rapl", "package-0"})[0]


def test_what_it_lets_through_the_reader_reads():
    assert set(contract._FIELDS) == set(records.Domain.__struct_fields__)
    assert msgspec.convert(Good(socket=1).domains[0], records.Domain).socket == 1


@pytest.mark.parametrize("value", [None, -1, 1.5, True, "7", math.nan, 2**63, [1]])
def test_only_counts_are_readings(value):
    assert contract.readings(changed(shows={"good/a": value, "other": 1})) == {"good/a": None}


def test_readings_that_are_missing_are_none_and_models_have_none():
    assert contract.readings(changed(shows={})) == {"good/a": None}
    assert contract.readings(changed(shows={"good/a": 0})) == {"good/a": 0}
    model = {"idle_w": [1, 2, 3], "busy_w": [1, 2, 3]}
    assert contract.readings(Good(model=model)) == {}


def test_bounds_are_read_beside_their_domain():
    sensor = Good(bounds=["good/a low", "good/a high"])
    assert contract.breaches(sensor) == []
    sensor.shows = {"good/a": 5, "good/a low": 4, "good/a high": -1}
    assert contract.readings(sensor) == {"good/a": 5, "good/a low": 4, "good/a high": None}


@pytest.mark.parametrize("bounds", [["one"], ["one", 2], "ab"])
def test_bounds_that_are_none(bounds):
    (breach,) = contract.breaches(Good(bounds=bounds))
    assert "bounds" in breach
