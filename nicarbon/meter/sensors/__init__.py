# SPDX-License-Identifier: Apache-2.0
"""The sources of energy numbers, and the choice among them.

A host has one account: the domains whose sum is its energy. The first sensor that can give one
does; what others read of the same joules stays beside it as checks and is never added.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple, Protocol

from nicarbon.meter import profile
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
    where: Collection[str] = (),
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
    where : collection of str
        Folders with packages that bring sensors, or that these need: see
        `nicarbon.meter.sensors.external.folders` and `nicarbon.meter.sensors.nvml.folders`.

    Returns
    -------
    list of Sensor
        Open ones: whoever has them closes them.
    """
    from nicarbon.meter.sensors import cray, external, nvml, perf_energy, rapl, virtual

    found: list[Sensor] = []
    if replay is not None:
        from nicarbon.meter.sensors import replay as recorded

        found.append(recorded.Replay(replay, monotonic_ns))
    procfs = ProcFS(root if os.path.isdir(os.path.join(root, "proc")) else "/")
    found += [rapl.Rapl(root, procfs), perf_energy.PerfEnergy(root)]
    found += [nvml.Nvml(root, monotonic_ns, where), cray.Cray(root)]
    model = virtual.Virtual(procfs, profile.load(root, procfs))
    taken = {name for sensor in [*found, model] for name in names(sensor)}
    # A measurement of somebody else's is better than the model, and no better than these.
    return [*found, *external.sensors(root, where, taken), model]


def names(sensor: Sensor) -> set[str]:
    """Return the names that no other sensor may have: its own and its domains'."""
    return {sensor.name, *(domain["name"] for domain in sensor.domains)}


def discover(
    root: str = "/",
    replay: str | None = None,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
    where: Collection[str] = (),
) -> list[Sensor]:
    """Return the sensors to be used: what gives the account, and checks beside it.

    The parameters are those of `survey`. A replayed run is used alone: what it plays back is the
    energy of another machine or time, and checks of this one would say nothing about it.

    Parameters
    ----------
    root : str
        The folder that holds ``sys`` and ``proc``; without ``proc``, this host's is read.
    replay : str, optional
        A recorded samples file to be played back.
    monotonic_ns : callable
        The clock by which it is played back.
    where : collection of str
        Folders with packages that bring sensors, or that these need.

    Returns
    -------
    list of Sensor
        Open ones: whoever has them closes them. The others of the survey are closed.
    """
    known = survey(root, replay, monotonic_ns, where)
    if replay is not None and status_of(known[0]).works:
        for sensor in known[1:]:
            sensor.close()
        return known[:1]
    chosen = choose(known)
    for sensor in known:
        if sensor not in chosen:
            sensor.close()
    return chosen


def choose(known: Iterable[Sensor]) -> list[Sensor]:
    """Return those sensors that are to be read; what sees joules that are counted is a check.

    The first that works and sees a part of the host, the GPUs or all else, gives its energy. The
    counters of the others are marked as checks in their `domains`: they are read beside, and never
    added. A model that is not needed is no check.
    """
    chosen: list[Sensor] = []
    counted: set[str] = set()
    for sensor in known:
        works = status_of(sensor).works
        sees = {_part(domain) for domain in sensor.domains if domain["account"]}
        for domain in sensor.domains:
            domain["account"] = domain["account"] and works and _part(domain) not in counted
        if works:
            counted |= sees
        is_check = sensor.method == "measured" and sensor.domains
        # Devices that are there and can't be read are to be missed.
        is_missed = is_of_devices(sensor) and sensor.note
        if is_check or is_missed or any(domain["account"] for domain in sensor.domains):
            chosen.append(sensor)
    return chosen


def _part(domain: dict[str, Any]) -> str:
    """Return which part of a host a domain of an account sees."""
    return "gpu" if domain["kind"] == "gpu" else "host"


def status_of(sensor: Sensor) -> Status:
    """Return a sensor's status; one that fails at saying it does not work."""
    try:
        return sensor.status()
    except Exception as error:
        return Status(False, f"it fails: {type(error).__name__}: {error}")


def is_of_devices(sensor: Sensor) -> bool:
    """Tell a sensor of devices whose users are known from all others."""
    return hasattr(sensor, "cards")
