# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.errors import LogError
from nicarbon.imports.discovery import find


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_each_subject_is_a_run_of_the_best_logs_that_it_has(tmp_path):
    touch(tmp_path, "bert/scripts/recon-all.log", "bert/scripts/recon-all-status.log")
    touch(tmp_path, "ernie/scripts/recon-all-status.log", "ernie/mri/orig.mgz")
    touch(tmp_path, "fast/scripts/recon-all.log", "fast/scripts/deep-seg.log")
    touch(tmp_path, "fast/scripts/recon-surf.log")
    touch(tmp_path, "sides/scripts/recon-all-lh.log", "sides/scripts/recon-all-rh.log.gz")
    found = {one.name: [path.name for path in one.paths] for one in find([str(tmp_path)])}
    assert found == {
        "bert": ["recon-all.log"],
        "ernie": ["recon-all-status.log"],
        "fast": ["deep-seg.log", "recon-surf.log"],
        "sides": ["recon-all-lh.log", "recon-all-rh.log.gz"],
    }


def test_a_log_that_is_given_is_taken_whatever_its_name(tmp_path):
    touch(tmp_path, "of-bert.txt")
    (one,) = find([str(tmp_path / "of-bert.txt")])
    assert one.name == "of-bert"


def test_a_folder_without_logs_and_a_place_that_is_not_there_are_said(tmp_path):
    with pytest.raises(LogError, match="no log is below this folder"):
        find([str(tmp_path)])
    with pytest.raises(LogError, match="no such file"):
        find([str(tmp_path / "gone")])
