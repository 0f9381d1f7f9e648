# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from nicarbon.cli.expected import absent, expected, name_of, state
from nicarbon.errors import NicarbonError
from nicarbon.meter.processes import ProcFS
from nicarbon.run import Run


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("7", ["7"]),
        ("1-3", ["1", "2", "3"]),
        ("1-3%20", ["1", "2", "3"]),
        ("0-10:5,3", ["0", "5", "10", "3"]),
        ("1,1-2", ["1", "2"]),
    ],
)
def test_task_numbers_as_sbatch_takes_them(text, names):
    assert expected(text) == names


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "1-9:0", "-1", "1,,2", "0-99999999999"])
def test_what_is_no_list_is_one_line(text):
    with pytest.raises(NicarbonError, match="--expect: "):
        expected(text)


def test_a_file_of_names(tmp_path):
    path = tmp_path / "subjects.txt"
    path.write_text("sub-01\n\n  sub-02 \nruns/sub-03/\nsub-01\n")
    assert expected(str(path)) == ["sub-01", "sub-02", "sub-03"]
    path.write_bytes(b"\xff\n")
    with pytest.raises(NicarbonError, match="cannot be read"):
        expected(str(path))


def test_names_without_a_run():
    assert name_of("runs/sub-01/") == "sub-01"
    assert absent(["1", "2", "3"], ["runs/1", "elsewhere/3/"]) == ["2"]


@pytest.fixture
def stands(run_folders, tmp_path):
    def stand(**given):
        folder = run_folders.write(
            tmp_path / f"{len(os.listdir(tmp_path))}", run_folders.facts(**given)
        )
        return folder, lambda: state(Run.open(folder).summary())

    return stand


def age(folder, seconds):
    for path in folder.iterdir():
        os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def test_a_run_that_said_how_it_ended(stands):
    _, how = stands()
    assert how() == "failed"


def test_a_run_without_an_end_is_going_on_or_dead(stands):
    folder, how = stands(killed=True)
    assert how() == "going on"
    age(folder, 3600)
    assert how() == "dead"


def test_a_run_of_this_host_is_known_at_once(stands, run_folders):
    folder, how = stands(killed=True)
    age(folder, 3600)
    namespace = ProcFS("/").pid_namespace()
    key = ProcFS("/").key(os.getpid())
    path = folder / f"nodes-{key}.jsonl"
    path.write_text(f'{{"kind":"process","pid_namespace":{namespace}}}\n')
    assert how() == "going on"


def test_a_run_that_recorded_nothing(tmp_path):
    (tmp_path / "run.json").write_text('{"run_id":"x","t_unix_ns":1}')
    assert state(Run.open(tmp_path).summary()) == "no record"


def test_a_run_that_vanished(stands):
    folder, _ = stands(killed=True)
    summary = Run.open(folder).summary()
    folder.rename(folder.with_name("moved"))
    assert state(summary) == "dead"
