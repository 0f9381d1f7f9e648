# SPDX-License-Identifier: Apache-2.0
"""The structs agree with the lines that the meter writes."""

from __future__ import annotations

import msgspec
import pytest

from nicarbon import records


@pytest.mark.parametrize(
    ("struct", "kind"),
    [
        (records.Process, "process"),
        (records.Driver, "driver"),
        (records.Start, "start"),
        (records.End, "end"),
        (records.Cached, "cached"),
        (records.Host, "host"),
        (records.Sample, "sample"),
        (records.Gone, "gone"),
        (records.Close, "close"),
    ],
)
def test_every_line_is_told_apart_by_its_kind(struct, kind):
    assert struct.__struct_config__.tag == kind
    assert struct.__struct_config__.tag_field == "kind"


def test_keys_of_later_versions_are_ignored_and_missing_optional_ones_take_defaults():
    line = b'{"kind":"end","span":"h-1-2-0","t_monotonic_ns":5,"outcome":"ran","cpu_s":1,"new":[]}'
    end = msgspec.json.decode(line, type=records.End)
    assert end == records.End("h-1-2-0", 5, "ran", 1.0)
    assert end.cpu_source == "rusage"


def test_structs_are_frozen():
    with pytest.raises(AttributeError):
        records.Gone("h-1-2-0", 5).span = "other"


def test_a_record_survives_being_written_and_read():
    sample = records.Sample(1, 2, 3.5, {"package-0": 12, "dram-0": None}, spans={"h-1-2-0": 0.25})
    again = msgspec.json.decode(msgspec.json.encode(sample), type=records.Sample)
    assert again == sample
    assert again.readings["dram-0"] is None
