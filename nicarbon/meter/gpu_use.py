# SPDX-License-Identifier: Apache-2.0
"""Which nodes computed on each card since the last sample, and which held memory on it.

A card's driver tells process numbers. Each belongs to the node in whose tree it is; in a container
the numbers may be another namespace's, and then the nodes that have the device open are asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from nicarbon.meter.node_file import Owner
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.sensors.nvml_card import Card
from nicarbon.meter.visible import can_hold

ENGINE = "engine"
OTHER = "other"
"""Keys beside spans, which hold hyphens: the driver's own processes, and everybody else's."""

# How surely it is known whose the energy is, from the surest.
PROCESS = "process"  # the driver tells each process's SM time
CANDIDATE = "candidate"  # its numbers are foreign: the one node that has the device open
CANDIDATES = "candidates"  # ... or several, which share alike
HOLDERS = "holders"  # it tells how busy the card is, and not by whom: those who hold memory
UNKNOWN = "unknown"  # it tells neither (MIG): as if those computed all the time
TOLD = (PROCESS, CANDIDATE, CANDIDATES, HOLDERS, UNKNOWN)

# include/linux/proc_ns.h, PROC_PID_INIT_INO: the driver counts processes as this namespace does.
_FIRST_NAMESPACE = 0xEFFFFFFC
_DEEPEST = 100
_ENGINE_PID = 0  # no process has it
_LOOK_AGAIN_NS = 900_000_000

Owners = Mapping[int, Optional[Owner]]
"""By the number of a process that executes nodes, whose its work was since the last look; None
where another sampler answers for it."""


def are_process_numbers_ours(procfs: ProcFS) -> bool:
    """Tell whether the numbers that a driver tells are surely those of processes here."""
    return procfs.pid_namespace() in (None, _FIRST_NAMESPACE)


class _Sum:
    """What was found of one card since it was last written."""

    def __init__(self) -> None:
        self.sm_s: dict[str, float] = {}
        self.held_s: dict[str, float] = {}
        self.t_ns = 0
        self.told = PROCESS

    def less_sure(self, told: str) -> None:
        """Note how this look knew."""
        self.told = max(self.told, told, key=TOLD.index)


class GpuUse:
    """Asks cards who uses them.

    Parameters
    ----------
    cards : sequence of Card
        The host's.
    procfs : ProcFS
        Its processes.
    driver_pid : int or None
        The engine.
    own_pid : int
        The sampler, which uses no card.
    monotonic_ns : callable
        The time.
    """

    def __init__(
        self,
        cards: Iterable[Card],
        procfs: ProcFS,
        driver_pid: int | None,
        own_pid: int,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._cards = list(cards)
        self._procfs = procfs
        self._driver_pid = driver_pid
        self._own_pid = own_pid
        self._monotonic_ns = monotonic_ns
        self._looked_ns = monotonic_ns()
        self._is_first = are_process_numbers_ours(procfs)
        self._sums = {card.name: _Sum() for card in self._cards}
        # The process that executes nodes above each that was met: drivers tell of processes for
        # some time after their end.
        self._roots: dict[int, int] = {}
        self.in_use = False

    def is_due(self) -> bool:
        """Tell whether it is time to ask again between two samples."""
        return self._monotonic_ns() - self._looked_ns >= _LOOK_AGAIN_NS

    def look(self, owners_between: Callable[[int, int], Owners]) -> None:
        """Ask every card now.

        Parameters
        ----------
        owners_between : callable
            Tells whose the work of processes was between two instants.
        """
        now_ns = self._monotonic_ns()
        owners = owners_between(self._looked_ns, now_ns)
        length_s = max(now_ns - self._looked_ns, 0) / 1e9
        self._looked_ns = now_ns
        self.in_use = False
        for card in self._cards:
            card.look_at_power()
            self._look_at(card, self._sums[card.name], owners, length_s, now_ns)
        known = {*owners, _ENGINE_PID}
        self._roots = {pid: root for pid, root in self._roots.items() if root in known}

    def take(self) -> dict[str, Any]:
        """Return what was found since the last call, as ``gpus`` of a sample record."""
        sums, self._sums = self._sums, {card.name: _Sum() for card in self._cards}
        return {
            name: {
                "t_monotonic_ns": found.t_ns,
                "sm_s": {who: round(part_s, 6) for who, part_s in found.sm_s.items()},
                "held_s": {who: round(part_s, 6) for who, part_s in found.held_s.items()},
                **({"told": found.told} if found.told != PROCESS else {}),
            }
            for name, found in sums.items()
        }

    def _look_at(
        self, card: Card, found: _Sum, owners: Owners, length_s: float, now_ns: int
    ) -> None:
        holders = card.holders() or {}
        computed = card.computed()
        held = self._by_owner(card, _weights(holders), owners, found, idle=True)
        if not held and not self._is_first:
            # Some drivers show a container no process at all.
            held = self._among_candidates(card, 1.0, owners, found)
        for who, share in held.items():
            found.held_s[who] = found.held_s.get(who, 0.0) + share * length_s
        self.in_use = self.in_use or any(who not in (ENGINE, OTHER) for who in held)
        if computed is not None:
            sm_s = self._by_owner(card, computed.sm_s, owners, found)
            found.t_ns = max(found.t_ns, computed.t_ns)
        else:
            busy = card.computing()
            if held:
                found.less_sure(UNKNOWN if busy is None else HOLDERS)
            busy_s = (1.0 if busy is None else busy) * length_s
            sm_s = {who: share * busy_s for who, share in held.items()}
            found.t_ns = now_ns
        for who, part_s in sm_s.items():
            if part_s > 0:
                found.sm_s[who] = found.sm_s.get(who, 0.0) + part_s

    def _by_owner(
        self,
        card: Card,
        amounts: Mapping[int, float],
        owners: Owners,
        found: _Sum,
        idle: bool = False,
    ) -> dict[str, float]:
        """Give what each process has to those to whom it belongs to.

        What a worker computed while a node ran for a part of the time is the node's; what it
        held, in the rest of the time, is the engine's (`idle`).
        """
        result: dict[str, float] = {}
        foreign = 0.0
        for pid, amount in amounts.items():
            if pid == self._own_pid:
                continue
            root = self._root(pid, owners)
            if not self._is_first and not self._is_here(pid, card, root):
                foreign += amount
                continue
            # One that was not there before came with the node that runs.
            parts = self._parts(root, owners, found, idle and pid in self._roots)
            if root is not None:
                self._roots[pid] = root
            for who, part in parts:
                result[who] = result.get(who, 0.0) + amount * part
        if foreign > 0:
            among = self._among_candidates(card, foreign, owners, found) or {OTHER: foreign}
            for who, part in among.items():
                result[who] = result.get(who, 0.0) + part
        return result

    def _parts(
        self, root: int | None, owners: Owners, found: _Sum, idle: bool
    ) -> list[tuple[str, float]]:
        """Return to whom belongs what is below a process, in parts that add up to 1."""
        if root == _ENGINE_PID:
            return [(ENGINE, 1.0)]
        owner = owners.get(root) if root is not None else None
        if owner is None:
            return [(OTHER, 1.0)]
        if not owner.is_told_apart:
            found.less_sure(CANDIDATES)
        parts, total = list(owner.parts), sum(part for _, part in owner.parts)
        if idle or not parts:
            return [*parts, (ENGINE, max(1.0 - total, 0.0))] if total < 1.0 else parts
        return [(who, part / total) for who, part in parts]

    def _root(self, pid: int, owners: Owners) -> int | None:
        """Return the process above one that executes nodes; None where it is not of this run."""
        this = pid
        for _ in range(_DEEPEST):
            if this in owners:
                return this
            if this == self._driver_pid:
                return _ENGINE_PID
            stat = self._procfs.stat(this) if this > 1 else None
            if stat is None:
                break
            this = stat.ppid
        return self._roots.get(pid)

    def _is_here(self, pid: int, card: Card, root: int | None) -> bool:
        """Tell a number of this namespace from one of another that is somebody's here as well."""
        if root is None:
            return False
        return self._procfs.stat(pid) is None or can_hold(self._procfs, pid, card)

    def _among_candidates(
        self, card: Card, amount: float, owners: Owners, found: _Sum
    ) -> dict[str, float]:
        """Give an amount to the nodes that have a card open, alike; to nobody without any."""
        roots = set(owners)
        spans = [
            span
            for root, owner in owners.items()
            if owner is not None and owner.parts
            for tree in (self._procfs.tree(root, roots - {root}),)
            if any(can_hold(self._procfs, pid, card) for pid in tree)
            for span, _ in owner.parts
        ]
        if spans:
            found.less_sure(CANDIDATE if len(spans) == 1 else CANDIDATES)
        return {span: amount / len(spans) for span in spans}


def _weights(holders: Mapping[int, int | None]) -> dict[int, float]:
    """Return the part of the memory in use that each process holds; alike where one is unknown."""
    sizes = list(holders.values())
    known = [size for size in sizes if size]
    if len(known) < len(sizes):
        return dict.fromkeys(holders, 1 / len(holders))
    total = sum(known)
    return {pid: (size or 0) / total for pid, size in holders.items()}
