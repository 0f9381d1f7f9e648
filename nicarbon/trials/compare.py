# SPDX-License-Identifier: Apache-2.0
"""Try trackers: the load, one long process, a sleep, four at once, and a kill."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from nicarbon._version import __version__
from nicarbon.errors import NicarbonError
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.progress import domain_energy_j
from nicarbon.meter.sensors import choose, contract, external, survey
from nicarbon.notes import count
from nicarbon.run import Run
from nicarbon.trials import process
from nicarbon.trials.environments import Tracker, interpreter
from nicarbon.trials.results import COUNTERS, NICARBON, Kill, Row, Trial

LOADS = ("cpu", "children", "concurrent", "pipeline")
# What a tracker may need to start and to stop beside the load: some ask the network first.
_PATIENCE_S = 60.0
_SETTLE_S = 1.0
# A load that is killed would have gone on for longer than anybody looks at what is left.
_LONGER_S = 30.0
_FOUR = 4
_SCRIPTS = resources.files("nicarbon") / "data" / "trackers"
_AROUND, _LOAD = str(_SCRIPTS / "around.py"), str(_SCRIPTS / "load.py")

Say = Callable[[str], None]


class Bench:
    """Runs trials, each in a folder of its own.

    Parameters
    ----------
    folder : Path
        Where all is written that they write.
    load : sequence of str
        One of `LOADS`, or ``--`` and a command.
    seconds : float
        CPU seconds of nicarbon's own loads, and seconds of the sleep.
    limit_s : float
        Seconds that a trial may take beside what trackers need.
    say : callable
        Told what is tried next.
    """

    def __init__(
        self, folder: Path, load: Sequence[str], seconds: float, limit_s: float, say: Say
    ) -> None:
        self._folder = folder
        self._load = list(load) if load[0] == "--" else [load[0], str(seconds)]
        self._seconds = seconds
        self._limit_s = limit_s + _PATIENCE_S
        self._say = say

    def row(self, tracker: Tracker | None) -> Row:
        """Try a tracker; nicarbon where it is None."""
        name = NICARBON if tracker is None else tracker.name
        load = self.trial(tracker, self._load, "the load")
        if load.problem:
            return Row(name, load)
        is_one = self._load[0] == "cpu"
        long = str(self._seconds)
        one = load if is_one else self.trial(tracker, ["cpu", long], "one process")
        idle = self.trial(tracker, ["idle", long], "a sleep")
        inner_j, outer_j = self._four(tracker)
        return Row(
            name,
            load,
            one,
            idle,
            inner_j,
            outer_j,
            self.kill(tracker),
            tracker is None or tracker.by_process,
        )

    def counters(self) -> Row:
        """Read the machine's own counters around the load, with nothing else beside."""
        known = survey(where=external.folders())
        try:
            used = [s for s in choose(known) if s.method == "measured"]
            if not used:
                reasons = [
                    f"{s.name}: {s.status().reason}" for s in known if s.method != "modelled"
                ]
                return Row(COUNTERS, Trial("; ".join(reasons)))
            self._say(f"the load beside {COUNTERS}")
            folder = self._new(COUNTERS)
            before = {s.name: _sample(s) for s in used}
            ended = process.run(
                [sys.executable, _LOAD, str(folder / "truth"), *self._load],
                self._limit_s,
                folder / "errors",
            )
            found = {}
            for sensor in used:
                after = _sample(sensor)
                for domain in sensor.domains:
                    energy_j = domain_energy_j(domain, before[sensor.name], after)
                    if domain["account"] and energy_j is not None:
                        found[domain["name"]] = energy_j
        finally:
            for sensor in known:
                sensor.close()
        truth = _read(folder / "truth")
        trial = Trial(
            _problem(ended, truth, self._limit_s),
            energy_j=found,
            method="measured",
            true_cpu_s=truth.get("cpu_s"),
            true_duration_s=truth.get("duration_s"),
        )
        return Row(COUNTERS, trial)

    def trial(self, tracker: Tracker | None, load: list[str], what: str) -> Trial:
        """Run a load under a tracker."""
        name = NICARBON if tracker is None else tracker.name
        python = sys.executable if tracker is None else interpreter(tracker)
        if python is None:
            return Trial("not installed: nicarbon trackers --install")
        self._say(f"{what} under {name}")
        folder = self._new(name)
        ended = process.run(
            self._inside(tracker, folder, load), self._limit_s, folder / "errors", _environment()
        )
        truth = _read(folder / "truth")
        return self._answer(tracker, folder, ended, truth)

    def _answer(
        self, tracker: Tracker | None, folder: Path, ended: process.Ended, truth: dict[str, Any]
    ) -> Trial:
        answer = _read(folder / "answer")
        problem = answer.get("problem") or _problem(ended, truth, self._limit_s)
        trial = Trial(
            problem,
            asked=tuple(answer.get("asked", ())),
            true_cpu_s=truth.get("cpu_s"),
            true_duration_s=truth.get("duration_s"),
            cpu_s=ended.cpu_s,
            duration_s=ended.duration_s,
            n_left=ended.n_left,
        )
        if tracker is not None:
            energy_j = answer.get("energy_j") or {}
            return replace(trial, version=answer.get("version"), energy_j=energy_j)
        energy_j, method, seen_cpu_s = ({}, None, None) if problem else _own(folder / "run")
        return replace(
            trial, version=__version__, energy_j=energy_j, method=method, seen_cpu_s=seen_cpu_s
        )

    def _inside(
        self, tracker: Tracker | None, folder: Path, load: list[str], nested: str = ""
    ) -> list[str]:
        """Return the command that runs a load inside a tracker."""
        truth, answer, own = folder / "truth", folder / "answer", folder / "own"
        own.mkdir(parents=True, exist_ok=True)
        work = [_LOAD, str(truth), *load]
        if tracker is not None:
            python = interpreter(tracker)
            assert python is not None
            around = [python, _AROUND, tracker.name, str(answer), str(own)]
            return [*around, sys.executable, *work]
        # Each node of a pipeline by itself; anything else as one node.
        command = work if load[0] == "pipeline" else ["--", sys.executable, *work]
        around = [sys.executable, _AROUND, NICARBON, str(answer), str(own)]
        return [*around, "run", "-o", str(folder / "run"), *command]

    def _four(self, tracker: Tracker | None) -> tuple[float | None, float | None]:
        """Return the joules of four loads at once together, and of a tracker around them all."""
        name = NICARBON if tracker is None else tracker.name
        self._say(f"four at once under {name}")
        folder = self._new(name)
        folders = [folder / f"inner-{k}" for k in range(_FOUR)]
        for inner in folders:
            inner.mkdir()
        commands = [self._inside(tracker, inner, ["cpu", str(self._seconds)]) for inner in folders]
        outside = self._inside(tracker, folder, ["together", json.dumps(commands)])
        limit_s = self._limit_s + _FOUR * self._seconds
        ended = process.run(outside, limit_s, folder / "errors", _environment())
        inner_j = []
        for where in folders:
            trial = self._answer(tracker, where, ended, _read(where / "truth"))
            inner_j.append(trial.total_j)
        outer = self._answer(tracker, folder, ended, _read(folder / "truth"))
        if None in inner_j:
            return None, outer.total_j
        return sum(j for j in inner_j if j is not None), outer.total_j

    def kill(self, tracker: Tracker | None) -> Kill:
        """Kill the process that started the load, in the middle of it; look at what is there."""
        name = NICARBON if tracker is None else tracker.name
        self._say(f"a kill under {name}")
        folder = self._new(name)
        began = folder / "truth.began"
        load_began: list[float] = []

        def now(after_s: float) -> bool:
            if not load_began and began.exists():
                load_began.append(after_s)
            return bool(load_began) and after_s - load_began[0] > self._seconds / 2

        ended = process.run(
            self._inside(tracker, folder, ["cpu", str(self._seconds + _LONGER_S)]),
            self._limit_s,
            folder / "errors",
            _environment(),
            now,
            _SETTLE_S,
        )
        if not load_began:
            return Kill(problem=_problem(ended, {}, self._limit_s))
        # The load itself and the process that it waits for are among what is left.
        left = max(ended.n_left - 2, 0)
        if tracker is None:
            energy_j, _, seen_cpu_s = _own(folder / "run")
            kept = f"{sum(energy_j.values()):.3g} J" if energy_j and seen_cpu_s else ""
            return Kill(kept, left)
        result = re.compile(tracker.result)
        n = 0
        for path in (folder / "own").glob(tracker.files):
            text = path.read_text(encoding="utf-8", errors="replace")
            n += sum(result.search(line) is not None for line in text.splitlines())
        return Kill(count(n, "result") if n else "", left)

    def _new(self, name: str) -> Path:
        n = len(list(self._folder.iterdir()))
        folder = self._folder / f"{n:02d}-{name.replace(' ', '-')}"
        folder.mkdir()
        return folder


def _own(run_dir: Path) -> tuple[dict[str, float], str | None, float | None]:
    """Return joules, method and CPU seconds of a run of nicarbon's own, its engine included."""
    try:
        run = Run.open(run_dir)
        summary = run.summary()
    except NicarbonError:
        return {}, None, None
    total = summary.total
    if total.energy_j is None:
        return {}, None, None
    energy_j = {"nodes": total.energy_j}
    engine_j = sum(host.engine_j or 0.0 for host in summary.hosts)
    # Of a command there is no engine but nicarbon's own process.
    if len(summary.rows) > 1 or total.n_nodes > 1:
        return {**energy_j, "engine": engine_j}, total.method, None
    return energy_j, total.method, total.cpu_s


def _sample(sensor: Any) -> dict[str, Any]:
    t_ns = time.monotonic_ns()
    busy_s = ProcFS("/").busy_cpu_s(t_ns / 1e9) or 0.0
    return {"t_monotonic_ns": t_ns, "busy_cpu_s": busy_s, "readings": contract.readings(sensor)}


def _environment() -> dict[str, str]:
    """Return the environment of trials: no one's settings of trackers, no telemetry of nipype."""
    own = ("NICARBON_", "CODECARBON_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    return {**env, "NIPYPE_NO_ET": "1", "NO_ET": "1"}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _problem(ended: process.Ended, truth: dict[str, Any], limit_s: float) -> str:
    if ended.code is None:
        return f"ran out of time: {limit_s:g} s"
    if truth.get("code", 1) != 0 and truth:
        return f"the load failed, exit code {truth['code']}"
    if ended.code != 0 or not truth:
        return f"exit code {ended.code}: {ended.said}" if ended.said else f"exit code {ended.code}"
    return ""
