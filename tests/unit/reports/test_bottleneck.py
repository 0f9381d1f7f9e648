# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest

from nicarbon.records import Graph, Node
from nicarbon.reports.bottleneck import N_STEPS, render, to_json


@pytest.fixture
def found(run_folders):
    """long 0-50, both 52-97 and small 97-100 in a chain; hot and free beside them."""
    names = ("long", "hot", "both", "free", "small")
    edges = (("long", "both"), ("both", "small"))
    graph = Graph("wf", "MultiProc", tuple(Node(name, stage=name) for name in names), edges)
    span = run_folders.span
    spans = [
        span("long", 0, 50, 1.0),
        span("both", 52, 97, 50.0),
        span("small", 97, 100, 1.0),
        span("hot", 0, 10, 47.0, method="modelled"),
        span("free", 50, 51, 1.0),
    ]
    return run_folders.run(spans, graph=graph).bottlenecks()


def line(text, start):
    return next(re.split(r" {2,}", row) for row in text.splitlines() if row.startswith(start))


def test_a_row_for_each_stage(found):
    text = render(found)
    assert line(text, "both")[1:5] == ["time and energy", "45 s", "45.9 %", "none"]
    assert line(text, "long")[1] == "time"
    assert line(text, "hot")[1:7] == ["energy", "-", "-", "1 min 28 s", "~47 J", "44.6-49.4 J"]
    assert line(text, "free")[1] == "free to slow down"
    assert line(text, "small")[1] == "-"
    assert "at least 10 % of the node time on the critical path" in text
    assert "~ modelled or assumed, not measured" in text


def test_the_path_and_where_the_time_went(found):
    text = render(found)
    rows = text[text.index("\ncritical path ") :]
    assert line(rows, "both") == ["both", "both", "52 s", "45 s", "45.9 %", "2 s"]
    assert line(rows, "nodes of the path")[1:] == ["1 min 38 s", "98.0 %"]
    assert line(rows, "waiting to be started")[1:] == ["2 s", "2.0 %"]
    assert line(rows, "total")[1:] == ["1 min 40 s", "100.0 %"]
    assert line(rows, "no node")[1] == "1 s"
    assert "for 1 s only nodes beside the path ran" in rows


def test_time_without_any_node_gets_a_line(run_folders, found):
    assert "no node ran at all" not in render(found)
    spans = [run_folders.span("wf.strip", 0, 4), run_folders.span("wf.mask", 6, 7)]
    text = render(run_folders.run(spans).bottlenecks())
    assert "for 5 s no node ran at all: the engine" in text  # 4-6, and 7-10 until the driver ended
    assert line(text, "other nodes too")[1:] == ["-", "-", "-"]


def test_energy_of_the_hosts_is_left_out_where_it_is_not_known(found):
    text = render(found)
    assert line(text, "critical path alone")[2:] == ["n/a", "n/a"]
    assert "! what the hosts used meanwhile is not known: one has no reading" in text


def test_a_long_path_shows_its_longest_nodes(run_folders):
    names = [f"n{i:03}" for i in range(N_STEPS + 5)]
    graph = Graph("wf", "Linear", tuple(Node(n) for n in names), tuple(zip(names, names[1:])))  # noqa: B905, RUF007
    spans = [run_folders.span(n, 10 * i, 10 * i + 1 + i / 10) for i, n in enumerate(names)]
    text = render(run_folders.run(spans, graph=graph).bottlenecks())
    rows = text[text.index("\ncritical path ") :]
    assert "n004" not in rows
    assert rows.index("n005") < rows.index("n024")
    assert line(rows, "5 shorter nodes")[1] == "6 s"


def test_names_are_hostile(run_folders):
    name = "wf.[red]\x1b[31m\u202e</script>" + "x" * 500
    run = run_folders.run([run_folders.span(name), run_folders.span("wf.strip", 0, 3)])
    text = render(run.bottlenecks())
    assert "\x1b" not in text
    assert "\u202e" not in text
    alone = render(run_folders.run([run_folders.span(name)], graphs=()).bottlenecks())
    assert "wf.[red]" in alone
    assert "\x1b" not in alone
    assert "x" * 500 in alone


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_of_any_width(found, width):
    text = render(found, width=width, color=True)
    assert "\x1b[1m" in text
    assert "both" in text


def test_nothing_ran(run_folders):
    text = render(run_folders.run([], hosts=(), graphs=()).bottlenecks())
    assert "! no node took time" in text
    assert "critical path" not in text


def test_json_is_complete_and_leaves_out_where_the_folder_lies(found):
    document = json.loads(to_json(found))
    assert document["stages"][0]["group"] == "both"
    assert document["nodes"][0].keys() >= {"node", "slack_s", "critical", "start_s"}
    assert document["phases"][0]["energy_j"] is None
    assert "path" not in document


def test_a_schedulers_queue_is_a_kind_of_waiting_of_its_own(run_folders, found):
    assert "queue" not in render(found)
    spans = [
        run_folders.span("wf.strip", 0, 4),
        run_folders.span("wf.mask", 8, 9, queue_wait_s=3.0),
    ]
    rows = render(run_folders.run(spans).bottlenecks())
    assert line(rows, "waiting in the scheduler's queue")[1:] == ["3 s", "30.0 %"]
    assert line(rows, "waiting to be started")[1:] == ["1 s", "10.0 %"]
