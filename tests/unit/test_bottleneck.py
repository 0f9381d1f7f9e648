# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest

from nicarbon.records import Driver, Graph, Node
from nicarbon.run import Run

S = 1_000_000_000


@pytest.fixture
def run(run_folders):
    """Ten seconds of a host at 10 W: strip 1-4, mask 4-5, a failed fast 5-9; smooth never ran."""
    return Run(run_folders.facts(), "runs/a")


def stages(found):
    return {row.stage: row for row in found.stages}


def test_a_case_by_hand(run):
    found = run.bottlenecks()
    path = found.critical_path
    assert [step.node for step in path.steps] == ["wf.strip", "wf.mask", "wf.fast"]
    assert (path.total_s, path.before_s, path.busy_s, path.after_s) == (10, 1, 8, 1)
    rows = stages(found)
    assert rows["segmentation"].path_share == pytest.approx(5 / 8)
    assert rows["segmentation"].energy_share == pytest.approx(5 / 8)
    assert {row.group for row in found.stages} == {"both"}
    alone, others, idle = found.phases
    assert (alone.duration_s, others.duration_s, idle.duration_s) == (8, 0, 2)
    assert (alone.energy_j, others.energy_j, idle.energy_j) == pytest.approx((80, 0, 20))
    assert (alone.energy_low_j, alone.energy_high_j) == pytest.approx((76, 84))
    assert "2 nodes took no time" not in " ".join(found.notes)
    assert "1 node took no time" in " ".join(found.notes)


def test_four_groups_and_the_rest(run_folders):
    names = ("long", "hot", "both", "free", "small")
    graph = Graph(
        "wf",
        "MultiProc",
        tuple(Node(name, stage=name) for name in names),
        (("long", "both"), ("both", "small")),
    )
    span = run_folders.span
    spans = [
        span("long", 0, 50, 1.0),
        span("both", 50, 97, 50.0),
        span("small", 97, 100, 1.0),
        span("hot", 0, 10, 47.0),
        span("free", 10, 20, 1.0),
    ]
    found = run_folders.run(spans, graph=graph).bottlenecks()
    groups = {stage: row.group for stage, row in stages(found).items()}
    assert groups == {
        "long": "time",
        "hot": "energy",
        "both": "both",
        "free": "free",
        "small": "minor",
    }
    assert [row.group for row in found.stages] == ["both", "time", "energy", "free", "minor"]
    assert stages(found)["free"].slack_s == 90
    slack = {node.node: node.slack_s for node in found.nodes}
    assert slack == {"long": 0, "both": 0, "small": 0, "hot": 90, "free": 90}


def test_a_sliver_of_slack_frees_nobody(run_folders):
    graph = Graph("wf", "MultiProc", (Node("a", stage="a"), Node("b", stage="b")), ())
    spans = [run_folders.span("a", 0, 10, 99.0), run_folders.span("b", 0, 9.5, 1.0)]
    found = run_folders.run(spans, graph=graph).bottlenecks()
    assert stages(found)["b"].group == "minor"


def test_without_a_graph_there_is_no_slack_to_tell(run_folders):
    facts = msgspec.structs.replace(run_folders.facts(), graphs=())
    found = Run(facts).bottlenecks()
    assert [step.node for step in found.critical_path.steps] == ["wf.fast"]
    assert {node.slack_s for node in found.nodes} == {None}
    assert any("no graph was recorded" in note for note in found.notes)
    assert "free" not in {row.group for row in found.stages}


def test_a_node_that_no_graph_names_may_stand_anywhere(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 5),
        run_folders.span("wf.smooth[0]", 5, 6, map_node="wf.smooth", index=0),
    ]
    found = run_folders.run(spans).bottlenecks()
    assert None not in {node.slack_s for node in found.nodes}
    found = run_folders.run([*spans, run_folders.span("wf.lost", 6, 7)]).bottlenecks()
    assert {node.slack_s for node in found.nodes} == {None}
    assert any("not of all nodes" in note for note in found.notes)


def test_one_node_is_the_whole_path(run_folders):
    spans = [run_folders.span("recon-all", 0, 9)]
    found = run_folders.run(spans, graphs=()).bottlenecks()
    assert [node.slack_s for node in found.nodes] == [0]
    assert any("one node took time" in note for note in found.notes)


def test_an_unfinished_run_says_so(run_folders):
    found = Run(run_folders.facts(killed=True)).bottlenecks()
    assert any("the run has no end" in note for note in found.notes)
    assert found.critical_path.steps[-1].node == "wf.fast"


def test_nothing_ran(run_folders):
    found = run_folders.run([], hosts=()).bottlenecks()
    assert (found.stages, found.nodes, found.critical_path.steps) == ((), (), ())
    assert any("no node took time" in note for note in found.notes)


def test_no_reading_is_no_energy(run_folders):
    facts = msgspec.structs.replace(run_folders.facts(), sample_files=())
    found = Run(facts).bottlenecks()
    assert {phase.energy_j for phase in found.phases} == {None}
    assert {row.energy_share for row in found.stages} == {None}
    assert {row.group for row in found.stages} == {"time"}
    assert any("no reading" in note for note in found.notes)


def test_the_run_begins_and_ends_with_its_driver(run_folders):
    facts = run_folders.facts()
    (file,) = facts.node_files
    late = (*file.lines[:-1], Driver("end", 15 * S, 0, 9.0, "failed"))
    files = (msgspec.structs.replace(file, lines=late),)
    found = Run(msgspec.structs.replace(facts, node_files=files)).bottlenecks()
    assert (found.critical_path.total_s, found.critical_path.after_s) == (15, 6)
    assert found.phases[2].uncovered_s == 5


def test_the_time_of_a_monolith_is_divided_among_its_stages(run_folders):
    split = run_folders.split(mri_ca_register=(0.75, 60), mris_sphere=(0.25, 20))
    whole = run_folders.span("wf.recon", 0, 9, 100.0, split=split)
    node = Node("wf.recon", "wf", "nipype.interfaces.freesurfer.preprocess.ReconAll")
    found = run_folders.run([whole], graph=Graph("wf", "Linear", (node,), ())).bottlenecks()
    assert [(row.stage, row.group, row.energy_j, row.path_s) for row in found.stages] == [
        ("registration", "both", 75.0, 6.75),
        ("surface reconstruction", "both", 25.0, 2.25),
    ]
    assert any(
        note.endswith("by the CPU time of their programs: wf.recon") for note in found.notes
    )
