# SPDX-License-Identifier: Apache-2.0

import pytest
from msgspec.structs import astuple

from nicarbon.records import Domain, Graph, Node, Sensor
from nicarbon.reports.page_answers import Answer
from nicarbon.reports.page_facts import gather

VIRTUAL = Sensor("virtual", "modelled", (Domain("host", "host"),))


def answers(run):
    """The answers, without the marks that set names off."""
    plain = str.maketrans("", "", "\u2068\u2069")
    return [
        Answer(*(text.translate(plain) for text in astuple(answer)))
        for answer in gather(run).answers
    ]


def chain(run_folders, *spans, edges=()):
    names = sorted({span.node for span in spans})
    graph = Graph("wf", "Linear", tuple(Node(name, stage=name) for name in names), edges)
    return run_folders.run(spans, graph=graph)


def test_the_stage_that_cost_most_has_its_share_with_range(run_folders):
    span = run_folders.span
    most, _, _ = answers(chain(run_folders, span("big", 0, 1, 60.0), span("small", 1, 2, 20.0)))
    assert most.short == "Big"
    # A sensor that is wrong is wrong for both: the share is sure where nothing was shared.
    assert most.long == (
        "75.0 % of the nodes' energy (75-75 %): 60 J (57-63 J). Next is small, 25.0 % (25-25 %)."
    )


def test_a_close_second_is_said_to_be_one(run_folders):
    span = run_folders.span
    one, other = span("one", 0, 2, 41.0, shared_j=20.0), span("other", 0, 2, 39.0, shared_j=20.0)
    most, _, _ = answers(chain(run_folders, one, other))
    assert most.short == "One"
    assert "Other, 48.8 % (40-57.5 %), may have cost as much." in most.long


def test_without_energy_cpu_time_answers_and_says_so(run_folders):
    span = run_folders.span
    most, sure, limit = answers(
        chain(run_folders, span("one", 0, 9, None), span("other", 9, 10, None))
    )
    assert most.short == "One, by CPU time"
    assert "9 s of 10 s CPU time (90.0 %)" in most.long
    assert sure.short == "Energy is not known"
    assert limit.short == "One"


def test_a_run_of_one_node_was_limited_by_it(run_folders):
    """Its stage as a whole may not be the one that took longest inside."""
    run = run_folders.run([run_folders.span("wf.strip", 0, 9, 1.0)])
    assert answers(run)[2].short == "strip"


def test_a_run_without_nodes_knows_nothing(run_folders):
    for answer in answers(run_folders.run([], hosts=(), graphs=())):
        assert "not known" in answer.short.lower()


def test_how_sure_names_method_and_range(run_folders):
    span = run_folders.span("wf.strip", 0, 1, 10.0)
    sure = answers(run_folders.run([span]))[1]
    assert sure.short == "Measured"
    assert sure.long.endswith("used 9.5-10.5 J. The counters are good to 5.0 %.")
    beside = run_folders.span("wf.strip", 0, 1, 10.0, shared_j=8.0)
    assert "; the rest is what sharing" in answers(run_folders.run([beside]))[1].long
    modelled = run_folders.span("wf.strip", method="modelled")
    run = run_folders.run([modelled], [run_folders.host(sensors=(VIRTUAL,), uncovered_s=3.0)])
    sure = answers(run)[1]
    assert sure.short == "Modelled, not measured"
    assert "The nodes used 9.5-10.5 J (÷ 1.1 to x 1.1); that error is common" in sure.long
    assert "No reading covers 3 s of the hosts' time" in sure.long


def test_one_of_two_hosts_without_a_counter_is_said(run_folders):
    other = "ba9876543210"
    hosts = [run_folders.host(), run_folders.host(host=other, hostname="b", sensors=(VIRTUAL,))]
    spans = [run_folders.span("wf.strip"), run_folders.span("wf.fast", 1, 2, host=other)]
    spans[1] = run_folders.span("wf.fast", 1, 2, host=other, method="modelled")
    sure = answers(run_folders.run(spans, hosts))[1]
    assert "No energy counter could be read on 1 host of 2." in sure.long


def test_the_path_is_told_with_its_slowest_stage(run_folders):
    span = run_folders.span
    run = chain(
        run_folders, span("first", 0, 6), span("then", 6.5, 9.5), edges=(("first", "then"),)
    )
    limit = answers(run)[2]
    assert limit.short == "First"
    assert "A chain of 2 nodes, each needing the one before, took 9 s of the run's" in limit.long
    assert "First holds 66.7 % of that, first alone 6 s." in limit.long
    assert "Waiting between nodes took 0.5 s." in limit.long


def test_waiting_longer_than_the_nodes_took_is_what_limited_the_run(run_folders):
    span = run_folders.span
    run = chain(run_folders, span("first", 0, 1), span("then", 8, 9.5), edges=(("first", "then"),))
    assert answers(run)[2].short == "Waiting between nodes"


@pytest.mark.parametrize("graphs", [(), None])
def test_what_no_graph_tells_is_not_claimed(run_folders, graphs):
    spans = [run_folders.span("a", 0, 1), run_folders.span("b", 0, 5)]
    more = {} if graphs is None else {"graphs": graphs}
    limit = answers(run_folders.run(spans, graph=Graph("", "", (), ()), **more))[2]
    assert limit.long.startswith("What waits for what was not recorded")


def test_names_are_set_off_from_the_figures(run_folders):
    span = run_folders.span
    hebrew = "\u05e9\u05dc\u05d5\u05dd\u2069"
    most = gather(chain(run_folders, span("big", 0, 1, 60.0), span(hebrew, 1, 2, 20.0))).answers[0]
    assert f"\u2068{hebrew[:-1]}\ufffd\u2069, 25.0 %" in most.long


def test_gpus_are_measured_where_processors_are_modelled(run_folders):
    gpu = Sensor("nvml", "measured", (Domain("gpu-0", "gpu"),))
    spans = [run_folders.span("wf.strip", 0, 1, 10.0, method="modelled", gpu_j=7.5)]
    host = run_folders.host(sensors=(gpu, VIRTUAL), devices=(run_folders.device(),))
    sure = answers(run_folders.run(spans, [host]))[1]
    assert sure.short == "Partly measured"
    assert sure.long.startswith(
        "GPUs' own counters were read: 75.0 % of the energy is theirs. No energy counter of the "
        "processors could be read."
    )
    idle = [run_folders.span("wf.strip", 0, 1, 10.0, method="modelled", gpu_j=0.0)]
    sure = answers(run_folders.run(idle, [host]))[1]
    assert sure.short == "Modelled, not measured"
    assert sure.long.startswith("No energy counter could be read.")
