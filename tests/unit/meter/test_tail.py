# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import time

import pytest

from nicarbon.meter.tail import Tail

STEP = re.compile(rb"^(step .*)\r?$", re.MULTILINE)
RUN = re.compile(rb"^run .*$", re.MULTILINE)
LONG_AGO = 1_000_000_000
FUTURE = 10_000_000_000


@pytest.fixture
def log(tmp_path):
    return tmp_path / "a.log"


def tail(log):
    return Tail(str(log), STEP, RUN)


def add(log, text):
    with log.open("ab") as file:
        file.write(text)


def test_only_new_lines_that_the_pattern_fits_are_returned(log):
    following = tail(log)
    assert following.read() == []  # It is not there yet.
    add(log, b"step a\nnoise\n step b\nstep c\r\n")
    assert following.read() == [b"step a", b"step c\r"]
    assert following.read() == []
    add(log, b"step d\n")
    assert following.read() == [b"step d"]


def test_a_line_counts_when_it_is_whole(log):
    following = tail(log)
    add(log, b"step a\nste")
    assert following.read() == [b"step a"]
    add(log, b"p b")
    assert following.read() == []
    add(log, b"\n")
    assert following.read() == [b"step b"]


def test_what_an_older_run_wrote_is_passed_over(log):
    add(log, b"run 1\nstep old\n")
    following = tail(log)
    following.begin(FUTURE)  # Nothing was written since.
    add(log, b"run 2\nstep new\n")
    assert following.read() == [b"step new"]


def test_of_a_log_that_was_written_since_the_last_run_counts(log):
    add(log, b"run 1\nstep old\nrun 2\nstep new\n")
    following = tail(log)
    following.begin(LONG_AGO)
    assert following.read() == [b"step new"]


def test_a_short_new_log_without_a_header_counts_as_a_whole(log):
    add(log, b"step a\n")
    following = tail(log)
    following.begin(LONG_AGO)
    assert following.read() == [b"step a"]


def test_a_log_that_is_written_anew_is_read_from_its_start(log):
    add(log, b"step a\nstep b\n")
    following = tail(log)
    assert len(following.read()) == 2
    log.write_bytes(b"step c\n")
    assert following.read() == [b"step c"]


def test_a_log_that_was_rotated_or_removed_is_opened_again(log, tmp_path):
    add(log, b"step a\n")
    following = tail(log)
    following.read()
    log.rename(tmp_path / "old.log")
    assert following.read() == []
    add(log, b"step b\n")
    found = following.read() + following.read()
    assert found == [b"step b"]
    log.unlink()
    assert following.read() == []
    add(log, b"step c\n")
    assert following.read() + following.read() == [b"step c"]
    following.close()


@pytest.mark.parametrize("kind", ["fifo", "folder", "loop"])
def test_what_is_no_log_is_a_problem_and_no_wait(log, kind):
    if kind == "fifo":
        os.mkfifo(log)
    elif kind == "folder":
        log.mkdir()
    else:
        log.symlink_to(log)
    following = tail(log)
    assert following.read() == []
    assert following.problem
    assert following.read() == []


def test_a_name_that_no_file_can_have_is_a_problem():
    following = Tail("a\0b", STEP, RUN)
    assert following.read() == []
    assert following.problem


def test_a_huge_log_is_caught_up_with_look_by_look(log):
    with log.open("wb") as file:
        file.write(b"step first\n")
        file.truncate(500 << 20)  # Half a gigabyte of what is no line.
    add(log, b"\nstep last\n")
    following = tail(log)
    began = time.monotonic()
    assert following.read() == [b"step first"]
    assert not following.at_end
    assert time.monotonic() - began < 5
    found = []
    for _ in range(600):
        found += following.read()
    assert following.at_end
    assert found == [b"step last"]


def test_whoever_waits_for_the_reader_of_a_fifo_goes_on_waiting(log):
    os.mkfifo(log)
    tail(log).read()
    with pytest.raises(OSError, match="No such device"):  # ENXIO: nobody reads.
        os.open(log, os.O_WRONLY | os.O_NONBLOCK)
