# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import json

import pytest

from nicarbon.meter import pack
from nicarbon.meter.pack import Entry

ENTRIES = [
    Entry("nodes-ab-1-2.jsonl", b'{"kind":"process"}\n{"kind":"sta'),
    Entry("samples-ab-3-4.jsonl", b"\n\xff\x00 no line at all\n\n"),
    Entry("graph-ab-1-2-0.json", b""),
]


def test_what_was_written_is_read_back_byte_for_byte(tmp_path):
    path = str(tmp_path / pack.new_name())
    pack.write(path, iter(ENTRIES))
    assert list(pack.read(path)) == ENTRIES


def test_it_is_json_lines_where_its_files_are(tmp_path):
    path = tmp_path / "x.gz"
    pack.write(str(path), [Entry("nodes-a-1-1.jsonl", b'{"a":1}'), Entry("jobs-1.json", b"{}\n")])
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert json.loads(lines[0]) == {"kind": "file", "name": "nodes-a-1-1.jsonl", "bytes": 7}
    assert [json.loads(line) for line in lines[1:3]] == [
        {"a": 1},
        {"kind": "file", "name": "jobs-1.json", "bytes": 3},
    ]


def test_the_same_files_give_the_same_bytes(tmp_path):
    for name in "ab":
        pack.write(str(tmp_path / name), ENTRIES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nothing_is_ever_written_over(tmp_path):
    (tmp_path / "a").write_bytes(b"somebody's")
    with pytest.raises(FileExistsError):
        pack.write(str(tmp_path / "a"), ENTRIES)
    assert len({pack.new_name() for _ in range(100)}) == 100


def test_a_pack_that_was_cut_gives_what_is_whole_and_says_so(tmp_path):
    path = tmp_path / "records-1.jsonl.gz"
    pack.write(str(path), ENTRIES)
    whole = path.read_bytes()
    # An empty file is an empty gzip to the standard library.
    for size in range(1, len(whole)):
        path.write_bytes(whole[:size])
        found = []
        with pytest.raises(pack.DamagedError, match="records-1"):
            found.extend(pack.read(str(path)))
        assert found == ENTRIES[: len(found)]


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{}",
        b"no JSON",
        b'{"name":"../nodes-a-1-1.jsonl","bytes":0}',
        b'{"name":"/etc/passwd","bytes":0}',
        b'{"name":"report.html","bytes":0}',
        b'{"name":"nodes-a-1-1.jsonl","bytes":-1}',
        b'{"name":"nodes-a-1-1.jsonl","bytes":999}',
        b'{"name":"nodes-a-1-1.jsonl","bytes":"x"}',
        b"[" * 100_000,
    ],
)
def test_what_no_meter_wrote_is_damage(tmp_path, line):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(line + b"\n\n"))
    with pytest.raises(pack.DamagedError):
        list(pack.read(str(path)))


def test_what_is_no_gzip_is_damage(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(b"plain")
    with pytest.raises(pack.DamagedError):
        list(pack.read(str(path)))


@pytest.mark.parametrize(
    ("name", "is_record"),
    [
        ("nodes-708abc383c67-6841-1127342.jsonl", True),
        ("graph-708abc383c67-6841-1127342-0.json", True),
        ("samples-a-1-1.jsonl.part", False),
        ("run.json", False),
        ("price.json", False),
        ("report.html", False),
        ("nodes.tsv", False),
        ("my-nodes-1.jsonl", False),
    ],
)
def test_files_of_users_are_not_ours(name, is_record):
    assert pack.is_record(name) is is_record
    assert not pack.is_pack(name)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([b"a\nb\n", b"a\nb\n"], b"a\nb\n"),
        ([b"a\nb", b"a\nb\nc\n"], b"a\nb\nc\n"),
        ([b"a\nb\n", b"a\n"], b"a\nb\n"),
        ([b"a\nto", b"b\n"], b"a\nto\nb\n"),
        ([b"a\n", b"b\n", b"a\n", b"b\n"], b"a\nb\n"),
        ([b"a\nto"], b"a\nto"),
        ([b"", b"a\n", b""], b"a\n"),
        ([], b""),
    ],
)
def test_copies_count_once_and_parts_are_joined(parts, whole):
    assert pack.combine("nodes-a-1-1.jsonl", parts) == whole


def test_of_files_that_are_replaced_the_last_counts():
    assert pack.combine("jobs-1.json", [b'{"a": 1}', b'{"b": 2}']) == b'{"b": 2}'
