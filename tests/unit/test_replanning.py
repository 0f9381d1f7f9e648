# SPDX-License-Identifier: Apache-2.0
"""strip 3 s, mask 1 s and fast 4 s, one after the other, with a second before and one after."""

import msgspec
import pytest

from nicarbon.errors import NicarbonError
from nicarbon.records import Graph, Node
from nicarbon.replanning import makespan_s, observed
from nicarbon.run import Run

SECONDS = {"wf.strip": 3.0, "wf.mask": 1.0, "wf.fast": 4.0}


@pytest.fixture
def run(run_folders):
    def run(graph=run_folders.GRAPH):
        facts = run_folders.ok(run_folders.facts(), "a")
        return Run(msgspec.structs.replace(facts, graphs=(graph,)), "runs/a")

    return run


def test_what_was_seen_is_the_plan(run):
    plan = observed(run())
    assert plan.ranks == {"wf.strip": 1.0, "wf.mask": 4.0, "wf.fast": 5.0}
    assert plan.needs["wf.mask"] == ["wf.strip"]
    assert (plan.n_procs, plan.total_s, plan.around_s) == (1, 10.0, pytest.approx(2.0))
    assert makespan_s(plan, SECONDS, 1) == pytest.approx(10.0)


def test_nodes_that_take_no_time_still_wait_for_each_other(run):
    plan = observed(run())
    assert makespan_s(plan, {}, 1) == pytest.approx(2.0)
    assert makespan_s(plan, SECONDS | {"wf.mask": 5.0}, 8) == pytest.approx(14.0)


def test_what_waits_for_nothing_runs_beside_the_rest(run, run_folders):
    apart = msgspec.structs.replace(run_folders.GRAPH, edges=(("wf.strip", "wf.mask"),))
    plan = observed(run(apart))
    assert makespan_s(plan, SECONDS, 1) == pytest.approx(10.0)
    assert makespan_s(plan, SECONDS, 2) == pytest.approx(6.0)


def test_a_node_holds_the_processors_that_it_asked_for(run):
    nodes = tuple(Node(name, "wf", n_procs=2) for name in SECONDS)
    plan = observed(run(Graph("wf", "MultiProc", nodes, ())))
    assert plan.wanted["wf.fast"] == 2
    # Two at once, what began first goes first: fast begins when mask has ended.
    assert makespan_s(plan, SECONDS, 4) == pytest.approx(2.0 + 1.0 + 4.0)
    assert makespan_s(plan, SECONDS, 3) == pytest.approx(10.0)


def test_a_run_in_which_nothing_took_time(run_folders):
    with pytest.raises(NicarbonError, match="no node took time"):
        observed(run_folders.run([run_folders.cached("wf.strip")]))
