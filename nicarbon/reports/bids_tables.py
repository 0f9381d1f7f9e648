# SPDX-License-Identifier: Apache-2.0
"""Tables of a BIDS derivative: rows of several runs side by side, and what their columns mean.

Nothing here touches a file.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from nicarbon.notes import is_known
from nicarbon.reports.tables import cell
from nicarbon.summary import Summary

MISSING = "n/a"
RUN = "run_id"
_HOST = (
    *("energy_j", "energy_low_j", "energy_high_j"),
    *("nodes_j", "engine_j", "meter_j", "other_j", "unattributed_j", "residual_j"),
)


def joined(before: str, table: str, run_id: str) -> str:
    """Put the rows of a run into a table that may hold those of other runs.

    The run's own rows in it are replaced, all others are kept; a column that only one of both
    has is missing in the other's rows.

    Parameters
    ----------
    before : str
        The table as it is, empty where there is none.
    table : str
        The rows of the run; both have `RUN` as their first column.
    run_id : str
        The run.
    """
    old, old_rows = _parsed(before)
    new, new_rows = _parsed(table)
    columns = [*new, *(name for name in old if name not in new)]
    kept = [row for row in old_rows if row.get(RUN) != cell(run_id)]
    lines = ["\t".join(columns)]
    lines += ["\t".join(row.get(name, MISSING) for name in columns) for row in kept + new_rows]
    return "\n".join(lines) + "\n"


def _parsed(table: str) -> tuple[list[str], list[dict[str, str]]]:
    lines = [line.split("\t") for line in table.splitlines() if line]
    columns = lines[0] if lines else []
    return columns, [dict(zip(columns, line, strict=False)) for line in lines[1:]]


def hosts_table(summary: Summary) -> str:
    """Write the account of each host: where the energy went that is no node's."""
    columns = (RUN, "host", *_HOST, "uncovered_s", "duration_s", "sensors")
    lines: list[tuple[object, ...]] = [columns]
    for host in summary.hosts:
        known = is_known(host)
        energies = [getattr(host, key) if known else None for key in _HOST]
        sensors = [
            f"{sensor.name} ({sensor.method})"
            for sensor in host.sensors
            if any(domain.account for domain in sensor.domains)
        ]
        name = summary.labels[host.host]
        figures = (host.uncovered_s, host.duration_s, ", ".join(sensors) or None)
        lines.append((summary.run_id, name, *energies, *figures))
    return "\n".join("\t".join(cell(value) for value in line) for line in lines) + "\n"


def sidecar(columns: Sequence[str]) -> str:
    """Describe the columns of a table as BIDS wants it.

    Raises
    ------
    KeyError
        If a column has no description.
    """
    return json.dumps({name: _columns()[name] for name in columns}, indent=2) + "\n"


def columns_of(tables: Iterable[str]) -> list[str]:
    """Return the columns of tables, each once."""
    return list(dict.fromkeys(name for table in tables for name in _parsed(table)[0]))


@cache
def _columns() -> dict[str, dict[str, Any]]:
    text = files("nicarbon").joinpath("data", "columns.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
