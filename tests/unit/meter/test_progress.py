# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import fcntl
import io
import json
import os
import struct
import termios

import pytest

from nicarbon.meter.processes import ProcFS
from nicarbon.meter.progress import Progress, domain_energy_j, host_power
from nicarbon.meter.watch import OpenSpan

CURVE = {"idle_w": [1, 2, 3], "busy_w": [4, 5, 6]}


class FakeSensor:
    name = "fake"
    relative_error = 0.0
    note = ""

    def __init__(self, method, *domains):
        self.method = method
        self.domains = list(domains)


class FakeWatch:
    def __init__(self):
        self.names = []
        self.done = {}

    def running(self):
        return [OpenSpan(name, name, None, 0.0) for name in self.names]


def counter(name="p", account=True, maximum=1000):
    return {"name": name, "account": account, "unit_j": 0.5, "range": maximum, "model": None}


def sample(t_s, busy=0.0, **readings):
    return {"t_monotonic_ns": int(t_s * 1e9), "busy_cpu_s": busy, "readings": readings}


@pytest.mark.parametrize(
    ("first", "last", "energy_j"),
    [(10, 30, 10.0), (990, 10, 10.0), (None, 10, None), (10, None, None), (10, 10, 0.0)],
)
def test_a_counters_energy_over_its_wrap(first, last, energy_j):
    assert domain_energy_j(counter(), sample(0, p=first), sample(1, p=last)) == energy_j


def test_a_counter_without_a_range_that_falls_is_not_known():
    assert domain_energy_j(counter(maximum=None), sample(0, p=5), sample(1, p=1)) is None


def test_a_models_energy_and_a_busy_time_that_jitters_back():
    domain = {"name": "host", "model": CURVE}
    assert domain_energy_j(domain, sample(0, 1.0), sample(2, 2.5)) == pytest.approx(4 + 7.5)
    assert domain_energy_j(domain, sample(0, 1.0), sample(2, 0.9)) == pytest.approx(4)


def test_host_power_is_the_accounts_with_its_weakest_method():
    measured = FakeSensor("measured", counter("p"), counter("check", account=False))
    modelled = FakeSensor("modelled", {"name": "gpu", "account": True, "model": CURVE})
    before, after = sample(0, p=0, check=0), sample(2, p=40, check=999)
    assert host_power([measured], before, after) == (10.0, "measured")
    assert host_power([measured, modelled], before, after) == (12.0, "modelled")
    assert host_power([measured], before, sample(2, p=None, check=9)) is None
    assert host_power([measured], before, before) is None
    assert host_power([], before, after) is None


class Shown:
    """A progress whose time a test moves."""

    def __init__(self, folder, host, mode):
        self.now_s = 100.0
        self.watch = FakeWatch()
        self.out = io.StringIO()
        self.sensors = [FakeSensor("modelled", {"name": "host", "account": True, "model": CURVE})]
        self.progress = Progress(
            mode,
            str(folder),
            ProcFS(host.path),
            self.sensors,
            self.watch,
            self.out,
            lambda: self.now_s,
        )

    def at(self, seconds, record=None):
        """Show at `seconds` after the start; return what was written by it."""
        self.now_s = 100.0 + seconds
        before = len(self.out.getvalue())
        self.progress.show(record)
        return self.out.getvalue()[before:]


@pytest.fixture
def lines(tmp_path, host):
    return Shown(tmp_path, host, "lines")


@pytest.fixture
def live(tmp_path, host):
    return Shown(tmp_path, host, "tty")


def graph(folder, n, names, host="aaaabbbbcccc"):
    nodes = [{"name": name} for name in names]
    (folder / f"graph-{host}-1-2-{n}.json").write_text(json.dumps({"nodes": nodes}))


def test_a_line_says_time_watts_method_count_and_what_runs(lines, tmp_path):
    graph(tmp_path, 0, ["wf.a", "wf.b", "wf.registration"])
    graph(tmp_path, 1, ["second"])
    graph(tmp_path, 0, ["elsewhere"], host="bbbbbbbbbbbb")
    lines.at(0.5, sample(0, 0.0))
    lines.watch.names = ["wf.registration", "wf.b"]
    lines.watch.done = {"wf.a": "ran", "wf.a[0]": "ran"}
    assert lines.at(72, sample(10, 20.8)) == (
        "[nicarbon 01:12] 12.4 W modelled | 1/4 done | running: registration, b\n"
    )


def test_a_graph_that_grows_is_counted_as_it_is_now(lines, tmp_path):
    graph(tmp_path, 0, ["main/sub"])
    lines.watch.done = {"main/sub/a": "ran"}
    assert "] 0/1 done" in lines.at(1)
    graph(tmp_path, 9, ["main/sub/a", "main/sub/b", "main/c"])
    graph_file = tmp_path / "graph-aaaabbbbcccc-1-2-9.json"
    graph_file.replace(tmp_path / "graph-aaaabbbbcccc-1-2-0.json")
    assert "] 1/3 done" in lines.at(72)


def test_failures_and_hours_show_and_many_names_are_cut(lines):
    lines.watch.names = [f"n{n}" for n in range(9)]
    lines.watch.done = {"x": "failed", "y": "ran"}
    line = lines.at(3 * 3600 + 62)
    assert line.startswith("[nicarbon 3:01:02] 2 done | 1 failed | running: n0, ")
    assert line.endswith("n5, 3 more\n")


def test_lines_come_on_change_at_most_every_2_s_and_at_least_every_10(lines):
    assert lines.at(0.1) == ""
    lines.watch.names = ["a"]
    assert lines.at(1.0) != ""
    lines.watch.names = ["b"]
    assert lines.at(2.0) == ""
    assert lines.at(3.0) != ""
    assert lines.at(9.0) == ""
    assert lines.at(13.0) != ""
    assert lines.at(13.5) == ""
    lines.progress.end()
    assert lines.out.getvalue().count("\n") == 3
    assert "\r" not in lines.out.getvalue()


def test_watts_stay_between_samples(lines):
    first, second = sample(0, 0.0), sample(1, 0.0)
    lines.at(0, first)
    lines.watch.names = ["a"]
    assert "2 W modelled" in lines.at(1, second)
    assert "2 W modelled" in lines.at(12, second)


def test_the_live_line_is_cut_to_the_terminal_that_it_is_written_on(tmp_path, host):
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(theirs, "w") as out, os.fdopen(ours, "rb", 0) as terminal:
        watch = FakeWatch()
        watch.names = ["a_very_long_name_of_a_node" * 3]
        Progress("tty", str(tmp_path), ProcFS(host.path), [], watch, out).show(None)
        text = terminal.read(1000)
    assert text.startswith(b"\r[nicarbon 00:00] 0 done | running: a_")
    assert len(text) == len(b"\r") + 39 + len(b"\x1b[K")


def test_the_live_line_is_rewritten_in_place_and_erased(live):
    live.watch.names = ["a_very_long_name_of_a_node" * 3]
    text = live.at(1.0)
    assert text.startswith("\r[nicarbon 00:01]")
    assert text.endswith("\x1b[K")
    assert len(text) == len("\r") + 79 + len("\x1b[K")
    assert live.at(1.5) == ""
    assert live.at(2.0) != ""
    live.progress.end()
    assert live.out.getvalue().endswith("\r\x1b[K")
    assert "\n" not in live.out.getvalue()


def test_a_broken_graph_file_or_a_folder_that_vanished_is_no_error(lines, tmp_path):
    (tmp_path / "graph-aaaabbbbcccc-1-2-0.json").write_text("{torn")
    lines.watch.names = ["a"]
    assert "0 done" in lines.at(2.0)
    lines.progress._run_dir = str(tmp_path / "none")
    assert "0 done" in lines.at(20.0)


def test_an_output_that_is_closed_is_no_error(lines):
    lines.out.close()
    lines.watch.names = ["a"]
    lines.progress.show(None)
