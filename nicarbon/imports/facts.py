# SPDX-License-Identifier: Apache-2.0
"""Turn what logs say into the facts of a run folder: a graph, executions, one modelled host.

The host stands for that part of a machine which the run answers for: only the run is busy on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from math import fsum

import msgspec

from nicarbon._version import __version__
from nicarbon.imports import cpus
from nicarbon.imports.cpus import Cpu
from nicarbon.imports.pieces import cut
from nicarbon.imports.recording import PART, Execution, files, host_of, lengths, sessions
from nicarbon.logs.names import interface, safe, step_name
from nicarbon.logs.steps import Invocation, Log, Step
from nicarbon.records import (
    IMPORTED,
    Domain,
    Graph,
    Host,
    Node,
    RunFacts,
    RunInfo,
    Sensor,
)
from nicarbon.units import NS_PER_S


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
    workflow = safe(invocations[0].command) if invocations else "log"
    wall_s = fsum(lengths(sessions(executions, 0.0)))
    pieces = [execution.piece for execution in executions]
    cpu_s = fsum(piece.cpu_s for piece in pieces)
    most_s = fsum(piece.most_s for piece in pieces) + hidden_s
    least_s = fsum(piece.least_s for piece in pieces)
    span = (least_s / cpu_s, most_s / cpu_s) if cpu_s else (1.0, 1.0)
    model = cpus.model(cpu, cpu_s / wall_s if wall_s else 1.0, span, alone=alone)
    note = cpus.note(cpu, alone=alone) + _of_gpu(logs)
    sensor = Sensor("virtual", "modelled", (Domain(PART, "host", model=model),), note=note)
    host, zero_s = host_of(logs, executions, cpu, sensor)
    node_files, sample_files = files(host, executions, zero_s)
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
        return ".".join(safe(part, "[]") for part in step.node.split(".") if part)[:500]
    return step_name(invocation.command, step.title, step.hemisphere)


def _node_name(step_name: str, program: str) -> str:
    return f"{step_name}.{safe(program)}" if program else step_name


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
    iterables = (f"_subject_id_{safe(subject)}",) if subject else ()
    kind = step.interface or ("" if step.node else interface(invocation.command))
    programs = dict.fromkeys(c.program for c in step.commands if c.program)
    if not programs or any(not piece.program for piece in cut(step).pieces):
        workflow = name.rpartition(".")[0]
        yield Node(name, workflow, kind, step.program, iterables=iterables)
    for program in programs:
        # The step is the workflow of its commands: their stage may hang on both.
        yield Node(_node_name(name, program), name, kind, program, iterables=iterables)


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
