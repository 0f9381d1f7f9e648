# SPDX-License-Identifier: Apache-2.0
"""What a run shows on stderr while it works: watts, how many nodes are done, which run now.

It knows only what the sampler knows already, and never writes more than one line a second.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from nicarbon.meter.processes import ProcFS
from nicarbon.meter.sensors import Sensor
from nicarbon.meter.watch import NodeWatch

_EVERY_S = 10.0
_AFTER_CHANGE_S = 2.0
_LIVE_EVERY_S = 0.9
_NAMES_SHOWN = 6
_MIN_WIDTH = 20
_USUAL_COLUMNS = 80
_NS_PER_S = 1_000_000_000
_METHODS = ("assumed", "modelled", "measured")


def domain_energy_j(
    domain: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> float | None:
    """Return what a domain used between two sample records, in joules; None if a reading lacks.

    For showing only: attribution computes its own.

    Parameters
    ----------
    domain : dict
        As `nicarbon.records.Domain`.
    before, after : dict
        Sample records.
    """
    curve = domain.get("model")
    if curve is not None:
        duration_s = (after["t_monotonic_ns"] - before["t_monotonic_ns"]) / _NS_PER_S
        busy_cpu_s = max(after["busy_cpu_s"] - before["busy_cpu_s"], 0.0)
        return float(curve["idle_w"][1] * duration_s + curve["busy_w"][1] * busy_cpu_s)
    first = before["readings"].get(domain["name"])
    last = after["readings"].get(domain["name"])
    if first is None or last is None:
        return None
    if last < first:
        if domain.get("range") is None:
            return None
        last += domain["range"]
    return float((last - first) * domain["unit_j"])


def host_power(
    sensors: Iterable[Sensor], before: dict[str, Any], after: dict[str, Any]
) -> tuple[float, str] | None:
    """Return the host's mean watts between two sample records, and the weakest method in it.

    None where a reading of the account is missing, or no time has passed.
    """
    duration_s = (after["t_monotonic_ns"] - before["t_monotonic_ns"]) / _NS_PER_S
    energy_j, methods = 0.0, []
    for sensor in sensors:
        for domain in sensor.domains:
            if domain.get("account", True):
                part_j = domain_energy_j(domain, before, after)
                if part_j is None:
                    return None
                energy_j += part_j
                methods.append(sensor.method)
    if duration_s <= 0 or not methods:
        return None
    return energy_j / duration_s, min(methods, key=_METHODS.index)


def _clock(seconds: float) -> str:
    """Write an elapsed time as mm:ss, or h:mm:ss."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute:02d}:{second:02d}"


def _watts(power_w: float) -> str:
    return f"{power_w:.0f} W" if power_w >= 100 else f"{power_w:.3g} W"


class Progress:
    """Writes the progress of a run.

    Parameters
    ----------
    mode : str
        ``lines`` writes a line when a node starts or ends and every 10 s; ``tty`` keeps one line
        up to date in place.
    run_dir : str
        Its ``graph-*.json`` tell how many nodes there are.
    procfs : ProcFS
        The host.
    sensors : list of Sensor
        What the samples hold.
    watch : NodeWatch
        What the nodes do.
    out : file
        Where to write; stderr by default.
    monotonic_s : callable
        The time in seconds.
    """

    def __init__(
        self,
        mode: str,
        run_dir: str,
        procfs: ProcFS,
        sensors: list[Sensor],
        watch: NodeWatch,
        out: TextIO | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = mode == "tty"
        self._run_dir = run_dir
        self._prefix = f"graph-{procfs.host_id()}-"
        self._sensors = sensors
        self._watch = watch
        self._out = sys.stderr if out is None else out
        self._monotonic_s = monotonic_s
        self._began_s = monotonic_s()
        self._written_s: float | None = None
        self._shown: tuple[tuple[str, ...], int] = ((), 0)
        self._sample: dict[str, Any] | None = None
        self._power: tuple[float, str] | None = None
        self._graphs: dict[str, set[str]] = {}
        self._graph_files: dict[str, tuple[int, int]] = {}
        self._folder_ns = -1

    def show(self, sample: dict[str, Any] | None) -> None:
        """Show where the run is, if it is time to.

        Parameters
        ----------
        sample : dict or None
            The last sample record; the same one again where there is no new one.
        """
        if sample is not None and sample is not self._sample:
            if self._sample is not None:
                self._power = host_power(self._sensors, self._sample, sample)
            self._sample = sample
        state = (tuple(span.span for span in self._watch.running()), len(self._watch.done))
        now_s = self._monotonic_s()
        if not self._is_time(now_s, changed=state != self._shown):
            return
        self._shown, self._written_s = state, now_s
        line = self._line(now_s)
        if self._live:
            self._write(f"\r{line[: self._width()]}\x1b[K")
        else:
            self._write(f"{line}\n")

    def end(self) -> None:
        """Take the live line away; nothing else is left to say."""
        if self._live and self._written_s is not None:
            self._write("\r\x1b[K")

    def _is_time(self, now_s: float, changed: bool) -> bool:
        if self._written_s is None:
            # The first line comes with the first node: before it there is nothing to tell.
            return changed or now_s - self._began_s >= _AFTER_CHANGE_S
        since_s = now_s - self._written_s
        if self._live:
            return since_s >= _LIVE_EVERY_S
        return since_s >= (_AFTER_CHANGE_S if changed else _EVERY_S)

    def _line(self, now_s: float) -> str:
        parts = []
        if self._power is not None:
            parts.append(f"{_watts(self._power[0])} {self._power[1]}")
        parts.append(self._count())
        failed = sum(1 for outcome in self._watch.done.values() if outcome == "failed")
        if failed:
            parts.append(f"{failed} failed")
        names = [span.node.rsplit(".", 1)[-1] for span in self._watch.running()]
        if names:
            more = f", {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            parts.append("running: " + ", ".join(names[:_NAMES_SHOWN]) + more)
        return f"[nicarbon {_clock(now_s - self._began_s)}] " + " | ".join(parts)

    def _count(self) -> str:
        """Say how many nodes are done, of how many where a graph tells."""
        self._read_graphs()
        nodes = set().union(*self._graphs.values())
        if not nodes:
            return f"{len(self._watch.done)} done"
        return f"{len(nodes & self._watch.done.keys())}/{len(nodes)} done"

    def _read_graphs(self) -> None:
        """Read the graphs that are new, or were written again, since the folder was looked at."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            folder_ns = os.stat(self._run_dir).st_mtime_ns
            if folder_ns == self._folder_ns:
                return
            for name in os.listdir(self._run_dir):
                if not (name.startswith(self._prefix) and name.endswith(".json")):
                    continue
                path = os.path.join(self._run_dir, name)
                stat = os.stat(path)  # One that grows is a new file each time.
                if self._graph_files.get(name) == (stat.st_ino, stat.st_mtime_ns):
                    continue
                with open(path, encoding="utf-8") as file:
                    nodes = json.load(file)["nodes"]
                self._graphs[name] = {str(n["name"]) for n in nodes if not n.get("collects")}
                self._graph_files[name] = stat.st_ino, stat.st_mtime_ns
            self._folder_ns = folder_ns

    def _width(self) -> int:
        """Return how many characters stay on one line of the terminal."""
        columns = _USUAL_COLUMNS
        # Asked of the output itself: the sampler's standard output is a pipe to the driver.
        with contextlib.suppress(OSError, ValueError):
            columns = os.get_terminal_size(self._out.fileno()).columns
        # The last column is left free, where some terminals wrap already.
        return max(columns - 1, _MIN_WIDTH)

    def _write(self, text: str) -> None:
        # The terminal may be gone, and ASCII may be all that it shows; the run goes on.
        with contextlib.suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()
