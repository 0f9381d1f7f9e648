# SPDX-License-Identifier: Apache-2.0
"""Divide the energy of a device by the seconds that each computed on it; the sum is kept.

E x s / S for everybody in each interval; while nothing computes, by the memory that each holds;
while nobody holds any, to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum

import msgspec
import numpy as np
from numpy.typing import NDArray

from nicarbon import curves
from nicarbon.accounts import Account, uncovered, weakest
from nicarbon.intervals import Interval, length_s
from nicarbon.records import GpuUse, SampleFile
from nicarbon.shares import Share, of_part
from nicarbon.timeline import Timeline

# Keys of `nicarbon.records.GpuUse` beside spans.
ENGINE, OTHER = "engine", "other"
# How surely it is known whose the energy is, from the surest: see `nicarbon.records.GpuUse`.
TOLD = ("process", "candidate", "candidates", "holders", "unknown")

_Floats = NDArray[np.float64]


class Use(msgspec.Struct, frozen=True):
    """Who computed on a device and who held its memory, as curves of seconds that only rise.

    Attributes
    ----------
    sm, held : tuple of dict
        Of each sampler, points by span, `ENGINE` or `OTHER`.
    told : str
        How that is known: the weakest of `TOLD`.
    """

    sm: tuple[dict[str, list[curves.Point]], ...]
    held: tuple[dict[str, list[curves.Point]], ...]
    told: str

    def sm_s(self, span: str) -> float:
        """Return the seconds of the whole device that one execution computed."""
        return fsum(of_file[span][-1][1] for of_file in self.sm if span in of_file)


class DeviceEnergy(msgspec.Struct, frozen=True):
    """The account of one of a host's devices, which is a part of the host's.

    Attributes
    ----------
    name, card : str
        ``gpu-0`` for ``/dev/nvidia0``, and the product.
    energy_j, energy_low_j, energy_high_j : float
        Its energy and what its sensor allows.
    nodes_j, engine_j, other_j, unattributed_j : float
        As in `HostEnergy`; what is unattributed went by while nobody held memory on it.
    held_j : float
        The part of `nodes_j` in which they held memory while nothing computed.
    residual_j : float
        As in `HostEnergy`.
    sm_s : float
        Seconds of the whole device that nodes computed.
    uncovered_s : float
        Seconds of the window that no reading of it covers; their energy is in no figure.
    method : str
        ``measured``.
    told : str
        How it is known whose the energy is, see `nicarbon.records.GpuUse`.
    """

    name: str
    card: str
    energy_j: float
    energy_low_j: float
    energy_high_j: float
    nodes_j: float
    held_j: float
    engine_j: float
    other_j: float
    unattributed_j: float
    residual_j: float
    sm_s: float
    uncovered_s: float
    method: str
    told: str


class DeviceParts(msgspec.Struct, frozen=True):
    """How the energy of a device is divided on one timeline.

    Attributes
    ----------
    shares : dict
        By span.
    held_j : dict
        By span, the part of its energy that went by while nothing computed.
    engine_j, other_j, unattributed_j : float
        Of the driver's own processes, of everybody else, and of nobody.
    """

    shares: dict[str, Share]
    held_j: dict[str, float]
    engine_j: float
    other_j: float
    unattributed_j: float


def use(sample_files: Sequence[SampleFile], device: str, ran: Iterable[str]) -> Use:
    """Return who used a device.

    Parameters
    ----------
    sample_files : sequence of SampleFile
        The host's.
    device : str
        The name of its domain.
    ran : iterable of str
        The executions whose use counts as theirs; what others have is the engine's, who looked
        for them in its cache.
    """
    known = {*ran, ENGINE, OTHER}
    sm, held, told = [], [], TOLD[0]
    for file in sample_files:
        of_file = [(s.t_monotonic_ns, s.gpus[device]) for s in file.samples if device in s.gpus]
        if not of_file:
            continue
        began_ns = file.host.t_monotonic_ns
        sm.append(_curves(began_ns, ((u.t_monotonic_ns, u.sm_s) for _, u in of_file), known))
        held.append(_curves(began_ns, ((t_ns, u.held_s) for t_ns, u in of_file), known))
        told = max([told, *(_told(u) for _, u in of_file)], key=TOLD.index)
    return Use(tuple(sm), tuple(held), told)


def _told(one: GpuUse) -> str:
    return one.told if one.told in TOLD else TOLD[-1]


def _curves(
    began_ns: int, parts: Iterable[tuple[int, Mapping[str, float]]], known: set[str]
) -> dict[str, list[curves.Point]]:
    """Add up what each had from sample to sample."""
    found: dict[str, list[curves.Point]] = {}
    before_ns = began_ns
    for t_ns, seconds in parts:
        # What is told late, or twice for one instant, was done since what was known before.
        t_ns = max(t_ns, before_ns + 1)
        for name, more_s in seconds.items():
            if not more_s > 0:
                continue
            who = name if name in known else ENGINE
            points = found.setdefault(who, [(before_ns, 0.0)])
            last_ns, total_s = points[-1]
            if last_ns == t_ns:
                points.pop()
            elif last_ns < before_ns:
                points.append((before_ns, total_s))
            points.append((t_ns, total_s + more_s))
        before_ns = t_ns
    return found


def divide(
    line: Timeline, who: Use, edges: Mapping[str, Sequence[int]] | None = None
) -> DeviceParts:
    """Divide a device's timeline among those who used it.

    Parameters
    ----------
    line : Timeline
        The device's energy.
    who : Use
        Who used it.
    edges : mapping, optional
        By span, the instants between stretches whose energies are asked for.
    """
    sm, sm_s = _on_grid(line, who.sm)
    held, held_s = _on_grid(line, who.held)
    computes = sm_s > 0
    holds = ~computes & (held_s > 0)
    divisors = np.where(computes, sm_s, np.where(holds, held_s, 1.0))

    def part(name: str) -> tuple[slice, _Floats]:
        """Return a name's part of each interval, and the intervals that it touches."""
        pieces = [p for p in (sm.get(name), held.get(name)) if p is not None]
        first = min(piece.first for piece in pieces)
        where = slice(first, max(piece.where.stop for piece in pieces))
        seconds = np.zeros(where.stop - first)
        for piece, counts in ((sm.get(name), computes), (held.get(name), holds)):
            if piece is not None:
                inside = slice(piece.first - first, piece.where.stop - first)
                seconds[inside] += piece.cpu_s * counts[piece.where]
        return where, seconds / divisors[where]

    shares, held_j = {}, {}
    ours = np.zeros(len(line.covered))
    engine_j = 0.0
    for name in sorted({*sm, *held} - {OTHER}):
        where, parts = part(name)
        ours[where] += parts
        if name == ENGINE:
            engine_j = float(line.energy_j[where] @ parts)
        elif line.covered[where].any():
            shares[name] = of_part(line, where, parts, (edges or {}).get(name, ()))
            held_j[name] = float(line.energy_j[where][holds[where]] @ parts[holds[where]])
    used = computes | holds
    return DeviceParts(
        shares=shares,
        held_j=held_j,
        engine_j=engine_j,
        other_j=fsum((line.energy_j * (1.0 - ours))[used]),
        unattributed_j=fsum(line.energy_j[~used]),
    )


def _on_grid(
    line: Timeline, of_files: Sequence[Mapping[str, list[curves.Point]]]
) -> tuple[dict[str, curves.Piece], _Floats]:
    """Return everybody's seconds in each interval, and those of all together.

    Each sampler knows its own nodes, and all the others' as somebody else: the whole is what the
    one that saw most says, or what all know for sure if that is more.
    """
    n = len(line.covered)
    whole, sure = np.zeros(n), np.zeros(n)
    found: dict[str, curves.Piece] = {}
    for of_file in of_files:
        here = np.zeros(n)
        for name, points in of_file.items():
            piece = curves.on_grid(points, line.t_ns)
            here[piece.where] += piece.cpu_s
            if name != OTHER:
                sure[piece.where] += piece.cpu_s
                found[name] = _both(found[name], piece) if name in found else piece
        whole = np.maximum(whole, here)
    return found, np.maximum(whole, sure)


def _both(one: curves.Piece, other: curves.Piece) -> curves.Piece:
    first = min(one.first, other.first)
    seconds = np.zeros(max(one.where.stop, other.where.stop) - first)
    for piece in (one, other):
        seconds[piece.first - first : piece.where.stop - first] += piece.cpu_s
    return curves.Piece(first, seconds)


class DeviceAccount(msgspec.Struct, frozen=True):
    """A device, its energy, who used it, and how it is divided: one of `parts` for each line."""

    name: str
    accounts: tuple[Account, ...]
    use: Use
    parts: tuple[DeviceParts, ...]

    @property
    def method(self) -> str:
        """The weakest method of its sensors."""
        return weakest(sensor for one in self.accounts for sensor in one.sensors)

    @property
    def is_known(self) -> bool:
        """Whether anything is known of its energy."""
        return any(line.covered.any() for one in self.accounts for line in one.lines)

    def shares(self, span: str) -> list[Share]:
        """Return what one execution has of it."""
        return [parts.shares[span] for parts in self.parts if span in parts.shares]

    def held_j(self, span: str) -> float:
        """Return the part of that in which nothing computed."""
        return fsum(parts.held_j.get(span, 0.0) for parts in self.parts)

    def energy(self, window: Sequence[Interval]) -> DeviceEnergy:
        """Return its account in the window."""
        lines = [line for one in self.accounts for line in one.lines]
        domains = (d for one in self.accounts for sensor in one.sensors for d in sensor.domains)
        spans = {span for parts in self.parts for span in parts.shares}
        energy_j = fsum(line.recount_j for line in lines)
        nodes_j = fsum(share.energy_j for span in spans for share in self.shares(span))
        engine_j = fsum(parts.engine_j for parts in self.parts)
        other_j = fsum(parts.other_j for parts in self.parts)
        unattributed_j = fsum(parts.unattributed_j for parts in self.parts)
        return DeviceEnergy(
            name=self.name,
            card=next((domain.card for domain in domains if domain.card), ""),
            energy_j=energy_j,
            energy_low_j=fsum(x for line in lines for x in line.low_j),
            energy_high_j=fsum(x for line in lines for x in line.high_j),
            nodes_j=nodes_j,
            held_j=fsum(self.held_j(span) for span in spans),
            engine_j=engine_j,
            other_j=other_j,
            unattributed_j=unattributed_j,
            residual_j=energy_j - fsum((nodes_j, engine_j, other_j, unattributed_j)),
            sm_s=fsum(self.use.sm_s(span) for span in spans),
            uncovered_s=length_s(uncovered(self.accounts, window)),
            method=self.method,
            told=self.use.told,
        )


def device_account(
    name: str,
    found: Sequence[Account],
    sample_files: Sequence[SampleFile],
    ran: Iterable[str],
    edges: Mapping[str, Sequence[int]] | None = None,
) -> DeviceAccount:
    """Divide a device's energy among those who used it.

    Parameters
    ----------
    name : str
        Of its domain.
    found : sequence of Account
        Its energy.
    sample_files, ran
        As in `use`.
    edges : mapping, optional
        As in `divide`.
    """
    who = use(sample_files, name, ran)
    parts = tuple(divide(line, who, edges) for one in found for line in one.lines)
    return DeviceAccount(name, tuple(found), who, parts)
