# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import resource
import signal
import sys
import time

import pytest

from nicarbon.meter import attend, messages, presence, span
from nicarbon.meter.presence import Presence


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "_failed", False)
    monkeypatch.setattr(span, "_meters", {})


@pytest.fixture
def here(tmp_path):
    """This process in a run."""
    return Presence(str(tmp_path))


@pytest.fixture
def boot(monkeypatch):
    """Put a program of the test's in the place of the sampler."""

    def replace(text):
        monkeypatch.setattr(attend, "_BOOT", "import sys; sys.argv.pop(1)\n" + text)

    return replace


def test_the_sampler_is_nobodys_child(here):
    here.start()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    with open(f"/proc/{here.context.sampler_pid}/stat") as file:
        ppid, _, own_session = file.read().rpartition(")")[2].split()[1:4]
    assert int(ppid) != os.getpid()
    assert int(own_session) != os.getsid(0)
    here.stop()


def test_a_sampler_that_does_not_start_is_said_and_the_run_goes_on(here, boot, records):
    boot("raise SystemExit(1)")
    context = here.start()
    assert context.sampler_pid is None
    here.stop()
    assert here.warnings == ["the sampler did not start: CPU time is recorded, energy is not"]
    assert len(records(here.run_dir, "nodes-", "driver")) == 2


def test_no_interpreter_for_the_sampler(here, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    here.start()
    here.stop()
    (warning,) = here.warnings
    assert warning.startswith("the sampler could not be started: ")


def test_a_late_sampler_is_still_ended(here, boot, monkeypatch, ended):
    monkeypatch.setattr(presence, "_READY_TIMEOUT_S", 0.0)
    boot(
        "import os, time\n"
        "if os.fork(): os._exit(0)\n"
        "time.sleep(0.2); print('ready', os.getpid(), flush=True); time.sleep(600)"
    )
    here.start()
    assert here.context.sampler_pid is None
    time.sleep(0.5)
    here.stop()
    assert ended(here.sampler_pid)


def test_a_sampler_that_was_killed_is_said_once(here, ended):
    here.start()
    os.kill(here.context.sampler_pid, signal.SIGKILL)
    assert ended(here.context.sampler_pid)
    here.stop()
    here.stop()
    assert here.warnings == ["the sampler ended before the run: energy is missing from then on"]


def test_a_sampler_that_ends_between_two_calls_raises_nothing(here, monkeypatch, capfd):
    here.start()
    kill = os.kill

    def gone(pid, number):
        kill(pid, number)
        raise ProcessLookupError(pid)

    monkeypatch.setattr(os, "kill", gone)
    here.stop()
    assert capfd.readouterr().err == ""


def test_a_sampler_that_does_not_end_is_not_waited_for_for_ever(here, boot, monkeypatch):
    monkeypatch.setattr(presence, "_CLOSE_TIMEOUT_S", 0.05)
    boot(
        "import os, signal, time\n"
        "if os.fork(): os._exit(0)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', os.getpid(), flush=True); time.sleep(600)"
    )
    here.start()
    here.stop()
    os.kill(here.context.sampler_pid, signal.SIGKILL)


def test_a_process_with_many_open_files(here):
    """select() can't watch a file descriptor above 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048 and hard != resource.RLIM_INFINITY:
        pytest.skip("no more than 2048 files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        here.start()
        here.stop()
        assert here.warnings == []
    finally:
        for fd in files:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_forked_child_ends_nothing(here, records):
    here.start()
    pid = os.fork()
    if pid == 0:
        here.stop()
        os._exit(0)
    os.waitpid(pid, 0)
    os.kill(here.context.sampler_pid, 0)
    here.stop()
    assert [r["event"] for r in records(here.run_dir, "nodes-", "driver")] == ["start", "end"]


def test_options_that_show_things_to_people_are_the_drivers_own(tmp_path):
    args = ["--interval", "0.5", "--progress", "lines", "--host-root", "/host"]
    here = Presence(str(tmp_path), args)
    context = here.start()
    here.stop()
    assert context.sampler_args == ("--interval", "0.5", "--host-root", "/host")
    assert context.driver == here.key


def test_a_record_that_cannot_be_written_is_a_warning(here, monkeypatch):
    here.start()
    monkeypatch.setattr("nicarbon.meter.writer.Writer.write", lambda self, record: False)
    here.write({"kind": "job"})
    monkeypatch.undo()
    here.stop()
    assert "cannot be written" in here.warnings[0]


def test_a_driver_says_in_which_job_it_is(here, boot, records, monkeypatch, tmp_path):
    boot("raise SystemExit(1)")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    here.start()
    here.stop("ok")
    start, end = records(tmp_path, "nodes-", "driver")
    assert (start["scheduler"], start["job_id"]) == ("slurm", "4711")
    assert "job_id" not in end
