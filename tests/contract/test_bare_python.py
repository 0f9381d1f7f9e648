# SPDX-License-Identifier: Apache-2.0
"""What runs beside a node runs under a bare Python 3.9 or later with nothing installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nicarbon
from nicarbon.engines import bundle

PACKAGE = Path(nicarbon.__file__).parent
TIMEOUT_S = 60

# Prints the modules that came with ours and are neither the standard library's nor nicarbon's.
FOREIGN = """
import sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    __import__(name)
known = getattr(sys, "stdlib_module_names", None)
foreign = []
for name in set(sys.modules) - before:
    top = name.partition(".")[0]
    file = getattr(sys.modules[name], "__file__", None) or ""
    if top == "nicarbon":
        continue
    if known is not None and top not in known or "site-packages" in file:
        foreign.append(name)
print(sorted(foreign))
"""

# A process that starts the sampler as a driver does, and stops it.
SESSION = """
import os, signal, subprocess, sys
package_dir, run_dir = sys.argv[1:]
boot = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from nicarbon.meter.sampler import main; sys.exit(main(sys.argv[1:]))"
)
command = [sys.executable, "-I", "-S", "-c", boot, package_dir, run_dir]
command += ["--driver-pid", str(os.getpid()), "--interval", "0.1"]
with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, env={}) as starter:
    ready, pid = starter.stdout.readline().split()
    assert ready == b"ready", ready
    os.kill(int(pid), signal.SIGTERM)
    assert starter.stdout.read() == b""
assert starter.returncode == 0
print("ok")
"""


def modules():
    """Every module of the meter, by its name."""
    for path in sorted(PACKAGE.glob("meter/**/*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def candidates(name):
    """Where an interpreter may be: on the path, or installed beside the one that runs this."""
    yield shutil.which(name)
    for path in sorted(Path(sys.base_prefix).parent.glob(f"*/bin/{name}")):
        yield str(path)


def version(path):
    """Its real executable and minor version; None where it doesn't run (a shim of nothing)."""
    code = "import sys; print(sys.executable); print(sys.version_info[1])"
    try:
        asked = subprocess.run(
            [path, "-I", "-S", "-c", code],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except OSError:
        return None
    return asked.stdout.split("\n")[:2] if asked.returncode == 0 else None


def interpreters():
    """One Python of each minor version from 3.9 on that is found here and really runs."""
    found = {}
    for minor in range(9, 16):
        for path in filter(None, candidates(f"python3.{minor}")):
            answer = None if minor in found else version(path)
            if answer is not None and answer[1] == str(minor):
                found[minor] = pytest.param(answer[0], id=f"3.{minor}")
    return list(found.values()) or [pytest.param(sys.executable, id="this")]


INTERPRETERS = interpreters()


def bare(interpreter, code, *arguments):
    """Run a piece of code with nothing but the interpreter."""
    done = subprocess.run(
        [interpreter, "-I", "-S", "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={},
        cwd="/",
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_neither_syntax_nor_library_is_newer_than_3_9():
    files = [path for path in bundle.parts() if path.suffix == ".py"]
    assert set(PACKAGE.glob("meter/**/*.py")) < set(files)
    assert len(files) > 10
    done = subprocess.run(
        [
            *(sys.executable, "-c", "import vermin; vermin.main()"),
            *("--target=3.9-", "--no-tips", "--violations"),
            *map(str, files),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_only_the_standard_library_is_imported(interpreter):
    names = list(modules())
    assert "nicarbon.meter.sampler" in names
    assert "nicarbon.meter.sensors.rapl" in names
    assert bare(interpreter, FOREIGN, PACKAGE.parent, *names) == "[]"


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_sampler_runs_from_ready_to_its_last_record(interpreter, tmp_path):
    assert bare(interpreter, SESSION, PACKAGE.parent, tmp_path) == "ok"
    (path,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    kinds = [line["kind"] for line in lines]
    assert kinds[0] == "host"
    assert kinds[-1] == "close"
    assert set(kinds[1:-1]) == {"sample"}
    assert len(kinds) >= 4
    times = [line["t_monotonic_ns"] for line in lines]
    assert times == sorted(times)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_node_side_runs_from_one_file(interpreter, tmp_path):
    done = subprocess.run(
        [
            *(interpreter, "-I", "-S", "-W", "error", bundle.write(tmp_path / "cache")),
            *("--run-dir", tmp_path / "run", "--interval", "0.1"),
            *("--", "sh", "-c", "echo hello; exit 3"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=TIMEOUT_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "hello\n", "")
    (host,) = nicarbon.open(tmp_path / "run").attribution.hosts
    assert host.energy_j > 0
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
