# SPDX-License-Identifier: Apache-2.0
"""``nicarbon doctor --deep``: known loads, what each sensor says of them, and the power curve."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table

from nicarbon import calibration
from nicarbon.calibration import CalibrationError, Phase
from nicarbon.errors import NicarbonError, OutputError
from nicarbon.loads import Load, Running, loads
from nicarbon.meter import host, profile
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.progress import domain_energy_j
from nicarbon.meter.sensors import Sensor
from nicarbon.trackers import CodeCarbon

SECONDS = 120.0
_LEAST_SECONDS = 5.0
# The part of each load's time before it is read: clocks rise, caches fill, the fans go on.
_SETTLE = 0.2

Read = Callable[[], dict[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the deep check."""
    parser.add_argument(
        "--deep",
        action="store_true",
        help="load the machine for two minutes, compare what sensors, model and CodeCarbon (where "
        "installed) say, and keep the measured power curve for later runs on this machine",
    )
    parser.add_argument(
        "--seconds",
        metavar="S",
        type=float,
        help=f"how long --deep takes in all (default: {SECONDS:g})",
    )
    watts = "watts that a meter at the plug shows while {}; kept for later runs on this machine"
    parser.add_argument(
        "--idle-watts", metavar="W", type=float, help=watts.format("the machine is idle")
    )
    parser.add_argument(
        "--full-watts", metavar="W", type=float, help=watts.format("all its CPUs work")
    )


def check(args: argparse.Namespace) -> None:
    """Refuse what can't be meant.

    Raises
    ------
    NicarbonError
        With one line that says what to do.
    """
    if (args.idle_watts is None) != (args.full_watts is None):
        raise NicarbonError("--idle-watts and --full-watts belong together: give both")
    if args.seconds is not None and not args.deep:
        raise NicarbonError("--seconds is how long --deep takes: give both")
    if args.seconds is not None and not _LEAST_SECONDS <= args.seconds <= 86400:
        raise NicarbonError(
            f"--seconds {args.seconds:g}: power is read over at least {_LEAST_SECONDS:g} s, "
            "and at most a day"
        )


def given(root: str, procfs: ProcFS, idle_w: float, full_w: float) -> dict[str, Any]:
    """Keep what a meter at the plug showed; return the part of the profile and its place.

    Raises
    ------
    NicarbonError
        If these are no watts of a machine, or the profile can't be written.
    """
    idle, busy = calibration.given(idle_w, full_w, procfs.n_cpus())
    source = f"a meter at the plug, {idle_w:g} W idle and {full_w:g} W under load, {_today()}"
    curve = profile.Curve(idle, busy, (), source)
    return {**curve._asdict(), "profile": _save(root, procfs, {profile.PLUG: curve})}


def examine(
    known: Sequence[Sensor],
    used: Sequence[Sensor],
    procfs: ProcFS,
    root: str,
    seconds: float,
    read: Read,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Load the machine; return what was read, and the calibration that comes out.

    Parameters
    ----------
    known, used : sequence of Sensor
        All of them, and those that a run would read.
    procfs : ProcFS
        The host.
    root : str
        The folder that holds ``sys``, ``proc`` and ``etc``.
    seconds : float
        How long it takes in all.
    read : callable
        Returns what a sample record would hold.
    say : callable
        Told of each load before it begins.
    """
    # A job may be given a part of its host: it loads no more than that.
    each = loads(len(os.sched_getaffinity(0)), procfs.memory_bytes())
    other = CodeCarbon()
    other.start()
    try:
        found = []
        for load in each:
            say(f"{load.name}: {seconds / len(each):.3g} s ...")
            found.append(_measure(load, seconds / len(each), used, known, read, other))
    finally:
        other.stop()
    return {
        "seconds": seconds,
        "cpus_used": max(load.n_children for load in each),
        "loads": found,
        "codecarbon": {"version": other.version, "problem": other.problem},
        "calibration": _calibrated(found, used, procfs, root),
    }


def _measure(
    load: Load,
    seconds: float,
    used: Sequence[Sensor],
    known: Sequence[Sensor],
    read: Read,
    other: CodeCarbon,
) -> dict[str, Any]:
    with Running(load) as running:
        time.sleep(_SETTLE * seconds)
        other.begin(load.name)
        before = read()
        time.sleep((1 - _SETTLE) * seconds)
        after = read()
        others_w = other.end()
        if running.failed:
            raise NicarbonError(f"the load '{load.name}' ended by itself: is memory short?")
    duration_s = max((after["t_monotonic_ns"] - before["t_monotonic_ns"]) / 1e9, 1e-9)

    def power_w(sensor: Sensor) -> dict[str, float | None]:
        joules = {d["name"]: domain_energy_j(d, before, after) for d in sensor.domains}
        return {name: None if j is None else j / duration_s for name, j in joules.items()}

    model = next(sensor for sensor in known if sensor.name == "virtual")
    return {
        "name": load.name,
        "duration_s": duration_s,
        "busy_cpus": (after["busy_cpu_s"] - before["busy_cpu_s"]) / duration_s,
        "load_cpus": running.cpu_s / max(running.duration_s, 1e-9),
        "power_w": {s.name: power_w(s) for s in used if s is not model},
        "model_w": next(iter(power_w(model).values())),
        "codecarbon_w": others_w,
    }


def _account(used: Sequence[Sensor]) -> list[tuple[Sensor, str]]:
    """Return the counters of the account with their sensors; GPUs are no part of the curve."""
    return [
        (sensor, domain["name"])
        for sensor in used
        for domain in sensor.domains
        if domain["account"] and domain["kind"] != "gpu" and domain.get("model") is None
    ]


def _calibrated(
    found: list[dict[str, Any]], used: Sequence[Sensor], procfs: ProcFS, root: str
) -> dict[str, Any]:
    """Return the curve and where it is kept, or why there is none."""
    account = _account(used)
    if not account:
        return {
            "problem": "no energy counter can be read here, and a model can't calibrate itself"
        }
    phases = []
    for one in found:
        watts = [one["power_w"][sensor.name][name] for sensor, name in account]
        total_w = None if None in watts else sum(watts)
        phases.append(
            Phase(one["name"], one["duration_s"], one["busy_cpus"], one["load_cpus"], total_w)
        )
    error = max(sensor.relative_error for sensor, _ in account)
    try:
        idle, busy = calibration.fitted(phases, procfs.n_cpus(), error)
    except CalibrationError as problem:
        return {"problem": str(problem)}
    sensors = " and ".join(dict.fromkeys(sensor.name for sensor, _ in account))
    names = tuple(name for _, name in account)
    source = (
        f"nicarbon doctor --deep by the counters of {sensors} ({', '.join(names)}), {_today()}"
    )
    curve = profile.Curve(idle, busy, names, source)
    return {**curve._asdict(), "profile": _save(root, procfs, {profile.COUNTER: curve})}


def _save(root: str, procfs: ProcFS, parts: dict[str, profile.Curve]) -> str:
    try:
        return profile.save(root, procfs, parts)
    except OSError as error:
        raise OutputError(
            f"{error.filename}: can't be written ({error.strerror}): name another folder with "
            "XDG_CONFIG_HOME"
        ) from None


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


# Shown ---------------------------------------------------------------------------------------


def table(found: dict[str, Any], used: Sequence[dict[str, Any]]) -> Table:
    """Lay out the loads: CPUs, then watts by each sensor, the model and CodeCarbon.

    Parameters
    ----------
    found : dict
        What `examine` returns.
    used : sequence of dict
        The sensors with their domains, as the JSON has them.
    """
    columns: dict[str, Callable[[dict[str, Any]], float | None]] = {}
    for sensor in used:
        for use in (True, False):
            kinds: dict[str, list[str]] = {}
            for domain in sensor["domains"]:
                if domain["account"] is use and sensor["name"] != "virtual":
                    kind = "account" if use else domain["kind"]
                    kinds.setdefault(kind, []).append(domain["name"])
            for kind, names in kinds.items():
                columns[f"{sensor['name']} {kind}"] = _summed(sensor["name"], names)
    columns["model"] = lambda load: load["model_w"]
    if found["codecarbon"]["version"]:
        title = f"CodeCarbon {found['codecarbon']['version']}"
        columns[title] = lambda load: sum((load["codecarbon_w"] or {}).values()) or None
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("load", no_wrap=True)
    for title in ("CPUs busy", "by the load", *columns):
        shown.add_column(title, justify="right", no_wrap=True)
    for load in found["loads"]:
        watts = [power(load) for power in columns.values()]
        cells = ["n/a" if value is None else f"{value:.3g} W" for value in watts]
        shown.add_row(load["name"], f"{load['busy_cpus']:.2f}", f"{load['load_cpus']:.2f}", *cells)
    return shown


def _summed(sensor: str, names: list[str]) -> Callable[[dict[str, Any]], float | None]:
    def power_w(load: dict[str, Any]) -> float | None:
        watts = [load["power_w"].get(sensor, {}).get(name) for name in names]
        return None if None in watts else sum(watts)

    return power_w


def lines(found: dict[str, Any], n_cpus: int) -> list[str]:
    """Say in sentences what the loads showed, and what could and could not be calibrated."""
    said = []
    full = next(load for load in found["loads"] if load["name"] == "all cores")
    others = [load for load in found["loads"] if _others(load) > calibration.IDLE_LIMIT * n_cpus]
    wanted = found["cpus_used"]
    granted = f"{full['load_cpus']:.2f} of the {wanted} CPUs that it wanted"
    where = "" if wanted == n_cpus else f" (this process may use {wanted} of {n_cpus})"
    said.append(f"CPU time: 'all cores' was given {granted}{where}.")
    if others:
        most = max(others, key=_others)
        said.append(
            f"Other work kept up to {_others(most):.2g} CPUs busy (during '{most['name']}'): "
            "what is said of these loads is less sure."
        )
    if found["codecarbon"]["problem"] not in ("", "not installed"):
        said.append(f"CodeCarbon: {found['codecarbon']['problem']}.")
    result = found["calibration"]
    if "problem" in result:
        said.append(f"Not calibrated: {result['problem']}.")
        said.append("With a meter at the plug: nicarbon doctor --idle-watts W --full-watts W")
        return said
    idle, busy = found["loads"][0], full
    off = [load["model_w"] / _curve_w(result, load) for load in (idle, busy)]
    said.append(calibrated_line(result))
    said.append(
        f"The model without it said {off[0]:.2g} x that when idle, {off[1]:.2g} x with all CPUs "
        "busy (its watts are a server's at the plug, a counter's are what it sees)."
    )
    said.append(f"Kept for later runs on this machine: {result['profile']}")
    return said


def _others(load: dict[str, Any]) -> float:
    return max(float(load["busy_cpus"] - load["load_cpus"]), 0.0)


def _curve_w(curve: dict[str, Any], load: dict[str, Any]) -> float:
    return float(max(curve["idle_w"][1] + curve["busy_w"][1] * load["busy_cpus"], 1e-9))


def calibrated_line(curve: dict[str, Any]) -> str:
    """Say what a calibration holds."""
    idle, busy = curve["idle_w"], curve["busy_w"]
    return (
        f"Calibrated: {idle[1]:.3g} W idle ({idle[0]:.3g} to {idle[2]:.3g}) and {busy[1]:.3g} W "
        f"for each busy CPU ({busy[0]:.3g} to {busy[2]:.3g}), by {curve['source']}."
    )


def plug_lines(found: dict[str, Any], procfs: ProcFS) -> list[str]:
    """Say what was kept of the watts at the plug."""
    said = [calibrated_line(found)]
    if host.is_virtual_machine(procfs):
        said.append(
            "This is a virtual machine: the plug's watts are those of all that runs on its host."
        )
    return [*said, f"Kept for later runs on this machine: {found['profile']}"]
