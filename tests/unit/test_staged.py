# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.records import Graph, Node
from nicarbon.staged import Staged
from nicarbon.stages import StageRules


@pytest.fixture
def spans(run_folders):
    return run_folders.few()


def test_by_stage(run_folders, spans):
    summary = run_folders.run(spans).summary()
    assert [(row.name, row.energy_j, row.n_nodes) for row in summary.rows] == [
        ("segmentation", 30.0, 1),
        ("brain extraction", 20.0, 1),
        ("smoothing and filtering", 10.0, 3),
    ]
    assert summary.rows[0].n_failed == 1
    assert (summary.total.name, summary.total.energy_j, summary.total.duration_s) == (
        "total",
        60.0,
        7.0,
    )
    assert (summary.coverage, summary.duration_s) == (0.6, 10.0)
    assert (summary.missing, summary.n_missing) == (("wf.mask",), 1)
    assert summary.started == "2026-09-21T14:13:20Z"


def test_a_run_without_graph_is_classified_by_names(run_folders, spans):
    run = run_folders.run([run_folders.span("wf.bold_hmc_wf.mcflirt")], graphs=())
    assert [row.name for row in run.summary().rows] == ["motion correction"]


def test_elements_take_the_stage_of_their_mapnode_and_stand_for_it(run_folders):
    each = Node("wf.each", "wf", "nipype.interfaces.fsl.preprocess.BET", map_node=True)
    element = run_folders.span("wf.each[0]", map_node="wf.each", index=0)
    summary = run_folders.run([element], graph=Graph("wf", "", (each,), ())).summary()
    assert [row.name for row in summary.rows] == ["brain extraction"]
    assert summary.missing == ()


def test_a_monolith_counts_in_the_stages_of_its_programs(run_folders):
    programs = {"mri_ca_register": (0.5, 50), "mris_sphere": (0.3, 30), "tcsh": (0.2, 20)}
    summary = run_folders.monolith(**programs).summary("stage")
    assert [(row.name, row.energy_j, row.n_nodes) for row in summary.rows] == [
        ("registration", 50.0, 1),
        ("surface reconstruction", 50.0, 1),
    ]
    assert summary.total.energy_j == 100.0
    # How surely they are told apart is in the range of each, and not in that of their sum.
    assert summary.rows[0].energy_high_j > 55.0
    assert summary.total.energy_high_j == pytest.approx(105.0)
    (note,) = summary.notes
    assert note.startswith("1 node runs several stages: its energy is divided among them")


def test_the_footprint_has_the_same_stages(run_folders):
    graph = Graph(
        "wf",
        "Linear",
        (
            *run_folders.RECON.nodes,
            *(Node(f"wf.{name}", "wf", stage=name) for name in ("before", "after")),
        ),
        (("wf.before", "wf.recon"), ("wf.recon", "wf.after")),
    )
    split = run_folders.split(mri_ca_register=(0.75, 60), mris_sphere=(0.25, 20))
    spans = [
        run_folders.span("wf.before", 0, 1),
        run_folders.span("wf.recon", 1, 9, 100.0, split=split),
        run_folders.span("wf.after", 9, 10),
    ]
    run = run_folders.run(spans, graph=graph)
    rows = {row.name: row.energy_j for row in run.summary().rows}
    assert dict(run.footprint.nodes(data="energy_j")) == rows
    assert rows["registration"] == 75.0
    # What a monolith depends on, and what depends on it, does so by its own stage.
    arrows = {("before", "surface reconstruction"), ("surface reconstruction", "after")}
    assert set(run.footprint.edges) == set(run.handed_on().edges) == arrows
    assert set(run.handed_on()) == set(rows)
    by_program = dict(run.folded("program").nodes(data="energy_j"))
    assert by_program == {"mri_ca_register": 75.0, "mris_sphere": 25.0, "no program": 20.0}


def test_grams_of_a_monolith_follow_its_energy(run_folders, tmp_path):
    run = run_folders.monolith(mri_ca_register=(0.75, 60), mris_sphere=(0.25, 20))
    run.path = tmp_path
    run.price(intensity=360.0)
    grams = {row.name: row.carbon_g for row in run.summary().rows}
    assert grams == pytest.approx({"registration": 0.0075, "surface reconstruction": 0.0025})
    assert dict(run.footprint.nodes(data="carbon_g")) == pytest.approx(grams)


def test_a_monolith_whose_programs_were_not_seen_is_counted_in_one_stage(run_folders):
    summary = run_folders.monolith().summary("stage")
    assert [row.name for row in summary.rows] == ["surface reconstruction"]
    assert summary.notes == (
        "1 node runs several stages and is counted in one, as a whole: wf.recon",
    )


def test_a_monolith_is_one_only_where_it_ran(run_folders):
    ran = run_folders.span("wf.recon", 0, 10, 100.0)
    for spans, found in (([ran], ("wf.recon",)), ([run_folders.cached("wf.recon")], ()), ([], ())):
        assert Staged(StageRules.load(), run_folders.RECON, spans).monoliths == found


def test_inside_a_monolith_are_programs_by_stage(run_folders):
    seen = run_folders.split(mri_ca_register=(0.75, 60), tcsh=(0.25, 20))
    span = run_folders.span("wf.recon", 0, 10, 100.0, split=seen)
    inside = Staged(StageRules.load(), run_folders.RECON, [span]).inside()
    found = {
        stage: {node: {part.part: part.energy_j for part in parts} for node, parts in of.items()}
        for stage, of in inside.items()
    }
    assert found == {
        "registration": {"wf.recon": {"mri_ca_register": 75.0}},
        "surface reconstruction": {"wf.recon": {"tcsh": 25.0}},
    }
