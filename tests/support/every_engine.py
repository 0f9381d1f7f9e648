# SPDX-License-Identifier: Apache-2.0
"""What must hold for the forty nodes on any engine, local or on a cluster."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import forty_nodes
import pytest
from nipype.pipeline.engine.utils import generate_expanded_graph
from science import assert_no_pickle_names_us, science, snapshot

from nicarbon.attribution import attribute
from nicarbon.reader import read_run
from nicarbon.run import Run


def take_turns(workflow, tmp_path, plugin, **spec):
    """Run plain and metered in turn on one folder; check what was executed and what was written.

    The first turn is a metered one on an empty folder. What it leaves is compared with what
    nipype's own Linear plugin leaves in a folder of the same name.

    Returns
    -------
    base, run_dir : Path
        The folder, and the run folder of the first turn.
    """
    plain = workflow("forty", "Linear")
    reference = _comparable(plain.base)
    shutil.rmtree(plain.base)
    (tmp_path / "counter").unlink()  # The node that tries again counts its tries in a file.

    ended, left = [], {}
    for number, turn in enumerate(["metered", "plain", "metered"]):
        run_dir = tmp_path / f"run{number}" if turn == "metered" else None
        done = workflow("forty", plugin, run_dir, **spec)
        ended.append((done.ended["type"], _crashed(done.base)))
        assert_no_pickle_names_us(done.base)
        if number == 0:
            assert Counter(done.ran) == Counter(plain.ran)
            assert _comparable(done.base) == reference
        else:
            folders = [Path(line.split()[1]).relative_to(done.base) for line in done.ran]
            assert sorted(map(str, folders)) == ["top/again", "top/full"]
            assert _rewritten(left, done.base) == set()
        left = snapshot(done.base)
    assert ended == [ended[0]] * len(ended)
    assert ended[0][1] in ({"bad", "m_bad"}, {"bad", "_m_bad1"})
    return done.base, tmp_path / "run0"


def _comparable(base):
    """Return hashes and outputs: what does not name the plugin that wrote it."""
    found = science(base)
    assert len(found["output"]) > 20
    return {"hash": found["hash"], "output": found["output"]}


def _crashed(base):
    """Return the nodes that have a crash file; remove them."""
    crashes = list((base / "crashes").iterdir())
    for crash in crashes:
        crash.unlink()
    return {crash.name.split("-")[4] for crash in crashes}


def _rewritten(left, base):
    """Return the results that a further turn wrote again, other than of what runs each time."""
    now = snapshot(base)
    again = {name.partition(".")[2] for name in forty_nodes.RUNS_EACH_TIME | forty_nodes.FAILING}
    return {
        name
        for name in left
        if Path(name).name.startswith(("result_", "out_", "_0x"))
        and left[name] != now.get(name)
        and not again & set(Path(name).parts)
    }


def expected_graph(base):
    """Return names and edges of the graph that nipype executes, from nipype itself."""
    graph = generate_expanded_graph(forty_nodes.forty_nodes(str(base))._create_flat_graph())
    return {node.itername for node in graph}, {
        (source.itername, target.itername) for source, target in graph.edges()
    }


def assert_metered(base, run_dir, expanded):
    """Every execution has one span, the stored graph is the executed one, the sum is kept.

    Parameters
    ----------
    expanded : bool
        Whether the engine executes a MapNode's elements as nodes of their own.

    Returns
    -------
    Attribution
        Of the run.
    """
    facts = read_run(run_dir)
    assert facts.n_skipped_lines == 0
    (graph,) = facts.graphs
    names, edges = expected_graph(base)
    assert {node.name for node in graph.nodes} == names
    assert len(graph.nodes) == len(names) == forty_nodes.N_NODES
    assert set(graph.edges) == edges

    never = forty_nodes.NEVER_RUN_EXPANDED if expanded else forty_nodes.NEVER_RUN
    expected = Counter(names - never)
    for name, n in forty_nodes.N_ELEMENTS.items():
        expected.update(f"{name}[{index}]" for index in range(n))
    result = attribute(facts)
    executed = Counter(s.node for s in result.spans if s.outcome in ("ran", "failed"))
    assert executed == expected
    failed = {span.node for span in result.spans if span.outcome == "failed"}
    assert failed == (forty_nodes.FAILING - never) | {"top.m_bad[1]"}
    assert {span.outcome for span in result.spans} <= {"ran", "failed", "cached"}
    # A MapNode whose elements ran is not missing.
    assert set(Run.open(run_dir).summary().missing) == never - {"top.m_bad"}
    assert_sum_is_kept(result)
    return result


def assert_sum_is_kept(result):
    """The parts of each host's energy are its energy, and its nodes' are theirs."""
    for host in result.hosts:
        parts = (host.nodes_j, host.engine_j, host.meter_j, host.other_j, host.unattributed_j)
        assert all(part >= 0 for part in parts)
        assert sum(parts) == pytest.approx(host.energy_j, rel=1e-9)
        assert abs(host.residual_j) <= 1e-9 * host.energy_j
        spans = [s.energy_j for s in result.spans if s.host == host.host and s.energy_j]
        assert sum(spans) == pytest.approx(host.nodes_j, rel=1e-9)
        assert host.nodes_j > 0
