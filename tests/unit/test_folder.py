# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.errors import RunFolderError
from nicarbon.folder import RecordFiles, settled
from nicarbon.meter import pack
from nicarbon.meter.gather import gather
from nicarbon.reader import read_run
from nicarbon.run import Run

NAME = "nodes-0123456789ab-1-1.jsonl"


@pytest.fixture
def run(run_folders, tmp_path):
    return run_folders.write(tmp_path / "run", run_folders.facts())


def test_loose_packed_and_both_are_one_list(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / NAME).write_bytes(b"a\n")
    pack.write(
        str(tmp_path / "records-1.jsonl.gz"),
        [pack.Entry(NAME, b"a\n"), pack.Entry("samples-x-1-1.jsonl", b"s\n")],
    )
    pack.write(str(tmp_path / "records-2.jsonl.gz"), [pack.Entry(NAME, b"a\n")])
    files = RecordFiles(tmp_path)
    assert files.names == [NAME, "run.json", "samples-x-1-1.jsonl"]
    assert [files.content(name) for name in files.names] == [b"a\n", b"{}", b"s\n"]


def test_what_is_whole_in_a_damaged_pack_is_read_and_the_damage_counted(run):
    done = gather(str(run), force=True)
    facts = read_run(run)
    path = run / done.pack
    path.write_bytes(path.read_bytes()[:-9])
    damaged = read_run(run)
    assert damaged.n_skipped_lines == facts.n_skipped_lines + 1
    assert damaged.node_files == facts.node_files
    assert any("skipped" in note for note in Run.open(run).summary().notes)


def test_it_is_read_again_when_files_move_into_a_pack(run):
    facts, looks = read_run(run), []

    def read(files):
        looks.append(files.names)
        if len(looks) == 1:
            gather(str(run), force=True)
        return [files.content(name) for name in files.names]

    settled(run, read)
    assert len(looks) == 2
    assert looks[0] == looks[1]
    assert read_run(run) == facts


def test_files_that_vanish_for_good_are_one_line(run):
    def read(files):
        raise FileNotFoundError(NAME)

    with pytest.raises(RunFolderError, match="files vanish while it is read"):
        settled(run, read)
