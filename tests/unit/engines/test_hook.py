# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import sys

import pytest

from nicarbon.engines.hook import after_import


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that can be imported and has not been."""
    (tmp_path / "imported_late.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "imported_late"
    sys.modules.pop("imported_late", None)


def test_it_waits_until_the_module_is_there(module):
    seen, finders = [], list(sys.meta_path)
    after_import(module, lambda found: seen.append(found.value))
    importlib.import_module("colorsys")
    assert importlib.util.find_spec(module) is not None
    assert seen == []
    importlib.import_module(module)
    assert seen == [1]
    assert sys.meta_path == finders


def test_a_module_that_is_there_is_given_at_once(module):
    there = importlib.import_module(module)
    seen = []
    after_import(module, seen.append)
    assert seen == [there]


def test_a_module_that_does_not_exist_fails_as_ever():
    finders = list(sys.meta_path)
    seen = []
    after_import("no_such_module_at_all", seen.append)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module_at_all")
    assert seen == []
    sys.meta_path[:] = finders


def test_two_who_wait_for_one_module_both_get_it(module):
    seen = []
    after_import(module, lambda found: seen.append("first"))
    after_import(module, lambda found: seen.append("second"))
    importlib.import_module(module)
    assert sorted(seen) == ["first", "second"]
