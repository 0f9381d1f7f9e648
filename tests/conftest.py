# SPDX-License-Identifier: Apache-2.0
"""What tests of several folders share: how they run programs and read what was recorded."""

from __future__ import annotations

import ctypes
import gzip
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nvml_stand_in
import pytest
from hypothesis import settings

# A busy machine is no failure, and what fails here fails anywhere. To look for new examples:
# pytest --hypothesis-profile=search
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("repeatable")

SUPPORT = Path(__file__).with_name("support")
PATIENCE_S = 90


@pytest.fixture(scope="session", autouse=True)
def _no_profile_of_this_machine(tmp_path_factory):
    """Whoever tests may have calibrated the machine: tests know nothing of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("XDG_CONFIG_DIRS", str(tmp_path_factory.mktemp("everybodys")))
        yield


@pytest.fixture(scope="session")
def run_folders():
    """The module `run_folders`: runs made by hand."""
    path = Path(__file__).with_name("run_folders.py")
    spec = importlib.util.spec_from_file_location("run_folders", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ended():
    """Wait until a process is no more, or a zombie of whoever adopted it; whether it is."""

    def wait(pid):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                with open(f"/proc/{pid}/stat") as file:
                    if file.read().rpartition(")")[2].split()[0] in "ZX":
                        return True
            except OSError:
                return True
            time.sleep(0.01)
        return False

    return wait


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory):
    """The stand-in, loaded: the loader then finds it by its name, as ``pynvml`` asks for it."""
    pytest.importorskip("pynvml")
    if nvml_stand_in.compiler() is None:
        pytest.skip("no C compiler: the stand-in for the driver's library can't be built")
    return ctypes.CDLL(str(nvml_stand_in.compile_into(tmp_path_factory.mktemp("nvml"))))


def _environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("NICARBON_")}
    env["PYTHONPATH"] = os.pathsep.join([str(SUPPORT), *sys.path[1:]])
    env.update(NIPYPE_NO_ET="1", NO_ET="1", PYTHONWARNINGS="default", **more)
    return env


def _record_texts(run_dir):
    """Return the texts of a run's files by the kind in their names, in order, packed or loose."""
    loose = [path for path in run_dir.glob("*-*.json*") if path.suffix in (".json", ".jsonl")]
    files = {path.name: path.read_text() for path in loose}
    for path in run_dir.glob("records-*.jsonl.gz"):
        rest = gzip.decompress(path.read_bytes())
        while rest:
            line, _, rest = rest.partition(b"\n")
            head = json.loads(line)
            files[head["name"]] = rest[: head["bytes"]].decode()
            rest = rest[head["bytes"] + 1 :]
    texts = {"nodes": [], "samples": [], "graph": []}
    for name in sorted(files):
        texts.setdefault(name.partition("-")[0], []).append(files[name])
    return texts


@pytest.fixture
def read_run():
    """Read a run folder's lines, without any of the package's own readers."""

    def read(run_dir):
        texts = _record_texts(Path(run_dir))
        found = {kind: [] for kind in ("starts", "ends", "cached", "drivers", "processes")}
        for text in texts["nodes"]:
            for line in text.splitlines():
                record = json.loads(line)
                group = {"start": "starts", "end": "ends", "driver": "drivers"}.get(
                    record["kind"], record["kind"]
                )
                found.setdefault({"process": "processes"}.get(group, group), []).append(record)
        found["graphs"] = [json.loads(text) for text in texts["graph"]]
        found["samples"] = [
            json.loads(line) for text in texts["samples"] for line in text.splitlines()
        ]
        found["by_span"] = {r["span"]: r for r in found["starts"]}
        found["end_of"] = {}
        for end in found["ends"]:
            node = found["by_span"][end["span"]]["node"]
            found["end_of"].setdefault(node, []).append(end)
        return SimpleNamespace(**found)

    return read


@pytest.fixture
def workflow(tmp_path):
    """Run a workflow of `run_nodes` in a process of its own."""

    def run(
        name,
        plugin="Linear",
        run_dir=None,
        launcher=(),
        check=True,
        enter=(),
        settle=None,
        **spec,
    ):
        base = str(spec.pop("base", tmp_path / "work"))
        os.makedirs(base, exist_ok=True)
        log = tmp_path / "log.txt"
        counter = tmp_path / "counter"
        before = log.read_text() if log.exists() else ""
        env = _environment(
            NICARBON_TEST_LOG=str(log), NICARBON_TEST_COUNTER=str(counter), **spec.pop("env", {})
        )
        spec.update(workflow=name, plugin=plugin, base=base)
        if run_dir is not None and not launcher:
            spec["run_dir"] = str(run_dir)
        # A script of its own: what the nodes are made of is then named by its module in pickles.
        script = tmp_path / "program.py"
        script.write_text("import run_nodes\nif __name__ == '__main__':\n    run_nodes.main()\n")
        done = subprocess.run(
            [*enter, *(launcher or [sys.executable]), str(script), json.dumps(spec)],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        if settle is not None:  # Jobs may go on where nipype does not wait for them.
            settle()
        lines = [line for line in done.stdout.splitlines() if line.startswith("ENDED ")]
        if check:
            assert done.returncode == 0, done.stderr[-3000:]
            assert "metering failed" not in done.stderr, done.stderr[-3000:]
        return SimpleNamespace(
            ended=json.loads(lines[-1][6:]) if lines else None,
            all_ended=[json.loads(line[6:]) for line in lines],
            stderr=done.stderr,
            stdout=done.stdout,
            code=done.returncode,
            ran=(log.read_text() if log.exists() else "")[len(before) :].splitlines(),
            base=Path(base),
        )

    return run


@pytest.fixture(scope="session")
def environment():
    """Return the environment of a test's subprocess."""
    return _environment


@pytest.fixture
def script(tmp_path, environment):
    """Run a Python script, by ``nicarbon run`` unless told otherwise."""

    def run(text, *arguments, metered=True, run_dir="run", options=(), timeout=60):
        path = tmp_path / "script.py"
        path.write_text(text)
        command = [sys.executable]
        if metered:
            command += ["-m", "nicarbon", "run", "-o", str(tmp_path / run_dir), *options]
        return subprocess.run(
            [*command, str(path), *arguments],
            env=environment(NICARBON_TEST_LOG=str(tmp_path / "log.txt")),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def submit(tmp_path):
    """Run steps of `pydra_tasks`, in turn or at once, in a process of their own."""
    script = tmp_path / "program.py"
    script.write_text("import pydra_tasks\nif __name__ == '__main__':\n    pydra_tasks.main()\n")

    def run(*steps, at_once=False, launcher=(), enter=(), env=None):
        for step in steps:
            step["base"] = str(tmp_path / step.get("base", "work"))
            if "run_dir" in step:
                step["run_dir"] = str(tmp_path / step["run_dir"])
        done = subprocess.run(
            [
                *enter,
                *(launcher or [sys.executable]),
                str(script),
                json.dumps({"steps": steps, "at_once": at_once}),
            ],
            env=_environment(NICARBON_TEST_LOG=str(tmp_path / "log.txt"), **(env or {})),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("ENDED ")]
        assert lines, done.stderr[-3000:]
        assert "metering failed" not in done.stderr, done.stderr[-3000:]
        return SimpleNamespace(
            steps=[SimpleNamespace(**step) for step in json.loads(lines[-1][6:])],
            stderr=done.stderr,
        )

    return run


@pytest.fixture
def batch_system(tmp_path):
    """Put stand-ins for a batch system's commands on the PATH; their jobs end with the test."""
    spec = importlib.util.spec_from_file_location("stand_in", SUPPORT / "stand_in.py")
    stand_in = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stand_in)
    state = tmp_path / "jobs"

    def use(system):
        folder = stand_in.install(tmp_path / "bin", system)

        def wait():
            """Wait until no job is left."""
            until = time.monotonic() + PATIENCE_S
            while not all(job.over for job in stand_in.jobs(state)):
                assert time.monotonic() < until, "jobs do not end"
                time.sleep(0.05)

        return SimpleNamespace(
            jobs=lambda: stand_in.jobs(state),
            wait=wait,
            env={
                "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
                "STAND_IN_DIR": str(state),
                "LOGNAME": "me",
            },
        )

    yield use
    stand_in.stop(state)
