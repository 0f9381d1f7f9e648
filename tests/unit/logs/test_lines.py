# SPDX-License-Identifier: Apache-2.0
import gzip

import pytest

from nicarbon.errors import LogError
from nicarbon.logs.lines import LONGEST, head, lines, text


def read(path):
    problems = []
    return list(lines(path, problems)), problems


def test_ends_of_lines_of_every_system_are_taken_off(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\nthree")
    assert read(path) == ([b"one", b"two", b"three"], [])


def test_a_gzipped_log_is_read_whatever_its_name(tmp_path):
    path = tmp_path / "recon-all.log"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert read(path) == ([b"one", b"two"], [])
    assert head(path) == b"one\ntwo\n"


def test_of_a_cut_gzip_stream_the_beginning_is_read_and_the_cut_is_said(tmp_path):
    path = tmp_path / "recon-all.log.gz"
    content = b"".join(b"%d one line that can be told from others\n" % i for i in range(50000))
    path.write_bytes(gzip.compress(content)[:60000])
    found, problems = read(path)
    assert found[:2] == [b"%d one line that can be told from others" % i for i in range(2)]
    assert 1000 < len(found) < 50000
    assert problems == ["its gzip stream is cut or damaged: what follows is lost"]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "long.log"
    path.write_bytes(b"x" * (3 * LONGEST) + b"\nnext\n")
    found, _ = read(path)
    assert [len(line) for line in found] == [LONGEST, 4]


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(LogError, match=r"gone\.log: cannot be read"):
        read(tmp_path / "gone.log")
    with pytest.raises(LogError, match="cannot be read"):
        read(tmp_path)
    path = tmp_path / "wide.log"
    path.write_text("recon-all", encoding="utf-16")
    with pytest.raises(LogError, match="UTF-16"):
        read(path)


def test_bytes_that_are_no_utf8_are_read_as_latin1():
    assert text("mié".encode()) == text("mié".encode("latin-1")) == "mié"
