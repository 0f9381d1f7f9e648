# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import networkx as nx
import pytest

from nicarbon.errors import NicarbonError, RunFolderError, StageRuleError
from nicarbon.graph import fold
from nicarbon.run import Run


@pytest.fixture
def spans(run_folders):
    return run_folders.few()


def test_an_unknown_grouping_is_named(run_folders):
    run = run_folders.run([])
    for ask in (run.summary, run.folded):
        with pytest.raises(NicarbonError, match=r"'subjcet': .*did you mean subject\?"):
            ask("subjcet")


def test_the_graph_is_made_once_and_follows_the_price(run_folders, spans, tmp_path):
    run = Run.open(run_folders.write(tmp_path / "run", run_folders.facts()))
    graph = run.graph
    assert run.graph is graph
    run.bottlenecks()
    run.summary("workflow")
    assert run.graph is graph
    with pytest.raises(nx.NetworkXError):
        graph.add_node("mine")
    assert graph.nodes["wf.strip"]["carbon_g"] is None
    run.price(intensity=360.0)
    grams = run.graph.nodes["wf.strip"]["energy_j"] * 1e-4
    assert run.graph.nodes["wf.strip"]["carbon_g"] == pytest.approx(grams)
    assert run.footprint.nodes["brain extraction"]["carbon_g"] == pytest.approx(grams)


def test_own_rules_reach_the_graph(run_folders, spans, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nprogram = "bet"\n')
    run = run_folders.run(spans)
    assert "mine" in run.folded("stage", path)
    path.write_text('[stages]\nours = "x"\n[[rule]]\nstage = "ours"\nprogram = "bet"\n')
    assert "ours" in run.folded("stage", path)
    assert "ours" not in run.footprint


def test_own_stage_rules(run_folders, spans, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nprogram = "bet"\n')
    names = {row.name for row in run_folders.run(spans).summary(stages_file=path).rows}
    assert names == {"segmentation", "mine", "smoothing and filtering"}
    path.write_text("[[rule]]\n")
    with pytest.raises(StageRuleError):
        run_folders.run(spans).summary(stages_file=path)


class TestFolders:
    def test_an_ended_run(self, run_folders, tmp_path):
        run = Run.open(run_folders.write(tmp_path / "run", run_folders.facts()))
        summary = run.summary("node")
        assert [(row.name, row.n_failed) for row in summary.rows] == [
            ("wf.fast", 1),
            ("wf.strip", 0),
            ("wf.mask", 0),
        ]
        assert summary.total.energy_j == pytest.approx(80.0)
        assert summary.missing == ("wf.smooth",)
        assert run.attribution.hosts[0].energy_j == pytest.approx(100.0)

    def test_the_same_folder_gives_the_same_summary(self, run_folders, tmp_path):
        folder = run_folders.write(tmp_path / "run", run_folders.facts())
        assert Run.open(folder).summary() == Run.open(str(folder)).summary()

    def test_a_missing_folder(self, tmp_path):
        with pytest.raises(RunFolderError):
            Run.open(tmp_path / "none")


def test_a_summary_loads_neither_pandas_nor_networkx(run_folders, tmp_path):
    folder = run_folders.write(tmp_path / "run", run_folders.facts())
    code = (
        "import sys; from nicarbon.cli import main; "
        f"code = main(['summary', {str(folder)!r}]); "
        "loaded = {'pandas', 'networkx', 'nipype', 'nicarbon.meter.recorder'} & set(sys.modules); "
        "sys.exit(code or (repr(loaded) if loaded else 0))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_price_reaches_rows_graph_and_tables(run_folders, tmp_path):
    folder = run_folders.write(tmp_path / "run", run_folders.facts())
    run = Run.open(folder)
    assert run.summary().total.carbon_g is None
    run.price(intensity=36.0, pue=2.0)
    for opened in (run, Run.open(folder)):
        summary = opened.summary()
        assert summary.price.intensity.g_per_kwh == 36.0
        assert summary.total.carbon_g == pytest.approx(80 * 2e-5)
        assert sum(row.carbon_g for row in summary.rows) == pytest.approx(80 * 2e-5)
        assert opened.nodes["carbon_g"].sum() == pytest.approx(80 * 2e-5)
        by_stage = fold(opened.graph).nodes["segmentation"]
        assert by_stage["carbon_g"] == pytest.approx(by_stage["energy_j"] * 2e-5)


def test_the_footprint_is_the_graph_of_stages(run_folders):
    spans = [run_folders.span("wf.strip", 0, 2, 20.0), run_folders.span("wf.fast", 2, 5, 30.0)]
    run = run_folders.run(spans)
    footprint = run.footprint
    energies = dict(footprint.nodes(data="energy_j"))
    assert energies["brain extraction"] == 20.0
    assert energies["segmentation"] == 30.0
    assert sum(e or 0.0 for e in energies.values()) == run.summary().total.energy_j
    assert footprint.edges["brain extraction", "segmentation"]["n_dependencies"] == 1
