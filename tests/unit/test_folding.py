# SPDX-License-Identifier: Apache-2.0
from math import fsum

import msgspec
import pytest

from nicarbon.errors import NicarbonError
from nicarbon.folding import Folding
from nicarbon.grouping import BY
from nicarbon.records import Graph, Node, Sightings
from nicarbon.rows import unpriced
from nicarbon.run import Run
from nicarbon.staged import Staged
from nicarbon.stages import StageRules


@pytest.fixture
def spans(run_folders):
    return run_folders.few()


def test_by_node_folds_attempts_into_one_row(run_folders, spans):
    again = run_folders.span("wf.fast", 8, 9, 7.0)
    rows = run_folders.run([*spans, again]).summary("node").rows
    assert [row.name for row in rows][:2] == ["wf.fast", "wf.strip"]
    assert (rows[0].energy_j, rows[0].n_nodes, rows[0].n_failed) == (37.0, 1, 0)


def test_by_host_has_a_row_a_host(run_folders, spans):
    other = run_folders.span("wf.mask", 0, 1, 5.0, host="ba9876543210")
    hosts = [run_folders.host(), run_folders.host(host="ba9876543210", hostname="node7")]
    rows = run_folders.run([*spans, other], hosts).summary("host").rows
    assert [(row.name, row.energy_j) for row in rows] == [("scanner", 60.0), ("node7", 5.0)]


@pytest.mark.parametrize("by", BY)
def test_a_summary_and_the_folded_graph_say_the_same(run_folders, spans, by):
    again = run_folders.span("wf.fast", 8, 9, 7.0, host="ba9876543210")
    hosts = [run_folders.host(), run_folders.host(host="ba9876543210", hostname="node7")]
    run = run_folders.run([*spans, again], hosts)
    folded = run.folded(by)
    for row in run.summary(by).rows:
        figures = msgspec.structs.asdict(row)
        group = folded.nodes[figures.pop("name")]
        assert {key: group[key] for key in figures} == figures
    assert fsum(e or 0.0 for _, e in folded.nodes(data="energy_j")) == pytest.approx(67.0)


class TestEntities:
    """Two subjects, one of them from an iterable, and what belongs to neither."""

    @pytest.fixture
    def run(self, run_folders):
        nodes = (
            Node("wf.sub_01_ses_a_wf.lh_smooth", "wf.sub_01_ses_a_wf", "i.A", "a"),
            Node("wf.sub_01_ses_a_wf.each", "wf.sub_01_ses_a_wf", "i.B", map_node=True),
            Node("wf.strip.aI.a0", "wf", "i.A", iterables=("subject_id_02", "hemi_R")),
            Node("wf.sink", "wf"),
        )
        graph = Graph("wf", "", nodes, ((nodes[0].name, "wf.sink"), (nodes[2].name, "wf.sink")))
        each = f"{nodes[1].name}[0]"
        return run_folders.run(
            [
                run_folders.span(nodes[0].name, 0, 1, 1.0),
                run_folders.span(each, 1, 2, 2.0, map_node=nodes[1].name, index=0),
                run_folders.span(nodes[2].name, 1, 3, 4.0),
                run_folders.span("wf.sink", 3, 4, 8.0),
            ],
            graph=graph,
        )

    @pytest.mark.parametrize(
        ("by", "energies"),
        [
            ("subject", {"sub-01": 3.0, "sub-02": 4.0, "no subject": 8.0}),
            ("session", {"ses-a": 3.0, "no session": 12.0}),
            ("hemisphere", {"hemi-L": 1.0, "no hemisphere": 10.0, "hemi-R": 4.0}),
            ("interface", {"i.A": 5.0, "i.B": 2.0, "no interface": 8.0}),
            ("program", {"a": 1.0, "no program": 14.0}),
            ("host", {"scanner": 15.0}),
        ],
    )
    def test_energies(self, run, by, energies):
        assert {row.name: row.energy_j for row in run.summary(by).rows} == energies
        folded = run.folded(by)
        assert {g: e for g, e in folded.nodes(data="energy_j") if e is not None} == energies

    def test_dependencies_between_subjects(self, run):
        assert dict(run.folded("subject").edges) == {
            ("sub-01", "no subject"): {"n_dependencies": 1},
            ("sub-02", "no subject"): {"n_dependencies": 1},
        }
        assert list(run.folded("subject")) == ["sub-01", "sub-02", "no subject"]


def test_divided_among_subjects_the_sum_is_kept(run_folders):
    spans = [
        run_folders.span("prep.sub_01_wf.fast", energy_j=10.0),
        run_folders.span("prep.sub_01_wf.ses_a_wf.fast", energy_j=20.0),
        run_folders.span("prep.sub_02_wf.fast", energy_j=7.0),
        run_folders.span("prep.average", energy_j=1.0),
    ]
    run = run_folders.run(spans, [run_folders.host(38.0)])
    parts = run.divided(("subject", "session"), "node")
    assert {key: part.total.energy_j for key, part in parts.items()} == {
        (None, None): 1.0,
        ("sub-01", None): 10.0,
        ("sub-01", "ses-a"): 20.0,
        ("sub-02", None): 7.0,
    }
    assert [row.name for row in parts["sub-02", None].rows] == ["prep.sub_02_wf.fast"]
    with pytest.raises(NicarbonError, match="no such attribute"):
        run.divided(("subjekt",))


def test_by_program(run_folders):
    spans = [
        run_folders.span(
            "wf.strip", 0, 2, 20.0, split=run_folders.split(bet=(0.9, 9), sh=(0.1, 1))
        ),
        run_folders.span("wf.fast", 2, 4, 30.0),
        run_folders.span("wf.mask", 4, 5, 10.0, split=run_folders.split(bet=(1.0, 5))),
        run_folders.cached("wf.smooth"),
    ]
    run = run_folders.run(spans)
    summary = run.summary("program")
    assert [(row.name, row.energy_j, row.n_nodes) for row in summary.rows] == [
        ("(not seen)", 30.0, 1),
        ("bet", pytest.approx(28.0), 2),
        ("sh", pytest.approx(2.0), 1),
        ("(cached)", None, 1),
    ]
    assert fsum(row.energy_j or 0 for row in summary.rows) == pytest.approx(summary.total.energy_j)
    assert (summary.told.n, summary.told.n_not_seen) == (15, 1)
    assert run.programs.loc["bet", "energy_j"] == pytest.approx(28.0)


def test_by_program_of_a_run_at_which_nobody_looked_is_what_the_interfaces_say(run_folders, spans):
    summary = run_folders.run(spans).summary("program")
    assert {row.name for row in summary.rows} == {"bet", "fast", "susan"}
    assert summary.told is None


def test_the_programs_of_each_node_are_known_where_rows_are_nodes(run_folders):
    run = run_folders.monolith(mri_ca_reg=(0.75, 30), tcsh=(0.25, 10))
    programs = run.summary("node").programs["wf.recon"]
    assert [(row.name, row.energy_j) for row in programs] == [("mri_ca_reg", 75.0), ("tcsh", 25.0)]
    assert run.summary("stage").programs == {}


def sighted(run_folders, *sightings):
    """The run of `facts`, and what its sampler saw at each second; its fast runs from 5 to 9."""
    facts = run_folders.facts()
    file = facts.sample_files[0]
    samples = [
        msgspec.structs.replace(sample, sightings=seen or {})
        for sample, seen in zip(file.samples, sightings, strict=True)
    ]
    files = (msgspec.structs.replace(file, samples=tuple(samples)),)
    return Run(msgspec.structs.replace(facts, sample_files=files))


def test_from_sightings_to_the_joules_of_programs(run_folders):
    fast = f"{run_folders.KEY}-2"
    alone = {fast: Sightings(0, {"mri_a": (0, 0.0, 1.0)})}
    mixed = {fast: Sightings(20, {"b": (15, 1.5, 0.0), "c": (5, 0.5, 0.0)})}
    run = sighted(run_folders, *[None] * 6, alone, alone, mixed, mixed, None)
    rows = {row.name: row for row in run.summary("program").rows}
    whole = next(span for span in run.attribution.spans if span.span == fast)
    # Four CPU seconds: clocks counted two of one program, looks tell the rest apart.
    assert rows["mri_a"].cpu_s == pytest.approx(2.0)
    assert rows["b"].cpu_s == pytest.approx(1.5)
    assert rows["c"].energy_j == pytest.approx(whole.energy_j / 8)
    assert rows["mri_a"].duration_s == pytest.approx(2.0)
    assert whole.split.sampled == pytest.approx(0.5)
    total = run.summary("program").total
    assert fsum(row.energy_j or 0 for row in rows.values()) == pytest.approx(
        total.energy_j, rel=1e-12
    )


def test_sightings_of_spans_that_nobody_knows_change_nothing(run_folders):
    unknown = {"elsewhere": Sightings(1, {"a": (1, 1.0, 0.0)})}
    run = sighted(run_folders, *[unknown] * 11)
    assert run.attribution == sighted(run_folders, *[None] * 11).attribution


def test_what_executions_say_themselves_asks_for_no_graph(run_folders, spans):
    def attributes():
        raise AssertionError("the graph was made")

    run = run_folders.run(spans)
    folding = Folding(
        graph=run_folders.GRAPH,
        spans=spans,
        staged=Staged(StageRules.load(), run_folders.GRAPH, spans),
        labels={run_folders.ID: "scanner"},
        offsets={},
        priced=unpriced,
        attributes=attributes,
    )
    for by in ("stage", "node", "host", "step"):
        assert folding.rows(by) == run.summary(by).rows
    assert folding.total() == run.summary().total
    with pytest.raises(AssertionError, match="the graph was made"):
        folding.rows("subject")
