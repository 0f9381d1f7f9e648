# SPDX-License-Identifier: Apache-2.0
"""The sum of a host or a device as text that adds up by eye, its sensors, and its checks.

Every part of a sum is in one unit and has as many decimals.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log10
from typing import NamedTuple

from nicarbon.checks import Check
from nicarbon.devices import DeviceEnergy
from nicarbon.energies import HostEnergy
from nicarbon.notes import count
from nicarbon.printable import clean as clean
from nicarbon.units import (
    energy_unit,
    format_duration,
    format_energy,
)

# What the energy of a device is made of.
_DEVICE_PARTS = ("nodes", "engine", "other", "unattributed")
_SEES = {"part": "a part of it", "whole": "more than it"}


def sensors_line(host: HostEnergy) -> str:
    """Name the sensors whose domains are a host's energy, each with its method."""
    sensors = [
        f"{sensor.name} {sensor.method} ("
        + ", ".join(d.name for d in sensor.domains if d.account)
        + ")"
        for sensor in host.sensors
        if any(domain.account for domain in sensor.domains)
    ]
    return ", ".join(sensors) if sensors else "no sensor"


def check_text(check: Check) -> str:
    """Say what a counter beside the account counted, and how that compares.

    Examples
    --------
    >>> check_text(Check("perf", "package", "same", 990.0, 1000.0, 60.0))
    'perf package 990 J (0.99 x what is counted)'
    """
    name = f"{check.sensor} {check.kind} {format_energy(check.energy_j)}"
    if check.sees != "same":
        return f"{name} ({_SEES[check.sees]})"
    return (
        f"{name} (n/a)" if check.ratio is None else f"{name} ({check.ratio:.2f} x what is counted)"
    )


def check_texts(host: HostEnergy, sensor: str | None = None) -> list[str]:
    """Say what counters beside the account say, or one sensor of them; jobs are told together."""
    found = [check for check in host.checks if sensor in (None, check.sensor)]
    said = [check_text(check) for check in found if not check.job]
    ratios = [check.ratio for check in found if check.job and check.ratio is not None]
    if ratios:
        low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
        between = low if low == high else f"{low} to {high}"
        said.append(f"{count(len(ratios), 'job')} by Slurm: {between} x what is counted")
    return said


def checks_line(host: HostEnergy) -> str:
    """Say what counters beside the account say; empty where there are none."""
    said = "; ".join(check_texts(host))
    return f"beside, not added: {said}" if said else ""


class Account(NamedTuple):
    """A host's sum as text, all in one unit and with as many decimals.

    Attributes
    ----------
    parts : tuple of (str, str)
        Names and numbers that add up to the total.
    source : str
        ``counter``, ``model`` or ``counter and model``.
    total, low, high, unit : str
        The host's energy and its range.
    """

    parts: tuple[tuple[str, str], ...]
    source: str
    total: str
    low: str
    high: str
    unit: str


def account(host: HostEnergy) -> Account:
    """Write a host's account so that the printed numbers can be added up by eye."""
    scale, unit = energy_unit(host.energy_j)
    decimals = _decimals(host.energy_j / scale)
    what = {"counter" if method == "measured" else "model" for method in account_methods([host])}

    def written(energy_j: float) -> str:
        return f"{energy_j / scale:.{decimals}f}"

    return Account(
        parts=tuple((name, written(energy_j)) for name, energy_j in sum_parts(host)),
        source=" and ".join(sorted(what)) or "model",
        total=written(host.energy_j),
        low=written(host.energy_low_j),
        high=written(host.energy_high_j),
        unit=unit,
    )


def _decimals(size: float) -> int:
    """Return the decimals of a sum that is to be added up by eye."""
    return max(0, 3 - int(log10(abs(size)))) if size else 1


def account_methods(hosts: Iterable[HostEnergy]) -> set[str]:
    """Return the methods of the sensors that gave the energy of hosts."""
    sensors = [sensor for host in hosts for sensor in host.sensors]
    return {s.method for s in sensors if any(domain.account for domain in s.domains)}


def sum_parts(host: HostEnergy) -> tuple[tuple[str, float], ...]:
    """Return the names and joules of the parts of a host's energy."""
    return (
        ("nodes", host.nodes_j),
        ("engine", host.engine_j),
        ("meter", host.meter_j),
        ("other", host.other_j),
        ("unattributed", host.unattributed_j),
    )


def sum_line(host: HostEnergy) -> str:
    """Write a host's account in one line."""
    told = account(host)
    parts = " + ".join(f"{name} {number}" for name, number in told.parts)
    share = f", {100 * host.nodes_j / host.energy_j:.0f} % in nodes" if host.energy_j else ""
    return f"{parts} = {told.source} {told.total} {told.unit} ({told.low}-{told.high}){share}"


def device_line(device: DeviceEnergy) -> str:
    """Write a device's account in one line."""
    _, unit = energy_unit(device.energy_j)
    numbers = device_numbers(device)
    total = " + ".join(f"{name} {numbers[name]}" for name in _DEVICE_PARTS)
    held = f", {numbers['held but idle']} of it held but idle" if device.held_j else ""
    card = f" ({device.card})" if device.card else ""
    return (
        f"{device.name}{card}: {total} = {numbers['total']} {unit}{held}; "
        f"nodes computed {format_duration(device.sm_s)} on it"
    )


def device_numbers(device: DeviceEnergy) -> dict[str, str]:
    """Write the parts of a device's energy in one unit, so that they can be added up by eye."""
    scale, _ = energy_unit(device.energy_j)
    decimals = _decimals(device.energy_j / scale)
    energies = {
        "nodes": device.nodes_j,
        "held but idle": device.held_j,
        "engine": device.engine_j,
        "other": device.other_j,
        "unattributed": device.unattributed_j,
        "total": device.energy_j,
    }
    return {name: f"{energy_j / scale:.{decimals}f}" for name, energy_j in energies.items()}
