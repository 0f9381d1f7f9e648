# SPDX-License-Identifier: Apache-2.0
"""Write summaries as JSON and TSV for other programs. Numbers are written in full."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from nicarbon import details
from nicarbon.energies import HostEnergy
from nicarbon.notes import is_known
from nicarbon.rows import COLUMNS
from nicarbon.summary import Summary

_ENERGIES = (
    "energy_j",
    "nodes_j",
    "engine_j",
    "meter_j",
    "other_j",
    "unattributed_j",
    "residual_j",
)
_FIGURES = ("uncovered_s", "idle_power_w", "busy_cpu_s", "n_taught")


def to_json(summaries: Sequence[Summary]) -> str:
    """Write one summary as an object, several as an array of such objects."""
    documents = [document(summary) for summary in summaries]
    content = documents[0] if len(documents) == 1 else documents
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def document(summary: Summary) -> dict[str, Any]:
    """Return a summary as plain data, in the order of its schema."""
    return {
        "schema_version": summary.schema_version,
        "run_id": summary.run_id,
        "started": summary.started,
        "outcome": summary.outcome,
        "duration_s": summary.duration_s,
        "hosts": [_host(host, summary.labels[host.host]) for host in summary.hosts],
        "by": summary.by,
        "coverage": summary.coverage,
        "rows": [
            msgspec.structs.asdict(row)
            | _detail(summary, row.name)
            | _programs(summary, row.name)
            | _step(summary, row.name)
            | _arguments(summary, row.name)
            for row in summary.rows
        ],
        "total": msgspec.structs.asdict(summary.total),
        "cache": _cache(summary),
        "waste": None if summary.waste is None else msgspec.structs.asdict(summary.waste),
        "queue": None if summary.queue is None else msgspec.structs.asdict(summary.queue),
        "programs": None if summary.told is None else msgspec.structs.asdict(summary.told),
        "steps": _steps(summary),
    }


def _cache(summary: Summary) -> dict[str, Any] | None:
    """Return what the cache saved; None where nothing was cached, or it was not looked up."""
    saved = summary.saved
    if saved is None:
        return None
    counts = {key: getattr(saved, key) for key in ("n_cached", "n_known", "n_runs")}
    return counts | msgspec.structs.asdict(saved.cost) | {"carbon_g": summary.saved_g}


def _detail(summary: Summary, name: str) -> dict[str, Any]:
    """Return what else is known of a node; nothing where rows are something else."""
    return msgspec.structs.asdict(summary.details[name]) if summary.by == "node" else {}


def _programs(summary: Summary, name: str) -> dict[str, Any]:
    """Return the programs of a node, none where none was seen; nothing for other rows."""
    if summary.by != "node":
        return {}
    return {"programs": [msgspec.structs.asdict(row) for row in summary.programs.get(name, ())]}


def _arguments(summary: Summary, name: str) -> dict[str, Any]:
    """Return a program's command lines; nothing where none were kept."""
    return {"arguments": list(summary.arguments.get(name, ()))} if summary.arguments else {}


def _step(summary: Summary, name: str) -> dict[str, Any]:
    """Return a step's stage and its two counts; nothing for other rows."""
    if summary.by != "step":
        return {}
    step = summary.marked.steps.get(name) if summary.marked is not None else None
    return {
        "stage": summary.stages.get(name),
        "hemisphere": None if step is None else step.hemisphere,
        "seen_cpu_s": None if step is None else step.seen_cpu_s,
        "error_cpu_s": None if step is None else step.error_cpu_s,
    }


def _steps(summary: Summary) -> dict[str, Any] | None:
    """Return how surely steps are told apart; None where none was marked."""
    found = summary.marked
    if found is None:
        return None
    keys = ("error", "programs_error", "apart", "apart_error", "disagree")
    return {"n": len(found.steps)} | {key: getattr(found, key) for key in keys}


def _host(host: HostEnergy, label: str) -> dict[str, Any]:
    """Return a host's account; energies are None, never 0, where no reading covers it."""
    known = is_known(host)
    return {
        "host": label,
        **{key: getattr(host, key) if known else None for key in _ENERGIES},
        **{key: getattr(host, key) for key in _FIGURES},
        "sensors": [
            {
                "name": sensor.name,
                "method": sensor.method,
                "domains": [domain.name for domain in sensor.domains],
                "account": [domain.name for domain in sensor.domains if domain.account],
            }
            for sensor in host.sensors
        ],
        "turns": [msgspec.structs.asdict(turn) for turn in host.turns],
        "devices": [msgspec.structs.asdict(device) for device in host.devices],
        "checks": [msgspec.structs.asdict(check) for check in host.checks],
    }


def to_tsv(summaries: Iterable[Summary]) -> str:
    """Write the rows of summaries as one table, with the run first; no totals, so that it adds up.

    A figure that is missing is ``n/a``; tabs and line breaks in names become spaces.
    """
    summaries = list(summaries)
    by_node = all(summary.by == "node" for summary in summaries)
    lines = ["\t".join(("run_id", *COLUMNS, *(details.COLUMNS if by_node else ())))]
    for summary in summaries:
        for row in summary.rows:
            figures = [getattr(row, column) for column in COLUMNS]
            figures += _detail(summary, row.name).values() if by_node else ()
            lines.append("\t".join(cell(figure) for figure in (summary.run_id, *figures)))
    return "\n".join(lines) + "\n"


def cell(value: object) -> str:
    """Write a figure or name as one cell: ``n/a`` for none, no tabs and line breaks."""
    return "n/a" if value is None else " ".join(str(value).splitlines()).replace("\t", " ")
