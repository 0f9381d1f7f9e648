# SPDX-License-Identifier: Apache-2.0
"""``nicarbon doctor``: what a run would measure here, and how to let it measure more.

It reads every sensor for a second, and changes nothing but, if asked to calibrate, the host's
profile.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import time
from importlib import resources
from typing import Any

from rich.console import Console
from rich.table import Table

from nicarbon.cli import deep
from nicarbon.cli.arguments import add_format
from nicarbon.errors import NicarbonError
from nicarbon.meter import gpu_use, host, perf, profile, sensors
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.progress import domain_energy_j
from nicarbon.meter.sensors import contract, external, virtual

_EPILOG = """\
examples:
  nicarbon doctor                    every sensor: does it work, why not, what would enable it
  nicarbon doctor --format json      the same for a program
  nicarbon doctor --root /host       in a container to which the host's / is bound
  nicarbon doctor --deep             two minutes of known loads: compare, calibrate
  nicarbon doctor --idle-watts 41 --full-watts 187      what a meter at the plug showed

No permission is changed: commands that would enable a sensor are only printed. What is calibrated
is kept in $XDG_CONFIG_HOME/nicarbon/hosts (default: ~/.config), for later runs on this machine.
"""

_READ_FOR_S = 1.0
# What an administrator may install; nicarbon itself never asks for root.
_FILES = {
    "systemd-unit": "nicarbon-rapl.service",
    "udev-rule": "70-nicarbon-rapl.rules",
}
_PARANOID = "proc/sys/kernel/perf_event_paranoid"
_ALLOW_PERF = (
    "sudo sysctl kernel.perf_event_paranoid=2",
    "# and for every boot from now on:",
    "echo 'kernel.perf_event_paranoid = 2' | sudo tee /etc/sysctl.d/70-nicarbon.conf",
)
_ALLOW_PERF_IN_CONTAINER = "docker run --cap-add PERFMON ..."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--root",
        metavar="DIR",
        default="/",
        help="where the host's /sys and /proc are (default: /)",
    )
    add_format(parser, ["json"])
    parser.add_argument(
        "--print",
        choices=sorted(_FILES),
        help="print a file that lets one group read the energy counters, and do nothing else",
    )
    deep.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the verb; a run always works, so that the exit code is 0.

    Raises
    ------
    NicarbonError
        If the root is no folder, or options contradict each other.
    """
    if args.print is not None:
        where = resources.files("nicarbon") / "data" / "permissions" / _FILES[args.print]
        print(where.read_text(encoding="utf-8"), end="")
        return 0
    deep.check(args)
    if not os.path.isdir(args.root):
        raise NicarbonError(f"--root: there is no folder {args.root}")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where only ASCII can be printed, a ± is no reason to fail.
        sys.stdout.reconfigure(errors="replace")
    plug = {}
    if args.idle_watts is not None:
        watts = deep.given(args.root, _procfs(args.root), args.idle_watts, args.full_watts)
        plug = {"plug": watts}
    found = {**examine(args.root), **plug}
    if args.deep:
        found["deep"] = _examine_deeply(args.root, args.seconds or deep.SECONDS)
    if args.format == "json":
        print(json.dumps(found, indent=2))
    else:
        _show(found, Console(highlight=False, soft_wrap=True), args.root)
    return 0


def examine(root: str = "/", read_for_s: float = _READ_FOR_S) -> dict[str, Any]:
    """Return all that is known of this host's sensors, as ``--format json`` prints it.

    Parameters
    ----------
    root : str
        The folder that holds the host's ``sys`` and ``proc``.
    read_for_s : float
        For how many seconds power is read.
    """
    procfs = _procfs(root)
    known = sensors.survey(root, where=external.folders())
    statuses = [sensors.status_of(sensor) for sensor in known]
    chosen = sensors.choose(known)
    before = _reading(procfs, known)
    time.sleep(read_for_s)
    after = _reading(procfs, known)
    return {
        "host": _host(procfs, root),
        "sensors": [
            {**_sensor(sensor, status, before, after), "read": sensor in chosen}
            for sensor, status in zip(known, statuses, strict=True)
        ],
        "gpus": _gpus(chosen, procfs),
        "cpu_time": _cpu_time(root),
        "run": _verdict(chosen),
        "profile": {name: part._asdict() for name, part in profile.load(root, procfs).items()},
    }


def _examine_deeply(root: str, seconds: float) -> dict[str, Any]:
    """Load the machine and read every sensor; what is said meanwhile goes to stderr."""
    procfs = _procfs(root)
    known = sensors.survey(root, where=external.folders())
    used = sensors.choose(known)
    try:
        return deep.examine(
            known,
            used,
            procfs,
            root,
            seconds,
            lambda: _reading(procfs, known),
            lambda text: print(text, file=sys.stderr, flush=True),
        )
    finally:
        for sensor in known:
            sensor.close()


def _procfs(root: str) -> ProcFS:
    return ProcFS(root if os.path.isdir(os.path.join(root, "proc")) else "/")


def _reading(procfs: ProcFS, known: list[sensors.Sensor]) -> dict[str, Any]:
    """Return what a sample record would hold."""
    t_ns = time.monotonic_ns()
    readings: dict[str, int | None] = {}
    for sensor in known:
        with contextlib.suppress(Exception):  # Its status says that it fails.
            readings.update(contract.readings(sensor))
    return {
        "t_monotonic_ns": t_ns,
        "busy_cpu_s": procfs.busy_cpu_s(t_ns / 1e9) or 0.0,
        "readings": readings,
    }


def _host(procfs: ProcFS, root: str) -> dict[str, Any]:
    cpu = procfs.cpu_info()
    return {
        "hostname": os.uname().nodename,
        "cpu": cpu["name"],
        "microarchitecture": virtual.microarchitecture(cpu, virtual.load_table()),
        "n_cpus": procfs.n_cpus(),
        "memory_bytes": procfs.memory_bytes(),
        "virtual_machine": host.is_virtual_machine(procfs),
        "container": host.container(root),
    }


def _sensor(
    sensor: sensors.Sensor, status: sensors.Status, before: dict[str, Any], after: dict[str, Any]
) -> dict[str, Any]:
    domains = [_domain(domain, before, after) for domain in sensor.domains]
    reason = status.reason
    powers = [d["power_w"] for d in domains if d["account"] and d["kind"] != "gpu"]
    if status.works and sensor.method == "measured" and powers and not any(powers):
        still = "its counters stood still while they were read: they may count nothing"
        reason = f"{reason}; {still}" if reason else still
    return {
        "name": sensor.name,
        "method": sensor.method,
        "works": status.works,
        "reason": reason,
        "commands": list(status.commands),
        "domains": domains,
    }


def _domain(
    domain: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> dict[str, Any]:
    """Return a domain and its mean power between two readings, in watts."""
    duration_s = (after["t_monotonic_ns"] - before["t_monotonic_ns"]) / 1e9
    energy_j = domain_energy_j(domain, before, after)
    return {
        "name": domain["name"],
        "kind": domain["kind"],
        "account": domain["account"],
        "power_w": None if energy_j is None else energy_j / duration_s,
    }


def _cpu_time(root: str) -> dict[str, Any]:
    """Say how complete CPU times are; perf is tried, because only trying tells."""
    fd = perf.open_task_clock()
    if fd is not None:
        os.close(fd)
        return {"subreaper": True, "perf_task_clock": True, "reason": "", "commands": []}
    reason = f"the kernel refuses it ({perf.refusal()})"
    commands: list[str] = []
    paranoid = _number(os.path.join(root, _PARANOID))
    if paranoid is not None and paranoid > 2:
        reason += f": kernel.perf_event_paranoid is {paranoid}, and 2 is the most that allows it"
        commands = list(_ALLOW_PERF)
    elif host.container(root) in ("docker", "podman"):
        reason += ": the container's seccomp profile forbids it"
        commands = [_ALLOW_PERF_IN_CONTAINER]
    return {"subreaper": True, "perf_task_clock": False, "reason": reason, "commands": commands}


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _verdict(used: list[sensors.Sensor]) -> dict[str, Any]:
    """Say what a run here would give, by the sensor that counts the processors."""
    chosen = next(
        sensor
        for sensor in used
        if any(domain["account"] and domain["kind"] != "gpu" for domain in sensor.domains)
    )
    if chosen.relative_error:
        says = f"energy would be {chosen.method}, ±{100 * chosen.relative_error:.0f} %"
        says += f" ({chosen.note})" if chosen.note else ""
    else:
        says = f"energy would be {chosen.note}"
    return {"sensor": chosen.name, "method": chosen.method, "says": says}


def _gpus(used: list[sensors.Sensor], procfs: ProcFS) -> list[dict[str, Any]]:
    """Say of each GPU what a run here would know."""
    cards = [card for sensor in used for card in getattr(sensor, "cards", ())]
    return [
        {
            "name": card.name,
            "card": card.card,
            "counter": card.counts,
            "mig": card.mig,
            "by_process": card.computed() is not None,
            "process_numbers": gpu_use.are_process_numbers_ours(procfs),
        }
        for card in cards
    ]


def _gpu_line(gpu: dict[str, Any]) -> str:
    """Say how a GPU's energy would be read, and whose it would be."""
    read = "measured by its energy counter" if gpu["counter"] else "integrated from its power"
    whose = "by the time that each process computes"
    if not gpu["by_process"]:
        whose = "by the memory that each process holds (its driver does not tell who computes)"
    line = f"{gpu['name']} ({gpu['card'] or 'unknown card'}): {read}, divided {whose}"
    if not gpu["process_numbers"]:
        line += (
            "; its driver may tell process numbers from outside this container: start the "
            "container with --pid=host to have each node's own"
        )
    return line


def _show(found: dict[str, Any], console: Console, root: str) -> None:
    """Print it for people. Commands stand on lines of their own, to be copied."""

    def say(text: str = "") -> None:
        console.print(text, markup=False)

    say(_host_line(found["host"]))
    say()
    console.print(_sensor_table(found["sensors"]), soft_wrap=False)
    for sensor in found["sensors"]:
        if not sensor["works"] or sensor["commands"] or "stood still" in sensor["reason"]:
            say(f"\n{sensor['name']}: {sensor['reason']}.")
            _show_commands(sensor["commands"], say)
    _show_gpus(found["gpus"], say)
    cpu = found["cpu_time"]
    say("\nCPU time of a node: exact for its whole process tree, orphans adopted (subreaper).")
    if cpu["perf_task_clock"]:
        say("Inherited perf task clock: open; it also counts what ignores SIGCHLD.")
    else:
        say(f"Inherited perf task clock: closed: {cpu['reason']}.")
        say("Without it, nodes whose programs ignore SIGCHLD may lack CPU time, and say so.")
        _show_commands(cpu["commands"], say)
    if "deep" in found:
        say()
        console.print(deep.table(found["deep"], found["sensors"]), soft_wrap=False)
        for line in deep.lines(found["deep"], found["host"]["n_cpus"]):
            say(line)
    if "plug" in found:
        say()
        for line in deep.plug_lines(found["plug"], _procfs(root)):
            say(line)
    elif "deep" not in found:
        for part in found["profile"].values():
            say(deep.calibrated_line(part))
    say(f"\nHere, {found['run']['says']}.")
    say("Next: nicarbon run SCRIPT.py   (or: nicarbon run -- COMMAND ...)")


def _show_gpus(gpus: list[dict[str, Any]], say: Any) -> None:
    if gpus:
        say()
    for gpu in gpus:
        say(f"{_gpu_line(gpu)}.")


def _show_commands(commands: list[str], say: Any) -> None:
    for command in commands:
        say(f"  {command}")


def _host_line(facts: dict[str, Any]) -> str:
    family = facts["microarchitecture"] or "family unknown"
    parts = [f"{facts['cpu'] or 'CPU of unknown name'} ({family})", f"{facts['n_cpus']} CPUs"]
    if facts["memory_bytes"] is not None:
        parts.append(f"{facts['memory_bytes'] / 1e9:.3g} GB")
    if facts["virtual_machine"]:
        parts.append("virtual machine")
    if facts["container"]:
        parts.append(f"{facts['container']} container")
    return f"{facts['hostname']}: " + ", ".join(parts)


def _sensor_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("sensor", "method", "works", "domain", "use", "power now"):
        table.add_column(column, no_wrap=True)
    for sensor in rows:
        head = (sensor["name"], sensor["method"], "yes" if sensor["works"] else "no")
        for domain in sensor["domains"] or [None]:
            table.add_row(*head, *_domain_cells(domain, sensor["read"]))
            head = ("", "", "")
    return table


def _domain_cells(domain: dict[str, Any] | None, is_read: bool) -> tuple[str, str, str]:
    if domain is None:
        return "", "", ""
    power_w = domain["power_w"]
    power = "n/a" if power_w is None else f"{power_w:.3g} W"
    use = "account" if domain["account"] else "check"
    return domain["name"], use if is_read else "not used", power
