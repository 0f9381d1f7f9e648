# SPDX-License-Identifier: Apache-2.0
"""Write the nodes of many runs as one Parquet file, one row a node. Home of pyarrow.

Runs are read and written one after the other, so that a cohort takes no more memory than its
largest run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nicarbon.errors import MissingExtraError, OutputError
from nicarbon.notes import ending
from nicarbon.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

# So many rows are written together: a reader skips whole groups, and one a run would be many.
GROUP_ROWS = 50_000
_OF_RUN = ("run_id", "started", "pipeline", "run_outcome", "processors", "price")
_TEXTS = (
    "node",
    "stage",
    "outcome",
    "subject",
    "session",
    "hemisphere",
    "workflow",
    "interface",
    "program",
    "hosts",
    "method",
    "cpu_incomplete",
    "inputs_hash",
    "ended_by",
)
_FIGURES = (
    "energy_j",
    "energy_low_j",
    "energy_high_j",
    "active_j",
    "wasted_j",
    "carbon_g",
    "carbon_low_g",
    "carbon_high_g",
    "cpu_s",
    "duration_s",
    "queue_wait_s",
    "gpu_j",
    "gpu_held_j",
    "gpu_s",
    "mem_gb",
)
_COUNTS = ("peak_memory_bytes", "n_procs", "n_attempts")
COLUMNS = (*_OF_RUN, *_TEXTS, *_FIGURES, *_COUNTS)


def schema() -> pa.Schema:
    """Return the file's schema; every column may be null, none is ever 0 for unknown.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    pa = _pyarrow()
    kinds = {name: pa.string() for name in (*_OF_RUN, *_TEXTS)}
    kinds |= {name: pa.float64() for name in _FIGURES} | {name: pa.int64() for name in _COUNTS}
    kinds["started"] = pa.timestamp("us", tz="UTC")
    return pa.schema([(name, kinds[name]) for name in COLUMNS])


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    return pyarrow


def rows(run: Run, stages_file: str | None = None) -> Iterator[dict[str, Any]]:
    """Give the nodes of a run, those that never ran included, one dict each."""
    info = run.facts.info
    models = {f.host.cpu_model for f in run.facts.sample_files if f.host.cpu_model}
    workflows = dict.fromkeys(graph.workflow for graph in run.facts.graphs if graph.workflow)
    # pyarrow takes microseconds since the epoch as they are.
    of_run = {
        "run_id": info.run_id,
        "started": info.t_unix_ns // 1000 or None,
        "pipeline": ", ".join(workflows) or info.program,
        "run_outcome": ending(run.facts),
        "processors": ", ".join(sorted(models)) or None,
        "price": None if run.chosen_price is None else str(run.chosen_price),
    }
    for name, data in run.executed(stages_file).nodes(data=True):
        known = {key: data.get(key) for key in COLUMNS if key in data}
        for key in _TEXTS:  # an empty name is none
            known[key] = known.get(key) or None
        if not data["spans"]:  # of what never ran nothing is known, not even that it took no time
            known |= dict.fromkeys(_FIGURES) | {"n_attempts": 0, "mem_gb": data["mem_gb"]}
        yield of_run | known | {"node": name, "hosts": ", ".join(data["hosts"]) or None}


def write(path: str | Path, runs: Iterable[Run], stages_file: str | None = None) -> int:
    """Write runs as they come; return the number of rows.

    The file is there when it is whole, or not at all.

    Raises
    ------
    OutputError
        If it cannot be written, or there is no run.
    MissingExtraError
        If pyarrow is not installed.
    """
    pa, target = _pyarrow(), Path(path)
    columns = schema()
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    waiting: list[dict[str, Any]] = []
    n_rows = 0
    try:
        with pa.parquet.ParquetWriter(part, columns, compression="zstd") as writer:
            for run in runs:
                waiting += rows(run, stages_file)
                if len(waiting) >= GROUP_ROWS:
                    n_rows += _write(writer, waiting, columns)
                    waiting = []
            n_rows += _write(writer, waiting, columns)
        if not n_rows:
            raise OutputError(f"{target}: there is no node to write")
        os.replace(part, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror})") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return n_rows


def _write(writer: Any, waiting: list[dict[str, Any]], columns: pa.Schema) -> int:
    if waiting:
        writer.write_table(_pyarrow().Table.from_pylist(waiting, schema=columns))
    return len(waiting)
