# SPDX-License-Identifier: Apache-2.0
"""What nipype leaves without nicarbon: ``resource_monitor.json``, ``run_stats.log``, reports.

Result files are pickles, which would run foreign code: they are not opened. nipype's monitor does
not see what the child processes of a node compute (psutil's first look at a process is always 0 %,
and it looks at each child but once), so its percentages only bound the threads.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from nicarbon.errors import LogError
from nicarbon.logs import lines
from nicarbon.logs.dates import read_date
from nicarbon.logs.freesurfer import assembled
from nicarbon.logs.freesurfer_marks import Mark, events
from nicarbon.logs.lines import text
from nicarbon.logs.steps import Invocation, Log, Step, sentence

COMMAND = "nipype"
_HIERARCHY = re.compile(r"^ ?Hierarchy : (\S+)", re.MULTILINE)
_EXEC_ID = re.compile(r"^ ?Exec ID : (\S+)")
# Samples of two executions of one node, as when a run is appended to the file of the one before.
_BURST_S = 60.0
# resource_monitor.json is one JSON text: it has to fit into memory.
_MOST_BYTES = 512 * 2**20
_BLIND = "nipype's monitor does not see child processes: CPU time is assumed from wall time"


class RunStats:
    """The reader of ``run_stats.log``: JSON lines of ``log_nodes_cb``."""

    name = "run_stats.log"

    def knows(self, name: str, start: bytes) -> bool:
        """Tell whether it is one."""
        first = start.lstrip()[:2000]
        return first.startswith(b"{") and b'"start"' in first and b'"duration"' in first

    def read(self, path: Path) -> Log:
        """Read it: a node each line."""
        problems: list[str] = []
        steps: dict[tuple[str, float | None] | int, Step] = {}
        n_bad = n_cached = 0
        for i, line in enumerate(lines.lines(path, problems)):
            step = _of_record(_decoded(line))
            if step is None:
                n_bad += bool(line.strip())
                continue
            # Of a node that was cached nipype writes the line of its execution once more.
            key = i if step.start_s is None else (step.node, step.start_s)
            n_cached += key in steps
            steps[key] = step
        problems += sentence("line", n_bad, "not understood")
        problems += sentence("line", n_cached, "an execution that is there already (cached)")
        return _log(self.name, steps.values(), problems)


class ResourceMonitor:
    """The reader of ``resource_monitor.json``: samples of every node."""

    name = "resource_monitor.json"

    def knows(self, name: str, start: bytes) -> bool:
        """Tell whether it is one."""
        first = start.lstrip()[:200]
        return first.startswith(b"{") and b'"time"' in first and b"[" in first

    def read(self, path: Path) -> Log:
        """Read it: a step for each execution of a node.

        Raises
        ------
        LogError
            If it is no such JSON, or too large for the memory.
        """
        problems: list[str] = []
        pieces, size = [], 0
        for line in lines.whole_lines(path, problems):
            size += len(line)
            if size > _MOST_BYTES:
                raise LogError(f"{path}: is larger than 512 MiB")
            pieces.append(line)
        content = _decoded(b"".join(pieces))
        keys = ("time", "name", "interface", "cpus", "mapnode", "params")
        if not isinstance(content, dict) or not all(
            isinstance(content.get(k), list) for k in keys
        ):
            raise LogError(f"{path}: is no resource_monitor.json of nipype, or it is cut")
        steps = _bursts(zip(*(content[key] for key in keys), strict=False))
        return _log(self.name, steps, [*problems, _BLIND])


class Report:
    """The reader of ``_report/report.rst`` in a node's folder: its length, not its place."""

    name = "nipype report"

    def knows(self, name: str, start: bytes) -> bool:
        """Tell whether it is one."""
        return name == "report.rst" and b"Hierarchy :" in start[:4000]

    def read(self, path: Path) -> Log:
        """Read it; of a MapNode its elements have reports of their own."""
        problems: list[str] = []
        told: dict[str, str] = {}
        in_runtime = False
        for raw in lines.lines(path, problems):
            line = text(raw[:2000])
            if (found := _HIERARCHY.match(line)) or (found := _EXEC_ID.match(line)):
                told.setdefault("id" if "Exec" in line[:9] else "hierarchy", found[1])
            elif line.startswith(("Runtime info", "Environment", "Terminal output")):
                in_runtime = line.startswith("Runtime info")
            elif line.startswith("Subnode reports"):
                told["subnodes"] = line
            elif in_runtime and (found := re.match(r"\* (\w+) : (.*)", line)):
                told.setdefault(found[1], found[2])
        steps = [] if "subnodes" in told else [_of_report(path, told)]
        inside = _inside(path, steps[0]) if steps else []
        if inside:
            steps = inside
        elif steps:
            problems.append("nipype's reports tell no clock times: nodes follow one another")
        log = _log(self.name, steps, problems)
        return msgspec.structs.replace(log, hostname=told.get("hostname", ""))


def _log(name: str, steps: Iterable[Step], problems: list[str]) -> Log:
    steps = tuple(sorted(steps, key=lambda s: (s.start_s is None, s.start_s or 0.0)))
    starts = [s.start_s for s in steps if s.start_s is not None]
    ends = [s.end_s for s in steps if s.end_s is not None]
    untimed = sum(s.elapsed_s is None for s in steps)
    problems += sentence("node", untimed, "no time can be told")
    invocation = Invocation(
        COMMAND, steps, min(starts, default=None), max(ends, default=None), chained=False
    )
    return Log(name, "", (invocation,), tuple(problems), utc_offset_s=0.0 if starts else None)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _of_record(record: Any) -> Step | None:
    """Return the step of one line of ``log_nodes_cb``."""
    if not isinstance(record, dict) or not isinstance(record.get("name"), str):
        return None
    start, end = _instant(record.get("start")), _instant(record.get("finish"))
    elapsed_s = _number(record.get("duration"))
    if elapsed_s is None and start is not None and end is not None and end >= start:
        elapsed_s = end - start
    percent = _number(record.get("runtime_threads"))
    threads = math.ceil(percent / 100) if percent else _number(record.get("num_threads"))
    name = record["id"] if isinstance(record.get("id"), str) and record["id"] else record["name"]
    return Step(
        title=record["name"],
        hemisphere=None,
        start_s=start,
        end_s=None if start is None or elapsed_s is None else start + elapsed_s,
        elapsed_s=elapsed_s,
        outcome="failed" if record.get("error") else "ran",
        threads=_threads(threads),
        node=name,
    )


def _bursts(samples: Iterable[tuple[Any, ...]]) -> list[Step]:
    """Join the samples of each execution of a node."""
    steps: list[Step] = []
    last: dict[tuple[str, Any, Any], int] = {}
    for time, name, interface, percent, index, params in samples:
        at_s, share = _number(time), _number(percent)
        if at_s is None or not isinstance(name, str):
            continue
        key = (name, str(index), str(params))
        before = steps[last[key]] if key in last else None
        threads = math.ceil((share or 0.0) / 100)
        if before is None or at_s < (before.end_s or 0.0) or at_s - (before.end_s or 0) > _BURST_S:
            last[key] = len(steps)
            element = f"[{index}]" if isinstance(index, int) and index > 0 else ""
            tail = f".{params}" if isinstance(params, str) and params else ""
            steps.append(
                Step(
                    title=name.rpartition(".")[2],
                    hemisphere=None,
                    start_s=at_s,
                    end_s=at_s,
                    elapsed_s=0.0,
                    threads=_threads(threads),
                    node=f"{name}{tail}{element}",
                    interface=str(interface),
                )
            )
        else:
            most = max(before.threads or 1, threads)
            steps[last[key]] = msgspec.structs.replace(
                before,
                end_s=at_s,
                elapsed_s=at_s - (before.start_s or 0.0),
                threads=_threads(most),
            )
    return steps


def _of_report(path: Path, told: dict[str, str]) -> Step:
    program = Path(told.get("cmdline", "").split(" ")[0]).name
    return Step(
        title=path.parent.parent.name,
        hemisphere=None,
        start_s=None,
        end_s=None,
        elapsed_s=_number(told.get("duration")),
        outcome="ran",
        program=program,
        node=_node_of(path, told),
        threads=_threads(_asked(told.get("cmdline", ""))),
    )


def _node_of(path: Path, told: dict[str, str]) -> str:
    """Name a node as nipype does; an element of a MapNode by what it is an element of."""
    folder = path.resolve().parent.parent
    element = re.fullmatch(r"_(.+?)(\d+)", folder.name)
    if folder.parent.name == "mapflow" and element:
        whole = folder.parent.parent
        return f"{_hierarchy_of(whole / '_report' / path.name) or whole.name}[{element[2]}]"
    name = told.get("hierarchy", "") or folder.name
    iterables = told.get("id", "").partition(".")[2]
    return f"{name}.{iterables}" if iterables else name


def _hierarchy_of(report: Path) -> str:
    try:
        start = text(lines.head(report, 4000))
    except LogError:
        return ""
    found = _HIERARCHY.search(start)
    return found[1] if found else ""


def _inside(path: Path, whole: Step) -> list[Step]:
    """Return the steps of a recon-all whose output the report holds, if they fill its time."""
    found = list(events(lines.lines(path, []), []))
    if not any(isinstance(event, Mark) for event in found):
        return []
    log = assembled(COMMAND, found, [])
    covered_s = sum(invocation.covered_s for invocation in log.invocations)
    if whole.elapsed_s is None or abs(covered_s - whole.elapsed_s) > 0.05 * whole.elapsed_s + 2:
        return []
    offset_s = log.utc_offset_s or 0.0
    return [
        msgspec.structs.replace(
            step,
            start_s=None if step.start_s is None else step.start_s - offset_s,
            end_s=None if step.end_s is None else step.end_s - offset_s,
            threads=step.threads or whole.threads,
            node=".".join([whole.node, _flat(step)]),
            interface="recon-all step",
        )
        for step in log.steps()
    ]


def _flat(step: Step) -> str:
    side = f"_{step.hemisphere}" if step.hemisphere else ""
    return f"{step.title}{side}".replace(".", "_")


def _asked(cmdline: str) -> float | None:
    found = re.search(r"-(?:openmp|threads|nthreads|j)[ =](\d{1,3})\b", cmdline)
    return float(found[1]) if found else None


def _instant(written: Any) -> float | None:
    stamp = read_date(written.replace("T", " ")) if isinstance(written, str) else None
    fraction = re.search(r"\.(\d{1,6})", written) if isinstance(written, str) else None
    if stamp is None:
        return None
    return stamp.local_s + (float(f"0.{fraction[1]}") if fraction else 0.0)


def _number(value: Any) -> float | None:
    """Return a number that a file says, or None: it may say N/A."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _threads(number: float | None) -> int | None:
    return None if not number else max(1, min(int(number), 4096))
