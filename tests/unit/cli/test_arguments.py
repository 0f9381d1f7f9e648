# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse

import pytest

from nicarbon.cli import arguments


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    arguments.add_runs(parser)
    arguments.add_rows(parser)
    arguments.add_format(parser)
    return parser


def test_defaults_are_a_table_of_stages_by_the_built_in_rules(parser):
    assert vars(parser.parse_args(["a", "b"])) == {
        "runs": ["a", "b"],
        "by": "stage",
        "stages": None,
        "format": "table",
    }


@pytest.mark.parametrize("mistake", [[], ["a", "--format", "xml"]])
def test_no_run_and_no_such_format_are_mistakes(parser, mistake):
    with pytest.raises(SystemExit) as left:
        parser.parse_args(mistake)
    assert left.value.code == 2


def test_a_verb_without_rows_offers_the_formats_that_it_has(capsys):
    parser = argparse.ArgumentParser()
    arguments.add_format(parser, ["json"])
    assert parser.parse_args(["--format", "json"]).format == "json"
    with pytest.raises(SystemExit):
        parser.parse_args(["--format", "tsv"])
    assert "json for programs" in parser.format_help()
