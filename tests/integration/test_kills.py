# SPDX-License-Identifier: Apache-2.0
"""What stays of a run when something is killed, removed or full."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from nicarbon.attribution import attribute
from nicarbon.reader import read_run as read_facts

# Long enough for any loaded machine; nothing here is timed.
PATIENCE_S = 60

PROGRAM = """
import json, os, sys
import nicarbon
from nipype import Function, Node, Workflow

def burn(path, seconds):
    import os, time
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    os.rename(path, path + ".pid")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(20000))

def main():
    wf = Workflow(name="w", base_dir=os.path.abspath("work"))
    wf.config["execution"] = {"poll_sleep_duration": "0.05", "crashdump_dir": os.path.abspath(".")}
    for name, seconds in json.loads(sys.argv[2]).items():
        node = Node(Function(function=burn, input_names=["path", "seconds"]), name=name)
        node.inputs.path, node.inputs.seconds = os.path.abspath(name), seconds
        wf.add_nodes([node])
    args = {"n_procs": 2} if sys.argv[1] == "MultiProc" else {}
    wf.run(plugin=nicarbon.plugin(sys.argv[1], run_dir="run", interval_s=0.1, **args))
    print("DONE", flush=True)

if __name__ == "__main__":
    main()
"""

PLAIN = "sys.argv[1], plugin_args=args)"


def wait_for(condition, what):
    """Return the condition's value as soon as it holds."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail(f"waited in vain for {what}")
    return None


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def pipeline(tmp_path, environment):
    """Start a metered pipeline of nodes that burn CPU time; kill what is left of it."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    started = []

    def start(plugin, nodes, prelude="", metered=True):
        text = PROGRAM if metered else re.sub(r"nicarbon\.plugin\(.*\)\)", PLAIN, PROGRAM)
        program.write_text(prelude + text)
        process = subprocess.Popen(
            [sys.executable, str(program), plugin, json.dumps(nodes)],
            env=environment(),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        # Its session: pool workers would wait for ever.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.stderr.close()
        process.wait()


def pid_of(tmp_path, node):
    path = tmp_path / f"{node}.pid"
    return int(wait_for(lambda: path.exists() and path.read_text(), f"the start of {node}"))


def lines(tmp_path, kind):
    """Return the whole lines of a kind so far."""
    found = []
    for path in (tmp_path / "run").glob("samples-*.jsonl"):
        whole = path.read_text().rpartition("\n")[0].splitlines()
        found += [record for record in map(json.loads, whole) if record["kind"] == kind]
    return found


def wait_for_beat(tmp_path, n=1, cpu_s=0.2):
    """Wait until the sampler has seen n nodes use some CPU time."""
    return wait_for(
        lambda: [
            s
            for s in lines(tmp_path, "sample")
            if sum(used > cpu_s for used in s["spans"].values()) >= n
        ],
        "a beat",
    )


def sampler_pid(tmp_path):
    (host,) = lines(tmp_path, "host")
    return host["pid"]


def assert_sum_holds(result):
    for host in result.hosts:
        parts = [host.nodes_j, host.engine_j, host.meter_j, host.other_j, host.unattributed_j]
        assert host.energy_j > 0
        assert sum(parts) + host.residual_j == pytest.approx(host.energy_j, rel=1e-9)
        assert abs(host.residual_j) <= 1e-9 * host.energy_j
        assert all(part >= 0 for part in parts)
        # Two separate ways to the same number.
        spans_j = sum(s.energy_j or 0.0 for s in result.spans if s.host == host.host)
        assert spans_j == pytest.approx(host.nodes_j, rel=1e-9)


def test_a_killed_worker_keeps_what_it_used(pipeline, tmp_path):
    process = pipeline("MultiProc", {"victim": 600, "other": 1.0})
    victim = pid_of(tmp_path, "victim")
    pid_of(tmp_path, "other")
    wait_for_beat(tmp_path)
    wait_for(
        lambda: any(
            s["spans"] and max(s["spans"].values()) > 0.2 for s in lines(tmp_path, "sample")
        ),
        "a beat of the victim",
    )
    wait_for(
        lambda: any(
            '"outcome":"ran"' in p.read_text() for p in (tmp_path / "run").glob("nodes-*")
        ),
        "the end of the other node",
    )
    before = wait_for_beat(tmp_path)[-1]
    os.kill(victim, signal.SIGKILL)
    (gone,) = wait_for(lambda: lines(tmp_path, "gone"), "the record of its end")
    # nipype waits for ever for a worker that was killed.
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: lines(tmp_path, "close"), "the sampler's last line")

    result = attribute(read_facts(tmp_path / "run"))
    spans = {span.node: span for span in result.spans}
    assert spans["w.victim"].outcome == "killed"
    assert spans["w.victim"].span == gone["span"]
    assert spans["w.victim"].cpu_s >= before["spans"][gone["span"]]
    assert spans["w.victim"].energy_j > 0
    assert "killed" in spans["w.victim"].cpu_incomplete
    assert spans["w.other"].outcome == "ran"
    assert_sum_holds(result)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_sampler_ends_with_a_killed_driver(pipeline, tmp_path, number):
    process = pipeline("Linear", {"node": 600})
    pid_of(tmp_path, "node")
    wait_for_beat(tmp_path)
    sampler = sampler_pid(tmp_path)
    assert alive(sampler)
    os.kill(process.pid, number)
    assert process.wait() == -number
    wait_for(lambda: not alive(sampler), "the end of the sampler")
    (close,) = lines(tmp_path, "close")
    assert close["reason"] == "driver ended"
    result = attribute(read_facts(tmp_path / "run"))
    (span,) = result.spans
    assert span.outcome == "killed"
    assert span.cpu_s > 0.2
    assert span.energy_j > 0
    assert_sum_holds(result)


# nipype turns it into a node's error in the driver itself; a pool's scheduler is interrupted.
@pytest.mark.parametrize(
    ("plugin", "code", "outcome"),
    [("Linear", 1, "failed"), ("MultiProc", -signal.SIGINT, "interrupted")],
)
def test_ctrl_c_is_the_pipelines_own(pipeline, tmp_path, plugin, code, outcome):
    ends = []
    for metered in (False, True):
        process = pipeline(plugin, {"node": 600}, metered=metered)
        pid_of(tmp_path, "node")
        (tmp_path / "node.pid").unlink()
        if metered:
            wait_for_beat(tmp_path)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
        ends.append((process.returncode, "KeyboardInterrupt" in errors))
    assert ends == [(code, True)] * 2
    assert "run recorded" in errors
    facts = read_facts(tmp_path / "run")
    (span,) = attribute(facts).spans
    assert span.outcome == "failed"
    drivers = [line for file in facts.node_files for line in file.lines if hasattr(line, "event")]
    assert [driver.outcome for driver in drivers] == [None, outcome]
    assert lines(tmp_path, "close")


def test_a_killed_sampler_is_said_once_and_stops_nothing(pipeline, tmp_path):
    process = pipeline("MultiProc", {"a": 1.0, "b": 1.0})
    pid_of(tmp_path, "a")
    wait_for_beat(tmp_path)
    os.kill(sampler_pid(tmp_path), signal.SIGKILL)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert "DONE" in output
    assert errors.count("the sampler ended before the run") == 1
    assert "Traceback" not in errors
    result = attribute(read_facts(tmp_path / "run"))
    assert {span.outcome for span in result.spans} == {"ran"}
    assert_sum_holds(result)
    assert result.hosts[0].uncovered_s > 0


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])
def test_a_run_folder_removed_while_running_stops_nothing(pipeline, tmp_path, plugin):
    process = pipeline(plugin, {"a": 1.0, "b": 0.2})
    pid_of(tmp_path, "a")
    wait_for_beat(tmp_path)
    (tmp_path / "run").rename(tmp_path / "moved")
    subprocess.run(["rm", "-r", str(tmp_path / "moved")], check=True)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert "DONE" in output
    assert "Traceback" not in errors


FULL = """
import json, os, resource
from nicarbon.meter import session, writer

# The sampler's file stays smaller than this: the kernel cuts what is written, as a full disk does.
start = session.Session.start
def limited(self):
    context = start(self)
    resource.prlimit(context.sampler_pid, resource.RLIMIT_FSIZE, (3000, 3000))
    return context
session.Session.start = limited

# Nodes' records meet a disk that is full.
append = writer.Writer._append
def full(self, fd, text):
    kind = json.loads(text)["kind"]
    if kind not in ("start", "end") or kind == "KEPT":
        return append(self, fd, text)
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        return append(self, fd, text)
    finally:
        os.close(fd)
writer.Writer._append = full
"""


@pytest.mark.parametrize("kept", ["nothing", "start"])
def test_a_disk_that_is_full_stops_nothing(pipeline, tmp_path, kept):
    process = pipeline("MultiProc", {"a": 1.0, "b": 0.5}, FULL.replace("KEPT", kept))
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert "DONE" in output
    assert "Traceback" not in errors
    # Each process says it once, and the sampler too.
    assert 1 <= errors.count("metering failed in process") <= 2
    assert "No space left on device" in errors
    # Once for the record that was cut, once for those after it.
    assert 1 <= errors.count("can't be written") <= 2
    result = attribute(read_facts(tmp_path / "run"))
    assert len(result.spans) == (2 if kept == "start" else 0)
    assert_sum_holds(result)


def test_a_read_only_run_folder_runs_unmetered(tmp_path, environment):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "program.py").write_text(PROGRAM.replace('run_dir="run"', 'run_dir="file/run"'))
    done = subprocess.run(
        [sys.executable, "program.py", "Linear", json.dumps({"a": 0.01})],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert "DONE" in done.stdout
    assert "cannot be written" in done.stderr
    assert "runs unmetered" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [[], ["-m", "nicarbon", "run"]])
def test_nobody_reads_what_the_meter_says(tmp_path, environment, command):
    (tmp_path / "program.py").write_text(PROGRAM)
    read, write = os.pipe()
    os.close(read)
    # What stays in a buffer that nobody empties makes Python leave with 120.
    buffered = {k: v for k, v in environment().items() if k != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, *command, "program.py", "Linear", json.dumps({"a": 0.01})],
        env=buffered,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=write,
        timeout=PATIENCE_S,
    )
    os.close(write)
    assert b"DONE" in done.stdout
    assert done.returncode == 0
