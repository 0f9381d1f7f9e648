# SPDX-License-Identifier: Apache-2.0
"""The structs agree with what samplers say of their sensors."""

import msgspec
import pytest

from nicarbon.records import Domain, Model, Sensor


def test_a_counter_and_a_model_survive_being_written_and_read():
    curve = Model((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "a table")
    sensor = Sensor(
        "virtual",
        "modelled",
        (Domain("host", "host", model=curve), Domain("package-0", "package", range=2**32)),
    )
    assert msgspec.json.decode(msgspec.json.encode(sensor), type=Sensor) == sensor


def test_a_domain_is_part_of_the_energy_unless_it_says_otherwise():
    assert msgspec.json.decode(b'{"name":"psys","kind":"psys"}', type=Domain).account


def test_a_curve_needs_its_low_central_and_high_value():
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"idle_w":[1,2],"busy_w":[1,2,3]}', type=Model)
