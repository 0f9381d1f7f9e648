# SPDX-License-Identifier: Apache-2.0
"""Metering changes nothing of what nipype does, and misses nothing of it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from science import assert_no_pickle_names_us, mentions, science, snapshot

from nicarbon.run import Run

N_NODES = 21
POOLS = {
    "MultiProc-fork": ("MultiProc", {"n_procs": 2, "mp_context": "fork"}),
    "MultiProc-forkserver": ("MultiProc", {"n_procs": 2, "mp_context": "forkserver"}),
    "MultiProc-spawn": ("MultiProc", {"n_procs": 2, "mp_context": "spawn"}),
    "LegacyMultiProc": ("LegacyMultiProc", {"n_procs": 2}),
}
PLUGINS = {"Linear": ("Linear", {}), **POOLS}


@pytest.mark.parametrize("first", ["plain", "metered"])
def test_taking_turns_on_one_folder_runs_nothing_twice(workflow, read_run, tmp_path, first):
    plugin, plugin_args = POOLS["MultiProc-fork"]
    turns = ["plain", "metered", "plain", "metered"]
    ran, kept = [], []
    for number, turn in enumerate(turns if first == "plain" else turns[1:]):
        run_dir = tmp_path / f"run{number}" if turn == "metered" else None
        # The plain turns are those of an environment without nicarbon.
        env = {} if turn == "metered" else {"NICARBON_TEST_ABSENT": "1"}
        done = workflow("every_kind", plugin, run_dir, plugin_args=plugin_args, env=env)
        assert done.ended["type"] is None
        ran.append(done.ran)
        kept.append(snapshot(done.base))
    assert len(ran[0]) > N_NODES
    for number, again in enumerate(ran[1:], 1):
        # The node that replaces run() keeps no hash: it runs each time, metered or not.
        assert [line.split()[0] for line in again] == ["pair"]
        assert again[0].endswith("/top/full")
        changed = {k for k in kept[0] if kept[0][k] != kept[number].get(k)}
        assert {name for name in changed if "/full/" not in name} <= _rewritten_by_nipype(changed)
        assert kept[number].keys() == kept[0].keys()


def _rewritten_by_nipype(names):
    """Files that nipype writes at each run, cached or not: graph and report descriptions."""
    return {name for name in names if name.endswith((".json", ".js", ".html", "report.rst"))}


@pytest.mark.parametrize("name", ["Linear", "MultiProc-fork", "LegacyMultiProc"])
def test_fresh_runs_leave_the_same_files(workflow, tmp_path, name):
    plugin, plugin_args = PLUGINS[name]
    found = []
    for run_dir in (None, tmp_path / "run"):
        (tmp_path / "counter").unlink(missing_ok=True)
        done = workflow("every_kind", plugin, run_dir, plugin_args=plugin_args)
        found.append(science(done.base))
        last = tmp_path / f"kept{len(found)}"
        done.base.rename(last)
    assert_no_pickle_names_us(last)
    plain, metered = found
    for kind in plain:
        assert plain[kind] == metered[kind], kind
    assert len(plain["hash"]) > 30
    assert len(plain["pickle"]) > 60


@pytest.mark.parametrize("name", ["Linear", "MultiProc-fork"])
def test_no_file_mentions_us(workflow, tmp_path, name):
    plugin, plugin_args = PLUGINS[name]
    found = []
    for turn, run_dir in (("a", None), ("b", tmp_path / "run")):
        (tmp_path / "counter").unlink(missing_ok=True)
        every = "every_kind failing:node failing:map failing:serial failing:here"
        base = str(tmp_path / turn)
        done = workflow(every, plugin, run_dir, plugin_args=plugin_args, base=base)
        assert len(done.all_ended) == 5
        folders = sorted(tmp_path.glob(f"{turn}-*"))
        assert sum(path.suffix == ".pklz" for f in folders for path in f.rglob("*")) > 100
        found.append({folder.name[2:]: mentions(folder) for folder in folders})
    # What they record of their environment may: the folder in which the tests are, say.
    assert found[1] == found[0]


def test_a_plugin_without_arguments_leaves_the_same_pickles_under_nicarbon_run(workflow, tmp_path):
    launcher = [sys.executable, "-m", "nicarbon", "run", "-o", str(tmp_path / "run")]
    found = []
    for by in ((), launcher):
        (tmp_path / "counter").unlink(missing_ok=True)
        done = workflow("every_kind", "Linear", launcher=by)
        found.append(science(done.base))
        shutil.rmtree(done.base)
    assert found[0] == found[1]


def test_pickles_load_where_nicarbon_is_missing(workflow, tmp_path, environment):
    done = workflow("every_kind", "MultiProc", tmp_path / "run", plugin_args={"n_procs": 2})
    names = [str(p) for p in done.base.rglob("*.pklz")]
    assert len(names) > 90
    text = (
        "import sys; sys.modules['nicarbon'] = None\n"
        "import nodes_for_tests, gzip, pickle\n"
        "for name in sys.argv[1:]:\n"
        "    pickle.load(gzip.open(name))\n"
        "print(len(sys.argv) - 1)\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", text, *names], env=environment(), capture_output=True, text=True
    )
    assert loaded.stdout.strip() == str(len(names)), loaded.stderr


@pytest.mark.parametrize("name", PLUGINS)
def test_every_execution_is_recorded_once(workflow, read_run, tmp_path, name):
    plugin, plugin_args = PLUGINS[name]
    done = workflow("every_kind", plugin, tmp_path / "run", plugin_args=plugin_args)
    run = read_run(tmp_path / "run")
    (graph,) = run.graphs
    names = {node["name"] for node in graph["nodes"]}
    assert len(names) == len(graph["nodes"]) == N_NODES
    assert graph["plugin"] == plugin

    assert Counter(r["span"] for r in run.starts) == Counter(r["span"] for r in run.ends)
    assert len(run.by_span) == len(run.starts)
    executed = Counter(
        run.by_span[end["span"]]["node"] for end in run.ends if end["outcome"] == "ran"
    )
    elements = {
        f"top.{m}[{i}]" for m in ("m_wide", "m_serial", "m_user", "m_here") for i in range(3)
    }
    elements |= {"top.m_single[0]", "top.m_nested[0]", "top.m_nested[1]", "top.m_nested[2]"}
    assert executed == Counter([*names, *elements])
    works = [line for line in done.ran if line.startswith("work")]
    assert len(works) == sum("m_" in n and "[" in n for n in executed) + 5
    element = next(r for r in run.starts if r["node"] == "top.m_serial[2]")
    assert (element["map_node"], element["index"]) == ("top.m_serial", 2)
    assert run.by_span[element["parent"]]["node"] == "top.m_serial"
    assert {e["outcome"] for e in run.ends} <= {"ran", "cached"}
    (user,) = [node for node in graph["nodes"] if node["name"] == "top.user"]
    assert user["stage"] == "segmentation"
    assert [d["event"] for d in run.drivers] == ["start", "end"]
    assert run.drivers[1]["outcome"] == "ok"
    # Whoever runs nodes is known to be below this driver.
    assert {p["driver"] for p in run.processes} == {run.processes[0]["driver"]} != {None}
    if plugin != "Linear":
        assert len(run.processes) >= 2


@pytest.mark.parametrize("name", ["Linear", "MultiProc-forkserver"])
def test_cached_nodes_are_recorded_as_cached(workflow, read_run, tmp_path, name):
    plugin, plugin_args = PLUGINS[name]
    workflow("every_kind", plugin, plugin_args=plugin_args)
    workflow("every_kind", plugin, tmp_path / "run", plugin_args=plugin_args)
    run = read_run(tmp_path / "run")
    names = {node["name"] for node in run.graphs[0]["nodes"]}
    cached = {r["node"] for r in run.cached}
    cached |= {run.by_span[end["span"]]["node"] for end in run.ends if end["outcome"] == "cached"}
    assert names - cached == {"top.full"}
    assert [e["outcome"] for e in run.end_of["top.full"]] == ["ran"]


@pytest.mark.parametrize("name", ["Linear", "MultiProc-forkserver"])
def test_the_hash_that_is_recorded_is_nipypes_own(workflow, read_run, tmp_path, name):
    plugin, plugin_args = PLUGINS[name]
    hashes = []
    for turn in ("ran", "cached"):
        done = workflow("every_kind", plugin, tmp_path / turn, plugin_args=plugin_args)
        run = read_run(tmp_path / turn)
        found = {(r["node"], r.get("inputs_hash")) for r in run.cached}
        found |= {(run.by_span[e["span"]]["node"], e.get("inputs_hash")) for e in run.ends}
        hashes.append(found)
    on_disk = {path.stem.removeprefix("_0x") for path in done.base.rglob("_0x*.json")}
    # The node that replaces run() never asks nipype for a hash.
    assert {node for node, value in hashes[0] if value is None} == {"top.full"}
    assert {value for _, value in hashes[0]} - {None} == on_disk
    assert {pair for pair in hashes[1] if pair[0] != "top.full"} <= hashes[0]


def _normalised(text):
    """Leave out of a message what differs between two plain runs: times, numbers of processes."""
    text = re.sub(r"\d{8}-\d{6}", "TIME", text)
    text = re.sub(r"0x[0-9a-f]+", "ADDRESS", text)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", text)


def _crash_names(base):
    return sorted(_normalised(path.name) for path in (base / "crashes").glob("*"))


def _shape(message):
    """Return the lines of an error message that aren't frames of a traceback."""
    if message.startswith("["):  # What runs in the driver has its traceback as a list, as text.
        message = "".join(ast.literal_eval(message))
    lines = (line.lstrip("\t") for line in _normalised(message).splitlines())
    return [line for line in lines if line.strip() and line[:1] != " "]


KINDS = ["node", "map", "serial", "here", "command"]


@pytest.mark.parametrize(
    ("name", "stop"),
    [
        ("Linear", True),
        ("Linear", False),
        ("MultiProc-fork", True),
        ("MultiProc-fork", False),
        ("LegacyMultiProc", False),
    ],
)
def test_failures_are_the_pipelines_own(workflow, read_run, tmp_path, name, stop):
    plugin, plugin_args = PLUGINS[name]
    every = " ".join(f"failing:{kind}" for kind in KINDS)
    ends = []
    for turn, run_dir in (("plain", None), ("meter", tmp_path / "run")):
        base = str(tmp_path / turn)
        done = workflow(every, plugin, run_dir, plugin_args=plugin_args, stop=stop, base=base)
        assert len(done.all_ended) == len(KINDS)
        ends.append(
            {
                kind: (
                    ended["type"],
                    _shape(ended["message"].replace(base, "BASE")),
                    _crash_names(Path(f"{base}-failing-{kind}")),
                )
                for kind, ended in zip(KINDS, done.all_ended, strict=True)
            }
        )
    for kind in KINDS:
        assert ends[0][kind] == ends[1][kind], kind
        assert ends[0][kind][0] is not None
        assert ends[0][kind][2], kind
        assert_no_pickle_names_us(Path(f"{base}-failing-{kind}"))
        run = read_run(tmp_path / f"run-failing-{kind}")
        failed = [end for end in run.ends if end["outcome"] == "failed"]
        names = {run.by_span[end["span"]]["node"] for end in failed}
        assert names >= ({"bad.bad[1]"} if kind in ("map", "serial") else {"bad.bad"})
        assert all(end["error"] for end in failed)
        assert len(run.starts) == len(run.ends)
        assert run.drivers[-1]["outcome"] == "failed"


@pytest.mark.parametrize("name", ["Linear", "MultiProc-fork"])
def test_a_map_node_over_nothing_ends_as_without_us(workflow, tmp_path, name):
    plugin, plugin_args = PLUGINS[name]
    ends = []
    for turn, run_dir in (("plain", None), ("meter", tmp_path / "run")):
        base = tmp_path / turn
        done = workflow("failing:empty", plugin, run_dir, plugin_args=plugin_args, base=base)
        message = (done.ended["message"] or "").replace(str(base), "BASE")
        ends.append((done.ended["type"], _shape(message), _crash_names(base), done.ran[0][:4]))
    assert ends[0] == ends[1]
    outcomes = Run.open(tmp_path / "run").nodes["outcome"]
    # nipype's pools never hand such a node to a worker, and do not fail with it.
    assert outcomes["bad.bad"] == ("failed" if name == "Linear" else "missing")
    assert outcomes["bad.after"] == "missing"
    assert outcomes["bad.good"] == "ran"


def test_crash_files_load_where_nicarbon_is_missing(workflow, tmp_path, environment):
    every = "failing:node failing:map failing:here"
    for plugin, plugin_args in (("Linear", {}), ("MultiProc", {"n_procs": 2})):
        workflow(every, plugin, tmp_path / plugin, plugin_args=plugin_args)
    crashes = [str(path) for path in tmp_path.glob("work-*/crashes/*.pklz")]
    assert len(crashes) >= 6
    text = (
        "import sys; sys.modules['nicarbon'] = None\n"
        "from nipype.utils.filemanip import loadcrash\n"
        "for name in sys.argv[1:]:\n"
        "    crash = loadcrash(name); print(type(crash['node']).__name__)\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", text, *crashes], env=environment(), capture_output=True, text=True
    )
    assert set(loaded.stdout.split()) <= {"Node", "MapNode"}, loaded.stderr
    assert len(loaded.stdout.split()) == len(crashes), loaded.stderr


def test_a_workflow_inside_a_node_is_that_nodes_own(workflow, read_run, tmp_path):
    for inner in ("plain", "metered"):
        run_dir = tmp_path / f"run-{inner}"
        base = tmp_path / inner
        done = workflow(
            "nesting", "Linear", run_dir, base=base, env={"NICARBON_TEST_INNER": inner}
        )
        assert len(done.ran) == 3
        run = read_run(run_dir)
        assert [r["node"] for r in run.starts] == ["outer.holder"]
        assert not (base / "never").exists()


FORKED_INNER = """
import os, sys
from nipype import Function, Node, Workflow
import nodes_for_tests as t

def holder(base):
    import multiprocessing, nodes_for_tests as t
    child = multiprocessing.get_context("fork").Process(
        target=lambda: t.chain(base, 2, name="inner").run(plugin="Linear"))
    child.start()
    child.join()
    return child.exitcode

wf = Workflow(name="outer", base_dir=os.path.abspath("w"))
wf.config["execution"] = {"poll_sleep_duration": "0.02"}
node = Node(Function(function=holder, input_names=["base"], output_names=["o"]), name="holder")
node.inputs.base = os.path.abspath("w")
wf.add_nodes([node])
wf.run(plugin=sys.argv[1], plugin_args={"n_procs": 1})
"""


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])
def test_a_workflow_in_a_nodes_child_is_that_nodes_own(script, read_run, tmp_path, plugin):
    done = script(FORKED_INNER, plugin)
    assert done.returncode == 0, done.stderr
    assert "metering failed" not in done.stderr
    run = read_run(tmp_path / "run")
    assert [r["node"] for r in run.starts] == ["outer.holder"]
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 2


OWN = """
import os, nicarbon, nodes_for_tests as t
from nipype.pipeline.plugins.base import PluginBase

class OwnPlugin(PluginBase):
    def run(self, graph, config, updatehash=False):
        import networkx as nx
        for node in nx.topological_sort(graph):
            assert isinstance(node, t.Node)
            node.run(updatehash=updatehash)

wf = t.chain(os.path.abspath('w'), 2)
wf.run(plugin=nicarbon.plugin(OwnPlugin(), run_dir='own'))
"""


def test_a_plugin_that_nobody_knows_is_metered(script, read_run, tmp_path):
    done = script(OWN, metered=False)
    assert done.returncode == 0, done.stderr
    assert len(read_run(tmp_path / "own").starts) == 2
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 2


def test_a_plugin_derived_from_a_proven_one_is_metered(script, read_run, tmp_path):
    done = script(
        "import os, nicarbon, nodes_for_tests as t\n"
        "from nipype.pipeline.plugins import LinearPlugin\n"
        "class ChildPlugin(LinearPlugin):\n    pass\n"
        "wf = t.chain(os.path.abspath('w'), 2)\n"
        "wf.run(plugin=nicarbon.plugin(ChildPlugin(), run_dir='own'))\n",
        metered=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(read_run(tmp_path / "own").ends) == 2


OWN_POPEN = """
import json, os, sys
import nodes_for_tests as t
from nipype import Function, Node, Workflow

def popen_beside_orphans(x):
    import os, subprocess, sys, time
    # Orphans, in this session and in their own, that die before and after the child does.
    for script in ("(sleep 0.05 &) ; (exit 0 &)", "setsid sh -c 'sleep 0.05 & exit 0'"):
        for _ in range(5):
            subprocess.run(["bash", "-c", script], check=True)
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    time.sleep(0.2)
    codes = [child.wait()]
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 4"], {})
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    late = subprocess.Popen(["sh", "-c", "exit 5"])
    globals()["LATE"] = late          # Waited for by nobody before the node ends.
    import builtins
    builtins.late_child = late
    time.sleep(0.2)
    return codes

def wait_for_the_late(x):
    import builtins
    return builtins.late_child.wait()

wf = Workflow(name="w", base_dir=os.path.abspath("w"))
wf.config["execution"] = {"poll_sleep_duration": "0.02"}
a = Node(Function(function=popen_beside_orphans, input_names=["x"], output_names=["o"]), name="a")
b = Node(Function(function=wait_for_the_late, input_names=["x"], output_names=["o"]), name="b")
a.inputs.x = 1
wf.connect(a, "o", b, "x")
graph = wf.run(plugin=sys.argv[1], plugin_args={"n_procs": 1})
print("CODES", [n.result.outputs.o for n in sorted(graph.nodes(), key=lambda n: n.name)])
"""


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])
def test_a_nodes_own_children_keep_their_exit_codes(script, read_run, tmp_path, plugin):
    done = script(OWN_POPEN, plugin)
    assert "CODES [[3, 4], 5]" in done.stdout, done.stderr
    assert len(read_run(tmp_path / "run").ends) == 2


WAITS = """
import os, subprocess, sys
import nodes_for_tests as t
from nipype import Function, Node, Workflow

def reap():
    seen = []
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return seen
        seen.append((pid, os.waitstatus_to_exitcode(status)))

def in_node(x):
    import os
    pids = {os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {n}"], {}): n for n in (1, 2)}
    seen = {}
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            break
        seen[pid] = os.waitstatus_to_exitcode(status)
    return seen == pids

mine = {os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {n}"], {}): n for n in (3, 4)}
assert dict(reap()) == mine
wf = Workflow(name="w", base_dir=os.path.abspath("w"))
wf.config["execution"] = {"poll_sleep_duration": "0.02"}
node = Node(Function(function=in_node, input_names=["x"], output_names=["o"]), name="node")
node.inputs.x = 1
wf.add_nodes([node])
(done,) = wf.run(plugin="Linear").nodes()
print("SEEN", done.result.outputs.o, reap())
"""


def test_a_users_wait_loop_meets_only_its_own_children(script):
    done = script(WAITS)
    assert "SEEN True []" in done.stdout, done.stderr


def test_an_unknown_plugin_names_the_known_ones():
    import nicarbon

    with pytest.raises(ValueError, match=r"NoSuch.*Linear.*MultiProc"):
        nicarbon.plugin("NoSuch")
    with pytest.raises(ValueError, match="arguments belong to the plugin's name"):
        nicarbon.plugin(object(), n_procs=2)


def test_an_unknown_plugin_under_nicarbon_run_is_nipypes_own_error(script):
    text = (
        "import os, nodes_for_tests as t\nt.chain(os.path.abspath('w'), 1).run(plugin='NoSuch')\n"
    )
    plain, metered = script(text, metered=False), script(text)
    assert plain.returncode == metered.returncode == 1
    assert plain.stderr.splitlines()[-1] in metered.stderr
    assert "AttributeError" in plain.stderr.splitlines()[-1]


MAIN_FUNCTIONS = """
import os, sys
from nipype import Function, MapNode, Workflow
import nodes_for_tests as t

def main():
    wf = t.chain(os.path.abspath("w"), 3)
    wf.config["execution"] = {"poll_sleep_duration": "0.02"}
    wf.run(plugin="MultiProc", plugin_args={"n_procs": 2, "mp_context": sys.argv[1]})
    t.chain(os.path.abspath("w2"), 2).run()

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("context", ["forkserver", "spawn"])
def test_a_script_runs_unedited_with_several_workflows(script, read_run, tmp_path, context):
    done = script(MAIN_FUNCTIONS, context)
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "run")
    assert len(run.graphs) == 2
    assert len(run.ends) == 5
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["program"] == "script.py"
