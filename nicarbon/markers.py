# SPDX-License-Identifier: Apache-2.0
"""When the steps inside a node ran, by the markers that its tools wrote while it was metered.

The markers go through the readers of logs, with the instants at which they were found instead of
the dates in them: a metered run and an imported log of the same pipeline name the same steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import sqrt

import msgspec

from nicarbon.logs.dates import Stamp
from nicarbon.logs.deep_seg import SEGMENTATION, Segmentation
from nicarbon.logs.fastsurfer import DONE, SURFACES, section_of
from nicarbon.logs.freesurfer import STARTING, assembled
from nicarbon.logs.freesurfer_marks import (
    End,
    Event,
    Header,
    Mark,
    Together,
    read_banner,
    read_mark,
)
from nicarbon.logs.names import step_name
from nicarbon.logs.rulefile import side_of
from nicarbon.logs.steps import HEMISPHERES, Step
from nicarbon.records import Marker, SampleFile
from nicarbon.units import NS_PER_S

RECON_ALL = "recon-all"
BY_RULE = "rule"
DEEP_SEG = "deep-seg"
_ENDS = {"finished without error at": "ran", "exited with ERRORS at": "failed"}


class Timed(msgspec.Struct, frozen=True):
    """A step of a node, and when it ran.

    Attributes
    ----------
    name : str
        As an imported log's step is called: see `nicarbon.logs.names.step_name`.
    command, title, hemisphere : str, str, str or None
        What it is a step of, its name there, and ``lh`` or ``rh``.
    start_ns, end_ns : int
        Between which instants, by the monotonic clock.
    outcome : str
        ``ran``, ``failed`` or ``killed``.
    """

    name: str
    command: str
    title: str
    hemisphere: str | None
    start_ns: int
    end_ns: int
    outcome: str = "ran"


class Course(msgspec.Struct, frozen=True):
    """The steps of one execution.

    Attributes
    ----------
    steps : tuple of Timed
        In the order of their beginnings; those of two hemispheres may overlap.
    within : dict
        By each instant at which a step begins or ends: after which one and before which one that
        was in truth, and how unsure it is where in between, as a part of that of one that may as
        well be anywhere there.
    """

    steps: tuple[Timed, ...]
    within: dict[int, tuple[int, int, float]]


def markers_of(sample_files: Iterable[SampleFile]) -> dict[str, tuple[Marker, ...]]:
    """Return the markers of each execution by its span; of several samplers the one with most."""
    best: dict[str, tuple[Marker, ...]] = {}
    for file in sample_files:
        of_file: dict[str, list[Marker]] = defaultdict(list)
        for sample in file.samples:
            for span, markers in sample.markers.items():
                of_file[span] += markers
        for span, found in of_file.items():
            if len(found) > len(best.get(span, ())):
                best[span] = tuple(found)
    return best


def course(markers: Sequence[Marker], first_ns: int, last_ns: int, outcome: str) -> Course | None:
    """Return the steps of an execution; None where no marker tells any.

    Parameters
    ----------
    markers : sequence of Marker
        In the order in which they were found.
    first_ns, last_ns : int
        When the execution began and ended: a step that was open then ended with it.
    outcome : str
        Its outcome, which is that of a step that was open.
    """
    by_tool: dict[str, list[Marker]] = defaultdict(list)
    for marker in markers:
        by_tool[marker.tool].append(marker)
    within: dict[int, tuple[int, int, float]] = {}
    steps: list[Timed] = []
    for of_tool in by_tool.values():
        steps += _Tool(of_tool, first_ns, last_ns, outcome, within).steps()
    kept = sorted((s for s in steps if s.end_ns > s.start_ns), key=lambda s: (s.start_ns, s.name))
    if not any(step.title != STARTING for step in kept):
        return None
    return Course(tuple(kept), within)


class _Tool:
    """What one tool marked."""

    def __init__(
        self,
        markers: Sequence[Marker],
        first_ns: int,
        last_ns: int,
        outcome: str,
        within: dict[int, tuple[int, int, float]],
    ) -> None:
        self._markers = markers
        self._first_ns, self._last_ns = first_ns, last_ns
        self._ran = outcome == "ran"
        self._outcome = outcome if outcome in ("failed", "killed", "running") else "killed"
        self._within = within
        self._instants = self._spread()
        seen = next((i for i, m in enumerate(markers) if m.source == "seen"), 0)
        self._begun = self._instants[seen]
        gone = next((i for i, m in enumerate(markers) if m.source == "gone"), None)
        self._gone = last_ns if gone is None else self._instants[gone]

    def steps(self) -> list[Timed]:
        """Return its steps."""
        whole = self._markers[0].tool.rpartition(" ")[0]
        if any(marker.source == BY_RULE for marker in self._markers):
            return self._by_rule(whole)
        if whole == RECON_ALL:
            return self._recon_all(RECON_ALL)
        steps = [step for step in self._recon_all(SURFACES) if step.title != STARTING]
        networks = self._networks()
        first_ns = max((step.end_ns for step in networks), default=self._begun)
        inside = steps + networks
        return inside + [
            rest for section in self._sections(first_ns) for rest in _without(section, inside)
        ]

    def _networks(self) -> list[Timed]:
        """Return the steps of FastSurfer's networks: most are told at their end, with a length."""
        state, last_ns = Segmentation(), self._begun
        steps: list[Timed] = []
        for marker, at_ns in zip(self._markers, self._instants, strict=True):
            if marker.source != DEEP_SEG:
                continue
            for step in state.line(marker.text):
                begun_ns = at_ns
                if step.elapsed_s is not None:
                    begun_ns = max(last_ns, at_ns - round(step.elapsed_s * NS_PER_S))
                if steps and steps[-1].end_ns == -1:
                    steps[-1] = msgspec.structs.replace(steps[-1], end_ns=begun_ns)
                name = step_name(SEGMENTATION, step.title)
                end_ns = -1 if step.elapsed_s is None else at_ns
                steps.append(Timed(name, SEGMENTATION, step.title, None, begun_ns, end_ns))
                last_ns = at_ns
        if steps and steps[-1].end_ns == -1:
            steps[-1] = msgspec.structs.replace(steps[-1], end_ns=self._surfaces())
        return steps

    def _surfaces(self) -> int:
        """Return when recon-surf.sh began; the tool's end where it did not."""
        pairs = zip(self._markers, self._instants, strict=True)
        return next((at_ns for m, at_ns in pairs if m.source == "recon-surf"), self._gone)

    def _spread(self) -> list[int]:
        """Return when each marker was written, as far as it is known.

        Of n that one look found, each is as likely anywhere since the look before: in their
        order they are expected at 1/(n + 1), 2/(n + 1) ... of that time, the k-th of them with
        the variance k (n + 1 - k) / ((n + 1)^2 (n + 2)) of a beta distribution.
        """
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, marker in enumerate(self._markers):
            since_ns = min(max(marker.since_monotonic_ns, self._first_ns), self._last_ns)
            t_ns = min(max(marker.t_monotonic_ns, since_ns), self._last_ns)
            groups[since_ns, t_ns].append(i)
        instants = [0] * len(self._markers)
        for (since_ns, t_ns), together in groups.items():
            for k, i in enumerate(together, 1):
                at_ns = since_ns + (t_ns - since_ns) * k // (len(together) + 1)
                instants[i] = at_ns
                if self._first_ns < at_ns < self._last_ns:
                    n = len(together)
                    variance = k * (n + 1 - k) / ((n + 1) ** 2 * (n + 2))
                    self._within[at_ns] = since_ns, t_ns, sqrt(12 * variance)
        return instants

    def _recon_all(self, command: str) -> list[Timed]:
        """Return the steps of the recon-all that it is, or of those that it calls."""
        found: list[Event] = [Header(self._stamp(self._begun))] if command == RECON_ALL else []
        before: tuple[Marker, Mark] | None = None
        for marker, at_ns in zip(self._markers, self._instants, strict=True):
            if marker.source != RECON_ALL:
                continue
            event = _event(marker.text, self._stamp(at_ns))
            if event is None or (isinstance(event, Header) and len(found) == 1):
                continue  # The first header of a tool that was seen to begin is its own.
            if not isinstance(event, Mark):
                found.append(event)
            elif before is not None and _at_once(*before, marker, event):
                found += [msgspec.structs.replace(event, stamp=before[1].stamp), Together()]
            else:
                found.append(event)
            before = (marker, event) if isinstance(event, Mark) else None
        log = assembled(RECON_ALL, found, [])
        return [
            self._timed(command, step, invocation.outcome)
            for invocation in log.invocations
            for step in invocation.steps
        ]

    def _stamp(self, t_ns: int) -> Stamp:
        # From the execution's start: a day's nanoseconds need all digits of a float.
        return Stamp((t_ns - self._first_ns) / NS_PER_S)

    def _timed(self, command: str, step: Step, outcome: str) -> Timed:
        start_ns = self._instant(step.start_s, self._first_ns)
        is_open = step.end_s is None
        end_ns = self._gone if is_open else self._instant(step.end_s, self._gone)
        return Timed(
            name=step_name(command, step.title, step.hemisphere),
            command=command,
            title=step.title,
            hemisphere=step.hemisphere,
            start_ns=start_ns,
            end_ns=end_ns,
            outcome=self._outcome if is_open and outcome == "killed" else step.outcome,
        )

    def _instant(self, seconds: float | None, otherwise_ns: int) -> int:
        """Return the instant that a time of `_stamp` stands for, to the nanosecond."""
        if seconds is None:
            return otherwise_ns
        near_ns = self._first_ns + round(seconds * NS_PER_S)
        return next((t for t in (near_ns, near_ns - 1, near_ns + 1) if t in self._within), near_ns)

    def _by_rule(self, command: str) -> list[Timed]:
        """Return the steps that a user's rule tells: by their beginnings, or by their ends."""
        steps: list[Timed] = []
        named: tuple[str, str | None] | None = None
        since_ns = self._begun

        def close(name: tuple[str, str | None], at_ns: int, outcome: str) -> None:
            title, side = name
            found = step_name(command, title, side)
            steps.append(Timed(found, command, title, side, since_ns, at_ns, outcome))

        outcome = "ran"
        for marker, at_ns in zip(self._markers, self._instants, strict=True):
            kind, *rest = marker.text.split("\t") if marker.source == BY_RULE else [""]
            if kind == "failed" and named is None and steps:
                steps[-1] = msgspec.structs.replace(steps[-1], outcome="failed")
            elif kind == "failed":
                outcome = "failed"
            elif kind in ("step", "done", "end"):
                begun = (rest[0], side_of(rest[1])) if len(rest) == 2 else None
                if named is not None:
                    close(named, at_ns, outcome)
                elif kind == "done" and begun is not None:
                    close(begun, at_ns, outcome)
                since_ns, outcome = at_ns, "ran"
                named = begun if kind == "step" else None
        if named is not None:
            close(named, self._gone, outcome if outcome == "failed" else self._outcome_of_open())
        return steps

    def _outcome_of_open(self) -> str:
        """Return how a step ended whose end no rule tells: with its node."""
        return "ran" if self._ran else self._outcome

    def _sections(self, first_ns: int) -> list[Timed]:
        """Return the sections of recon-surf.sh from an instant on, each until the next begins."""
        if not any(m.source in ("recon-surf", RECON_ALL) for m in self._markers):
            return []
        begins: list[tuple[str, str | None, int]] = [("starting up", None, first_ns)]
        end_ns, outcome = self._gone, "killed"
        for marker, at_ns in zip(self._markers, self._instants, strict=True):
            if marker.source != "recon-surf":
                continue
            banner = read_banner(marker.text)
            word = next((how for end, how in _ENDS.items() if end in marker.text), None)
            if banner is not None and banner.title != DONE:
                # The hemispheres' own logs are joined to the whole one when both have ended.
                if section_of(banner.title) not in [begun[:2] for begun in begins]:
                    begins.append((*section_of(banner.title), at_ns))
            elif word is not None:
                end_ns, outcome = at_ns, word
        found = []
        for i, (title, side, at_ns) in enumerate(begins):
            until_ns = _next(begins, i, end_ns)
            is_open = until_ns == end_ns and outcome == "killed"
            how = self._outcome if is_open else outcome if until_ns == end_ns else "ran"
            name = step_name(SURFACES, title, side)
            found.append(Timed(name, SURFACES, title, side, at_ns, until_ns, how))
        return found


def _next(begins: Sequence[tuple[str, str | None, int]], i: int, end_ns: int) -> int:
    """Return when a section ends: with the next one, of hemispheres at once with its own next."""
    times = {s: [at for _, side, at in begins if side == s] for s in HEMISPHERES}
    left, right = times["lh"], times["rh"]
    at_once = bool(left and right) and max(left[0], right[0]) < min(left[-1], right[-1])
    side = begins[i][1]
    for _, other, at_ns in begins[i + 1 :]:
        if not at_once or side is None or other in (None, side):
            return at_ns
    return end_ns


def _event(text: str, stamp: Stamp) -> Event | None:
    """Read what a marker says, with the instant at which it was found."""
    if text.startswith("#@# "):
        mark = read_mark(text)
        return None if mark is None else Mark(mark.title, mark.hemisphere, stamp)
    if text.startswith("PIDs ("):
        return Together()
    for words, outcome in _ENDS.items():
        if text.endswith(words):
            return End(stamp, outcome)
    return Header(stamp) if text.startswith(("subjid", "status file")) else None


def _at_once(marker: Marker, mark: Mark, after: Marker, mark_after: Mark) -> bool:
    """Tell whether a step began together with the other hemisphere's."""
    return (
        marker.t_monotonic_ns == after.t_monotonic_ns
        and mark.title == mark_after.title
        and (mark.hemisphere, mark_after.hemisphere) == ("lh", "rh")
    )


def _without(section: Timed, steps: Iterable[Timed]) -> list[Timed]:
    """Return the parts of a section in which none of the steps inside it ran."""
    left = [section]
    for step in steps:
        if section.hemisphere is not None and step.hemisphere not in (None, section.hemisphere):
            continue
        left = [
            msgspec.structs.replace(part, start_ns=start_ns, end_ns=end_ns)
            for part in left
            for start_ns, end_ns in (
                (part.start_ns, min(part.end_ns, step.start_ns)),
                (max(part.start_ns, step.end_ns), part.end_ns),
            )
            if end_ns > start_ns
        ]
    return left
