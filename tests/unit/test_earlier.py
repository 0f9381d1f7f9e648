# SPDX-License-Identifier: Apache-2.0
"""Runs of ten seconds at 10 W, made by hand, in which nodes ran or were found in the cache."""

from __future__ import annotations

import msgspec
import pytest

from nicarbon import earlier
from nicarbon.earlier import saved
from nicarbon.errors import RunFolderError
from nicarbon.records import Cached, Driver, End, Start
from nicarbon.run import Run


@pytest.fixture(autouse=True)
def _nothing_read_yet():
    earlier._size.cache_clear()
    earlier._began_unix_ns.cache_clear()
    earlier._ran.cache_clear()
    earlier._past.cache_clear()


@pytest.fixture
def made(run_folders, tmp_path):
    """Write the run folder of a day; nodes are (name, hash, seconds or None for cached)."""
    s = run_folders.S

    def write(name, day, *nodes, sensors=True, workflows=None):
        facts = run_folders.facts(run_id=name)
        lines, t = [Driver("start", 0, run_folders.UNIX_S * s, 0.0)], 0
        for n, (node, value, seconds, *map_node) in enumerate(nodes):
            place = {"map_node": map_node[0], "index": n} if map_node else {}
            if seconds is None:
                found = Cached(node, t, run_folders.UNIX_S * s + t, inputs_hash=value, **place)
                lines.append(found)
                continue
            span, length = f"{run_folders.KEY}-{n}", abs(seconds) * s
            lines.append(Start(span, node, t, run_folders.UNIX_S * s + t, 0.0, **place))
            outcome = "ran" if seconds > 0 else "failed"
            lines.append(End(span, t + length, outcome, abs(seconds), inputs_hash=value))
            t += length
        lines.append(Driver("end", 10 * s, (run_folders.UNIX_S + 10) * s, 10.0, "ok"))
        file = msgspec.structs.replace(facts.node_files[0], lines=tuple(lines))
        facts = msgspec.structs.replace(
            facts,
            info=msgspec.structs.replace(facts.info, t_unix_ns=day * 86400 * s),
            node_files=(file,),
            graphs=tuple(
                msgspec.structs.replace(graph, workflows=workflows or {}) for graph in facts.graphs
            ),
            sample_files=facts.sample_files if sensors else (),
        )
        return run_folders.write(tmp_path / "runs" / name, facts)

    return write


def look(folder, *further):
    return Run.open(folder).saved(further)


def joules(found):
    return {name: pytest.approx(cost.energy_j) for name, cost in found.nodes.items()}


def test_what_ran_before_is_known_by_name_and_hash(made):
    made("one", 1, ("wf.a", "0a", 2), ("wf.b", "0b", 3), ("wf.c", "0c", 1))
    now = made(
        "now", 5, ("wf.a", "0a", None), ("wf.b", "other", None), ("x.c", "0c", None), ("d", "d", 1)
    )
    found = look(now)
    assert (found.n_cached, found.n_known, found.n_runs) == (3, 1, 1)
    assert joules(found) == {"wf.a": 20.0}
    assert found.cost == found.nodes["wf.a"]
    assert found.cost.method == "measured"
    assert found.cost.energy_low_j == pytest.approx(19.0)
    assert found.cost.energy_high_j == pytest.approx(21.0)


def test_nothing_is_read_where_nothing_was_cached(made, monkeypatch):
    made("one", 1, ("wf.a", "0a", 2))
    now = Run.open(made("now", 5, ("wf.a", "0a", 2), ("wf.a", "0a", None)))
    monkeypatch.setattr(earlier, "_runs_in", None)
    assert now.saved() is None
    assert now.summary(earlier=()).saved is None


def test_the_newest_run_that_knows_counts_and_later_ones_do_not(made):
    made("one", 1, ("wf.a", "0a", 5))
    made("two", 2, ("wf.a", "0a", 2), ("wf.a", "0a", 3))
    made("three", 3, ("wf.a", "0a", None))
    made("later", 9, ("wf.a", "0a", 1))
    found = look(made("now", 5, ("wf.a", "0a", None)))
    assert joules(found) == {"wf.a": 30.0}
    assert found.n_runs == 1


def test_a_run_without_energy_is_passed_over_and_a_failure_is_no_result(made):
    made("one", 1, ("wf.a", "0a", 2))
    made("two", 2, ("wf.a", "0a", 4), sensors=False)
    made("three", 3, ("wf.a", "0a", -4))
    assert joules(look(made("now", 5, ("wf.a", "0a", None)))) == {"wf.a": 20.0}


def test_a_node_that_ran_here_was_not_saved(made):
    made("one", 1, ("wf.a", "0a", 2), ("wf.b", "0b", 3))
    now = made("now", 5, ("wf.a", "0a", 1), ("wf.a", "0a", None), ("wf.b", "0b", None))
    assert joules(look(now)) == {"wf.b": 30.0}


def test_a_node_without_a_hash_is_never_known(made):
    made("one", 1, ("wf.a", None, 2))
    found = look(made("now", 5, ("wf.a", None, None)))
    assert (found.n_cached, found.n_known, found.nodes) == (1, 0, {})
    assert found.cost.energy_j is None


def test_a_map_node_costs_what_its_elements_did_whenever_they_ran(made):
    made("zero", 1, ("wf.m[9]", "9", 2, "wf.m"))
    made("one", 2, ("wf.m[0]", "0", 3, "wf.m"), ("wf.m[1]", "1", -2, "wf.m"), ("wf.m", "m", -1))
    made(
        "two",
        3,
        ("wf.m[0]", "0", None, "wf.m"),
        ("wf.m[1]", "1", 2, "wf.m"),
        ("wf.m[0]", "0", 1, "other"),
        ("wf.m", "m", 1),
    )
    found = look(made("now", 5, ("wf.m", "m", None)))
    assert joules(found) == {"wf.m": 10.0 + 20.0 + 30.0}
    assert (found.n_cached, found.n_known, found.n_runs) == (1, 1, 2)


def test_elements_that_this_run_looked_at_count_by_themselves(made):
    made("one", 1, ("wf.m[0]", "0", 3, "wf.m"), ("wf.m[1]", "1", 2, "wf.m"), ("wf.m", "m", 1))
    now = made(
        "now",
        5,
        ("wf.m[0]", "0", None, "wf.m"),
        ("wf.m[1]", "1", None, "wf.m"),
        ("wf.m", "m", None),
    )
    found = look(now)
    assert joules(found) == {"wf.m[0]": 30.0, "wf.m[1]": 20.0, "wf.m": 10.0}
    assert found.cost.energy_j == pytest.approx(60.0)
    # Of an element that ran again, its MapNode being only collected, nothing was saved.
    found = look(made("again", 6, ("wf.m[0]", "0", 1, "wf.m"), ("wf.m", "m", None)))
    assert joules(found) == {"wf.m": 10.0 + 20.0}


def test_folders_elsewhere_are_given_by_themselves_or_together(made, tmp_path):
    (tmp_path / "old").mkdir()
    for name, day, node in (("one", 1, "wf.a"), ("two", 2, "wf.b")):
        made(name, day, (node, "0a", 2)).rename(tmp_path / "old" / name)
    now = made("now", 5, ("wf.a", "0a", None), ("wf.b", "0a", None))
    assert look(now).n_known == 0
    assert look(now, tmp_path / "old" / "one").n_known == 1
    assert look(now, tmp_path / "old").n_runs == 2
    with pytest.raises(RunFolderError, match="none: there is no such folder; give an earlier run"):
        look(now, tmp_path / "none")


def test_broken_neighbours_are_passed_over(made, tmp_path):
    made("good", 1, ("wf.a", "0a", 2))
    newer = made("newer", 3, ("wf.a", "0a", 3)) / "nodes-x-1-1.jsonl"
    newer.write_text('{"kind":"process","schema_version":"99"}\n')
    torn = made("torn", 4, ("wf.a", "0a", 3))
    for path in torn.glob("nodes-*"):
        path.write_bytes(path.read_bytes()[:150])
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "runs" / "no folder").write_text("")
    for name, text in (("nothing", ""), ("nonsense", "[1]"), ("bytes", "\0" * 9)):
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "run.json").write_text(text)
    now = made("now", 5, ("wf.a", "0a", None))
    assert joules(look(now)) == {"wf.a": 20.0}


def test_a_neighbour_that_breaks_the_attribution_is_passed_over(made, monkeypatch):
    made("one", 1, ("wf.a", "0a", 2))
    now = Run.open(made("now", 5, ("wf.a", "0a", None)))
    assert now.attribution.spans

    def fails(facts):
        raise ZeroDivisionError

    monkeypatch.setattr(earlier, "attribute", fails)
    assert now.saved().n_known == 0


@pytest.mark.parametrize(("limit", "value"), [("MAX_RUNS", 1), ("MAX_BYTES", 7000)])
def test_how_much_is_read_has_a_limit(made, monkeypatch, limit, value):
    made("one", 1, ("wf.a", "0a", 2))
    two = made("two", 2, ("wf.b", "0b", 2))
    assert sum(path.stat().st_size for path in two.iterdir()) < 7000
    now = made("now", 5, ("wf.a", "0a", None), ("wf.b", "0b", None))
    assert look(now).n_known == 2
    monkeypatch.setattr(earlier, limit, value)
    assert joules(look(now)) == {"wf.b": 20.0}


def test_only_runs_that_know_something_are_divided_and_each_once(made, monkeypatch):
    for day in range(1, 5):
        made(f"r{day}", day, ("wf.a", f"h{day}", 2))
    divided = []
    attribute = earlier.attribute
    monkeypatch.setattr(earlier, "attribute", lambda f: divided.append(f) or attribute(f))
    for name in ("now", "again"):
        assert look(made(name, 6, ("wf.a", "h2", None))).n_known == 1
    assert [facts.info.run_id for facts in divided] == ["r2"]


def test_a_neighbour_that_changed_is_read_again(made, run_folders):
    folder = made("one", 1, ("wf.a", "0a", 2))
    now = made("now", 5, ("wf.a", "0b", None))
    assert look(now).n_known == 0
    (folder / f"nodes-{run_folders.KEY}.jsonl").unlink()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    made("one", 1, ("wf.a", "0b", 2))
    assert look(now).n_known == 1


def test_an_unreadable_parent_is_no_error(run_folders):
    spans = [run_folders.cached("wf.a", inputs_hash="0a")]
    assert saved(spans, "/nowhere/at/all", 10).n_known == 0


def test_the_summary_has_it_by_node(made):
    made("one", 1, ("wf.a", "0a", 2))
    run = Run.open(made("now", 5, ("wf.a", "0a", None), ("wf.b", "0b", 1)))
    summary = run.summary("node", earlier=())
    assert summary.details["wf.a"].earlier_energy_j == pytest.approx(20.0)
    assert summary.details["wf.a"].earlier_method == "measured"
    assert summary.details["wf.b"].earlier_energy_j is None
    assert summary.total.energy_j == pytest.approx(10.0)  # It is in no sum.
    assert run.summary("node").saved is None


def test_a_workflow_that_is_found_whole_cost_what_was_inside_it(made):
    # pydra's: the second run began with what the first had done of `main/sub`.
    made("a", 1, ("main/sub/x", "hx", 2), workflows={"main/sub": "hs"})
    made(
        "b",
        2,
        ("main/sub", "hs", None),
        ("main/y", "hy", 3),
        ("mainly/z", "hz", 4),
        workflows={"main": "hm"},
    )
    found = look(made("c", 3, ("main", "hm", None)))
    assert (found.n_cached, found.n_known, found.n_runs) == (1, 1, 2)
    assert found.nodes.keys() == {"main"}
    assert found.cost.energy_j == pytest.approx(50.0)
    assert look(made("d", 4, ("main", "other", None))).n_known == 0
