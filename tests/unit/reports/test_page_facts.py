# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.carbon.embodied import Unit
from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.records import Graph, Node
from nicarbon.reports.page_facts import gather


def test_the_headline_is_the_nodes_energy_with_method_and_range(run_folders):
    page = gather(run_folders.run([run_folders.span("wf.strip", 0, 2, 60.0)]))
    assert (page.energy, page.energy_range, page.method, page.marked) == (
        "60 J",
        "57-63 J",
        "measured",
        "",
    )
    assert (
        page.of_hosts == "used by the nodes: 60 % of what host \u2068scanner\u2069 used meanwhile"
    )
    assert page.pricing == "nicarbon price runs/made-by-hand --country CODE (or --intensity G)"
    assert "on \u2068scanner\u2069" in page.subtitle


def test_models_are_marked(run_folders):
    page = gather(run_folders.run([run_folders.span("wf.strip", method="modelled")]))
    assert (page.energy, page.marked) == ("~10 J", "~")


def test_no_energy_is_not_zero(run_folders):
    dark = run_folders.host(nodes_j=0.0, energy_j=0.0, uncovered_s=10.0, sensors=())
    page = gather(run_folders.run([run_folders.span("wf.strip", 0, 2, None)], [dark]))
    assert (page.energy, page.energy_range, page.of_hosts, page.pricing) == ("n/a", "n/a", "", "")
    assert page.by_energy == page.sums == ()
    assert page.chart_data["tree"] == []
    assert "no energy reading covers scanner: CPU time only" in page.notices


def test_an_empty_run_has_no_path(run_folders):
    page = gather(run_folders.run([], hosts=(), graphs=()))
    assert page.path_table is page.time_table is page.group_table is page.phase_table is None
    assert page.by_time == ()
    assert page.nodes.rows == ()


def test_own_rules_reach_every_part(run_folders, tmp_path):
    rules = tmp_path / "my rules.toml"
    rules.write_text('[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nnode = "*"\n')
    page = gather(run_folders.run([run_folders.span("wf.strip")]), rules, " --stages mine.toml")
    assert [row[0].text for row in page.stages.rows] == ["mine"]
    assert page.path_table.rows[0][1].text == "mine"
    assert page.chart_data["stages"][0]["name"] == "mine"
    assert page.by_node.endswith("--format tsv --stages mine.toml")
    assert page.answers[0].short == "\u2068Mine\u2069"


def test_what_the_figures_lack_is_said_once(run_folders):
    page = gather(run_folders.run([run_folders.span("a"), run_folders.span("b")], graphs=()))
    assert any("no graph was recorded" in note for note in page.path_notes)
    assert not set(page.path_notes) & set(page.notices)


def test_what_was_wasted_stands_beside_the_stages(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 2, 10.0, outcome="failed"),
        run_folders.span("wf.fast"),
    ]
    (line,) = gather(run_folders.run(spans)).beside
    assert line.startswith("wasted: 10 J ")
    assert gather(run_folders.run([run_folders.span("wf.fast")])).beside == ()


def test_a_command_is_named_once(run_folders):
    run = run_folders.run([run_folders.span("wf.fast")], graph=Graph("wf", "nipype", (), ()))
    (engine,) = (part for part in gather(run).subtitle if "nipype" in part)
    assert engine.count("nipype") == 1


def test_graphs_that_contradict_each_other_have_no_path_and_still_a_page(run_folders):
    graph = Graph("wf", "", (Node("a"), Node("b")), (("a", "b"), ("b", "a")))
    page = gather(run_folders.run([run_folders.span("a"), run_folders.span("b")], graph=graph))
    assert page.path_table is None
    assert any("contradict each other" in note for note in page.path_notes)
    assert len(page.stages.rows) == 1
    assert page.answers[2].short == "Not known"


def test_programs_are_shown_where_they_were_seen(run_folders):
    blind = run_folders.span("wf.fast", 2, 4, 10.0)
    page = gather(run_folders.run([blind]))
    assert (page.programs, page.told) == (None, "")
    split = run_folders.split(bet=(0.75, 30), sh=(0.25, 10))
    page = gather(run_folders.run([run_folders.span("wf.strip", 0, 2, 30.0, split=split), blind]))
    assert [row[0].text for row in page.programs.rows] == ["bet", "(not seen)", "sh"]
    assert "short-lived ones by 40 looks" in page.told
    assert page.told.endswith("In 1 node none was seen at work (10 J)")


def test_steps_are_shown_where_they_were_marked(run_folders):
    steps = run_folders.steps(CA_Reg=(0.75, {}), Fill=(0.25, {}))
    page = gather(run_folders.run([run_folders.span("wf.recon", 0, 9, 100.0, steps=steps)]))
    found = [[cell.text for cell in (row[0], row[1], row[2], row[-1])] for row in page.steps.rows]
    assert found == [
        ["recon-all.CA_Reg", "registration", "75 J", "6.75 s ± 0.09 s"],
        ["recon-all.Fill", "surface reconstruction", "25 J", "2.25 s ± 0.09 s"],
    ]
    assert "markers" in page.cut
    plain = gather(run_folders.run([run_folders.span("wf.fast")]))
    assert (plain.steps, plain.cut) == (None, "")


def test_a_monoliths_share_is_in_the_stages_of_its_programs(run_folders):
    split = run_folders.split(mri_ca_register=(0.5, 50), mris_sphere=(0.5, 50))
    node = Node("wf.recon", "wf", "nipype.interfaces.freesurfer.preprocess.ReconAll")
    whole = run_folders.span("wf.recon", 0, 9, 100.0, split=split)
    page = gather(run_folders.run([whole], graph=Graph("wf", "Linear", (node,), ())))
    assert [(s.name, s.width) for s in page.by_energy] == [
        ("registration", pytest.approx(50)),
        ("surface reconstruction", pytest.approx(50)),
    ]


def test_the_price_with_its_score(run_folders):
    run = run_folders.run([run_folders.span("wf.strip", energy_j=3.6e6)])
    assert gather(run).price == ""
    run.chosen_price = Price(given(30), per=Unit("scan", 2))
    assert gather(run).price == (
        "30 g/kWh (given by the user), PUE 1; "
        "SCI: 15 g (14.2-15.8 g) per scan: O 30 g, M not declared, R 2"
    )
