# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from nicarbon.meter import markers as markers_module
from nicarbon.meter.markers import Markers
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.rule_logs import Rule

S = 1_000_000_000
DATE = "Tue Jul 13 16:30:58 EDT 2021"
NODE, TOOL = 7, 8


class Recon:
    """A node in which recon-all runs, on a host of which each file is written by the test."""

    def __init__(self, host, clock, subjects):
        self.host, self.clock = host, clock
        self.said = []
        self.markers = Markers(ProcFS(host.path), clock.monotonic_ns, self.said.append)
        self.log = subjects / "bert" / "scripts" / "recon-all.log"
        self.log.parent.mkdir(parents=True)
        self.subjects = subjects
        host.process(NODE, comm="python", command=("python", "run.py"))
        self.began_ns = clock.now_ns

    def start(self, pid=TOOL, *words, comm="recon-all", parent=NODE):
        line = words or ("/bin/tcsh", "-f", "/fs/bin/recon-all", "-s", "bert", "-all")
        self.host.process(pid, parent, comm=comm, command=line)
        self.host.write(f"proc/{pid}/environ", f"A=b\0SUBJECTS_DIR={self.subjects}\0")
        cwd = self.host.root / f"proc/{pid}/cwd"
        cwd.unlink(missing_ok=True)
        cwd.symlink_to("/")

    def write(self, *lines):
        with self.log.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def look(self, after=1.0):
        self.clock.now_ns += round(after * S)
        procfs = ProcFS(self.host.path)
        pids = (NODE, TOOL, 9, 10)
        found = [stat for stat in map(procfs.stat, pids) if stat is not None]
        self.markers.look("a", self.began_ns, found)
        return self.taken()

    def taken(self):
        return [
            (
                m["source"],
                m["text"],
                self.ago(m["since_monotonic_ns"]),
                self.ago(m["t_monotonic_ns"]),
            )
            for m in self.markers.take().get("a", [])
        ]

    def ago(self, t_ns):
        return (t_ns - self.began_ns) / S


@pytest.fixture
def recon(host, clock, tmp_path):
    return Recon(host, clock, tmp_path / "subjects")


def test_steps_are_stamped_with_the_looks_between_which_they_began(recon):
    assert recon.look() == []
    recon.start()
    recon.write("subjid bert")
    assert recon.look() == [("seen", "", 1, 2), ("recon-all", "subjid ", 1, 2)]
    assert recon.look() == []
    recon.write(f"#@# Fill {DATE}", "#@# bert lh 22", f"#@# Tessellate lh {DATE}")
    assert recon.look(0.5) == [
        ("recon-all", f"#@# Fill {DATE}", 3, 3.5),
        ("recon-all", f"#@# Tessellate lh {DATE}", 3, 3.5),
    ]


def test_nobody_is_named(recon):
    recon.start()
    recon.write("subjid bert", f"recon-all -s bert -all finished without error at {DATE}")
    assert "bert" not in str(recon.look())


def test_what_an_older_run_left_is_not_this_ones(recon, monkeypatch):
    recon.write("subjid bert", f"#@# Fill {DATE}")
    os.utime(recon.log, (0, 0))
    monkeypatch.setattr(markers_module, "_began_unix_s", lambda stat: 1.0)
    recon.start()
    assert recon.look() == [("seen", "", 0, 1)]
    recon.write(f"#@# Tessellate lh {DATE}")
    assert recon.look() == [("recon-all", f"#@# Tessellate lh {DATE}", 1, 2)]


def test_a_tool_that_ends_is_gone_and_its_last_lines_are_read(recon):
    recon.start()
    recon.look()
    recon.write(f"recon-all -s bert exited with ERRORS at {DATE}")
    recon.host.end_process(TOOL)
    assert [m[0] for m in recon.look()] == ["recon-all", "gone"]
    assert recon.look() == []


def test_the_log_of_a_node_that_ended_is_read_to_its_end(recon):
    recon.start()
    recon.look()
    recon.write(f"#@# Fill {DATE}")
    recon.clock.now_ns += S
    recon.markers.keep(["another"])
    assert recon.taken() == [("recon-all", f"#@# Fill {DATE}", 1, 2)]
    assert recon.look()[0][0] == "seen"  # As if it were new: all of it was forgotten.


def test_subshells_and_recon_alls_inside_another_tool_are_not_tools(recon):
    recon.start(TOOL, "bash", "/f/recon-surf.sh", "--sid", "bert", comm="bash")
    recon.start(9, comm="recon-all", parent=TOOL)
    recon.start(10, comm="recon-all", parent=9)
    assert [m[0] for m in recon.look()] == ["seen"]
    recon.write(f"#@# Fill {DATE}")
    assert [m[0] for m in recon.look()] == ["recon-all"]


def test_a_process_that_becomes_a_tool_was_met_before(recon):
    recon.start(TOOL, "python", comm="python")
    assert recon.look() == []
    recon.start()
    assert recon.look() == [("seen", "", 0, 2)]


def test_a_log_that_no_argument_tells_is_found_by_what_writes_it(recon, tmp_path):
    recon.start(TOOL, "tcsh", "/fs/bin/recon-all", "-s", "other", comm="recon-all")
    recon.look()
    recon.host.process(9, TOOL, comm="tee", command=("tee", "-a", "x"))
    folder = recon.host.root / "proc/9/fd"
    folder.mkdir()
    (folder / "3").symlink_to(recon.log)
    recon.write("subjid bert")
    recon.look()
    recon.write(f"#@# Fill {DATE}")
    assert [m[1] for m in recon.look()] == [f"#@# Fill {DATE}"]


def test_the_status_log_stands_in_for_one_that_cannot_be_read(recon):
    os.mkfifo(recon.log)
    recon.start()
    recon.look()
    (recon.log.parent / "recon-all-status.log").write_text(f"#@# Fill {DATE}\n")
    assert [m[1] for m in recon.look()] == [f"#@# Fill {DATE}"]
    assert len(set(recon.said)) == 1
    assert "it is no regular file" in recon.said[0]


def test_a_log_cannot_fill_the_disk(recon, monkeypatch):
    monkeypatch.setattr(markers_module, "MOST_MARKERS", 10)
    recon.start()
    recon.look()
    recon.write(*[f"#@# Fill {DATE}"] * 100)
    assert len(recon.look()) == 9
    assert len(recon.said) == 1


def test_several_tools_in_a_node_are_told_apart(recon):
    recon.start()
    recon.start(9, parent=NODE)
    recon.look()
    recon.write(f"#@# Fill {DATE}")
    recon.look(0)
    recon.clock.now_ns += S
    recon.write(f"#@# Fill {DATE}")
    recon.markers.look("a", 0, [s for s in map(ProcFS(recon.host.path).stat, (7, 8, 9)) if s])
    tools = {m["tool"] for m in recon.markers.take()["a"]}
    assert tools == {"recon-all 8", "recon-all 9"}


@pytest.fixture
def pipeline(host, clock, tmp_path, recon):
    """The same node, with a rule for a pipeline that writes into a file."""
    rule = {"name": "mine", "detect": "mine version", "step": "Starting (?P<title>.+)"}
    recon.markers = Markers(ProcFS(host.path), clock.monotonic_ns, recon.said.append, [Rule(rule)])
    recon.log = tmp_path / "mine.log"

    def opens(pid, parent=NODE):
        host.process(pid, parent, comm="mine", command=("mine",))
        host.write(f"proc/{pid}/fdinfo/1", "pos:\t0\nflags:\t0100001\n")
        (host.root / f"proc/{pid}/fd").mkdir()
        (host.root / f"proc/{pid}/fd/1").symlink_to(recon.log)

    recon.opens = opens
    return recon


def test_a_log_that_a_rule_knows_is_followed(pipeline):
    pipeline.write("hello")
    pipeline.opens(8)
    assert pipeline.look() == []
    pipeline.write("mine version 2", "Starting denoise")
    assert [m[:2] for m in pipeline.look()] == [("seen", ""), ("rule", "step\tdenoise\t")]
    pipeline.write("noise", "Starting bias")
    assert pipeline.look() == [("rule", "step\tbias\t", 2, 3)]


def test_in_a_container_the_log_is_where_its_processes_see_it(pipeline, tmp_path):
    inside = tmp_path / "container"
    pipeline.log = Path("/scratch/mine.log")
    pipeline.opens(8)
    (pipeline.host.root / "proc/8/root").symlink_to(inside)
    pipeline.log = inside / "scratch/mine.log"
    pipeline.log.parent.mkdir(parents=True)
    pipeline.write("mine version 2", "Starting denoise")
    assert [m[:2] for m in pipeline.look()] == [("seen", ""), ("rule", "step\tdenoise\t")]


def test_the_outermost_process_that_writes_it_is_the_pipeline(pipeline):
    pipeline.write("mine version 2")
    pipeline.opens(8)
    pipeline.opens(9, parent=8)
    pipeline.look()
    pipeline.host.end_process(9)
    pipeline.write("Starting bias")
    assert [m[0] for m in pipeline.look()] == ["rule"]
    pipeline.host.end_process(8)
    assert [m[0] for m in pipeline.look()] == ["gone"]


def test_a_log_that_no_rule_knows_is_left_alone(pipeline):
    pipeline.write("another tool", "x" * 70_000)
    pipeline.opens(8)
    assert pipeline.look() == pipeline.look() == []


def test_a_tool_whose_name_the_kernel_cuts_is_found(recon):
    words = ("bash", "/f/run_fastsurfer.sh", "--sid", "bert", "--sd", str(recon.subjects))
    recon.start(TOOL, *words, comm="run_fastsurfer.")
    recon.look()
    (recon.log.parent / "deep-seg.log").write_text(
        "Log file for segmentation FastSurferCNN/run_prediction.py\n"
        "python3.10 -s /f/FastSurferCNN/run_prediction.py --sid bert\n"
        "[INFO: inference.py:  466]: Coronal inference on bert.mgz finished in 2.5 seconds\n"
    )
    found = recon.look()
    assert [m[1] for m in found if m[0] == "deep-seg"] == [
        "Log file for segmentation",
        "python FastSurferCNN/run_prediction.py",
        "Coronal finished in 2.5 seconds",
    ]
    assert "bert" not in str(found)


def test_a_log_that_a_script_opens_later_is_found(pipeline):
    pipeline.write("mine version 2")
    pipeline.host.process(8, NODE, comm="mine", command=("mine",))
    assert pipeline.look() == []
    pipeline.opens(8)
    assert [m[0] for m in pipeline.look()] == ["seen"]
