# SPDX-License-Identifier: Apache-2.0
"""Say in plain sentences what a run's figures lack. No figure is computed or changed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from nicarbon.energies import Attribution, HostEnergy, SpanEnergy
from nicarbon.marked import Marked
from nicarbon.programs import told
from nicarbon.records import Driver, RunFacts
from nicarbon.rows import outcome
from nicarbon.units import format_duration

# A run whose parts do not add up to its counters is broken, and says so.
RESIDUAL_LIMIT = 1e-9
# Below these parts of the whole a gap, or CPU time claimed twice, changes no printed digit.
UNCOVERED_LIMIT = 0.005
SCALED_LIMIT = 0.005
# Busy time comes in ticks of 10 ms for each CPU: as much is noise in any run.
SCALED_LIMIT_S = 0.1
# No machine uses nothing for so long; some virtual machines show counters that never move.
STILL_S = 5.0
N_NAMES = 5


def some(names: Sequence[str]) -> str:
    """Join names for a sentence, at most a handful.

    Examples
    --------
    >>> some(["a", "b"]), some(list("abcdefgh"))
    ('a, b', 'a, b, c, d, e and 3 more')
    """
    if len(names) <= N_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:N_NAMES])} and {len(names) - N_NAMES} more"


def listed(names: Sequence[str]) -> str:
    """Join names; task numbers as ``sbatch --array`` takes them, to run them again.

    Examples
    --------
    >>> listed(["3", "4", "5", "9"]), listed(["sub-02", "sub-07"])
    ('3-5,9', 'sub-02, sub-07')
    """
    if not all(name.isascii() and name.isdigit() and name == str(int(name)) for name in names):
        return ", ".join(names)
    numbers = sorted({int(name) for name in names})
    runs = (
        [number for _, number in group]
        for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    )
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def count(n: int, noun: str) -> str:
    """Write a number of things.

    Examples
    --------
    >>> count(1, "node"), count(3, "node")
    ('1 node', '3 nodes')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def with_how(span: SpanEnergy) -> str:
    """Name an execution's node, and what ended its job where that is known."""
    return f"{span.node} ({span.ended_by})" if span.ended_by else span.node


def is_known(host: HostEnergy) -> bool:
    """Tell whether any reading covers any of the host's time: without, its 0 J mean nothing."""
    return bool(host.sensors) and (host.energy_j > 0 or host.uncovered_s < host.duration_s)


def notes(
    facts: RunFacts, attribution: Attribution, missing: Sequence[str], wholes: Sequence[str]
) -> tuple[str, ...]:
    """Return one sentence for each thing that the figures lack.

    Parameters
    ----------
    facts : RunFacts
        The run.
    attribution : Attribution
        Its energies.
    missing : sequence of str
        Nodes of the graph without any record.
    wholes : sequence of str
        Nodes that run several stages and are counted in one.
    """
    return (
        *_lost(facts),
        *_uncovered(attribution.hosts),
        *_turns(attribution.hosts),
        *_still(attribution.hosts),
        *_disagreeing(attribution.hosts),
        *_devices(attribution.hosts),
        *_nodes(attribution, missing, wholes),
        *_broken(attribution.hosts),
    )


def taught_notes(hosts: Iterable[HostEnergy]) -> tuple[str, ...]:
    """Say by what energy is shared, where it was asked to be shared by what runs teach."""
    n_taught = max((host.n_taught for host in hosts), default=0)
    if n_taught:
        said = f"CPU time x what {n_taught} runs taught of the watts of each kind of node"
    else:
        said = (
            "CPU time alone: the given runs taught nothing of this one's nodes (it takes three "
            "with measured energy on machines of the same type, with mixes that differ)"
        )
    return (f"energy is shared by {said}",)


def ending(facts: RunFacts) -> str:
    """Say in a word how a run ended.

    Returns
    -------
    str
        ``ok``, ``failed``, ``interrupted``; ``no end`` where it goes on or was killed; ``no
        record`` where nothing but its folder was ever made.
    """
    ends = _ends(facts)
    if not (ends or facts.sample_files or any(file.lines for file in facts.node_files)):
        return "no record"
    if not ends or not all("end" in end for end in ends):
        return "no end"
    outcomes = {end["end"] or "ok" for end in ends}
    return next((word for word in ("failed", "interrupted") if word in outcomes), "ok")


def _ends(facts: RunFacts) -> list[dict[str, str | None]]:
    """Return the marks of each driver that left any, jobs left out: their outcome by event."""
    marks = [
        {line.event: line.outcome for line in file.lines if isinstance(line, Driver)}
        for file in facts.node_files
        if file.job is None
    ]
    return [of_driver for of_driver in marks if of_driver]


def _lost(facts: RunFacts) -> Iterable[str]:
    """Say what a kill or a full disk took from the records."""
    info = facts.info
    if not (info.nicarbon_version or info.engine or info.program):
        yield "run.json is missing or torn: name and start are guessed from the other files"
    ends = _ends(facts)
    if not all("end" in end for end in ends) or not ends:
        yield "the run has no end: it is still going on, or it was killed"
    outcomes = {end["end"] for end in ends if end.get("end") not in (None, "ok")}
    for word in sorted(str(o) for o in outcomes):
        yield "the pipeline failed" if word == "failed" else f"the pipeline was {word}"
    if ends and all("end" in end for end in ends):
        # A job that is killed has its sampler killed with it, and that is said of the job.
        of_jobs = {file.process.key for file in facts.node_files if file.job is not None}
        early = [
            f.host for f in facts.sample_files if not f.close and f.host.driver not in of_jobs
        ]
        names = sorted({host.hostname or host.host for host in early})
        if names:
            yield f"the sampler ended early on {some(names)}"
    if facts.n_skipped_lines:
        yield f"{count(facts.n_skipped_lines, 'line')} skipped as unreadable"
    if facts.n_cut_lines:
        yield f"{count(facts.n_cut_lines, 'last record')} cut off, as by a kill or a full disk"


def _uncovered(hosts: Sequence[HostEnergy]) -> Iterable[str]:
    for host in hosts:
        where = host.hostname or host.host
        if not is_known(host):
            yield f"no energy reading covers {where}: CPU time only"
        elif host.uncovered_s > UNCOVERED_LIMIT * host.duration_s:
            yield (
                f"{format_duration(host.uncovered_s)} of {format_duration(host.duration_s)} on "
                f"{where} are covered by no reading: their energy is in no figure"
            )


def _turns(hosts: Sequence[HostEnergy]) -> Iterable[str]:
    for host in hosts:
        if len(host.turns) > 1:
            turns = ", ".join(
                f"{' + '.join(turn.sensors)} {turn.method} for {format_duration(turn.covered_s)}"
                for turn in host.turns
            )
            yield (
                f"on {host.hostname or host.host} the samplers saw different sensors, and each "
                f"moment is counted once, by the best of them: {turns}"
            )


def _still(hosts: Sequence[HostEnergy]) -> Iterable[str]:
    for host in hosts:
        measured = any(
            d.account for s in host.sensors if s.method == "measured" for d in s.domains
        )
        if measured and is_known(host) and host.energy_j == 0 and host.duration_s > STILL_S:
            yield (
                f"the counters of {host.hostname or host.host} stood still: they are there and "
                "count nothing, its 0 J are not its energy"
            )


def _disagreeing(hosts: Sequence[HostEnergy]) -> Iterable[str]:
    for host in hosts:
        for check in host.checks:
            if check.disagrees and check.ratio is not None:
                yield (
                    f"on {host.hostname or host.host} two sensors of the same energy disagree: "
                    f"{check.sensor} counted {check.ratio:.2f} x what is counted here "
                    f"({check.kind}), and their errors allow {100 * check.relative_error:.0f} %"
                )


# What may be wrong about whose the energy of a device is: see `nicarbon.records.GpuUse`.
_TOLD = {
    "candidate": "its driver tells process numbers of another namespace: what ran on it is "
    "counted for the node that had the device open",
    "candidates": "its driver does not tell apart which node of several ran on it: its energy is "
    "shared among them alike",
    "holders": "its driver does not tell which process computes: its energy is shared by the "
    "memory that each held",
    "unknown": "its driver tells neither which process computes nor whether any does (MIG): its "
    "energy is shared by the memory that each held, and none of it is known to be idle",
}


def _devices(hosts: Sequence[HostEnergy]) -> Iterable[str]:
    for host in hosts:
        for device in host.devices:
            where = f"{device.name} on {host.hostname or host.host}"
            if device.told in _TOLD:
                yield f"{where}: {_TOLD[device.told]}"
            if device.uncovered_s > UNCOVERED_LIMIT * host.duration_s:
                yield (
                    f"{where}: {format_duration(device.uncovered_s)} of "
                    f"{format_duration(host.duration_s)} are covered by no reading: their energy "
                    "is in no figure"
                )
        for sensor in host.sensors:
            if sensor.note and not sensor.domains:
                yield f"on {host.hostname or host.host} {sensor.note}"


def _nodes(
    attribution: Attribution, missing: Sequence[str], wholes: Sequence[str]
) -> Iterable[str]:
    by_node: dict[str, list[SpanEnergy]] = {}
    for span in attribution.spans:
        by_node.setdefault(span.node, []).append(span)
    outcomes = {node: outcome(spans) for node, spans in sorted(by_node.items())}
    last = {node: max(spans, key=lambda span: span.attempt) for node, spans in by_node.items()}
    killed = [with_how(last[node]) for node, word in outcomes.items() if word == "killed"]
    if killed:
        yield f"{count(len(killed), 'node')} killed, counted until then: {some(killed)}"
    running = [node for node, word in outcomes.items() if word == "running"]
    if running:
        yield f"{count(len(running), 'node')} still running, counted so far: {some(running)}"
    flagged = sorted({span.node for span in attribution.spans if span.cpu_incomplete})
    if flagged:
        reasons = sorted({s.cpu_incomplete for s in attribution.spans if s.cpu_incomplete})
        yield (
            f"CPU time may be incomplete for {count(len(flagged), 'node')} "
            f"({'; '.join(reasons)}): {some(flagged)}"
        )
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        yield (
            f"{count(len(missing), 'node')} of the graph {verb} no record: "
            f"not run, or not metered: {some(missing)}"
        )
    if wholes:
        verb = "runs several stages and is" if len(wholes) == 1 else "run several stages and are"
        yield f"{count(len(wholes), 'node')} {verb} counted in one, as a whole: {some(wholes)}"


def divided_notes(spans: Iterable[SpanEnergy], cut: Sequence[str]) -> tuple[str, ...]:
    """Say of which nodes the energy is divided among several stages, and how surely.

    Parameters
    ----------
    spans : iterable of SpanEnergy
        All executions.
    cut : sequence of str
        The nodes.
    """
    known = told(span for span in spans if span.node in cut) if cut else None
    if known is None or known.error is None:
        return ()
    verb = "runs several stages: its" if len(cut) == 1 else "run several stages: their"
    said = (
        f"{count(len(cut), 'node')} {verb} energy is divided among them by the programs that were "
        f"seen, at most {100 * known.error:.1f} % of it wrongly: {some(cut)}"
    )
    return (said,)


def apart_notes(found: Marked | None) -> tuple[str, ...]:
    """Say in which steps two counts differ by more than their errors."""
    if found is None or not found.disagree:
        return ()
    steps = [(name, found.steps[name]) for name in found.disagree]
    told = [
        f"{name} ({format_duration(step.cpu_s)} of CPU time by its markers, "
        f"{format_duration(step.seen_cpu_s or 0.0)} by its programs, "
        f"± {format_duration(step.error_cpu_s or 0.0)})"
        for name, step in steps
    ]
    verb = "is" if len(steps) == 1 else "are"
    said = (
        f"{count(len(steps), 'step')} of {len(found.steps)} {verb} counted differently by markers "
        f"and by programs, beyond the errors of both: {some(told)}"
    )
    return (said,)


def _broken(hosts: Sequence[HostEnergy]) -> Iterable[str]:
    for host in hosts:
        where = host.hostname or host.host
        if abs(host.residual_j) > RESIDUAL_LIMIT * abs(host.energy_j):
            yield (
                f"BROKEN: on {where} the parts differ from the counter by "
                f"{host.residual_j:.3g} J; please report this run"
            )
        if host.scaled_cpu_s > max(SCALED_LIMIT * host.busy_cpu_s, SCALED_LIMIT_S):
            yield (
                f"on {where} nodes claimed {host.scaled_cpu_s:.3g} CPU seconds more than the host "
                "was busy; shares were scaled down"
            )
