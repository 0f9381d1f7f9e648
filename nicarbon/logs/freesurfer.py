# SPDX-License-Identifier: Apache-2.0
"""``recon-all.log`` and ``recon-all-status.log``: invocations and their steps.

A step ends where the next one of its invocation begins, or its invocation ends. Two recon-alls
that write to one log at once are told apart by their hemispheres.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import msgspec

from nicarbon.logs import lines
from nicarbon.logs.clock import Clock
from nicarbon.logs.freesurfer_ends import matched, utc_offset_s, zones
from nicarbon.logs.freesurfer_marks import (
    End,
    Event,
    Header,
    Mark,
    Timed,
    Together,
    Told,
    events,
)
from nicarbon.logs.steps import Command, Invocation, Log, Step, sentence

# recon-all states its run time in thousandths of an hour.
RESOLUTION_S = 3.6
# Before 7 few programs used threads (their own FSRUNTIME lines and release notes); one step of
# those that did is enough to know.
_FEW_THREADS = re.compile(r"-v?[456]\.|-dev4|-v5")
_THREADED = ("Skull Stripping", "EM Registration", "CA Reg", "SkullLTA")
# What recon-all does before its first marker: checking versions, reading the inputs.
STARTING = "starting up"


class _Open(msgspec.Struct):
    """A step that has begun."""

    title: str
    hemisphere: str | None
    start_s: float
    program: str = ""
    end_s: float | None = None
    commands: list[Command] = []
    at_once: bool = False
    joined: bool = False
    failed: bool = False


class _Run(msgspec.Struct):
    """An invocation that has begun."""

    command: str
    start_s: float | None
    hemisphere: str | None = None
    threads: int | None = None
    version: str = ""
    steps: list[_Open] = []
    end: End | None = None
    end_s: float | None = None

    def begin(self, title: str, hemisphere: str | None, at_s: float) -> None:
        """End the last step and begin another."""
        if not self.steps and self.start_s is not None and at_s > self.start_s:
            self.steps.append(_Open(STARTING, None, self.start_s))
        if self.steps and self.steps[-1].end_s is None:
            self.steps[-1].end_s = at_s
        if self.hemisphere is None and len(self.steps) < 2:
            self.hemisphere = hemisphere
        self.steps.append(_Open(title, hemisphere, at_s))


class ReconAll:
    """The reader of recon-all's own two logs."""

    name = "recon-all"

    def knows(self, name: str, start: bytes) -> bool:
        """Tell whether it is one: by what it holds, not by its name."""
        if start.lstrip()[:8] == b"Log file":
            return False
        return b"status file for recon-all" in start or (
            b"recon-all" in start and (b"\nsubjid " in start or b"#@# " in start)
        )

    def read(self, path: Path) -> Log:
        """Read it."""
        problems: list[str] = []
        found = list(events(lines.lines(path, problems), problems))
        return assembled(self.name, found, problems)


def assembled(name: str, found: list[Event], problems: list[str]) -> Log:
    """Put the events of a log together.

    Parameters
    ----------
    name : str
        The format.
    found : list of Event
        In the order of the text.
    problems : list of str
        What was wrong so far; more are appended.
    """
    clock = Clock(zones(found))
    runs = _invocations(found, clock)
    invocations = tuple(_invocation(run) for run in runs if run.steps or run.end is not None)
    subject = next((e.subject for e in found if isinstance(e, Header) and e.subject), "")
    told = {e.key: e.value for e in reversed(found) if isinstance(e, Told)}
    steps = [step for invocation in invocations for step in invocation.steps]
    problems += sentence(
        "step", sum(s.elapsed_s is None for s in steps), "no time can be told from the log"
    )
    problems += sentence(
        "invocation", sum(i.outcome == "killed" for i in invocations), "no end in the log"
    )
    return Log(
        format=name,
        subject=subject,
        invocations=invocations,
        problems=tuple(problems),
        hostname=told.get("host", ""),
        utc_offset_s=utc_offset_s(clock, found),
    )


def _invocations(found: list[Event], clock: Clock) -> list[_Run]:
    """Follow the events; several invocations may be open at once."""
    ends_of = matched(found)
    runs: list[_Run] = []
    live: list[_Run] = []
    ends: dict[int, _Run] = {}
    version = ""
    for i, event in enumerate(found):
        match event:
            case Header():
                run = _opened(event, clock)
                runs.append(run)
                # One that no end belongs to was killed before this one began.
                live = [other for other in live if any(other is kept for kept in ends.values())]
                live.append(run)
                if i in ends_of:
                    ends[ends_of[i]] = run
            case Mark():
                if not live:
                    live = [_Run("recon-all", None, version=version)]
                    runs += live
                _of(live, event.hemisphere).begin(
                    event.title, event.hemisphere, clock.seconds(event.stamp)
                )
            case Timed() if live:
                _time(live, event, clock)
            case Together() if live:
                _together(live[-1])
            case End():
                ended = ends.pop(i, None) or (live[-1] if live else _Run("recon-all", None))
                if not any(other is ended for other in runs):
                    runs.append(ended)
                _end(ended, event, clock)
                live = [other for other in live if other is not ended]
            case Told("version", value):
                version = value
                for run in live:
                    run.version = run.version or value
            case _:
                pass
    return runs


def _opened(header: Header, clock: Clock) -> _Run:
    start_s = clock.seconds(header.stamp) if header.stamp else None
    return _Run("recon-all", start_s, header.hemisphere, header.threads)


def _of(live: list[_Run], hemisphere: str | None) -> _Run:
    """Return the invocation that a marker belongs to."""
    if len(live) > 1 and hemisphere is not None:
        for run in live:
            if run.hemisphere == hemisphere:
                return run
        for run in live:
            if run.hemisphere is None:
                return run
    return live[-1]


def _time(live: list[_Run], timed: Timed, clock: Clock) -> None:
    """Add a command to the step that ran it."""
    run = _of(live, timed.hemisphere)
    if not run.steps:
        if run.start_s is None:
            return
        run.steps.append(_Open(STARTING, None, run.start_s))
    step = run.steps[-1]
    start_s = clock.seconds(timed.stamp) if timed.stamp else None
    by_itself = [c for c in step.commands if c.cpu_s is None and c.program == timed.program]
    threads = timed.threads
    if timed.cpu_s is not None and by_itself:
        # The program's own line comes before what GNU time says of the same command.
        step.commands.remove(by_itself[-1])
        threads = by_itself[-1].threads
    step.commands.append(
        Command(
            timed.program,
            start_s,
            timed.elapsed_s,
            timed.cpu_s,
            threads,
            timed.peak_memory_bytes,
            timed.hemisphere,
        )
    )


def _together(run: _Run) -> None:
    """Let the hemispheres' last steps begin and end at once: their logs were joined afterwards.

    A hemisphere whose own commands ran at once, one by label, had ended before the other began.
    """
    last = run.steps[-2:]
    pair = len(last) == 2 and {step.hemisphere for step in last} == {"lh", "rh"}
    apart = pair and last[0].joined and not last[0].at_once
    if last:
        last[-1].joined = True
    if pair and not apart:
        first, second = last
        first.joined = True
        first.end_s = None
        first.at_once = second.at_once = True
        commands = second.commands
        by_side: dict[str, list[Command]] = {"lh": list(first.commands), "rh": []}
        seen: dict[str, int] = {}
        for command in commands:
            # Without a name each program's first line is the first hemisphere's.
            n = seen[command.program] = seen.get(command.program, 0) + 1
            side = command.hemisphere or ("lh" if n % 2 else "rh")
            by_side[side].append(command)
        for step in last:
            step.commands = by_side[str(step.hemisphere)]


def _end(run: _Run, end: End, clock: Clock) -> None:
    run.end = end
    if end.stamp is not None:
        run.end_s = clock.seconds(end.stamp)
    if end.started is not None:
        started_s = clock.seconds(end.started)
        if run.steps and run.steps[0].title == STARTING:
            run.steps[0].start_s = started_s
        elif run.steps and run.steps[0].start_s > started_s:
            run.steps.insert(0, _Open(STARTING, None, started_s, end_s=run.steps[0].start_s))
        run.start_s = started_s
        if end.stamp is not None:
            clock.seconds(end.stamp)
    if not run.steps and run.start_s is not None:
        run.steps.append(_Open(STARTING, None, run.start_s))
    if run.steps and end.outcome == "failed":
        run.steps[-1].failed = True
    for step in reversed(run.steps):
        if step.end_s is not None and not step.at_once:
            break
        if step.end_s is None and step is run.steps[-1]:
            step.end_s = run.end_s


def _invocation(run: _Run) -> Invocation:
    """Close an invocation."""
    steps = []
    for i, step in enumerate(run.steps):
        end_s = step.end_s
        if end_s is None and step.at_once and i + 1 < len(run.steps):
            end_s = run.steps[i + 1].end_s
        is_last = run.end is None and i == len(run.steps) - 1
        threads = run.threads
        few = _FEW_THREADS.search(run.version) and step.title not in _THREADED
        if few or step.title == STARTING:
            threads = 1
        steps.append(_step(step, end_s, threads, is_last_of_killed=is_last))
    outcome = "killed" if run.end is None else run.end.outcome
    return Invocation(
        command=run.command,
        steps=tuple(steps),
        start_s=run.start_s if run.start_s is not None else (steps[0].start_s if steps else None),
        end_s=run.end_s,
        outcome=outcome,
        stated_s=run.end.stated_s if run.end else None,
        resolution_s=RESOLUTION_S,
        threads=run.threads,
        version=run.version,
    )


def _step(
    step: _Open, end_s: float | None, threads: int | None, *, is_last_of_killed: bool
) -> Step:
    """Close a step: one whose clock went backwards has no time of its own."""
    known = [c for c in step.commands if c.start_s is not None]
    if end_s is None and known:
        # Killed: it ran at least until its last command that ended.
        end_s = max((c.start_s or 0.0) + c.elapsed_s for c in known)
    elapsed_s = None if end_s is None else end_s - step.start_s
    if elapsed_s is not None and not 0 <= elapsed_s < math.inf:
        elapsed_s, end_s = None, None
    outcome = "killed" if is_last_of_killed else "failed" if step.failed else "ran"
    return Step(
        title=step.title,
        hemisphere=step.hemisphere,
        start_s=step.start_s,
        end_s=end_s,
        elapsed_s=elapsed_s,
        outcome=outcome,
        program=step.program,
        commands=tuple(step.commands),
        at_once=step.at_once,
        threads=threads,
    )
