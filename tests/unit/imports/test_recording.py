# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.imports import cpus
from nicarbon.imports.pieces import Piece
from nicarbon.imports.recording import Execution, files, host_of, lengths, sessions
from nicarbon.logs.steps import Log
from nicarbon.records import Driver, End, Sensor, Start

CPU = cpus.named("Xeon Gold 6148")
S = 1_000_000_000


def execution(first_s, last_s, cpu_s=1.0, outcome="ran"):
    return Execution("n", outcome, Piece("p", first_s, last_s, cpu_s, cpu_s, cpu_s, True))


def records(*executions):
    log = Log("any", "", (), utc_offset_s=-3600.0, hostname="scanner")
    host, zero_s = host_of([log], executions, CPU, Sensor("virtual", "modelled", ()))
    return host, *files(host, executions, zero_s)


def test_a_long_pause_parts_sessions_and_a_short_one_does_not():
    found = [execution(0, 10), execution(5, 20), execution(50, 60), execution(500, 600)]
    assert sessions(found, 60.0) == [(0, 60), (500, 600)]
    assert list(lengths(sessions(found, 0.0))) == [20, 10, 100]


def test_the_log_s_clock_becomes_utc():
    host, node_files, _ = records(execution(7200.0, 7300.0))
    assert host.t_unix_ns == 10800 * S
    assert host.hostname == "scanner"
    begun = next(line for line in node_files[0].lines if isinstance(line, Start))
    assert (begun.t_monotonic_ns, begun.t_unix_ns) == (S, 10800 * S)


def test_busy_time_rises_by_what_ran():
    _, _, (samples,) = records(execution(0, 10, 10.0), execution(5, 15, 20.0))
    busy = [round(sample.busy_cpu_s, 6) for sample in samples.samples]
    assert [s.t_monotonic_ns // S - 1 for s in samples.samples] == [0, 5, 10, 15]
    assert busy == pytest.approx([0, 5, 20, 30])


def test_a_killed_execution_has_no_end_but_what_it_used():
    _, (nodes,), (samples,) = records(execution(0, 10, 4.0, "killed"))
    assert not any(isinstance(line, End) for line in nodes.lines)
    assert [gone.t_monotonic_ns for gone in samples.gone] == [11 * S]
    assert list(samples.samples[-1].spans.values()) == [4.0]
    ends = [line.outcome for line in nodes.lines if isinstance(line, Driver)]
    assert ends == [None, "interrupted"]


def test_an_instant_that_used_cpu_time_is_kept():
    _, (nodes,), (samples,) = records(execution(0, 0, 0.5), execution(0, 10, 1.0))
    assert samples.samples[-1].busy_cpu_s == pytest.approx(1.5)
    assert sum(line.cpu_s for line in nodes.lines if isinstance(line, End)) == 1.5
