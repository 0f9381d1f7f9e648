# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.errors import RunFolderError
from nicarbon.imports.folders import write_folder
from nicarbon.reader import read_run


def test_what_is_written_is_read_as_it_was(tmp_path, run_folders):
    write_folder(tmp_path / "run", run_folders.facts())
    assert read_run(tmp_path / "run") == run_folders.facts()


def test_a_folder_that_holds_something_is_left_alone(tmp_path, run_folders):
    (tmp_path / "precious").write_text("data")
    with pytest.raises(RunFolderError, match="give another folder with -o"):
        write_folder(tmp_path, run_folders.facts())
    assert [p.name for p in tmp_path.iterdir()] == ["precious"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path, run_folders):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be made"):
        write_folder(tmp_path / "file" / "run", run_folders.facts())
