# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os

import msgspec
import pytest

from nicarbon.meter import accounting
from nicarbon.meter.accounting import ask, ask_for_run
from nicarbon.records import JobFacts

# sacct -D -X -n -P with epoch times, as Slurm 22.05 prints it.
SACCT = """\
12|NODE_FAIL|1:0|1790000000|1790000010|1790000100|n1|
12.batch|CANCELLED||1790000010|1790000010|1790000100|n1|0
12|TIMEOUT|0:1|1790000200|1790000210|1790000300|n2|
12.batch|CANCELLED|0:15|1790000210|1790000210|1790000300|n2|9000
13|CANCELLED by 1000|0:15|1790000000|Unknown|1790000050|None assigned|
14|RUNNING|0:0|1790000000|1790000010|Unknown|n1|
14.batch|RUNNING|0:0|1790000010|1790000010|Unknown|n1|70
15|COMPLETED|0:0|1790000000|1790000010|1790000020|n1|300
15.extern|COMPLETED|0:0|1790000010|1790000010|1790000020|n1|1935
15.batch|COMPLETED|0:0|1790000010|1790000010|1790000020|n1|1605
15.0|COMPLETED|0:0|1790000018|1790000018|1790000020|n1|300
16|COMPLETED|0:0|1790000000|1790000010|1790000020|n1|
16.batch|COMPLETED|0:0|1790000010|1790000010|1790000020|n1|18446744073709551615
not a row
"""
QACCT = """\
==============================================================
qname        all.q
hostname     n1
jobnumber    12
qsub_time    Sun Nov 22 09:00:00 2026
start_time   Sun Nov 22 09:00:05 2026
end_time     Sun Nov 22 09:10:05 2026
failed       37  : qmaster enforced h_rt, h_cpu, or h_vmem limit
exit_status  137                  (Killed)
==============================================================
hostname     n2
jobnumber    112
failed       0
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Put a command on the path that prints a text and notes how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(name, *texts, code=0):
        for number, text in enumerate(texts):
            (folder / f"{name}.{number}").write_text(text)
        path = folder / name
        path.write_text(
            "#!/bin/sh\n"
            f'echo "$SLURM_TIME_FORMAT $@" >> {folder}/{name}.calls\n'
            f"n=$(($(wc -l < {folder}/{name}.calls) - 1))\n"
            f"[ -e {folder}/{name}.$n ] || n={len(texts) - 1}\n"
            f"cat {folder}/{name}.$n\nexit {code}\n"
        )
        path.chmod(0o755)
        return lambda: (folder / f"{name}.calls").read_text().splitlines()

    return make


def test_slurm_says_how_each_attempt_ended(command):
    calls = command("sacct", SACCT)
    facts = ask("slurm", ["12", "13", "14", "15", "12"])
    assert [(fact["job_id"], fact["how"], fact["over"]) for fact in facts] == [
        ("12", "node failure", True),
        ("12", "time limit", True),
        ("13", "cancelled", True),
        ("14", None, False),
        ("15", None, True),
        ("16", None, True),
    ]
    # Of its batch step: the job's own row has that of srun steps alone. Nothing counted shows as
    # 0, a counter that went back as nearly 2**64.
    assert [fact["consumed_energy_j"] for fact in facts] == [None, 9000, None, None, 1605, None]
    assert facts[0]["t_start_unix_s"] == 1790000010
    assert facts[2]["t_start_unix_s"] is None
    (call,) = calls()
    assert call.startswith("%s -D -n -P --noconvert -j 12,13,14,15 -o JobIDRaw,State")


def test_many_jobs_are_asked_for_some_at_a_time(command):
    calls = command("sacct", "")
    assert ask("slurm", map(str, range(1200))) == []
    assert len(calls()) == 3


def test_grid_engine_says_only_of_jobs_that_are_over(command, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    accounting.time.tzset()
    command("qacct", QACCT)
    (fact,) = ask("sge", ["12"])
    assert (fact["how"], fact["over"], fact["hostname"]) == ("resource limit", True, "n1")
    assert fact["exit_code"] == "137"
    assert fact["t_end_unix_s"] - fact["t_start_unix_s"] == 600
    monkeypatch.undo()
    accounting.time.tzset()


def test_a_kill_of_grid_engines_whose_cause_is_not_said_is_not_guessed(command):
    command("qacct", QACCT.replace("failed       37 ", "failed       100 "))
    (fact,) = ask("sge", ["12"])
    assert fact["how"] is None
    assert fact["state"].startswith("failed 100")
    assert fact["t_end_unix_s"] is not None


@pytest.mark.parametrize("scheduler", ["slurm", "sge", "lsf", ""])
def test_without_a_command_nothing_is_known(scheduler, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask(scheduler, ["1"]) == []


def test_a_command_that_takes_too_long_is_left(command, monkeypatch):
    command("sacct", "")
    monkeypatch.setattr(accounting, "_TIMEOUT_S", 0.0)
    assert ask("slurm", ["1"]) == []


def lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"kind":"torn')


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    place = {"scheduler": "slurm"}
    lines(
        folder / "nodes-0a-1-1.jsonl",
        *({"kind": "submitted", "job_id": n, **place} for n in ("11", "12", "13", "14")),
        {"kind": "submitted", "job_id": "", "scheduler": ""},
    )
    end = {"kind": "driver", "event": "end"}
    job = {"kind": "job", **place}
    lines(folder / "nodes-0a-2-1.jsonl", {**job, "job_id": "11"}, end)
    lines(folder / "nodes-0a-3-1.jsonl", {**job, "job_id": "12"})
    failed = {"kind": "end", "outcome": "failed"}
    lines(folder / "nodes-0a-4-1.jsonl", {**job, "job_id": "13"}, failed, end)
    return folder


def kept(run_dir):
    return [
        msgspec.json.decode(path.read_bytes(), type=JobFacts)
        for path in sorted(run_dir.glob("jobs-*.json"))
    ]


def test_a_run_asks_for_jobs_that_did_not_end_well(run_dir, command):
    calls = command("sacct", SACCT)
    assert ask_for_run(str(run_dir)) == 5
    (call,) = calls()
    assert "-j 12,13,14 " in call
    (facts,) = kept(run_dir)
    assert facts.scheduler == "slurm"
    assert facts.jobs[1].how == "time limit"


def test_a_job_that_ended_well_only_when_it_came_again_is_asked_for(run_dir, command):
    calls = command("sacct", SACCT)
    again = {"kind": "job", "scheduler": "slurm", "job_id": "12", "restart": 1}
    lines(run_dir / "nodes-0a-5-1.jsonl", again, {"kind": "driver", "event": "end"})
    ask_for_run(str(run_dir))
    (call,) = calls()
    assert "-j 12,13,14 " in call


def test_accounts_that_are_late_are_asked_for_again(run_dir, command):
    running = "12|RUNNING|0:0|1790000000|1790000010|Unknown|n1|\n"
    ended = running.replace("RUNNING", "CANCELLED by 0")
    calls = command("sacct", running, ended)
    assert ask_for_run(str(run_dir), wait_s=30.0) == 1
    assert len(calls()) == 2
    (facts,) = kept(run_dir)
    assert facts.jobs[0].how == "cancelled"


def test_where_all_jobs_ended_well_nobody_is_asked(run_dir, command):
    calls = command("sacct", SACCT)
    for name in ("nodes-0a-1-1.jsonl", "nodes-0a-3-1.jsonl", "nodes-0a-4-1.jsonl"):
        (run_dir / name).unlink()
    assert ask_for_run(str(run_dir)) == 0
    with pytest.raises(FileNotFoundError):
        calls()
    assert kept(run_dir) == []


CONFIG = """\
Configuration data as of 2026-11-22T09:00:00
AcctGatherEnergyType    = acct_gather_energy/{}
AcctGatherFilesystemType = acct_gather_filesystem/none
SLURM_VERSION           = 22.05.8
"""


def test_where_slurm_counts_energy_it_is_asked_for_every_job(run_dir, command):
    command("scontrol", CONFIG.format("pm_counters"))
    calls = command("sacct", SACCT)
    assert accounting.slurm_energy_by() == "pm_counters, slurm 22.05.8"
    ask_for_run(str(run_dir))
    (call,) = calls()
    assert "-j 12,13,14,11 " in call
    (facts,) = kept(run_dir)
    assert facts.energy_by == "pm_counters, slurm 22.05.8"
    assert {fact.consumed_energy_j for fact in facts.jobs} == {None, 1605.0, 9000.0}


def test_a_driver_in_a_job_of_its_own_is_asked_for_its_energy_alone(run_dir, command):
    calls = command("sacct", SACCT)
    command("scontrol", CONFIG.format("rapl"))
    for path in run_dir.iterdir():
        path.unlink()
    start = {"kind": "driver", "event": "start", "scheduler": "slurm", "job_id": "15"}
    lines(run_dir / "nodes-0a-1-1.jsonl", start, {"kind": "driver", "event": "end"})
    # As long as it runs it is not over: nobody waits for that.
    assert ask_for_run(str(run_dir), wait_s=60.0) == 0
    with pytest.raises(FileNotFoundError):
        calls()
    ask_for_run(str(run_dir))
    assert "-j 15 " in calls()[0]
    assert 1605 in {fact.consumed_energy_j for fact in kept(run_dir)[0].jobs}


@pytest.mark.parametrize("plugin", ["none", "(null)", ""])
def test_where_it_counts_none_only_for_those_that_did_not_end_well(run_dir, command, plugin):
    command("scontrol", CONFIG.format(plugin))
    calls = command("sacct", SACCT)
    ask_for_run(str(run_dir))
    assert "-j 12,13,14 " in calls()[0]
    assert kept(run_dir)[0].energy_by == ""


def test_an_answer_that_says_nothing_is_not_kept(run_dir, command):
    command("sacct", "", code=1)
    assert ask_for_run(str(run_dir), wait_s=5.0) == 0
    assert kept(run_dir) == []
