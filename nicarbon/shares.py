# SPDX-License-Identifier: Apache-2.0
"""Divide the energy of each interval by CPU seconds: E x c / B for everybody, and no more.

Nothing here knows where energy or CPU seconds come from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import fsum

import msgspec
import numpy as np
from numpy.typing import NDArray

from nicarbon import curves, unlike
from nicarbon.kinds import Kinds
from nicarbon.records import NodeFile, SampleFile
from nicarbon.timeline import Timeline
from nicarbon.units import NS_PER_S
from nicarbon.unlike import Doubt
from nicarbon.watts import Table, table, weighed

# Within this time an execution's energy is taken as even. Carbon intensities, which its course is
# for, are published every 5 to 60 minutes.
_EVEN_NS = 60 * NS_PER_S


class Share(msgspec.Struct, frozen=True):
    """What one execution gets on one timeline.

    Attributes
    ----------
    energy_j, low_j, high_j : float
        Its share of the central, lowest and highest energy that the sensors allow.
    shared_j : float
        Its energy weighted by the part of the busy time that was somebody else's.
    host_s : float
        The seconds of the whole host that it answers for: its share of each interval's length.
    stretches_j : tuple of float
        Its energy in each of the stretches that were asked for.
    course : tuple of (int, int, float)
        Of a long one, its energy from one instant to another, in order; they add up to it.
    doubt : Doubt
        What sharing by CPU time leaves unknown; nothing where it is not CPU time.
    """

    energy_j: float
    low_j: float
    high_j: float
    shared_j: float
    host_s: float
    stretches_j: tuple[float, ...] = ()
    course: tuple[tuple[int, int, float], ...] = ()
    doubt: Doubt = Doubt()


class Parts(msgspec.Struct, frozen=True):
    """How the energy of one timeline is divided; `shares` by span.

    `scaled_cpu_s` are the CPU seconds that were claimed beyond what the host was busy.
    """

    shares: dict[str, Share]
    engine_j: float
    meter_j: float
    other_j: float
    unattributed_j: float
    scaled_cpu_s: float


def divide(
    line: Timeline,
    ran: Mapping[str, curves.Execution],
    node_files: Sequence[NodeFile],
    sample_files: Sequence[SampleFile],
    edges: Mapping[str, Sequence[int]] | None = None,
    kinds: Kinds | None = None,
) -> Parts:
    """Divide a timeline's energy among the executions, engines and meters of its host.

    Parameters
    ----------
    line : Timeline
        Energy and busy CPU seconds of the host.
    ran : mapping
        The executions on the host by span.
    node_files, sample_files : sequence
        The host's, for what drivers and samplers used.
    edges : mapping, optional
        By span, the instants between stretches whose energies are asked for.
    kinds : Kinds, optional
        What the executions run; each something else, by default.
    """
    nodes = _nodes_on_grid(line, ran)
    engine_s, meter_s, ours_s = _ours(line, nodes, ran, node_files, sample_files)
    measured_s = np.maximum(line.busy_cpu_s, 0.0)
    busy_s = np.maximum(measured_s, ours_s)
    nobody = busy_s == 0
    # Where nothing was busy nobody has a share, so what is divided by does not matter.
    divisor_s = np.where(nobody, 1.0, busy_s)
    if kinds is None:
        kinds = Kinds({span: span for span in nodes})
    n_cpus = max((file.host.n_cpus for file in sample_files), default=1)
    lives_ns = {span: (ran[span].start.t_monotonic_ns, ran[span].end_ns) for span in nodes}
    doubts = unlike.doubts(line, busy_s, nodes, kinds, n_cpus, lives_ns)
    counted, others = nodes, np.ones(len(busy_s))
    if kinds.watts is not None:
        counted, others = weighed(line, busy_s, nodes, kinds.of, kinds.watts)
    others_j = line.energy_j * others / divisor_s
    return Parts(
        shares=_shares(line, nodes, counted, divisor_s, edges or {}, doubts),
        engine_j=fsum(others_j * engine_s),
        meter_j=fsum(others_j * meter_s),
        other_j=fsum(others_j * (busy_s - ours_s)),
        unattributed_j=fsum(line.energy_j[nobody]),
        scaled_cpu_s=fsum((ours_s - measured_s).clip(0.0)[line.covered]),
    )


def taught(
    line: Timeline,
    ran: Mapping[str, curves.Execution],
    node_files: Sequence[NodeFile],
    sample_files: Sequence[SampleFile],
    kinds: Kinds,
) -> Table | None:
    """Return what a timeline says of the watts of programs; parameters are those of `divide`."""
    nodes = _nodes_on_grid(line, ran)
    *_, ours_s = _ours(line, nodes, ran, node_files, sample_files)
    return table(line, np.maximum(line.busy_cpu_s, ours_s), nodes, kinds.of)


def _ours(
    line: Timeline,
    nodes: Mapping[str, curves.Piece],
    ran: Mapping[str, curves.Execution],
    node_files: Sequence[NodeFile],
    sample_files: Sequence[SampleFile],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the CPU seconds of engines, of meters, and of both and the nodes."""
    n = len(line.covered)
    nodes_s, engine_s, meter_s = np.zeros(n), np.zeros(n), np.zeros(n)
    of_driver: dict[str | None, list[curves.Piece]] = defaultdict(list)
    for span, piece in nodes.items():
        of_driver[ran[span].driver].append(piece)
        nodes_s[piece.where] += piece.cpu_s
    for key, points in curves.driver_points(node_files, sample_files).items():
        engine = curves.engine_on_grid(points, of_driver[key], line.t_ns)
        engine_s[engine.where] += engine.cpu_s
    for file in sample_files:
        meter = curves.rising_on_grid(curves.meter_points(file), line.t_ns)
        meter_s[meter.where] += meter.cpu_s

    return engine_s, meter_s, nodes_s + engine_s + meter_s


def _nodes_on_grid(line: Timeline, ran: Mapping[str, curves.Execution]) -> dict[str, curves.Piece]:
    """Return what each execution itself used in the intervals that it touches.

    A cached one is no node: its hashing is the engine's.
    """
    counted = {span: e for span, e in ran.items() if e.outcome != "cached"}
    whole = {span: curves.on_grid(e.points, line.t_ns) for span, e in counted.items()}
    return {
        span: curves.own_on_grid(e, whole, curves.own_cpu_s(e, ran)) for span, e in counted.items()
    }


def _shares(
    line: Timeline,
    nodes: Mapping[str, curves.Piece],
    counted: Mapping[str, curves.Piece],
    busy_s: NDArray[np.float64],
    edges: Mapping[str, Sequence[int]],
    doubts: Mapping[str, Doubt],
) -> dict[str, Share]:
    """Return the shares of the executions that a covered interval touches.

    `counted` are their CPU seconds, each for what it costs: idle power goes by time alone.
    """
    seconds = np.diff(line.t_ns) / NS_PER_S * line.covered
    found = {}
    for span, piece in nodes.items():
        where = piece.where
        if line.covered[where].any():
            part = counted[span].cpu_s / busy_s[where]
            share = of_part(line, where, part, edges.get(span, ()))
            host_s = float(seconds[where] @ (piece.cpu_s / busy_s[where]))
            doubt = doubts.get(span, Doubt())
            found[span] = msgspec.structs.replace(share, host_s=host_s, doubt=doubt)
    return found


def of_part(
    line: Timeline, where: slice, part: NDArray[np.float64], edges: Sequence[int]
) -> Share:
    """Return what somebody gets who has a part of each interval.

    Parameters
    ----------
    line : Timeline
        What is divided.
    where : slice
        The intervals that are meant.
    part : ndarray
        The part of each of them.
    edges : sequence of int
        The instants between stretches whose energies are asked for.
    """
    seconds = np.diff(line.t_ns[where.start : where.stop + 1]) / NS_PER_S * line.covered[where]
    energy_j = line.energy_j[where] * part
    return Share(
        energy_j=float(energy_j.sum()),
        low_j=float(line.low_j[where] @ part),
        high_j=float(line.high_j[where] @ part),
        shared_j=float(energy_j @ (1.0 - part)),
        host_s=float(seconds @ part),
        stretches_j=_in_stretches(line, where, energy_j, edges),
        course=_course(line, where, energy_j),
    )


def _in_stretches(
    line: Timeline, where: slice, energy_j: NDArray[np.float64], edges: Sequence[int]
) -> tuple[float, ...]:
    """Return the energy between each two instants, the first and last of which are the node's own.

    Inside an interval between two readings nothing is known: there it is taken as even.
    """
    if len(edges) < 2:
        return ()
    first_ns = edges[0]
    t_ns = line.t_ns[where.start : where.stop + 1].clip(first_ns, edges[-1]) - first_ns
    used_j = np.concatenate(([0.0], np.cumsum(energy_j)))
    at_ns = np.array(edges, dtype=np.int64) - first_ns
    reached_j = np.interp(at_ns.astype(np.float64), t_ns.astype(np.float64), used_j)
    reached_j[0], reached_j[-1] = 0.0, used_j[-1]
    return tuple(np.diff(reached_j).tolist())


def _course(
    line: Timeline, where: slice, energy_j: NDArray[np.float64]
) -> tuple[tuple[int, int, float], ...]:
    """Return when a long execution used its energy."""
    t_ns = line.t_ns[where.start : where.stop + 1]
    if t_ns[-1] - t_ns[0] <= 2 * _EVEN_NS:
        return ()
    first = np.flatnonzero(np.diff(t_ns[:-1] // _EVEN_NS, prepend=-1))
    joules = np.add.reduceat(energy_j, first)
    t_edges = t_ns[np.append(first, len(t_ns) - 1)].tolist()
    return tuple(zip(t_edges[:-1], t_edges[1:], joules.tolist(), strict=True))
