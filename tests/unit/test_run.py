# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from math import fsum

import msgspec
import networkx as nx
import pytest

from nicarbon.errors import NicarbonError, PriceError, RunFolderError, StageRuleError
from nicarbon.graph import fold
from nicarbon.grouping import BY
from nicarbon.records import Graph, Node, Sightings
from nicarbon.run import Run, host_labels, merged


@pytest.fixture
def spans(run_folders):
    return [
        run_folders.span("wf.strip", 0, 2, 20.0),
        run_folders.span("wf.fast", 2, 4, 30.0, outcome="killed"),
        run_folders.span("wf.smooth", 4, 7, 1.0),
        run_folders.span("wf.smooth[0]", 4, 5, 4.0, map_node="wf.smooth", index=0),
        run_folders.span("wf.smooth[1]", 5, 7, 5.0, map_node="wf.smooth", index=1),
    ]


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


def test_an_unknown_grouping_is_named(run_folders):
    run = run_folders.run([])
    for ask in (run.summary, run.folded):
        with pytest.raises(NicarbonError, match=r"'subjcet': .*did you mean subject\?"):
            ask("subjcet")


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


def test_a_run_without_graph_is_classified_by_names(run_folders, spans):
    run = run_folders.run([run_folders.span("wf.bold_hmc_wf.mcflirt")], graphs=())
    assert [row.name for row in run.summary().rows] == ["motion correction"]


def test_an_empty_run(run_folders):
    summary = run_folders.run([], hosts=(), graphs=(), node_files=()).summary()
    assert (summary.rows, summary.coverage, summary.duration_s) == ((), None, 0.0)
    assert summary.total.energy_j is None


def test_a_host_without_readings_has_no_part_in_the_coverage(run_folders, spans):
    dark = run_folders.host(
        host="dark", nodes_j=0.0, energy_j=0.0, uncovered_s=10.0, duration_s=10.0, sensors=()
    )
    run = run_folders.run(spans, [run_folders.host(), dark])
    assert run.summary().coverage == 0.6


def test_labels_of_hosts_are_unique(run_folders):
    hosts = [
        run_folders.host(host=i, hostname=n)
        for i, n in (("1", "a"), ("2", "a"), ("3", "b"), ("4", ""))
    ]
    assert host_labels(hosts) == {"1": "a (1)", "2": "a (2)", "3": "b", "4": "(4)"}


def test_graphs_are_united():
    a, b = Node("a", stage="x"), Node("b")
    one = Graph("w", "Linear", (a, b), (("a", "b"),))
    two = Graph("v", "Linear", (Node("a"), Node("c")), (("a", "b"), ("a", "c")))
    united = merged([one, two])
    assert united == Graph("w, v", "Linear", (a, b, Node("c")), (("a", "b"), ("a", "c")))


def test_elements_take_the_stage_of_their_mapnode_and_stand_for_it(run_folders):
    each = Node("wf.each", "wf", "nipype.interfaces.fsl.preprocess.BET", map_node=True)
    element = run_folders.span("wf.each[0]", map_node="wf.each", index=0)
    summary = run_folders.run([element], graph=Graph("wf", "", (each,), ())).summary()
    assert [row.name for row in summary.rows] == ["brain extraction"]
    assert summary.missing == ()


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


@pytest.mark.parametrize("given", [{}, {"region": "quebec"}, {"country": "CAN", "intensity": 1}])
def test_a_price_needs_one_place_or_number(run_folders, given):
    with pytest.raises(PriceError, match="give a country"):
        run_folders.run([]).price(**given)


def test_the_footprint_is_the_graph_of_stages(run_folders):
    spans = [run_folders.span("wf.strip", 0, 2, 20.0), run_folders.span("wf.fast", 2, 5, 30.0)]
    run = run_folders.run(spans)
    footprint = run.footprint
    energies = dict(footprint.nodes(data="energy_j"))
    assert energies["brain extraction"] == 20.0
    assert energies["segmentation"] == 30.0
    assert sum(e or 0.0 for e in energies.values()) == run.summary().total.energy_j
    assert footprint.edges["brain extraction", "segmentation"]["n_dependencies"] == 1


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


FREESURFER = "nipype.interfaces.freesurfer.preprocess.ReconAll"
RECON = Graph("wf", "Linear", (Node("wf.recon", "wf", FREESURFER, "recon-all"),), ())


def monolith(run_folders, **programs):
    """A recon-all of 100 J; in each of its programs a part of that, and looks."""
    split = run_folders.split(**programs) if programs else None
    span = run_folders.span("wf.recon", 0, 10, 100.0, split=split)
    return run_folders.run([span], graph=RECON)


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
    run = monolith(run_folders, mri_ca_reg=(0.75, 30), tcsh=(0.25, 10))
    programs = run.summary("node").programs["wf.recon"]
    assert [(row.name, row.energy_j) for row in programs] == [("mri_ca_reg", 75.0), ("tcsh", 25.0)]
    assert run.summary("stage").programs == {}


def test_a_monolith_counts_in_the_stages_of_its_programs(run_folders):
    programs = {"mri_ca_register": (0.5, 50), "mris_sphere": (0.3, 30), "tcsh": (0.2, 20)}
    summary = monolith(run_folders, **programs).summary("stage")
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
        (*RECON.nodes, *(Node(f"wf.{name}", "wf", stage=name) for name in ("before", "after"))),
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
    run = monolith(run_folders, mri_ca_register=(0.75, 60), mris_sphere=(0.25, 20))
    run.path = tmp_path
    run.price(intensity=360.0)
    grams = {row.name: row.carbon_g for row in run.summary().rows}
    assert grams == pytest.approx({"registration": 0.0075, "surface reconstruction": 0.0025})
    assert dict(run.footprint.nodes(data="carbon_g")) == pytest.approx(grams)


def test_a_monolith_whose_programs_were_not_seen_is_counted_in_one_stage(run_folders):
    summary = monolith(run_folders).summary("stage")
    assert [row.name for row in summary.rows] == ["surface reconstruction"]
    assert summary.notes == (
        "1 node runs several stages and is counted in one, as a whole: wf.recon",
    )


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
