# SPDX-License-Identifier: Apache-2.0
"""The structs agree with the lines that a sampler writes."""

import msgspec
import pytest

from nicarbon import records


@pytest.mark.parametrize(
    ("struct", "kind"),
    [
        (records.Host, "host"),
        (records.Sample, "sample"),
        (records.Gone, "gone"),
        (records.Close, "close"),
    ],
)
def test_every_line_is_told_apart_by_its_kind(struct, kind):
    assert struct.__struct_config__.tag == kind
    assert struct.__struct_config__.tag_field == "kind"


def test_structs_are_frozen():
    with pytest.raises(AttributeError):
        records.Gone("h-1-2-0", 5).span = "other"


def test_a_record_survives_being_written_and_read():
    sample = records.Sample(1, 2, 3.5, {"package-0": 12, "dram-0": None}, spans={"h-1-2-0": 0.25})
    again = msgspec.json.decode(msgspec.json.encode(sample), type=records.Sample)
    assert again == sample
    assert again.readings["dram-0"] is None
