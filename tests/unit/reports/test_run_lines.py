# SPDX-License-Identifier: Apache-2.0
from nicarbon.carbon.embodied import Score
from nicarbon.earlier import Cost, Saved
from nicarbon.reports.run_lines import (
    pricing_command,
    saved_line,
    score_line,
    unclassified,
    waste_line,
)
from nicarbon.waste import waste


def test_what_the_cache_saved():
    some = Saved(36, 34, 2, Cost(12_000.0, 8_000.0, 16_000.0, "modelled"), {})
    one = Saved(1, 1, 1, Cost(10.0, 9.5, 10.5, "measured"), {})
    none = Saved(2, 0, 0, Cost(), {})
    known = "34 of 36 cached nodes known from 2 earlier runs"
    assert [saved_line(saved) for saved in (some, one, none)] == [
        f"the cache saved ~3.33 Wh (2.22-4.44 Wh, modelled): {known}",
        "the cache saved 10 J (9.5-10.5 J, measured): 1 of 1 cached node known from 1 earlier run",
        "2 cached nodes: no earlier run folder here knows what they once cost (--earlier DIR)",
    ]


def test_what_was_wasted_is_by_kind_and_a_share_of_the_nodes(run_folders):
    run = run_folders.run(run_folders.few())
    line = waste_line(waste(run.attribution.spans), run.summary().total)
    assert line.startswith("wasted: 30 J (")
    assert line.endswith(", 50.0 % of the nodes: 1 execution killed (30 J)")


def test_unclassified_nodes_are_told_of_a_table_of_stages_alone(run_folders):
    run = run_folders.run([run_folders.span("wf.x")], graphs=())
    (line,) = unclassified(run.summary())
    assert line.startswith("1 node unclassified, 100.0 % of the nodes' energy: name a stage")
    assert unclassified(run.summary("node")) == []


def test_the_command_to_copy_survives_any_path():
    assert pricing_command("my runs/a").startswith("nicarbon price 'my runs/a' --country CODE")


def test_a_score_without_a_declared_making_says_so():
    line = score_line(Score("scan", 3, 6.0, None, 2.0, 1.0, 3.0))
    assert line.startswith("SCI: 2 g (1-3 g) per scan: ")
    assert line.endswith("M not declared, R 3")
