# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.meter.procstat import parse_stat, read_file


def stat_of(host, pid):
    return parse_stat((host.root / f"proc/{pid}/stat").read_bytes())


def test_a_name_with_brackets_and_spaces_is_no_trouble(host):
    host.process(7, parent=3, comm="a) (b) S 9", own=5, reaped=6, starttime=77)
    stat = stat_of(host, 7)
    assert (stat.comm, stat.ppid, stat.utime, stat.cutime) == ("a) (b) S 9", 3, 5, 6)
    assert (stat.starttime, stat.n_threads, stat.ended) == (77, 1, False)


def test_memory_is_in_pages_and_none_where_an_old_line_ends_before_it(host):
    host.process(7, rss_pages=12)
    assert stat_of(host, 7).rss_pages == 12
    line = (host.root / "proc/7/stat").read_bytes()
    assert parse_stat(line.rsplit(None, 3)[0]).rss_pages == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"7", b"7 (sh", b"7 (sh) S 1", b"7 (sh) S" + b" x" * 30, b"x (sh) S" + b" 1" * 30],
)
def test_a_torn_line_is_no_process(data):
    assert parse_stat(data) is None


def test_a_zombie_has_ended_but_one_whose_threads_live_on_has_not(host):
    host.process(7, state="Z")
    host.process(8, state="Z", n_threads=3)
    assert stat_of(host, 7).ended
    assert not stat_of(host, 8).ended


@pytest.mark.parametrize("size", [0, 9, 10, 11, 1000])
def test_a_file_longer_than_one_read_is_read_whole(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    assert read_file(str(path), 10) == b"x" * size


def test_what_cannot_be_read_is_none(tmp_path):
    assert read_file(str(tmp_path / "none")) is None
    assert read_file(str(tmp_path)) is None
