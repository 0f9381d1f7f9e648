# SPDX-License-Identifier: Apache-2.0
"""Cumulative CPU seconds of executions, engines and meters, as piecewise linear curves.

Nothing here knows of energy. What is known exactly stays exact (the total of an execution that
ended); readings in between only say when it was used.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from nicarbon.records import Driver, End, NodeFile, Process, SampleFile, Start
from nicarbon.timeline import Reading

Floats = NDArray[np.float64]
Point = tuple[int, float]
"""An instant (CLOCK_MONOTONIC nanoseconds) and the CPU seconds used up to it."""


class Execution(msgspec.Struct, frozen=True):
    """One node execution as it was recorded.

    Attributes
    ----------
    outcome : str
        As in `nicarbon.energies.SpanEnergy`.
    driver : str or None
        Key of the driver in whose process tree it ran.
    end_ns : int
        Its end, or the last that is known of it.
    points : tuple of Point
        Its CPU curve from (start, 0) to its end, elements that ran inside it included.
    elements : tuple of str
        Spans that ran inside it and whose CPU seconds are not its own.
    """

    start: Start
    end: End | None
    process: Process
    driver: str | None
    outcome: str
    end_ns: int
    points: tuple[Point, ...]
    elements: tuple[str, ...] = ()

    @property
    def total_s(self) -> float:
        """Return the CPU seconds of the execution and of its elements."""
        return self.points[-1][1]


class Piece(msgspec.Struct, frozen=True):
    """CPU seconds in the intervals of a grid, from the interval `first` on."""

    first: int
    cpu_s: Floats

    @property
    def where(self) -> slice:
        """Return which intervals of the grid these are."""
        return slice(self.first, self.first + len(self.cpu_s))


def executions(
    node_files: Sequence[NodeFile],
    sample_files: Sequence[SampleFile],
    readings: Sequence[Reading],
    over: Container[str] = (),
) -> dict[str, Execution]:
    """Return the executions on one host by their span.

    Parameters
    ----------
    node_files, sample_files : sequence
        Those of the host.
    readings : sequence of Reading
        Its merged timeline, for the beats of running nodes.
    over : container of str, optional
        Keys of drivers and jobs that are known to be no more, whatever their files say.
    """
    beats: dict[str, list[Point]] = {}
    for reading in readings:
        for span, cpu_s in reading.sample.spans.items():
            beats.setdefault(span, []).append((reading.sample.t_monotonic_ns, cpu_s))
    gone = _gone(sample_files)
    ended = _ended_drivers(node_files, sample_files)
    found: dict[str, Execution] = {}
    for file in node_files:
        driver = driver_of(file)
        is_over = driver in ended or driver in over if driver is not None else bool(ended)
        ends = {line.span: line for line in file.lines if isinstance(line, End)}
        starts = [line for line in file.lines if isinstance(line, Start)]
        for start in starts:
            if start.span in found:
                continue
            end = ends.get(start.span)
            points = _points(start, end, beats.get(start.span, ()), gone.get(start.span, ()))
            if end is not None:
                outcome = end.outcome
            else:
                outcome = "killed" if is_over or start.span in gone else "running"
            found[start.span] = Execution(
                start, end, file.process, driver, outcome, points[-1][0], points
            )
    return _nested(found)


def driver_of(file: NodeFile) -> str | None:
    """Return the key of the driver that a process belongs to; a driver belongs to itself."""
    if file.process.driver is None and any(isinstance(line, Driver) for line in file.lines):
        return file.process.key
    return file.process.driver


def _ended_drivers(node_files: Sequence[NodeFile], sample_files: Sequence[SampleFile]) -> set[str]:
    """Return the drivers that are no more: they said so, or their sampler did."""
    ended = {
        file.process.key
        for file in node_files
        for line in file.lines
        if isinstance(line, Driver) and line.event == "end"
    }
    return ended | {
        file.host.driver
        for file in sample_files
        if file.close is not None and file.host.driver is not None
    }


def _gone(sample_files: Iterable[SampleFile]) -> dict[str, list[tuple[int, int]]]:
    """Return by span when samplers found its process gone, and since when they had looked."""
    gone: dict[str, list[tuple[int, int]]] = {}
    for file in sample_files:
        for line in file.gone:
            found = (line.t_monotonic_ns, file.host.t_monotonic_ns)
            gone.setdefault(line.span, []).append(found)
    return gone


def _points(
    start: Start,
    end: End | None,
    beats: Iterable[Point],
    gone: Iterable[tuple[int, int]],
) -> tuple[Point, ...]:
    """Return an execution's own curve: it never falls and never exceeds the exact total."""
    first_ns = start.t_monotonic_ns
    total_s = max(end.cpu_s, 0.0) if end is not None else float("inf")
    # An instant is as long as the clock's resolution: its CPU time needs some time to be in.
    last_ns = max(end.t_monotonic_ns, first_ns + 1) if end is not None else None
    points = [(first_ns, 0.0)]
    for t_ns, cpu_s in beats:
        if t_ns > points[-1][0] and (last_ns is None or t_ns < last_ns):
            points.append((t_ns, min(max(cpu_s, points[-1][1]), total_s)))
    if last_ns is not None:
        points.append((last_ns, total_s))
    else:
        # A sampler that came later, a next attempt's, found it gone long after it had ended.
        known = [t_ns for t_ns, since_ns in gone if since_ns <= points[-1][0] < t_ns]
        if known:
            points.append((min(known), points[-1][1]))
    return tuple(points)


def _nested(found: dict[str, Execution]) -> dict[str, Execution]:
    """Tell executions what ran inside them, and let that say when they used their own CPU time.

    The process tree's CPU seconds at an element's start are known (`Start.cpu_base_s`), so what
    the execution around it had used by then is known too.
    """
    inside: dict[str, list[Execution]] = {}
    for execution in found.values():
        parent = found.get(execution.start.parent or "")
        # What a cached element used stays with the node in whose time it was looked at.
        if parent is not None and parent is not execution and execution.outcome != "cached":
            inside.setdefault(parent.start.span, []).append(execution)
    for span, elements in inside.items():
        parent = found[span]
        marks = list(parent.points)
        for element in elements:
            used_s = element.start.cpu_base_s - parent.start.cpu_base_s
            marks.append((element.start.t_monotonic_ns, used_s))
            marks.append((element.end_ns, used_s + element.total_s))
        found[span] = msgspec.structs.replace(
            parent,
            points=_with_marks(parent, marks),
            elements=tuple(element.start.span for element in elements),
        )
    return found


def _with_marks(parent: Execution, marks: list[Point]) -> tuple[Point, ...]:
    first_ns = parent.start.t_monotonic_ns
    exact = parent.end is not None
    total_s = parent.total_s if exact else float("inf")
    points = [(first_ns, 0.0)]
    for t_ns, cpu_s in sorted(marks):
        if t_ns > points[-1][0] and (t_ns < parent.end_ns or not exact):
            points.append((t_ns, min(max(cpu_s, points[-1][1]), total_s)))
    if exact:
        points.append((parent.end_ns, total_s))
    return tuple(points)


def own_cpu_s(execution: Execution, all_of_them: Mapping[str, Execution]) -> float:
    """Return the CPU seconds of an execution without those of its elements."""
    inside_s = sum(all_of_them[span].total_s for span in execution.elements)
    return max(execution.total_s - inside_s, 0.0)


def on_grid(points: Sequence[Point], t_ns: NDArray[np.int64]) -> Piece:
    """Return what a curve used in each interval of a grid; outside its points it is flat."""
    n = len(t_ns) - 1
    first_ns, last_ns = points[0][0], points[-1][0]
    first = max(int(np.searchsorted(t_ns, first_ns, "right")) - 1, 0)
    last = min(int(np.searchsorted(t_ns, last_ns, "left")), n)
    if last <= first:
        return Piece(min(first, n), np.zeros(0))
    # From the curve's own start: nanoseconds since boot need more digits than a float has.
    x = np.array([t - first_ns for t, _ in points], dtype=np.float64)
    y = np.array([cpu_s for _, cpu_s in points])
    at = (t_ns[first : last + 1] - first_ns).astype(np.float64)
    return Piece(first, np.diff(np.interp(at, x, y)))


def own_on_grid(execution: Execution, pieces: Mapping[str, Piece], own_s: float) -> Piece:
    """Return what an execution itself used in each interval: its curve less its elements'."""
    whole = pieces[execution.start.span]
    if not execution.elements:
        return whole
    left = whole.cpu_s.copy()
    for span in execution.elements:
        piece = pieces[span]
        first = max(piece.first, whole.first)
        last = min(piece.where.stop, whole.where.stop)
        if last > first:
            part = piece.cpu_s[first - piece.first : last - piece.first]
            left[first - whole.first : last - whole.first] -= part
    return Piece(whole.first, rising(left, own_s))


def between(
    execution: Execution, all_of_them: Mapping[str, Execution], t_ns: Sequence[int]
) -> list[float]:
    """Return the CPU seconds of an execution, without its elements', between each two instants."""
    grid = np.array(t_ns, dtype=np.int64)
    inside = {span: on_grid(all_of_them[span].points, grid) for span in execution.elements}
    whole = {execution.start.span: on_grid(execution.points, grid), **inside}
    piece = own_on_grid(execution, whole, own_cpu_s(execution, all_of_them))
    cpu_s = np.zeros(len(grid) - 1)
    cpu_s[piece.where] = piece.cpu_s
    return [float(part_s) for part_s in cpu_s]


def rising(cpu_s: Floats, total_s: float) -> Floats:
    """Make a difference of two curves rise again, and never above its total.

    What two curves differ by in one interval may be negative where they were not read at the same
    instants; the next intervals pay for it.
    """
    curve = np.clip(np.maximum.accumulate(np.cumsum(cpu_s)), 0.0, max(total_s, 0.0))
    return np.diff(curve, prepend=0.0)


def driver_points(
    node_files: Iterable[NodeFile], sample_files: Iterable[SampleFile]
) -> dict[str, list[Point]]:
    """Return what is known of each driver's whole tree, by the driver's key."""
    points: dict[str, list[Point]] = {}
    for file in node_files:
        marks = [(m.t_monotonic_ns, m.cpu_s) for m in file.lines if isinstance(m, Driver)]
        points.setdefault(file.process.key, []).extend(marks)
    for samples in sample_files:
        if samples.host.driver is not None:
            points.setdefault(samples.host.driver, []).extend(
                (sample.t_monotonic_ns, sample.driver_cpu_s)
                for sample in samples.samples
                if sample.driver_cpu_s is not None
            )
    return {key: of_driver for key, of_driver in points.items() if of_driver}


def engine_on_grid(
    points: Iterable[Point], nodes: Sequence[Piece], t_ns: NDArray[np.int64]
) -> Piece:
    """Return what a driver's tree used, less its nodes.

    A run may have thousands of drivers, each job being one: nothing here is as long as the grid.

    Parameters
    ----------
    points : iterable of Point
        What is known of its whole tree; at least one.
    nodes : sequence of Piece
        Its executions.
    t_ns : ndarray
        The grid's instants.
    """
    whole = rising_on_grid(points, t_ns)
    first = min(piece.first for piece in (whole, *nodes))
    last = max(piece.where.stop for piece in (whole, *nodes))
    left = np.zeros(last - first)
    left[whole.first - first : whole.where.stop - first] = whole.cpu_s
    for node in nodes:
        left[node.first - first : node.where.stop - first] -= node.cpu_s
    return Piece(first, rising(left, float(left.sum())))


def rising_on_grid(points: Iterable[Point], t_ns: NDArray[np.int64]) -> Piece:
    """Return what a curve used in each interval of a grid; it is made to rise."""
    return on_grid(_rising_points(points), t_ns)


def _rising_points(points: Iterable[Point]) -> list[Point]:
    kept: list[Point] = []
    for t_ns, cpu_s in sorted(points):
        if kept:
            cpu_s = max(cpu_s, kept[-1][1])
            if t_ns == kept[-1][0]:
                kept.pop()
        kept.append((t_ns, cpu_s))
    return kept


def meter_points(file: SampleFile) -> list[Point]:
    """Return a sampler's curve: it had used nothing when it wrote its header."""
    points = [(file.host.t_monotonic_ns, 0.0)]
    return points + [(sample.t_monotonic_ns, sample.meter_cpu_s) for sample in file.samples]
