# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import msgspec
import pytest

import nicarbon
from nicarbon import records
from nicarbon.meter import perf
from nicarbon.meter.sampler import Sampler

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SECOND = 1_000_000_000
LINE = records.Host | records.Sample | records.Gone | records.Close


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def lines_of(run_dir):
    (path,) = run_dir.glob("samples-*.jsonl")
    return [msgspec.json.decode(line, type=LINE) for line in path.read_bytes().splitlines()]


def test_a_session_is_a_host_samples_and_a_close(run_dir, host, clock):
    energy = host.zone("intel-rapl:0", "package-0", 1000)
    host.process(7, own=100, reaped=50)
    host.process(99, own=3, starttime=11)
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock, interval_s=2, pid=99)
    sampler.open()
    sampler.sample()
    energy.write_text("3000\n")
    host.idle_ticks(1100)
    clock.now_ns += 2 * SECOND
    sampler.sample()
    sampler.close("stopped")
    assert [p.name for p in run_dir.iterdir()] == ["samples-aaaabbbbcccc-99-11.jsonl"]
    first, one, two, last = lines_of(run_dir)
    assert (first.host, first.driver) == ("aaaabbbbcccc", "aaaabbbbcccc-7-50")
    assert (first.interval_s, first.n_cpus, first.pid) == (2, 2, 99)
    assert first.sensors[0].domains[0].name == "package-0"
    assert (one.readings, two.readings) == ({"package-0": 1000}, {"package-0": 3000})
    assert two.t_monotonic_ns - one.t_monotonic_ns == 2 * SECOND
    assert two.busy_cpu_s - one.busy_cpu_s == pytest.approx(4 - 100 * TICK_S)
    assert one.t_unix_ns == clock.unix_ns() - 2 * SECOND
    assert two.driver_cpu_s == pytest.approx(150 * TICK_S)
    assert two.meter_cpu_s == pytest.approx(3 * TICK_S)
    assert last.reason == "stopped"


def test_what_it_kept_open_it_closes(run_dir, host, clock):
    host.zone("intel-rapl:0", "package-0", 1000)
    host.process(7)
    start = {"kind": "start", "span": "s", "node": "n", "cpu_base_s": 0.0}
    (run_dir / "nodes-aaaabbbbcccc-7-50.jsonl").write_text(json.dumps(start) + "\n")
    before = len(os.listdir("/proc/self/fd"))
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock)
    sampler.open()
    sampler.sample()
    assert len(os.listdir("/proc/self/fd")) == before + 4  # counter, stat, nodes, samples
    sampler.close("stopped")
    assert len(os.listdir("/proc/self/fd")) == before


def test_running_nodes_beat_and_lost_ones_are_gone_after_their_last_sample(run_dir, host, clock):
    host.process(7, own=100, children="8")
    host.process(8, 7, own=20, rss_pages=5)
    start = {"kind": "start", "span": "s", "node": "n", "cpu_base_s": 0.0}
    (run_dir / "nodes-aaaabbbbcccc-8-50.jsonl").write_text(json.dumps(start) + "\n")
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock)
    sampler.open()
    sampler.sample()
    host.end_process(8)
    sampler.sample()
    sampler.sample()
    _, one, two, gone, three = lines_of(run_dir)
    assert one.spans == two.spans == {"s": pytest.approx(20 * TICK_S)}
    assert one.driver_cpu_s == pytest.approx(120 * TICK_S)
    assert one.memory_bytes == two.memory_bytes == {"s": 5 * os.sysconf("SC_PAGE_SIZE")}
    assert gone == records.Gone("s", two.t_monotonic_ns)
    assert three.spans == {}
    assert three.driver_cpu_s == one.driver_cpu_s  # it never falls


def test_programs_that_were_seen_are_in_the_next_sample(run_dir, host, clock):
    host.process(7, comm="python", command=("python", "run.py"), children="8")
    host.process(8, 7, comm="bet", command=("bet", "sub-01.nii"), state="R")
    start = {"kind": "start", "span": "s", "node": "n", "cpu_base_s": 0.0}
    start["t_monotonic_ns"] = clock.now_ns
    (run_dir / "nodes-aaaabbbbcccc-7-50.jsonl").write_text(json.dumps(start) + "\n")
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock)
    sampler.open()
    sampler.sample()
    clock.now_ns += SECOND // 10
    assert 0 < sampler.sight() < 1
    sampler.sample()
    sampler.sample()
    _, one, two, three = lines_of(run_dir)
    assert one.sightings == three.sightings == {}
    assert two.sightings == {"s": records.Sightings(1, {"bet": (1, 0.1, 0.0)})}


@pytest.mark.parametrize("loads", [True, False])
def test_what_the_first_look_loads_is_not_the_cost_of_the_next(
    run_dir, host, clock, monkeypatch, loads
):
    host.process(7)
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock)
    sampler.open()
    sampler.sample()

    def look(trees):
        until_s = time.thread_time() + 0.1
        while time.thread_time() < until_s:
            pass
        if loads:
            monkeypatch.setitem(sys.modules, "loaded_by_a_look", types.ModuleType("loaded"))

    monkeypatch.setattr(sampler._sightings, "look", look)
    # What a look costs sets when the next may come: of a tenth of a second, not for seconds.
    assert (sampler.sight() < 3) is loads


def test_who_used_each_card_is_in_the_next_sample(run_dir, host, clock, cards):
    cards.add(energy_mj=5000)
    host.process(7, children="8")
    host.process(8, 7)
    start = {"kind": "start", "span": "s", "node": "n", "cpu_base_s": 0.0}
    start["t_monotonic_ns"] = clock.now_ns
    (run_dir / "nodes-aaaabbbbcccc-7-50.jsonl").write_text(json.dumps(start) + "\n")
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock)
    sampler.open()
    for card in sampler.sensors[0].cards:
        card._unix_ns = clock.unix_ns
    sampler.sample()
    assert sampler.interval_s() == 1.0
    cards.process(8, sm=50)
    clock.now_ns += 400 * SECOND
    cards.now(clock.unix_ns() // 1000)
    assert sampler.interval_s() == 10.0
    sampler.sight()  # between two samples it looks as well
    assert sampler.interval_s() == 1.0  # while a node uses a card
    clock.now_ns += SECOND
    cards.now(clock.unix_ns() // 1000)
    cards.change(energy_mj=None, error=15)  # it falls off the bus
    sampler.sample()
    sampler.close("stopped")
    first, one, two, _ = lines_of(run_dir)
    assert [d.name for d in first.sensors[0].domains] == ["gpu-0"]
    assert (one.readings["gpu-0"], two.readings["gpu-0"]) == (5000, None)
    assert one.gpus == {"gpu-0": records.GpuUse(one.gpus["gpu-0"].t_monotonic_ns)}
    assert two.gpus["gpu-0"].sm_s == {"s": pytest.approx(200.0)}
    assert two.gpus["gpu-0"].held_s == {"s": pytest.approx(400.0)}


def test_a_driver_that_answers_as_none_should_costs_no_sample(run_dir, host, clock, cards, capsys):
    cards.add(energy_mj=5000)
    host.process(7)
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock)
    sampler.open()
    (card,) = sampler.sensors[0].cards
    card.holders = lambda: [1]
    assert sampler.sample()["readings"]["gpu-0"] == 5000
    assert "who uses the GPUs can't be told" in capsys.readouterr().err
    sampler.close("stopped")


def test_a_driver_that_ended_keeps_its_last_count(run_dir, host, clock):
    host.process(7, own=100)
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock)
    sampler.open()
    sampler.sample()
    host.end_process(7)
    assert sampler.sample()["driver_cpu_s"] == pytest.approx(100 * TICK_S)


def test_without_a_driver_there_is_no_driver_time(run_dir, host, clock):
    sampler = Sampler(str(run_dir), host.path, clock=clock)
    sampler.open()
    assert sampler.sample()["driver_cpu_s"] is None


def test_a_slow_reading_is_taken_again_and_the_time_is_its_middle(run_dir, host, clock):
    host.zone("intel-rapl:0", "package-0", 1)
    sampler = Sampler(str(run_dir), host.path, clock=clock)
    sampler.open()
    slow = iter([30_000_000, 10_000_000, 20_000_000])
    read = sampler.sensors[0].read

    def late():
        clock.now_ns += next(slow)
        return read()

    sampler.sensors[0].read = late
    began_ns = clock.now_ns
    record = sampler.sample()
    assert record["read_s"] == pytest.approx(0.010)
    assert record["t_monotonic_ns"] == began_ns + 30_000_000 + 5_000_000
    assert next(slow, None) is None
    assert record["t_unix_ns"] - record["t_monotonic_ns"] == 1_700_000_000_000_000_000
    assert record["busy_cpu_s"] == pytest.approx(
        2 * record["t_monotonic_ns"] / 1e9 - 1000 * TICK_S
    )


def test_a_fast_reading_is_taken_once(run_dir, host, clock):
    host.zone("intel-rapl:0", "package-0", 1)
    sampler = Sampler(str(run_dir), host.path, clock=clock)
    sampler.open()
    calls = []
    sampler.sensors[0].read = lambda: calls.append(1) or {}
    sampler.sample()
    assert calls == [1]


def test_a_sensor_that_fails_reads_none_and_is_named_once(run_dir, host, clock, capfd):
    host.zone("intel-rapl:0", "package-0", 1)
    sampler = Sampler(str(run_dir), host.path, clock=clock)
    sampler.open()

    def fail():
        raise RuntimeError("loose wire")

    sampler.sensors[0].read = fail
    assert sampler.sample()["readings"] == {"package-0": None}
    sampler.sample()
    assert capfd.readouterr().err == "nicarbon: sampler: the sensor rapl fails: loose wire\n"


def test_no_proc_stat_is_no_sample_and_no_error(run_dir, host, clock, capfd):
    sampler = Sampler(str(run_dir), host.path, clock=clock)
    sampler.open()
    host.write("proc/stat", "")
    assert sampler.sample() is None
    assert "/proc/stat" in capfd.readouterr().err
    host.idle_ticks(5)
    assert sampler.sample() is not None


def test_a_folder_that_cannot_be_written_is_said_once(host, clock, tmp_path, capfd):
    sampler = Sampler(str(tmp_path / "none"), host.path, clock=clock)
    sampler.open()
    for _ in range(3):
        assert sampler.sample() is not None
    sampler.close("stopped")
    assert capfd.readouterr().err.count("can't be written") == 1


def test_a_recording_that_cannot_be_played_back_is_said(run_dir, host, clock, capfd):
    sampler = Sampler(str(run_dir), host.path, clock=clock, replay="/none")
    sampler.open()
    assert "/none" in capfd.readouterr().err
    assert sampler.sensors[0].name == "virtual"


def test_the_first_five_minutes_are_finer(run_dir, host, clock):
    sampler = Sampler(str(run_dir), host.path, clock=clock)
    sampler.open()
    assert sampler.interval_s() == 1
    clock.now_ns += 300 * SECOND
    assert sampler.interval_s() == 10
    assert Sampler(str(run_dir), host.path, clock=clock, interval_s=3).interval_s() == 3


# The process ------------------------------------------------------------------------------------

BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from nicarbon.meter.sampler import main; sys.exit(main(sys.argv[1:]))"
)
PACKAGE_DIR = str(Path(nicarbon.__file__).parent.parent)
TIMEOUT_S = 60


class Started:
    """A sampler process, started as a driver does."""

    def __init__(self, run_dir, driver_pid, *options, stderr=None, boot=BOOT):
        command = [sys.executable, "-I", "-S", "-c", boot, PACKAGE_DIR, str(run_dir)]
        self.starter = subprocess.Popen(
            [*command, "--driver-pid", str(driver_pid), *options],
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        word, pid = self.starter.stdout.readline().split()
        assert word == b"ready"
        self.pid = int(pid)

    def wait_for_end(self):
        """Wait for the end of its output: its last record is written."""
        with self.starter:
            assert self.starter.stdout.read() == b""
        assert self.starter.returncode == 0


@pytest.fixture
def driver():
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_it_is_nobodys_child_and_ready_means_that_a_sample_is_written(run_dir, driver):
    started = Started(run_dir, driver.pid)
    assert started.starter.wait(TIMEOUT_S) == 0
    assert started.pid != started.starter.pid
    with pytest.raises(ChildProcessError):
        os.waitpid(started.pid, os.WNOHANG)
    assert isinstance(lines_of(run_dir)[1], records.Sample)
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(started.pid, number)
    os.kill(started.pid, signal.SIGTERM)
    started.wait_for_end()
    host, *samples, close = lines_of(run_dir)
    assert host.pid == started.pid
    assert host.driver.split("-")[1] == str(driver.pid)
    assert len(samples) >= 2
    assert samples[-1].meter_cpu_s > 0
    assert samples[-1].driver_cpu_s > 0
    assert close.reason == "stopped"


@pytest.mark.parametrize("pidfd", [True, False])
def test_it_ends_with_the_driver_even_when_nobody_waits_for_it(run_dir, driver, pidfd):
    boot = BOOT if pidfd else "import os; del os.pidfd_open; " + BOOT
    started = Started(run_dir, driver.pid, "--interval", "100", boot=boot)
    os.kill(driver.pid, signal.SIGKILL)
    started.wait_for_end()
    *_, sample, close = lines_of(run_dir)
    assert isinstance(sample, records.Sample)
    assert close.reason == "driver ended"


def test_a_driver_that_is_gone_already_ends_it_at_once(run_dir, driver):
    driver.communicate()
    started = Started(run_dir, driver.pid)
    started.wait_for_end()
    assert lines_of(run_dir)[-1].reason == "driver ended"


def test_it_samples_at_its_interval_on_a_grid_of_the_shared_clock(run_dir, driver):
    started = Started(run_dir, driver.pid, "--interval", "0.2")
    deadline = time.monotonic() + TIMEOUT_S
    while len(lines_of(run_dir)) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(started.pid, signal.SIGTERM)
    started.wait_for_end()
    _, _, *regular, _, _ = lines_of(run_dir)
    # A tick may be late on a busy machine, but never early.
    slots = [sample.t_monotonic_ns // (SECOND // 5) for sample in regular]
    assert len(slots) == len(set(slots)) >= 4


def test_counters_of_another_root_serve_with_this_hosts_processes(run_dir, driver, host):
    host.zone("intel-rapl:0", "package-0", 1234)
    started = Started(run_dir, driver.pid, "--host-root", host.path)
    os.kill(started.pid, signal.SIGTERM)
    started.wait_for_end()
    first, sample, *_ = lines_of(run_dir)
    assert sample.readings == {"package-0": 1234}
    assert sample.driver_cpu_s > 0
    assert first.boot_id != "aaaabbbb-cccc-dddd-eeee-ffff00001111"


def test_progress_goes_to_stderr_and_a_vanished_folder_ends_nothing(run_dir, driver, tmp_path):
    with (tmp_path / "stderr").open("wb") as stderr:
        started = Started(run_dir, driver.pid, "--progress", "lines", stderr=stderr)
    key = f"{lines_of(run_dir)[0].host}-{driver.pid}"
    starttime = Path(f"/proc/{driver.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    record = {"kind": "start", "span": "s", "node": "wf.segment", "cpu_base_s": 0.0}
    (run_dir / f"nodes-{key}-{starttime}.jsonl").write_text(json.dumps(record) + "\n")
    deadline = time.monotonic() + TIMEOUT_S
    while not (text := (tmp_path / "stderr").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert text.startswith("[nicarbon 00:0")
    assert text.endswith("0 done | running: segment\n")
    shutil.rmtree(run_dir)
    os.kill(started.pid, signal.SIGTERM)
    started.wait_for_end()


def test_what_goes_wrong_inside_is_one_line(run_dir, driver, tmp_path):
    with (tmp_path / "stderr").open("wb") as stderr:
        command = [sys.executable, "-I", "-S", "-c", BOOT, PACKAGE_DIR, str(run_dir)]
        done = subprocess.run(
            [*command, "--driver-pid", str(driver.pid), "--interval", "0", "--progress", "x"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            timeout=TIMEOUT_S,
        )
    assert done.stdout.startswith(b"ready ")
    text = (tmp_path / "stderr").read_text()
    assert text.startswith("nicarbon: sampler: ends, energy is missing from here on: ")
    assert text.count("\n") == 1


def test_a_kernel_that_tells_nothing_is_said_once_and_looks_go_on(
    run_dir, host, clock, monkeypatch, capfd
):
    def refuse(cpu, inherit):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(perf, "open_task_records", refuse)
    host.process(7)
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock, exact=True)
    sampler.open()
    assert sampler.sample() is not None
    sampler.sight()
    sampler.close("stopped")
    assert capfd.readouterr().err == (
        "nicarbon: sampler: the kernel does not tell which programs run (Permission denied; see "
        "/proc/sys/kernel/perf_event_paranoid): they are told apart by looks\n"
    )


def test_what_fails_in_following_the_kernel_stops_nothing_else(
    run_dir, host, clock, monkeypatch, capfd
):
    host.process(7)
    sampler = Sampler(str(run_dir), host.path, driver_pid=7, clock=clock, exact=True)
    monkeypatch.setattr(sampler.exact, "open", lambda pid: None)
    monkeypatch.setattr(sampler.exact, "drain", lambda executions: 1 / 0)
    sampler.open()
    assert sampler.sample() is not None
    assert sampler.sample() is not None
    sampler.close("stopped")
    assert capfd.readouterr().err.count("are told apart by looks from here on") == 1


def test_nobody_pays_for_exact_programs_who_did_not_ask():
    code = (
        "import sys, nicarbon.meter.sampler, nicarbon.meter.recorder\n"
        "print([m for m in ('exact', 'switches', 'handover') if 'nicarbon.meter.' + m in "
        "sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
