# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import json
import os
import sys
from math import fsum
from pathlib import Path

import msgspec
import pytest

from nicarbon.errors import NicarbonError, OutputError
from nicarbon.reports import bids

NODES = {
    "prep.sub_01_wf.ses_a_wf.fast": 10.0,
    "prep.sub_01_wf.ses_b_wf.fast": 20.0,
    "prep.sub_01_wf.recon": 5.0,
    "prep.sub_02_wf.fast": 7.0,
    "prep.average": 1.0,
}


@pytest.fixture
def run(run_folders):
    """A run of two subjects, one of them in two sessions, and a node of none."""

    def make(run_id="run-1", factor=1.0, nodes=NODES):
        spans = [run_folders.span(name, energy_j=factor * j) for name, j in nodes.items()]
        made = run_folders.run(spans, [run_folders.host(factor * fsum(nodes.values()))])
        made.facts = msgspec.structs.replace(
            made.facts, info=msgspec.structs.replace(made.facts.info, run_id=run_id)
        )
        return made

    return make


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def energies(folder, name):
    """Joules by run of all tables of a kind."""
    found = {}
    for path in folder.rglob(f"*{name}_footprint.tsv"):
        for row in table(path):
            found[row["run_id"]] = found.get(row["run_id"], 0.0) + float(row["energy_j"])
    return found


def test_where_everything_is(run, tmp_path):
    folder, lacking = bids.write(run(), tmp_path)
    assert (folder, lacking) == (tmp_path / "nicarbon", None)
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == [
        ".bidsignore",
        "README",
        "dataset_description.json",
        "desc-hosts_footprint.json",
        "desc-hosts_footprint.tsv",
        "desc-nodes_footprint.json",
        "desc-nodes_footprint.tsv",
        "desc-stages_footprint.json",
        "desc-stages_footprint.tsv",
        "logs/CITATION-nicarbon.md",
        "sub-01/figures/sub-01_desc-stages_footprint.svg",
        "sub-01/figures/sub-01_ses-a_desc-stages_footprint.svg",
        "sub-01/figures/sub-01_ses-b_desc-stages_footprint.svg",
        "sub-01/ses-a/sub-01_ses-a_desc-nodes_footprint.tsv",
        "sub-01/ses-a/sub-01_ses-a_desc-stages_footprint.tsv",
        "sub-01/ses-b/sub-01_ses-b_desc-nodes_footprint.tsv",
        "sub-01/ses-b/sub-01_ses-b_desc-stages_footprint.tsv",
        "sub-01/sub-01_desc-nodes_footprint.tsv",
        "sub-01/sub-01_desc-stages_footprint.tsv",
        "sub-02/figures/sub-02_desc-stages_footprint.svg",
        "sub-02/sub-02_desc-nodes_footprint.tsv",
        "sub-02/sub-02_desc-stages_footprint.tsv",
    ]


def test_the_sum_is_kept(run, tmp_path):
    folder, _ = bids.write(run(), tmp_path)
    (host,) = table(folder / "desc-hosts_footprint.tsv")
    nodes_j = float(host["nodes_j"])
    assert nodes_j == 43.0
    assert energies(folder, "stages") == energies(folder, "nodes") == {"run-1": nodes_j}
    others = ("engine_j", "meter_j", "other_j", "unattributed_j", "residual_j")
    assert fsum([nodes_j, *(float(host[key]) for key in others)]) == float(host["energy_j"])


def test_rows_of_a_subject(run, tmp_path):
    folder, _ = bids.write(run(), tmp_path)
    (row,) = table(folder / "sub-01/ses-b/sub-01_ses-b_desc-nodes_footprint.tsv")
    assert (row["name"], row["energy_j"]) == ("prep.sub_01_wf.ses_b_wf.fast", "20.0")
    assert (row["carbon_g"], row["method"]) == ("n/a", "measured")
    (row,) = table(folder / "desc-nodes_footprint.tsv")
    assert row["name"] == "prep.average"


def test_every_column_is_described_and_has_a_unit(run, tmp_path):
    folder, _ = bids.write(run(), tmp_path)
    for path in folder.rglob("*.tsv"):
        name = path.stem[path.stem.index("desc-") :]
        about = json.loads((folder / f"{name}.json").read_text())
        for column in table(path)[0]:
            assert about[column]["Description"].endswith(".")
            unit = {"j": "J", "s": "s", "g": "g"}.get(column.rpartition("_")[2])
            assert about[column].get("Units") == unit or unit is None


def test_another_run_is_added_and_the_same_one_replaced(run, tmp_path):
    bids.write(run(), tmp_path)
    bids.write(run("run-2", 2.0), tmp_path)
    folder, _ = bids.write(run("run-1", 3.0), tmp_path)
    assert energies(folder, "stages") == energies(folder, "nodes") == {"run-1": 129, "run-2": 86}
    hosts = table(folder / "desc-hosts_footprint.tsv")
    assert sorted(row["run_id"] for row in hosts) == ["run-1", "run-2"]
    text = (folder / "logs/CITATION-nicarbon.md").read_text()
    assert text.count("# Run run-1\n") == text.count("# Run run-2\n") == 1


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    def content(folder):
        return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    folder, _ = bids.write(run(), tmp_path)
    before = content(folder)
    bids.write(run(), tmp_path)
    assert content(folder) == before


def test_the_figure_says_whose_it_is(run, tmp_path):
    folder, _ = bids.write(run(), tmp_path)
    figure = folder / "sub-01/figures/sub-01_ses-a_desc-stages_footprint.svg"
    assert "Energy of sub-01 ses-a in run run-1 by stage" in figure.read_text()


def test_the_description(run, tmp_path):
    beside = [{"URL": "https://example.org/ds1"}]
    (tmp_path / "dataset_description.json").write_text(json.dumps({"SourceDatasets": beside}))
    folder, _ = bids.write(run(), tmp_path)
    path = folder / "dataset_description.json"
    about = json.loads(path.read_text())
    assert about["DatasetType"] == "derivative"
    assert about["SourceDatasets"] == beside
    assert [made["Name"] for made in about["GeneratedBy"]] == ["nicarbon"]
    older = about | {"GeneratedBy": [{"Name": "nicarbon", "Version": "0.0.1"}]}
    path.write_text(json.dumps(older))
    bids.write(run(), tmp_path)
    versions = [made["Version"] for made in json.loads(path.read_text())["GeneratedBy"]]
    assert versions[1:] == ["0.0.1"]
    assert len(versions) == 2


def test_without_matplotlib_there_are_no_figures_and_it_says_why(run, tmp_path, monkeypatch):
    for name in [*sys.modules]:
        if name.startswith("matplotlib") or name == "nicarbon.reports.figure":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    folder, lacking = bids.write(run(), tmp_path)
    assert "nicarbon[report]" in lacking
    assert list(folder.rglob("*.svg")) == []
    assert energies(folder, "stages") == {"run-1": 43.0}


@pytest.mark.parametrize("about", [None, "{", "{}", '{"GeneratedBy": [{"Name": "other"}]}'])
def test_a_folder_of_somebody_else_is_left_alone(run, tmp_path, about):
    folder = tmp_path / "nicarbon"
    folder.mkdir()
    (folder / "mine.txt").touch()
    if about is not None:
        (folder / "dataset_description.json").write_text(about)
    before = sorted(folder.iterdir())
    with pytest.raises(NicarbonError, match="no derivative of nicarbon's: move it"):
        bids.write(run(), tmp_path)
    assert sorted(folder.iterdir()) == before


def test_what_is_a_file_is_no_folder(tmp_path):
    (tmp_path / "nicarbon").touch()
    with pytest.raises(NicarbonError, match="no derivative of nicarbon's"):
        bids.target(tmp_path)


def test_what_can_not_be_written_is_one_line(run, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        bids.write(run(), tmp_path / "out")


def test_hostile_names_stay_in_their_cells(run, tmp_path):
    name = "prep.sub_01_wf.a\tb\nc" + "x" * 500
    folder, _ = bids.write(run(nodes={name: 3.0}), tmp_path)
    (row,) = table(folder / "sub-01/sub-01_desc-nodes_footprint.tsv")
    assert row["name"] == name.replace("\t", " ").replace("\n", " ")
    assert None not in row


def test_a_folder_that_another_process_has_just_begun_is_no_stranger(tmp_path):
    folder = tmp_path / "nicarbon"
    folder.mkdir()
    (folder / ".bidsignore").write_text("")
    (folder / "dataset_description.json.1.part").write_text("{")
    assert bids.target(tmp_path) == folder
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(NicarbonError):
        bids.target(tmp_path)


def test_writers_wait_for_one_another(run, tmp_path):
    made = [run(f"run-{n}") for n in range(4)]
    children = []
    for one in made:
        child = os.fork()
        if child == 0:
            try:
                bids.write(one, tmp_path)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    folder = Path(tmp_path / "nicarbon")
    assert energies(folder, "stages") == {f"run-{n}": 43.0 for n in range(4)}
