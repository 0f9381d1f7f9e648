# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys

import pytest

from nicarbon.engines import near


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("smriprp", ["smriprep", "fmriprep", "mriqc"], "; did you mean 'smriprep' or 'fmriprep'?"),
        ("multiproc", ["MultiProc", "Linear"], "; did you mean 'MultiProc'?"),
        ("xyz", ["smriprep"], ""),
        ("x", [], ""),
    ],
)
def test_near_names_are_offered(name, known, said):
    assert near.did_you_mean(name, known) == said


def test_no_more_than_a_line_holds():
    assert near.did_you_mean("node", [f"node{n}" for n in range(9)]).count("'") == 6


def test_commands_of_this_environment():
    assert "nipypecli" in near.commands()


def test_files_as_they_were_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    for name in ("here.py", "code/there.py", "code/notes.txt"):
        (tmp_path / name).touch()
    assert near.files_beside("her.py") == {"here.py"}
    assert near.files_beside("code/ther.py") == {"code/there.py"}
    assert near.files_beside("nowhere/x.py") == set()


def test_modules_of_a_package_that_was_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline_of_mine.py").touch()
    assert "pipeline_of_mine" in near.modules_beside("pipelin")
    assert "nicarbon.engines.near" in near.modules_beside("nicarbon.engines.nea")
    assert "never_imported" not in sys.modules
    assert near.modules_beside("never_imported.x") == set()
