# SPDX-License-Identifier: Apache-2.0
"""The process that reads a host's sensors while a run lasts.

It is nobody's child and shares nothing with the pipeline but the run folder: whatever goes wrong
here is said once on stderr, and the pipeline goes on. It ends with the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nicarbon.meter import host, profile, sensors
from nicarbon.meter.ends import Ends
from nicarbon.meter.markers import Markers
from nicarbon.meter.node_file import Worked
from nicarbon.meter.processes import ProcFS, Seen
from nicarbon.meter.programs import Programs
from nicarbon.meter.rule_logs import Rule
from nicarbon.meter.sensors import contract
from nicarbon.meter.sightings import Sightings
from nicarbon.meter.watch import NodeWatch
from nicarbon.meter.writer import Writer

if TYPE_CHECKING:
    from nicarbon.meter.exact import ExactPrograms
    from nicarbon.meter.gpu_use import GpuUse

# Accuracy doesn't depend on the interval: counters are cumulative and CPU times exact. The first
# minutes are finer so that short runs, and what is tried out first, show a course.
_FIRST_INTERVAL_S = 1.0
_LATER_INTERVAL_S = 10.0
_FIRST_MINUTES_S = 300.0
# Energy and busy time read further apart than this don't belong together.
_CONSISTENT_NS = 5_000_000
_TRIES = 3
_PROGRESS_S = 1.0
# How often what the kernel tells is read, where it is asked: see `nicarbon.meter.switches`.
_DRAIN_S = 0.2
_NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """What tells the time."""

    def monotonic_ns(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds."""

    def unix_ns(self) -> int:
        """Return nanoseconds since 1970, UTC."""


class SystemClock:
    """The clocks of this host."""

    def monotonic_ns(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    def unix_ns(self) -> int:
        """Return nanoseconds since 1970, UTC."""
        return time.time_ns()


class Sampler:
    """Writes one ``samples-*.jsonl``: `open`, then `sample` at each interval, then `close`.

    Parameters
    ----------
    run_dir : str
        The run folder.
    root : str
        The folder that holds the sensors' ``sys`` and ``proc``.
    driver_pid : int, optional
        The process that this sampler serves.
    clock : Clock, optional
        The time; this host's by default.
    interval_s : float, optional
        Seconds between samples; by default 1 for five minutes, then 10.
    replay : str, optional
        A recorded samples file to be played back instead of this host's sensors.
    pid : int, optional
        The process number under which this sampler is known; its own by default.
    proc_root : str, optional
        The folder whose ``proc`` holds the processes and the busy time; `root` by default. In a
        container to which the host's ``sys`` is bound it is ``/``: process numbers differ.
    driver_key : str, optional
        What the driver calls itself, where it is in a container and has another number there.
    sensor_path : sequence of str, optional
        Folders with packages that bring sensors of their own.
    rules : sequence of dict, optional
        Rules for the logs of pipelines: see `nicarbon.meter.rule_logs`.
    keep_arguments : bool, optional
        Whether the command lines of programs inside nodes are written down.
    exact : bool, optional
        Whether the kernel is asked which programs run inside nodes, and when.
    """

    def __init__(
        self,
        run_dir: str,
        root: str = "/",
        driver_pid: int | None = None,
        clock: Clock | None = None,
        interval_s: float | None = None,
        replay: str | None = None,
        pid: int | None = None,
        proc_root: str | None = None,
        driver_key: str | None = None,
        sensor_path: Sequence[str] = (),
        rules: Sequence[dict[str, str]] = (),
        keep_arguments: bool = False,
        exact: bool = False,
    ) -> None:
        self.procfs = ProcFS(proc_root or root)
        self.run_dir = run_dir
        self.clock = clock or SystemClock()
        self.sensors: list[sensors.Sensor] = []
        self.watch: NodeWatch
        self._root = root
        self._replay = replay
        self._sensor_path = sensor_path
        self._driver_pid = driver_pid
        self._driver_key = driver_key
        self._pid = os.getpid() if pid is None else pid
        self._interval_s = interval_s
        self._began_ns = 0
        self._said: set[str] = set()
        self._driver_cpu_s: float | None = None
        self._markers = Markers(
            self.procfs, self.clock.monotonic_ns, self.say, [Rule(rule) for rule in rules]
        )
        programs = Programs(self.procfs, keep_arguments=keep_arguments)
        self.exact: ExactPrograms | None = None
        if exact:
            from nicarbon.meter.exact import ExactPrograms

            self.exact = ExactPrograms(self.procfs, programs.whole, self.clock.monotonic_ns)
        self._sightings = Sightings(
            self.procfs, self.clock.monotonic_ns, self._markers, programs, self.exact
        )

    def open(self) -> None:
        """Find the sensors and write the host record."""
        self._began_ns = self.clock.monotonic_ns()
        self.sensors = sensors.discover(
            self._root, self._replay, self.clock.monotonic_ns, self._sensor_path
        )
        if self._replay is not None and self.sensors[0].name != "replay":
            self.say(f"can't replay {self._replay}: it holds no recorded host with samples")
        served = self._driver_key
        if served is None and self._driver_pid is not None:
            served = self.procfs.key(self._driver_pid)
        self.watch = NodeWatch(self.run_dir, self.procfs, self._pid, served)
        if self.exact is not None:
            self._open_exact(self.exact)
        self._devices = [s for s in self.sensors if sensors.is_of_devices(s)]
        cards = [card for s in self._devices for card in getattr(s, "cards", ())]
        self._gpu_use: GpuUse | None = None
        if cards:
            # Each run starts a sampler: what most hosts do not have is not even loaded.
            from nicarbon.meter.gpu_use import GpuUse

            self._gpu_use = GpuUse(
                cards, self.procfs, self._driver_pid, self._pid, self.clock.monotonic_ns
            )
        name = f"samples-{self.procfs.key(self._pid)}.jsonl"
        record = host.describe(
            self.procfs,
            [sensors.describe(sensor) for sensor in self.sensors],
            self._pid,
            self._began_ns,
            self.clock.unix_ns(),
            self.interval_s(),
            self._driver_pid,
            profile.idle_power_w(profile.load(self._root, self.procfs), self.sensors),
        )
        if self._driver_key is not None:
            record["driver"] = self._driver_key
        self._writer = Writer(os.path.join(self.run_dir, name))
        self._write(record)

    def interval_s(self) -> float:
        """Return the seconds between two samples at this time of the run."""
        if self._interval_s is not None:
            return self._interval_s
        elapsed_ns = self.clock.monotonic_ns() - self._began_ns
        first = elapsed_ns < _FIRST_MINUTES_S * _NS_PER_S
        # Of cards, unlike of processes, nobody has the exact time that a node computed on them.
        in_use = self._gpu_use is not None and self._gpu_use.in_use
        return _FIRST_INTERVAL_S if first or in_use else _LATER_INTERVAL_S

    def sample(self) -> dict[str, Any] | None:
        """Read everything once and write it; return the record, None where it can't be read.

        Spans whose process is gone are written after it, so that their last seconds are in it.
        """
        record = self._measure()
        if record is None:
            self.say("/proc/stat can't be read: no samples")
            return None
        known: dict[int, Seen] = {}
        record["driver_cpu_s"] = self._driver_tree_cpu_s(known)
        look = self.watch.look(known)
        record["spans"] = look.cpu_s
        if look.sigchld_ignored:
            record["sigchld_ignored"] = look.sigchld_ignored
        if look.memory_bytes:
            record["memory_bytes"] = look.memory_bytes
        self.drain()
        sightings = self._sightings.take()
        if sightings:
            record["sightings"] = sightings
        if self._gpu_use is not None:
            self._look_at_gpus(self._gpu_use)
            record["gpus"] = self._gpu_use.take()
        markers = self._markers.take()
        if markers:
            record["markers"] = markers
        record["meter_cpu_s"] = self._own_cpu_s()
        self._write(record)
        for span in look.gone:
            self._write({"kind": "gone", "span": span, "t_monotonic_ns": record["t_monotonic_ns"]})
        return record

    def sight(self) -> float:
        """Look which programs run in the nodes; return the seconds until the next look.

        Where a step of a pipeline has begun a sample is taken, so that its energy and CPU time
        are known up to that moment.
        """
        if self._gpu_use is not None and self._gpu_use.is_due():
            self.watch.follow()
            self._look_at_gpus(self._gpu_use)
        self.drain()
        n_modules, before_s = len(sys.modules), time.thread_time()
        self.watch.follow()
        trees = self.watch.trees()
        self._sightings.look(trees)
        # Samples where steps begin are few in a day's run, and no reason to look less often.
        cost_s = time.thread_time() - before_s
        if self._markers.found():
            self.sample()
        # The first look at a program loads what names it: the next one comes no later for that.
        return self._sightings.wait_s(trees, cost_s if len(sys.modules) == n_modules else 0.0)

    def drain(self) -> float:
        """Read what the kernel told of programs; return the seconds until the next time."""
        if self.exact is None:
            return float("inf")
        try:
            self.exact.accept()
        except (OSError, ValueError, TypeError) as error:
            self.say(f"a process does not tell its programs: {error}")
        try:
            self.exact.drain(self._executions)
        except Exception as error:
            self.exact.close()
            self.say(f"programs are told apart by looks from here on: {error!r}")
        return _DRAIN_S

    def _executions(self, pid: int, now_ns: int) -> list[Worked]:
        self.watch.follow()
        return self.watch.executions(pid, now_ns)

    def _open_exact(self, exact: ExactPrograms) -> None:
        try:
            exact.open(self._pid)
        except OSError as error:
            self.say(
                f"the kernel does not tell which programs run ({error.strerror}; see "
                "/proc/sys/kernel/perf_event_paranoid): they are told apart by looks"
            )

    def close(self, reason: str) -> None:
        """Write the last line, which says why sampling ends; takes no sample."""
        self._write(
            {"kind": "close", "t_monotonic_ns": self.clock.monotonic_ns(), "reason": reason}
        )
        self._writer.close()
        self.watch.close()
        if self.exact is not None:
            self.exact.close()
        self.procfs.close()
        for sensor in self.sensors:
            sensor.close()

    def _look_at_gpus(self, use: GpuUse) -> None:
        """Ask who uses the GPUs; a driver that answers as none should costs that, and no more."""
        try:
            use.look(self.watch.owners)
        except Exception as error:
            self.say(f"who uses the GPUs can't be told: {error!r}")

    def _measure(self) -> dict[str, Any] | None:
        """Read sensors and idle time close together; the closest of a few tries counts."""
        best: dict[str, Any] | None = None
        processors = [sensor for sensor in self.sensors if sensor not in self._devices]
        for _ in range(_TRIES):
            before_ns = self.clock.monotonic_ns()
            readings = self._read(processors)
            idle_cpu_s = self.procfs.idle_cpu_s()
            after_ns = self.clock.monotonic_ns()
            unix_ns = self.clock.unix_ns()
            if idle_cpu_s is None:
                return None
            half_ns = (after_ns - before_ns) // 2
            t_ns = before_ns + half_ns
            read_s = (after_ns - before_ns) / _NS_PER_S
            if best is None or read_s < best["read_s"]:
                best = {
                    "kind": "sample",
                    "t_monotonic_ns": t_ns,
                    "t_unix_ns": unix_ns - half_ns,
                    "busy_cpu_s": self.procfs.n_cpus() * t_ns / _NS_PER_S - idle_cpu_s,
                    "readings": readings,
                    "read_s": read_s,
                }
            if after_ns - before_ns <= _CONSISTENT_NS:
                break
        if best is not None:
            # A driver may be slow, and a device's energy is not divided by CPU time.
            best["readings"].update(self._read(self._devices))
        return best

    def _read(self, which: Iterable[sensors.Sensor]) -> dict[str, int | None]:
        readings: dict[str, int | None] = {}
        for sensor in which:
            readings.update(self._read_sensor(sensor))
        return readings

    def _read_sensor(self, sensor: sensors.Sensor) -> dict[str, int | None]:
        try:
            return contract.readings(sensor)
        except Exception as error:
            # A sensor may be somebody else's; its failure is a missing reading, no more.
            self.say(f"the sensor {sensor.name} fails: {error}")
            return dict.fromkeys(contract.counters(sensor))

    def _driver_tree_cpu_s(self, known: dict[int, Seen]) -> float | None:
        """Return what the driver's tree has used, never less than before; None without a driver.

        Once it is gone its last count stays.
        """
        if self._driver_pid is None:
            return None
        if self.procfs.stat(self._driver_pid) is not None:
            cpu_s = round(self.procfs.tree_cpu_s(self._driver_pid, {self._pid}, known), 6)
            self._driver_cpu_s = max(cpu_s, self._driver_cpu_s or 0.0)
        return self._driver_cpu_s

    def _own_cpu_s(self) -> float:
        if self.procfs.root == "/":
            return time.process_time()
        return self.procfs.cpu_s(self._pid) or 0.0

    def _write(self, record: dict[str, Any]) -> None:
        if not self._writer.write(record):
            self.say(f"{self._writer.path} can't be written: {self._writer.error}")

    def say(self, what: str) -> None:
        """Say something on stderr, once."""
        if what not in self._said:
            self._said.add(what)
            with contextlib.suppress(OSError, ValueError):
                print(f"nicarbon: sampler: {what}", file=sys.stderr, flush=True)


def _run(sampler: Sampler, ends: Ends, progress_mode: str | None) -> None:
    """Sample until it is time to stop, then once more."""
    sampler.open()
    progress = None
    if progress_mode is not None:
        from nicarbon.meter.progress import Progress

        progress = Progress(
            progress_mode, sampler.run_dir, sampler.procfs, sampler.sensors, sampler.watch
        )
    record = sampler.sample()
    # The driver waits for this line; the end of this output tells it that all is written.
    with contextlib.suppress(OSError):
        os.write(1, b"ready %d\n" % os.getpid())
    reason = None
    due_s = sight_s = drain_s = time.monotonic()
    while reason is None:
        now_s = time.monotonic()
        interval_s = sampler.interval_s()
        if now_s >= due_s:
            # On a grid of the shared clock, so that several samplers of one host agree.
            due_s = (now_s // interval_s + 1) * interval_s
        if now_s >= drain_s:
            drain_s = now_s + sampler.drain()
        wait_s = min(due_s, sight_s, drain_s) - now_s
        asked = sampler.exact.fileno() if sampler.exact is not None else None
        reason = ends.wait(wait_s if progress is None else min(wait_s, _PROGRESS_S), asked)
        if asked is not None:
            sampler.drain()
        now_s = time.monotonic()
        if reason is not None:
            sampler.sight()  # What marked a step at the very end.
        if reason is not None or now_s >= due_s:
            record = sampler.sample() or record
        elif now_s >= sight_s:
            sight_s = now_s + sampler.sight()
        elif progress is not None:
            sampler.watch.follow()
        if progress is not None:
            progress.show(record)
    if progress is not None:
        progress.end()
    sampler.close(reason)


def _options(argv: list[str]) -> dict[str, str]:
    """Return the options by name; argparse would cost more than the rest of the start."""
    return {"run_dir": argv[0], **dict(zip(argv[1::2], argv[2::2]))}


def main(argv: list[str]) -> int:
    """Run the sampler; return at once in the process that was started, which is only its parent.

    Parameters
    ----------
    argv : list of str
        ``RUN_DIR --driver-pid PID [--interval S] [--host-root DIR] [--replay FILE]
        [--progress lines|tty] [--driver-key KEY] [--rules JSON]
        [--keep-arguments yes] [--programs exact] [--sensor-path DIR:DIR]``, as
        `nicarbon.meter.session` gives them.
    """
    options = _options(argv)
    # The process that goes on must never be a child of the user's: os.wait() would meet it.
    if os.fork() != 0:
        # Each run waits for this process; it has nothing to put away.
        os._exit(0)
    interval = options.get("--interval")
    driver_pid = int(options["--driver-pid"])
    sampler = Sampler(
        os.path.abspath(options["run_dir"]),
        options.get("--host-root", "/"),
        driver_pid,
        interval_s=None if interval is None else float(interval),
        replay=options.get("--replay"),
        proc_root="/",
        driver_key=options.get("--driver-key"),
        sensor_path=[part for part in options.get("--sensor-path", "").split(os.pathsep) if part],
        rules=json.loads(options.get("--rules", "[]")),
        keep_arguments="--keep-arguments" in options,
        exact=options.get("--programs") == "exact",
    )
    try:
        _run(sampler, Ends(driver_pid), options.get("--progress"))
    except Exception as error:
        # The last guard: one line, no traceback; the pipeline goes on unsampled.
        sampler.say(f"ends, energy is missing from here on: {error!r}")
        return 1
    return 0
