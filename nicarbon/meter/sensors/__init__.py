# SPDX-License-Identifier: Apache-2.0
"""The sources of energy numbers, and the choice among them.

A host has one account: the domains whose sum is its energy. The first sensor that can give one
does; others that can be read stay beside it as checks and are never added.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from nicarbon.meter.processes import ProcFS


class Status(NamedTuple):
    """Whether a sensor works on this host.

    Attributes
    ----------
    works : bool
        Whether its account domains give the host's energy here.
    reason : str
        In one sentence, why not, or what is missing; empty where nothing is.
    commands : tuple of str
        What enables it, to be typed as it stands; lines that start with ``#`` explain.
    """

    works: bool
    reason: str = ""
    commands: tuple[str, ...] = ()


class Sensor(Protocol):
    """A source of energy numbers on one host.

    Attributes
    ----------
    name : str
        ``rapl``, ``virtual``, ``replay`` ...
    method : str
        ``measured``, ``modelled`` or ``assumed``.
    relative_error : float
        Half width of the range of what it reads, as a fraction; 0 where its model has ranges.
    note : str
        What its numbers lack or mean, in one sentence; may be empty.
    domains : list of dict
        Its counters or power curves, with the fields of `nicarbon.records.Domain`.
    """

    name: str
    method: str
    relative_error: float
    note: str
    domains: list[dict[str, Any]]

    def read(self) -> dict[str, int | None]:
        """Return the raw counter of each domain, None where it can't be read now."""

    def status(self) -> Status:
        """Tell whether it works here, and if not, why and what would enable it."""

    def close(self) -> None:
        """Close the files that it keeps open; it is not read again."""


def describe(sensor: Sensor) -> dict[str, Any]:
    """Return a sensor as the host record holds it."""
    return {
        "name": sensor.name,
        "method": sensor.method,
        "relative_error": sensor.relative_error,
        "note": sensor.note,
        "domains": sensor.domains,
    }


def survey(
    root: str = "/",
    replay: str | None = None,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
) -> list[Sensor]:
    """Return every sensor that is known, the preferred first, whether it works here or not.

    Parameters
    ----------
    root : str
        The folder that holds ``sys`` and ``proc``; without ``proc``, this host's is read.
    replay : str, optional
        A recorded samples file to be played back before anything else.
    monotonic_ns : callable
        The clock by which it is played back.
    """
    from nicarbon.meter.sensors import rapl, virtual

    found: list[Sensor] = []
    if replay is not None:
        from nicarbon.meter.sensors import replay as recorded

        found.append(recorded.Replay(replay, monotonic_ns))
    procfs = ProcFS(root if os.path.isdir(os.path.join(root, "proc")) else "/")
    return [*found, rapl.Rapl(root, procfs), virtual.Virtual(procfs)]


def discover(
    root: str = "/",
    replay: str | None = None,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
) -> list[Sensor]:
    """Return the sensors to be used: one that gives the account, and checks beside it.

    The parameters are those of `survey`. A replayed run is used alone: what it plays back is the
    energy of another machine or time, and checks of this one would say nothing about it.
    """
    chosen: list[Sensor] = []
    for sensor in survey(root, replay, monotonic_ns):
        works = sensor.status().works
        if works or any(not domain["account"] for domain in sensor.domains):
            chosen.append(sensor)
        if works:
            break
    return chosen
