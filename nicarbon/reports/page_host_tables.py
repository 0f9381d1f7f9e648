# SPDX-License-Identifier: Apache-2.0
"""The tables of the report page about hosts: their sums, devices, sensors and hardware.

Texts are those of the terminal's tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from nicarbon.energies import HostEnergy
from nicarbon.notes import is_known
from nicarbon.records import Host, Sensor
from nicarbon.reports.account_lines import account, check_texts, device_numbers, sensors_line
from nicarbon.reports.cells import format_range
from nicarbon.reports.page_table import Cell, Column, Table, columns, memory
from nicarbon.summary import Summary
from nicarbon.units import energy_unit, format_duration


def account_table(summary: Summary) -> Table:
    """Return the sum of each host, part by part, with its residual."""
    rows = []
    for host in summary.hosts:
        label = summary.labels[host.host]
        if not is_known(host):
            rows.append((Cell(label), *(Cell("n/a") for _ in range(8))))
            continue
        told = account(host)
        parts = [Cell(f"{number} {told.unit}") for _, number in told.parts]
        total = Cell(f"{told.total} {told.unit}")
        between = Cell(f"{told.low}-{told.high} {told.unit}")
        rows.append((Cell(label), *parts, total, between, Cell(f"{host.residual_j:.2g} J")))
    titles = ("nodes", "engine", "meter", "other", "unattributed", "= total", "range", "residual")
    return Table("The sum, host by host", columns(("host", *titles)), tuple(rows))


def device_table(summary: Summary) -> Table:
    """Return the sum of each GPU, which is a part of its host's."""
    rows = []
    for host in summary.hosts:
        for device in host.devices:
            _, unit = energy_unit(device.energy_j)
            name = f"{summary.labels[host.host]}: {device.name}"
            rows.append(
                (
                    Cell(f"{name} ({device.card})" if device.card else name),
                    *(Cell(f"{number} {unit}") for number in device_numbers(device).values()),
                    Cell(
                        format_range(
                            device.energy_low_j, device.energy_high_j, of_j=device.energy_j
                        )
                    ),
                    Cell(format_duration(device.sm_s), device.sm_s),
                    Cell(f"{device.residual_j:.2g} J"),
                )
            )
    titles = ("nodes", "held but idle", "engine", "other", "unattributed", "= total")
    return Table(
        "The sum, GPU by GPU",
        columns(("GPU", *titles, "range", "GPU time", "residual")),
        tuple(rows),
    )


def sensor_table(summary: Summary) -> Table:
    """Return the sensors of each host: what they read, how, and what that lacks."""
    rows = [
        (
            Cell(f"{summary.labels[host.host]}: {sensor.name}"),
            Cell(sensor.method),
            Cell(", ".join(d.name for d in sensor.domains if d.account) or "-"),
            Cell(", ".join(d.name for d in sensor.domains if not d.account) or "-"),
            Cell(_says(host, sensor.name)),
            Cell(_error(sensor)),
            Cell(sensor.note or "-"),
        )
        for host in summary.hosts
        for sensor in host.sensors
    ]
    for host in summary.hosts:
        for name in dict.fromkeys(check.sensor for check in host.checks if check.job):
            where = Cell(f"{summary.labels[host.host]}: {name}")
            whole = Cell("the whole host while a job ran")
            says = Cell(_says(host, name))
            rows.append((where, Cell("measured"), Cell("-"), whole, says, Cell("n/a"), Cell("-")))
    titles = ("method", "counted", "beside, not added", "which says", "error", "note")
    return Table(
        "Sensors",
        (Column("host: sensor", "name"), *(Column(title, "text") for title in titles)),
        tuple(rows),
    )


def _says(host: HostEnergy, name: str) -> str:
    """Write what a sensor's checks say."""
    return "; ".join(check_texts(host, name)) or "-"


def _error(sensor: Sensor) -> str:
    if any(domain.model for domain in sensor.domains):
        return "the model's own"
    return f"±{100 * sensor.relative_error:g} %"


def host_table(summary: Summary, headers: Mapping[str, Host]) -> Table:
    """Return what is known of each host's hardware.

    Parameters
    ----------
    summary : Summary
        The run.
    headers : mapping
        What the samplers say of a host, by its id.
    """
    rows = []
    for host in summary.hosts:
        header = headers.get(host.host)
        rows.append(
            (
                Cell(summary.labels[host.host]),
                Cell((header.cpu_model if header else "") or "n/a"),
                Cell(str(header.n_cpus) if header and header.n_cpus else "n/a"),
                Cell(memory(header.memory_bytes if header else None)),
                Cell(format_duration(header.interval_s) if header else "n/a"),
                Cell(format_duration(host.duration_s)),
                Cell(sensors_line(host)),
            )
        )
    return Table(
        "Hosts",
        (
            Column("host", "name"),
            Column("processor", "text"),
            Column("CPUs"),
            Column("memory"),
            Column("first sampled every"),
            Column("served the run for"),
            Column("sensors", "text"),
        ),
        tuple(rows),
    )
