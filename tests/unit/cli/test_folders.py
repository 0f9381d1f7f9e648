# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.cli.folders import complain, each, expand
from nicarbon.errors import RunFolderError, StageRuleError


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b", "a", "[x]"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("no run")
    return tmp_path


def test_a_pattern_gives_folders_once_in_the_order_asked(folders):
    assert expand(["b", "*", "c*", "missing"]) == (["b", "[x]", "a", "missing"], ["c*"])


def test_a_folder_named_like_a_pattern(folders):
    assert expand(["[x]"]) == (["[x]"], [])


def test_what_fails_hides_no_other(folders):
    def do(path):
        if path == "a":
            raise RunFolderError("a: is broken")
        return path.upper()

    assert each(["a", "b", "c*"], do) == ({"b": "B"}, ["c*: no folder matches", "a: is broken"])


def test_rules_that_are_wrong_for_all_stop_at_the_first(folders):
    tried = []

    def do(path):
        tried.append(path)
        raise StageRuleError("mine.toml: is wrong")

    with pytest.raises(StageRuleError):
        each(["a", "b"], do)
    assert tried == ["a"]


def test_only_mistakes_that_a_line_explains_are_caught(folders):
    with pytest.raises(ZeroDivisionError):
        each(["a"], lambda path: 1 / 0)
    assert each(["a"], lambda path: 1 / 0, ZeroDivisionError) == ({}, ["division by zero"])


def test_complaints_obey_no_hostile_name(capsys):
    assert complain([]) == 0
    assert complain(["a\x1b[31m: is broken\nnicarbon: all is well"]) == 2
    assert capsys.readouterr().err == "nicarbon: a�[31m: is broken�nicarbon: all is well\n"
