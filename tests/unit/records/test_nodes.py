# SPDX-License-Identifier: Apache-2.0
"""The structs agree with the lines that the meter writes where a node runs."""

import msgspec
import pytest

from nicarbon import records


@pytest.mark.parametrize(
    ("struct", "kind"),
    [
        (records.Process, "process"),
        (records.Start, "start"),
        (records.End, "end"),
        (records.Cached, "cached"),
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


def test_a_line_of_any_kind_is_read_as_that_kind():
    line = b'{"kind":"cached","span":"h-1-2-0","node":"wf.a","t_monotonic_ns":5,"t_unix_ns":6}'
    read = msgspec.json.decode(line, type=records.Process | records.Start | records.Cached)
    assert isinstance(read, records.Cached)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(line, type=records.Process | records.Start)
