# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from nicarbon.records import Graph, Node
from nicarbon.reports.page_charts import N_LEAVES
from nicarbon.reports.page_facts import gather
from nicarbon.run import Run


def data(run):
    """Chart data as the page's script gets it."""
    return json.loads(json.dumps(gather(run).chart_data, allow_nan=False))


def names(bars):
    return [".".join(bars["words"][word] for word in name) for name in bars["name"]]


def test_bars_are_packed_into_as_few_lanes_as_ran_at_once(run_folders):
    span = run_folders.span
    spans = [span("wf.a", 0, 4), span("wf.b", 1, 3), span("wf.c", 3, 6), span("wf.d", 6, 7)]
    line = data(run_folders.run(spans, graphs=()))["timeline"]
    assert line["lanes"] == 2
    assert names(line["bars"]) == ["wf.a", "wf.b", "wf.c", "wf.d"]
    assert line["bars"]["lane"] == [0, 1, 1, 0]
    assert line["bars"]["start"] == [0, 1000, 3000, 6000]
    assert line["bars"]["took"] == ["4 s", "2 s", "3 s", "1 s"]
    assert line["titles"] == []


def test_an_element_lies_within_its_map_node(run_folders):
    outer = run_folders.span("wf.smooth", 0, 4)
    inner = run_folders.span("wf.smooth[0]", 1, 2, parent=outer.span, map_node="wf.smooth")
    line = data(run_folders.run([outer, inner]))["timeline"]
    assert line["lanes"] == 1
    assert line["bars"]["inside"] == [0, 1]


def test_one_whose_parent_is_lost_is_still_drawn(run_folders):
    orphan = run_folders.span("wf.smooth[0]", 1, 2, parent="gone")
    assert data(run_folders.run([orphan]))["timeline"]["bars"]["lane"] == [0]


def test_each_host_has_lanes_and_a_title(run_folders):
    other = "ba9876543210"
    hosts = [run_folders.host(), run_folders.host(host=other, hostname="b\x1b")]
    spans = [run_folders.span("wf.strip", 0, 2), run_folders.span("wf.fast", 1, 3, host=other)]
    line = data(run_folders.run(spans, hosts))["timeline"]
    assert line["hosts"] == ["scanner", "b\ufffd"]
    assert line["titles"] == [[0, 0], [2, 1]]
    assert line["bars"]["lane"] == [1, 3]
    assert line["lanes"] == 4


def test_the_path_is_the_last_execution_of_each_node(run_folders):
    span = run_folders.span
    spans = [
        span("wf.strip", 0, 1, outcome="failed", error="E\u2028"),
        span("wf.strip", 1, 3),
        span("wf.mask", 3, 4),
        run_folders.cached("wf.mask", 5),
    ]
    line = data(run_folders.run(spans))["timeline"]
    assert [names(line["bars"])[i] for i in line["path"]] == ["wf.strip", "wf.mask"]
    assert line["path"] == [1, 2]
    assert line["bars"]["outcome"] == [2, 0, 0, 1]
    assert line["bars"]["error"] == {"0": "E\ufffd"}


def test_power_is_energy_over_time_from_the_start_of_the_run(run_folders, tmp_path):
    run = Run.open(run_folders.write(tmp_path / "run", run_folders.facts()))
    line = data(run)["timeline"]
    (power,) = line["power"]
    assert power["t"] == list(range(0, 11_000, 1000))
    assert power["w"] == [10.0] * 10
    assert (power["low"][0], power["high"][0]) == (9.5, 10.5)
    assert line["total"] == 10_000


def test_a_run_without_nodes_still_shows_its_hosts_power(run_folders, tmp_path):
    facts = run_folders.facts()
    empty = run_folders.write(tmp_path / "run", facts)
    for path in [*empty.glob("nodes-*"), *empty.glob("graph-*")]:
        path.unlink()
    line = data(Run.open(empty))["timeline"]
    assert line["bars"]["lane"] == []
    assert len(line["power"]) == 1


def test_the_tree_is_stages_and_nodes_by_energy(run_folders):
    span = run_folders.span
    spans = [span("wf.strip", 0, 1, 10.0), span("wf.fast", 1, 2, 30.0), span("wf.x", 2, 3, None)]
    tree = data(run_folders.run(spans))["tree"]
    assert [(b["name"], b["value"], b["text"]) for b in tree] == [
        ("segmentation", 30.0, "30 J, 75.0 %"),
        ("brain extraction", 10.0, "10 J, 25.0 %"),
    ]
    assert [leaf["name"] for leaf in tree[0]["children"]] == ["wf.fast"]


def test_programs_are_in_their_node_in_their_stage(run_folders):
    split = run_folders.split(mri_ca_register=(0.5, 50), mris_sphere=(0.3, 30), tcsh=(0.2, 20))
    whole = run_folders.span("wf.recon", 0, 9, 100.0, split=split)
    strip = run_folders.span("wf.strip", 9, 10, 10.0, split=run_folders.split(bet=(1.0, 9)))
    recon = Node("wf.recon", "wf", "nipype.interfaces.freesurfer.preprocess.ReconAll")
    graph = Graph("wf", "Linear", (*run_folders.GRAPH.nodes, recon), ())
    tree = data(run_folders.run([whole, strip], graph=graph))["tree"]

    def inside(branch):
        return {leaf["name"]: leaf["value"] for leaf in branch.get("children", ())}

    assert {branch["name"]: inside(branch) for branch in tree} == {
        "registration": {"wf.recon": 50.0},
        "surface reconstruction": {"wf.recon": 50.0},
        "brain extraction": {"wf.strip": 10.0},
    }
    assert [inside(branch["children"][0]) for branch in tree] == [
        {},  # one program is its node
        {"mris_sphere": 30.0, "tcsh": 20.0},
        {},
    ]


def test_a_monolith_in_which_no_program_was_seen_opens_to_its_steps(run_folders):
    node = Node("wf.recon", "wf", "nipype.interfaces.freesurfer.preprocess.ReconAll", "recon-all")
    steps = run_folders.steps(CA_Reg=(0.7, {}), Surf_Reg=(0.1, {}), Fill=(0.2, {}))
    span = run_folders.span("wf.recon", 0, 9, 100.0, steps=steps)
    tree = data(run_folders.run([span], graph=Graph("wf", "", (node,), ())))["tree"]
    found = {
        branch["name"]: [
            (leaf["name"], leaf["value"], [part["name"] for part in leaf.get("children", ())])
            for leaf in branch["children"]
        ]
        for branch in tree
    }
    assert found == {
        "registration": [("wf.recon", 80.0, ["recon-all.CA_Reg", "recon-all.Surf_Reg"])],
        "surface reconstruction": [("wf.recon", 20.0, [])],
    }


def test_a_node_that_marked_its_steps_opens_to_them_and_these_to_programs(run_folders):
    split = run_folders.split(mri_ca_register=(0.6, 60), tcsh=(0.4, 40))
    steps = run_folders.steps(CA_Reg=(0.7, {"mri_ca_register": 6.0, "tcsh": 1.0}),
                              Fill=(0.3, {"tcsh": 3.0}))  # fmt: skip
    span = run_folders.span("wf.recon", 0, 9, 100.0, split=split, steps=steps)
    (branch,) = data(run_folders.run([span], graphs=()))["tree"]
    (node,) = branch["children"]
    assert [(step["name"], step["value"]) for step in node["children"]] == [
        ("recon-all.CA_Reg", 70.0),
        ("recon-all.Fill", 30.0),
    ]
    first, second = node["children"]
    assert {leaf["name"]: leaf["value"] for leaf in first["children"]} == {
        "mri_ca_register": 60.0,
        "tcsh": 10.0,
    }
    assert "children" not in second


def test_many_small_nodes_are_one_leaf_and_their_energy_is_kept(run_folders):
    n = N_LEAVES + 20
    spans = [run_folders.span(f"wf.bet{i}", i, i + 1, 1.0 + i) for i in range(n)]
    (branch,) = data(run_folders.run(spans, graphs=()))["tree"]
    assert len(branch["children"]) == N_LEAVES + 1
    assert branch["children"][-1]["name"] == "20 smaller nodes"
    total_j = sum(leaf["value"] for leaf in branch["children"])
    assert total_j == pytest.approx(sum(1.0 + i for i in range(n)), rel=1e-3)
