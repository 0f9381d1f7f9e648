# SPDX-License-Identifier: Apache-2.0
import os
import threading

import pytest

from nicarbon.errors import OutputError
from nicarbon.files import write_whole


def test_the_new_content_is_in_place_of_the_old(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, "one\n")
    write_whole(path, b"two\xff")
    assert path.read_bytes() == b"two\xff"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(OutputError, match=r"none/a\.txt: cannot be written \(No such file"):
        write_whole(tmp_path / "none" / "a.txt", "one")
    with pytest.raises(OutputError, match=r"\(Is a directory\); try another$"):
        write_whole(tmp_path, "one", "try another")
    assert os.listdir(tmp_path) == []


def test_a_failure_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write_whole(path, "one")
    reader.join(10)
    assert read == [b"one"]
    assert path.is_fifo()
