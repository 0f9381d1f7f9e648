# SPDX-License-Identifier: Apache-2.0
"""Sensors of other packages, by entry points of the group ``nicarbon.sensors``.

Where none is installed, looking for them costs a glance at each package's entry points, and
nothing is imported. The sampler's interpreter knows no packages: it is told where they lie.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable
from typing import Any

from nicarbon.meter.sensors import Sensor, Status, contract

GROUP = "nicarbon.sensors"


class Unusable:
    """Stands for a sensor that could not be had, to say why.

    Parameters
    ----------
    name : str
        Its entry point.
    reason : str
        Why.
    """

    method = "assumed"
    relative_error = 0.0
    note = ""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.domains: list[dict[str, Any]] = []
        self._reason = reason

    def read(self) -> dict[str, int | None]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """Keep nothing open."""

    def status(self) -> Status:
        """Tell why it can't be used."""
        return Status(False, self._reason)


def folders(path: Iterable[str] | None = None) -> list[str]:
    """Return the folders of a module path in which a package brings sensors.

    Parameters
    ----------
    path : iterable of str, optional
        `sys.path` by default.
    """
    found = []
    for folder in dict.fromkeys(sys.path if path is None else path):
        try:
            names = os.listdir(folder) if os.path.isabs(folder) else []
        except OSError:
            continue
        if any(_brings_sensors(folder, name) for name in names):
            found.append(folder)
    return found


def _brings_sensors(folder: str, name: str) -> bool:
    if not name.endswith((".dist-info", ".egg-info")):
        return False
    try:
        with open(os.path.join(folder, name, "entry_points.txt"), "rb") as file:
            return f"[{GROUP}]".encode() in file.read()
    except OSError:
        return False


def sensors(root: str, where: Collection[str], taken: Collection[str] = ()) -> list[Sensor]:
    """Return the sensors that packages bring, those that fail as what says so.

    Parameters
    ----------
    root : str
        The folder that holds ``sys`` and ``proc``: each is called with it.
    where : collection of str
        As `folders` returns it.
    taken : collection of str
        Names of sensors and domains that are others'.
    """
    where = folders(where)
    if not where:
        return []
    import importlib.metadata
    import site

    for folder in where:
        if folder not in sys.path:
            # With its .pth files: a package that is being written lies elsewhere.
            site.addsitedir(folder)
    found: list[Sensor] = []
    known = set(taken)
    points = [
        point
        for distribution in importlib.metadata.distributions(path=list(where))
        for point in distribution.entry_points
        if point.group == GROUP
    ]
    for point in sorted({(point.name, point.value): point for point in points}.values()):
        sensor = _made(point, root, known)
        known |= {sensor.name, *(domain["name"] for domain in sensor.domains)}
        found.append(sensor)
    return found


def _made(point: Any, root: str, taken: Collection[str]) -> Sensor:
    try:
        sensor: Sensor = point.load()(root)
        wrong = contract.breaches(sensor, taken)
    except Exception as error:
        # Somebody else's code: whatever it raises, the other sensors work.
        return Unusable(point.name, f"{point.value} fails: {type(error).__name__}: {error}")
    if wrong:
        return Unusable(point.name, f"{point.value} is no sensor: {wrong[0]}")
    return sensor
