# SPDX-License-Identifier: Apache-2.0
"""FastSurfer's ``recon-surf.log``.

recon-surf.sh prints a banner without a date for each of its sections, and calls recon-all in them,
which dates its steps. A section begins where the last thing known to have ended before its banner
ended. With ``--parallel`` the whole log of the left hemisphere stands before the right one's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nicarbon.logs import lines
from nicarbon.logs.clock import Clock
from nicarbon.logs.freesurfer import RESOLUTION_S
from nicarbon.logs.freesurfer_marks import (
    Banner,
    End,
    Event,
    Header,
    Mark,
    Seen,
    Timed,
    Told,
    events,
)
from nicarbon.logs.steps import Command, Invocation, Log, Step, sentence

SURFACES = "recon-surf.sh"
_SIDED = re.compile(r"^(Creating surfaces) (lh|rh) - (.+)$")
DONE = "DONE"


class ReconSurf:
    """The reader of ``recon-surf.log``."""

    name = "recon-surf"

    def knows(self, name: str, start: bytes) -> bool:
        """Tell whether it is one."""
        # One that was cut at its head still has FreeSurfer's commands.
        is_named = name.startswith("recon-surf") and b"mri_" in start
        return is_named or start.lstrip().startswith(b"Log file for recon-surf")

    def read(self, path: Path) -> Log:
        """Read it."""
        problems: list[str] = []
        found = list(events(lines.lines(path, problems), problems))
        clock = Clock(
            e.stamp.zone for e in found if isinstance(e, Header | Mark | End) and e.stamp
        )
        invocations = tuple(_invocation(part, clock) for part in _parts(found))
        problems += sentence(
            "invocation", sum(i.outcome == "killed" for i in invocations), "no end in the log"
        )
        told = {e.key: e.value for e in reversed(found) if isinstance(e, Told)}
        return Log(
            format=self.name,
            subject=subject_of(path),
            invocations=invocations,
            problems=tuple(problems),
            hostname=told.get("host", ""),
            utc_offset_s=clock.utc_offset_s,
        )


def subject_of(path: Path) -> str:
    """Return the subject's folder: ``<subject>/scripts/recon-surf.log``."""
    parent = path.resolve().parent
    return parent.parent.name if parent.name == "scripts" else ""


def section_of(title: str) -> tuple[str, str | None]:
    """Return what a banner's section is called, and its hemisphere.

    Examples
    --------
    >>> section_of("Creating surfaces lh - fix"), section_of("Creating surfaces - ribbon")
    (('Creating surfaces - fix', 'lh'), ('Creating surfaces - ribbon', None))
    """
    found = _SIDED.match(title)
    return (f"{found[1]} - {found[3]}", found[2]) if found else (title, None)


def _parts(found: list[Event]) -> Iterator[list[Event]]:
    """Part the events of several runs of recon-surf.sh in one log."""
    part: list[Event] = []
    for event in found:
        if isinstance(event, Header) and event.whole and part:
            yield part
            part = []
        part.append(event)
    if part:
        yield part


class _Lane(msgspec.Struct):
    """One sequence of steps: what runs before and after the hemispheres, or one of these."""

    at_s: float | None
    own_side: str | None = None
    is_fresh: bool = False
    unparted: str = ""
    steps: list[Step] = []
    title: str = ""
    side: str | None = None
    since_s: float | None = None
    commands: list[Command] = []
    threads: int | None = None

    def reach(self, at_s: float) -> None:
        """Note that something ended, or was seen, at an instant."""
        if self.at_s is None or at_s > self.at_s:
            self.at_s = at_s

    def turn(self, title: str, side: str | None, at_s: float | None) -> None:
        """End the step, and begin another."""
        self.close(at_s)
        self.title, self.side, self.since_s = title, side, at_s
        self.is_fresh = False

    def begin(self, section: str) -> None:
        """Begin a section; the one before may have left no trace of its end."""
        self.turn(section, self.own_side, self.at_s)
        self.is_fresh = True

    def close(self, at_s: float | None) -> None:
        """End the step that goes on."""
        if self.title and self.is_fresh and at_s == self.since_s:
            # Nothing says when it ended: it shares the time until the next instant that is known.
            self.unparted = self.unparted or self.title
        elif self.title and (self.commands or at_s is None or at_s != self.since_s):
            known = at_s is not None and self.since_s is not None and at_s >= self.since_s
            self.steps.append(
                Step(
                    title=self._named(),
                    hemisphere=self.side,
                    start_s=self.since_s,
                    end_s=at_s if known else None,
                    elapsed_s=(at_s or 0.0) - (self.since_s or 0.0) if known else None,
                    commands=tuple(self.commands),
                    threads=self.threads,
                )
            )
        self.title, self.commands = "", []

    def _named(self) -> str:
        """Return the step's title, or those of the sections that cannot be told apart."""
        first, self.unparted = self.unparted, ""
        return f"{first} to {self.title}" if first and first != self.title else self.title


def _invocation(part: list[Event], clock: Clock) -> Invocation:
    """Follow the events of one run of recon-surf.sh."""
    header = next((e for e in part if isinstance(e, Header) and e.whole), None)
    start_s = clock.seconds(header.stamp) if header and header.stamp else None
    end = next((e for e in reversed(part) if isinstance(e, End) and e.whole), None)
    both = _Lane(start_s, title="starting up", since_s=start_s)
    sides: dict[str, _Lane] = {}
    lane, section = both, "starting up"
    for event in part:
        match event:
            case Banner(title) if title != DONE:
                section, side = section_of(title)
                lane = _lane(side, lane, both, sides, part, clock)
                lane.begin(section)
            case Mark():
                at_s = clock.seconds(event.stamp)
                lane.reach(at_s)
                lane.turn(event.title, event.hemisphere or lane.own_side, at_s)
                lane.unparted = ""
            case Timed():
                _time(lane, event, clock)
            case End() if not event.whole and event.stamp is not None:
                # The nested recon-all is over; what follows is the section's own.
                at_s = clock.seconds(event.stamp)
                lane.reach(at_s)
                lane.turn(section, lane.own_side, at_s)
            case Seen():
                lane.reach(clock.seconds(event.stamp))
            case _:
                pass
    end_s = clock.seconds(end.stamp) if end and end.stamp else None
    _join(lane, both, sides)
    (lane if lane is both else both).close(end_s if end_s is not None else both.at_s)
    steps = sorted(
        [*both.steps, *(s for of in sides.values() for s in of.steps)],
        key=lambda s: (s.start_s is None, s.start_s or 0.0),
    )
    return Invocation(
        command=SURFACES,
        steps=tuple(steps),
        start_s=start_s,
        end_s=end_s,
        outcome=end.outcome if end else "killed",
        stated_s=end.stated_s if end else None,
        resolution_s=RESOLUTION_S,
    )


def _lane(
    side: str | None,
    lane: _Lane,
    both: _Lane,
    sides: dict[str, _Lane],
    part: list[Event],
    clock: Clock,
) -> _Lane:
    """Return the lane of a section: a hemisphere begins where the common part ended."""
    if side is None:
        if lane is not both:
            _join(lane, both, sides)
        return both
    if side not in sides:
        begin_s = both.at_s
        if sides and not _at_once(side, sides, part, clock):
            begin_s = lane.at_s
            lane.close(lane.at_s)
        if lane is both:
            both.close(both.at_s)
        sides[side] = _Lane(begin_s, side)
    return sides[side]


def _at_once(side: str, sides: dict[str, _Lane], part: list[Event], clock: Clock) -> bool:
    """Tell whether this hemisphere's first date is before the other one's last."""
    first = next(
        (clock.seconds(e.stamp) for e in part if isinstance(e, Mark) and e.hemisphere == side),
        None,
    )
    reached = max((of.at_s for of in sides.values() if of.at_s is not None), default=None)
    return first is not None and reached is not None and first < reached


def _join(lane: _Lane, both: _Lane, sides: dict[str, _Lane]) -> None:
    """End the hemispheres: what follows waits for both."""
    if not sides or lane is both:
        return
    for of_side in sides.values():
        of_side.close(of_side.at_s)
        if of_side.at_s is not None:
            both.reach(of_side.at_s)


def _time(lane: _Lane, timed: Timed, clock: Clock) -> None:
    start_s = clock.seconds(timed.stamp) if timed.stamp else None
    twin = next((c for c in lane.commands if c.cpu_s is None and c.program == timed.program), None)
    if timed.cpu_s is not None and twin is not None:
        lane.commands.remove(twin)
    lane.commands.append(
        Command(
            timed.program,
            start_s,
            timed.elapsed_s,
            timed.cpu_s,
            timed.threads,
            timed.peak_memory_bytes,
        )
    )
    if start_s is not None:
        lane.reach(start_s + timed.elapsed_s)
    elif lane.at_s is not None and lane.since_s is not None:
        # Programs that time themselves say only how long they ran: one after the other.
        own_s = sum(c.elapsed_s for c in lane.commands if c.start_s is None)
        lane.reach(lane.since_s + own_s)
