# SPDX-License-Identifier: Apache-2.0
"""Records of executions that only logs tell of: what a meter would have written beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

import msgspec

from nicarbon.imports.cpus import Cpu
from nicarbon.imports.pieces import Piece
from nicarbon.logs.steps import Log
from nicarbon.records import (
    Close,
    Driver,
    End,
    Gone,
    Host,
    NodeFile,
    Process,
    Sample,
    SampleFile,
    Sensor,
    Start,
)
from nicarbon.units import NS_PER_S

# The name of the modelled domain: not a host, but what of it the run answers for.
PART = "part of a host"
ASSUMED = "not in the log: assumed from wall time and threads"
# Invocations that follow each other so closely are one session: scripts call recon-all in a row.
# Nobody else's time is known: rounding must not leave any, so the host was busy a hair less.
_NOBODY_ELSE = 1 - 1e-9
_PAUSE_S = 60.0
# The log's own clock begins here, so that instants are small and positive.
_BEGIN_S = 1.0


class Execution(msgspec.Struct, frozen=True):
    """One piece of a step, and the node that it is an execution of."""

    node: str
    outcome: str
    piece: Piece


def host_of(
    logs: Sequence[Log], executions: Sequence[Execution], cpu: Cpu, sensor: Sensor
) -> tuple[Host, float]:
    """Return the host, and where its monotonic clock has its zero on the log's clock."""
    first_s = min((e.piece.start_s for e in executions), default=_BEGIN_S)
    zero_s = first_s - _BEGIN_S
    offset_s = next((log.utc_offset_s for log in logs if log.utc_offset_s is not None), 0.0)
    hostname = next((log.hostname for log in logs if log.hostname), "")
    name = sha256(f"{hostname} {cpu.name} {first_s}".encode()).hexdigest()[:12]
    host = Host(
        host=name,
        hostname=hostname or "machine of the log",
        boot_id="",
        pid=1,
        n_cpus=cpu.host_threads,
        t_monotonic_ns=_ns(_BEGIN_S),
        t_unix_ns=_ns(first_s - offset_s),
        sensors=(sensor,),
        cpu_model=cpu.name,
        interval_s=0.0,
    )
    return host, zero_s


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def sessions(executions: Sequence[Execution], pause_s: float) -> list[tuple[float, float]]:
    """Return when anything ran, pauses of at most so many seconds included."""
    joined: list[tuple[float, float]] = []
    for execution in executions:
        first_s, last_s = execution.piece.start_s, execution.piece.end_s
        if joined and first_s <= joined[-1][1] + pause_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last_s))
        else:
            joined.append((first_s, last_s))
    return joined


def lengths(sessions: Iterable[tuple[float, float]]) -> Iterator[float]:
    """Return the seconds of each session."""
    return (last_s - first_s for first_s, last_s in sessions)


def files(
    host: Host, executions: Sequence[Execution], zero_s: float
) -> tuple[tuple[NodeFile, ...], tuple[SampleFile, ...]]:
    """Return the records of each session: nothing is known of the host between two."""
    node_files, sample_files = [], []
    ahead_ns = host.t_unix_ns - host.t_monotonic_ns
    for n, (first_s, last_s) in enumerate(sessions(executions, _PAUSE_S)):
        key = f"{host.host}-{n + 1}-0"
        inside = [e for e in executions if first_s <= e.piece.start_s <= last_s]
        marks = (_ns(first_s - zero_s), _ns(last_s - zero_s))
        lines: list[Driver | Start | End] = [Driver("start", marks[0], marks[0] + ahead_ns, 0.0)]
        killed: dict[str, Execution] = {}
        for i, execution in enumerate(inside):
            span = f"{key}-{i}"
            lines += _records(execution, span, zero_s, ahead_ns)
            if execution.outcome == "killed":
                killed[span] = execution
        lines.append(Driver("end", marks[1], marks[1] + ahead_ns, 0.0, _outcome(inside)))
        header = msgspec.structs.replace(
            host, pid=n + 1, t_monotonic_ns=marks[0], t_unix_ns=marks[0] + ahead_ns, driver=key
        )
        process = Process(host.host, host.hostname, n + 1, 0, key, key)
        node_files.append(NodeFile(process, tuple(lines)))
        samples = tuple(_samples(inside, marks, zero_s, ahead_ns, killed))
        gone = tuple(Gone(span, _ns(e.piece.end_s - zero_s)) for span, e in killed.items())
        close = Close(marks[1], "the log ends")
        sample_files.append(SampleFile(header, samples, gone, close))
    return tuple(node_files), tuple(sample_files)


def _outcome(inside: Iterable[Execution]) -> str:
    """Say how a session ended: as its last execution did."""
    last = max(inside, key=lambda e: e.piece.end_s)
    return {"ran": "ok", "failed": "failed"}.get(last.outcome, "interrupted")


def _records(
    execution: Execution, span: str, zero_s: float, ahead_ns: int
) -> Iterator[Start | End]:
    piece = execution.piece
    first_ns, last_ns = _ns(piece.start_s - zero_s), _ns(piece.end_s - zero_s)
    yield Start(span, execution.node, first_ns, first_ns + ahead_ns, 0.0, perf=False)
    if execution.outcome != "killed":
        yield End(
            span=span,
            t_monotonic_ns=last_ns,
            outcome=execution.outcome,
            cpu_s=piece.cpu_s,
            cpu_source="log" if piece.counted else "assumed",
            cpu_incomplete=None if piece.counted else ASSUMED,
            peak_memory_bytes=piece.peak_memory_bytes,
        )


def _samples(
    inside: Sequence[Execution],
    marks: tuple[int, int],
    zero_s: float,
    ahead_ns: int,
    killed: dict[str, Execution],
) -> Iterator[Sample]:
    """Yield a sample wherever the host's busy time changes its slope."""
    ends = [t_s for e in inside for t_s in (e.piece.start_s, e.piece.end_s)]
    instants = sorted({*(_ns(t_s - zero_s) for t_s in ends), *marks})
    slopes: dict[int, float] = {}
    jumps: dict[int, float] = {}
    for execution in inside:
        piece = execution.piece
        first_ns, last_ns = _ns(piece.start_s - zero_s), _ns(piece.end_s - zero_s)
        if last_ns > first_ns:
            slope = piece.cpu_s / (last_ns - first_ns)
            slopes[first_ns] = slopes.get(first_ns, 0.0) + slope
            slopes[last_ns] = slopes.get(last_ns, 0.0) - slope
        else:
            jumps[first_ns] = jumps.get(first_ns, 0.0) + piece.cpu_s
    slope, before_ns, busy_s = 0.0, instants[0], 0.0
    for t_ns in instants:
        busy_s += max(slope, 0.0) * (t_ns - before_ns)
        used = {
            span: e.piece.cpu_s
            for span, e in killed.items()
            if _ns(e.piece.end_s - zero_s) == t_ns
        }
        yield Sample(t_ns, t_ns + ahead_ns, busy_s * _NOBODY_ELSE, {}, spans=used)
        busy_s += jumps.get(t_ns, 0.0)
        slope += slopes.get(t_ns, 0.0)
        before_ns = t_ns
