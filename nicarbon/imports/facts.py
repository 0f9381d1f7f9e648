# SPDX-License-Identifier: Apache-2.0
"""Turn what logs say into the facts of a run folder: a graph, executions, one modelled host.

The host stands for that part of a machine which the run answers for: only the run is busy on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from math import fsum

import msgspec

from nicarbon._version import __version__
from nicarbon.imports import cpus
from nicarbon.imports.cpus import Cpu
from nicarbon.imports.pieces import Piece, cut
from nicarbon.logs.steps import Invocation, Log, Step
from nicarbon.records import (
    IMPORTED,
    Close,
    Domain,
    Driver,
    End,
    Gone,
    Graph,
    Host,
    Node,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
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


class Imported(msgspec.Struct, frozen=True):
    """What was made of logs.

    Attributes
    ----------
    facts : RunFacts
        Of the run folder.
    n_steps, n_untimed : int
        Steps, and those of them without a time: they have no energy.
    wall_s : float
        Seconds in which any step ran.
    stated_s : float or None
        The run time that the logs state for themselves; None where any does not.
    counted_s, assumed_s : float
        CPU seconds that the logs count, and those that are assumed.
    """

    facts: RunFacts
    n_steps: int
    n_untimed: int
    wall_s: float
    stated_s: float | None
    counted_s: float
    assumed_s: float


def imported(logs: Sequence[Log], cpu: Cpu, *, alone: bool = False) -> Imported:
    """Make the facts of one run of the logs of one subject.

    Parameters
    ----------
    logs : sequence of Log
        In the order of their runs, all on one machine.
    cpu : Cpu
        Its processor.
    alone : bool
        Whether nothing else ran on it.
    """
    invocations = placed(invocation for log in logs for invocation in log.invocations)
    subject = next((log.subject for log in logs if log.subject), "")
    executions, hidden_s = _executions(invocations)
    nodes, edges = _graph(invocations, subject)
    workflow = _safe(invocations[0].command) if invocations else "log"
    wall_s = fsum(_lengths(_sessions(executions, 0.0)))
    pieces = [execution.piece for execution in executions]
    cpu_s = fsum(piece.cpu_s for piece in pieces)
    most_s = fsum(piece.most_s for piece in pieces) + hidden_s
    least_s = fsum(piece.least_s for piece in pieces)
    span = (least_s / cpu_s, most_s / cpu_s) if cpu_s else (1.0, 1.0)
    model = cpus.model(cpu, cpu_s / wall_s if wall_s else 1.0, span, alone=alone)
    note = cpus.note(cpu, alone=alone) + _of_gpu(logs)
    sensor = Sensor("virtual", "modelled", (Domain(PART, "host", model=model),), note=note)
    host, zero_s = _host(logs, executions, cpu, sensor)
    node_files, sample_files = _files(host, executions, zero_s)
    stated = [i.stated_s for i in invocations]
    return Imported(
        facts=RunFacts(
            info=_info(host, invocations, subject),
            graphs=(Graph(workflow, IMPORTED, nodes, edges),),
            node_files=node_files,
            sample_files=sample_files,
        ),
        n_steps=sum(len(i.steps) for i in invocations),
        n_untimed=sum(log.n_untimed for log in logs),
        wall_s=fsum(i.covered_s for i in invocations),
        stated_s=None if None in stated else fsum(s for s in stated if s is not None),
        counted_s=fsum(piece.cpu_s for piece in pieces if piece.counted),
        assumed_s=fsum(piece.cpu_s for piece in pieces if not piece.counted),
    )


def _of_gpu(logs: Iterable[Log]) -> str:
    on_gpu = any("GPU" in problem for log in logs for problem in log.problems)
    return "; a GPU was used, and its energy is in no figure" if on_gpu else ""


# Nodes --------------------------------------------------------------------------------------


def _safe(name: str, more: str = "") -> str:
    """Make a name that a node may have: no dots, which part workflows, and no blanks.

    Examples
    --------
    >>> _safe("Curv .H and .K"), _safe("WM/GM Contrast"), _safe("mri_nu_correct.mni")
    ('Curv_H_and_K', 'WM_GM_Contrast', 'mri_nu_correct_mni')
    """
    return re.sub(rf"[^\w+{re.escape(more)}-]+", "_", name).strip("_ ")[:120] or "step"


def placed(invocations: Iterable[Invocation]) -> list[Invocation]:
    """Put steps of known length and unknown place one after another, after all that have one."""
    found = list(invocations)
    at_s = max((s.end_s for i in found for s in i.steps if s.end_s is not None), default=0.0)
    moved = []
    for invocation in found:
        steps = []
        for step in invocation.steps:
            if step.elapsed_s is not None and (step.start_s is None or step.end_s is None):
                first_s, at_s = at_s, at_s + step.elapsed_s
                step = msgspec.structs.replace(step, start_s=first_s, end_s=at_s)
            steps.append(step)
        moved.append(msgspec.structs.replace(invocation, steps=tuple(steps)))
    return moved


def _step_name(invocation: Invocation, step: Step) -> str:
    if step.node:
        return ".".join(_safe(part, "[]") for part in step.node.split(".") if part)[:500]
    side = f"_{step.hemisphere}" if step.hemisphere else ""
    return f"{_safe(invocation.command)}.{_safe(step.title)}{side}"


def _node_name(step_name: str, program: str) -> str:
    return f"{step_name}.{_safe(program)}" if program else step_name


def _executions(invocations: Iterable[Invocation]) -> tuple[list[Execution], float]:
    """Return the executions, and the CPU seconds that the time between commands may hide."""
    found = []
    hidden_s = 0.0
    for invocation in invocations:
        for step in invocation.steps:
            parts = cut(step)
            hidden_s += parts.hidden_s
            name = _step_name(invocation, step)
            last = max(parts.pieces, key=lambda p: p.end_s, default=None)
            for piece in parts.pieces:
                # Of the commands of a step that failed, the last to end is the one that did.
                outcome = step.outcome if piece is last else "ran"
                found.append(Execution(_node_name(name, piece.program), outcome, piece))
    return sorted(found, key=lambda e: (e.piece.start_s, e.piece.end_s)), hidden_s


def _graph(
    invocations: Iterable[Invocation], subject: str
) -> tuple[tuple[Node, ...], tuple[tuple[str, str], ...]]:
    """Return the nodes, and the chain of each hemisphere: what a log can tell of dependencies."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], None] = {}
    last: dict[str | None, list[str]] = {None: [], "lh": [], "rh": []}
    for invocation in invocations:
        for step in invocation.steps:
            # A step that ran before is in the graph already: edges never lead back.
            of_step = [n for n in _nodes_of(invocation, step, subject) if n.name not in nodes]
            nodes |= {node.name: node for node in of_step}
            chain = [node.name for node in of_step]
            if not chain or not invocation.chained:
                continue
            edges |= dict.fromkeys((name, chain[0]) for name in _before(last, step.hemisphere))
            edges |= dict.fromkeys(pairwise(chain))
            if step.hemisphere is None:
                last = {None: chain[-1:], "lh": [], "rh": []}
            else:
                last[step.hemisphere] = chain[-1:]
    return tuple(nodes.values()), tuple(edges)


def _before(last: dict[str | None, list[str]], side: str | None) -> list[str]:
    """Return what a step waits for: its own side, or both."""
    if side is not None:
        return last.get(side) or last[None]
    return last["lh"] + last["rh"] or last[None]


def _nodes_of(invocation: Invocation, step: Step, subject: str) -> Iterator[Node]:
    name = _step_name(invocation, step)
    iterables = (f"_subject_id_{_safe(subject)}",) if subject else ()
    kind = step.interface or ("" if step.node else f"{invocation.command} step")
    programs = dict.fromkeys(c.program for c in step.commands if c.program)
    if not programs or any(not piece.program for piece in cut(step).pieces):
        workflow = name.rpartition(".")[0]
        yield Node(name, workflow, kind, step.program, iterables=iterables)
    for program in programs:
        # The step is the workflow of its commands: their stage may hang on both.
        yield Node(_node_name(name, program), name, kind, program, iterables=iterables)


# One host, and when it was looked at -------------------------------------------------------------


def _host(
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


def _sessions(executions: Sequence[Execution], pause_s: float) -> list[tuple[float, float]]:
    """Return when anything ran, pauses of at most so many seconds included."""
    joined: list[tuple[float, float]] = []
    for execution in executions:
        first_s, last_s = execution.piece.start_s, execution.piece.end_s
        if joined and first_s <= joined[-1][1] + pause_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last_s))
        else:
            joined.append((first_s, last_s))
    return joined


def _lengths(sessions: Iterable[tuple[float, float]]) -> Iterator[float]:
    return (last_s - first_s for first_s, last_s in sessions)


def _files(
    host: Host, executions: Sequence[Execution], zero_s: float
) -> tuple[tuple[NodeFile, ...], tuple[SampleFile, ...]]:
    """Return the records of each session: nothing is known of the host between two."""
    node_files, sample_files = [], []
    ahead_ns = host.t_unix_ns - host.t_monotonic_ns
    for n, (first_s, last_s) in enumerate(_sessions(executions, _PAUSE_S)):
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


def _info(host: Host, invocations: Sequence[Invocation], subject: str) -> RunInfo:
    begun = datetime.fromtimestamp(max(host.t_unix_ns // NS_PER_S, 0), UTC)
    mark = sha256(f"{host.host} {subject}".encode()).hexdigest()[:6]
    return RunInfo(
        run_id=f"{begun:%Y%m%d-%H%M%S}_{mark}" if begun.year > 1970 else f"undated_{mark}",
        t_unix_ns=host.t_unix_ns if begun.year > 1970 else 0,
        program=", ".join(dict.fromkeys(i.command for i in invocations)),
        engine=IMPORTED,
        nicarbon_version=__version__,
    )
