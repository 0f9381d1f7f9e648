# SPDX-License-Identifier: Apache-2.0
"""Plays the counters of a recorded run back, for demonstrations and for tests without hardware.

The energy that comes out is the recorded machine's, not this one's; the sensor's note says so.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from nicarbon.meter.sensors import Status

_BETTER = ("assumed", "modelled", "measured")


def _records(path: str) -> Iterator[dict[str, Any]]:
    """Give the records of a file, without lines that are torn or no records."""
    with open(path, "rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record


def _recorded(path: str) -> tuple[list[dict[str, Any]], list[tuple[int, dict[str, Any]]]]:
    """Return the sensors and the timed readings of a samples file.

    Raises
    ------
    ValueError
        If it holds no host record or no sample.
    """
    sensors: list[dict[str, Any]] = []
    samples: list[tuple[int, dict[str, Any]]] = []
    try:
        for record in _records(path):
            if record.get("kind") == "host":
                sensors = list(record["sensors"])
            elif record.get("kind") == "sample":
                samples.append((int(record["t_monotonic_ns"]), dict(record["readings"])))
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} is not a samples file that can be played back") from None
    if not sensors or not samples:
        raise ValueError(f"{path} holds no host record or no sample to play back")
    samples.sort(key=lambda sample: sample[0])
    return sensors, samples


class Replay:
    """A recorded ``samples-*.jsonl``, played back from the first reading on.

    At each moment it shows the last reading recorded at or before the time elapsed, and holds the
    last one at the end. Domains keep their names, ranges and power curves.

    Parameters
    ----------
    path : str
        The recorded file.
    monotonic_ns : callable
        The clock by which it is played back.
    """

    name = "replay"

    def __init__(self, path: str, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.method = "measured"
        self.relative_error = 0.0
        self.domains: list[dict[str, Any]] = []
        self._monotonic_ns = monotonic_ns
        self._began_ns: int | None = None
        self._at = 0
        self._error: str | None = None
        self._samples: list[tuple[int, dict[str, Any]]] = []
        try:
            sensors, self._samples = _recorded(path)
            self._take(sensors)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.domains = []
            self._error = str(error)
        self.note = f"replayed from {os.path.basename(path)}: the energy of that run, not this one"

    def _take(self, sensors: list[dict[str, Any]]) -> None:
        """Take over the recorded sensors' domains; the weakest method of the account counts."""
        for sensor in sensors:
            domains = list(sensor["domains"])
            self.domains += domains
            if any(domain.get("account", True) for domain in domains):
                self.method = min(self.method, sensor["method"], key=_BETTER.index)
                self.relative_error = max(self.relative_error, sensor.get("relative_error", 0.0))

    def read(self) -> dict[str, int | None]:
        """Return the readings recorded at this time after the first call."""
        now_ns = self._monotonic_ns()
        if self._began_ns is None:
            self._began_ns = now_ns
        recorded_ns = self._samples[0][0] + now_ns - self._began_ns
        while self._at + 1 < len(self._samples) and self._samples[self._at + 1][0] <= recorded_ns:
            self._at += 1
        readings = self._samples[self._at][1]
        counted = [domain["name"] for domain in self.domains if domain.get("model") is None]
        return {name: readings.get(name) for name in counted}

    def close(self) -> None:
        """Keep nothing open."""

    def status(self) -> Status:
        """Tell whether the recorded file can be played back."""
        if self._error is not None:
            return Status(False, self._error)
        if not any(domain.get("account", True) for domain in self.domains):
            return Status(False, "the recorded run had no account to play back")
        return Status(True, self.note)
