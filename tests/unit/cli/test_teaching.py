# SPDX-License-Identifier: Apache-2.0
"""What ``--taught-by`` reads; what it changes is in tests/unit/test_pooled.py."""

from __future__ import annotations

import argparse

import pytest

from nicarbon.cli.teaching import add_taught, taught_by


def given(*argv):
    parser = argparse.ArgumentParser()
    add_taught(parser)
    return parser.parse_args(argv).taught_by


def test_without_runs_nothing_is_learned():
    assert taught_by(given()) == (None, [])


@pytest.mark.parametrize("path", ["/nowhere", "/dev/null"])
def test_a_run_that_cannot_be_read_is_named_and_teaches_nothing(path):
    watts, unread = taught_by(given("--taught-by", path))
    assert watts == {}
    assert [path in line for line in unread] == [True]


def test_several_options_are_several_runs():
    assert given("--taught-by", "a", "--taught-by", "b/*") == ["a", "b/*"]
