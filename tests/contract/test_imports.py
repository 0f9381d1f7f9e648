# SPDX-License-Identifier: Apache-2.0
"""What a node's process loads and starts because it is metered: as good as nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "pandas",
    "codecarbon",
    "requests",
    "rich",
    "jinja2",
    "msgspec",
    "numpy",
    "networkx",
    "matplotlib",
    "nipype",
    "pydra",
    "psutil",
    "pynvml",
    "multiprocessing",
    "asyncio",
    "concurrent",
}


def run_python(text, *arguments, cwd=None):
    """Run a program, as a file where it has a folder; return what it prints last."""
    program = ["-c", text]
    if cwd is not None:
        (cwd / "program.py").write_text(text)
        program = ["program.py"]
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "NIPYPE_NO_ET": "1", "NO_ET": "1"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def loaded_by(statement):
    return set(
        run_python(
            "import json, sys\nbefore = set(sys.modules)\n"
            f"{statement}\n"
            "print(json.dumps(sorted({n.split('.')[0] for n in set(sys.modules) - before})))"
        )
    )


@pytest.mark.parametrize(
    "statement",
    [
        "import nicarbon.engines.nipype",
        "import nicarbon.engines.nipype_node",
        "import nicarbon.engines.nipype_job",
        "import nicarbon.engines.pydra",
        "import nicarbon.engines.pydra_hooks",
        "import nicarbon.cli.run",
        "import nicarbon.cli",
        "import nicarbon; nicarbon.plugin",
        "import nicarbon; nicarbon.worker",
    ],
)
def test_an_engine_loads_nothing_heavy(statement):
    loaded = loaded_by(statement)
    assert not loaded & HEAVY
    assert loaded - {"nicarbon"} <= set(sys.stdlib_module_names)


def test_the_package_loads_only_itself():
    loaded = loaded_by("import nicarbon")
    assert loaded - {"nicarbon"} <= set(sys.stdlib_module_names)
    own = run_python(
        "import json, sys, nicarbon\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('nicarbon')]))"
    )
    assert sorted(own) == ["nicarbon", "nicarbon._version"]


def test_a_sampler_starts_without_what_few_runs_need():
    own = run_python(
        "import json, sys, nicarbon.meter.sampler\nprint(json.dumps(sorted(sys.modules)))"
    )
    assert "nicarbon.meter.sightings" in own
    seldom = {"naming", "wrappers", "gpu_use", "progress", "sensors.nvml_card"}
    assert not {f"nicarbon.meter.{name}" for name in seldom} & set(own)
    assert not {"asyncio", "hashlib", "importlib.metadata", "shlex", "subprocess"} & set(own)


def test_the_prohibition_can_fail():
    assert loaded_by("import pandas") & HEAVY


def test_nothing_starts_at_import():
    before, after = run_python(
        "import json, os, signal, threading\n"
        "def state():\n"
        "    return [threading.active_count(), len(os.listdir('/proc/self/task')),\n"
        "            len(os.listdir('/proc/self/fd')), dict(os.environ),\n"
        "            [str(signal.getsignal(n)) for n in signal.valid_signals()]]\n"
        "before = state()\n"
        "import nicarbon.engines.nipype, nicarbon.engines.python, nicarbon.meter.session\n"
        "print(json.dumps([before, state()]))"
    )
    assert before == after


NODE = """
import json, os, sys
from nipype import Function, Node, Workflow

def look(x):
    import ctypes, os, signal, sys, threading
    return {
        "threads": sorted(thread.name.split("-")[0] for thread in threading.enumerate()),
        "tasks": len(os.listdir("/proc/self/task")),
        "signals": [str(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
        "environment": sorted(os.environ),
        "cwd": os.path.basename(os.getcwd()),
        "umask": os.umask(os.umask(0o22)),
        "heavy": sorted(
            {"pandas", "codecarbon", "requests", "rich", "jinja2", "msgspec", "psutil", "pynvml"}
            & set(sys.modules)
        ),
    }

def main():
    plugin, args = sys.argv[1], json.loads(sys.argv[2])
    if sys.argv[3] == "metered":
        import nicarbon
        plugin, args = nicarbon.plugin(plugin, run_dir="run", **args), None
    wf = Workflow(name="w", base_dir=os.path.abspath("work"))
    wf.config["execution"] = {"poll_sleep_duration": "0.02"}
    node = Node(Function(function=look, input_names=["x"], output_names=["o"]), name="node")
    node.inputs.x = 1
    wf.add_nodes([node])
    (done,) = wf.run(plugin=plugin, plugin_args=args or None).nodes()
    print(json.dumps(done.result.outputs.o))

main()
"""


@pytest.mark.parametrize(
    ("plugin", "args"), [("Linear", {}), ("MultiProc", {"n_procs": 1, "mp_context": "fork"})]
)
def test_a_node_finds_its_process_as_without_us(tmp_path, plugin, args):
    found = []
    for how in ("plain", "metered"):
        (tmp_path / how).mkdir()
        found.append(run_python(NODE, plugin, json.dumps(args), how, cwd=tmp_path / how))
    assert (tmp_path / "metered" / "run").exists()
    assert found[0] == found[1]
