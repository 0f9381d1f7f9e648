# SPDX-License-Identifier: Apache-2.0
"""``sacct --parsable2``: a step for each job, with the CPU time that Slurm counted.

Energy that Slurm may have counted is that of whole nodes, whoever ran there: it is told, never
used.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from nicarbon.logs import lines
from nicarbon.logs.dates import read_date
from nicarbon.logs.lines import text
from nicarbon.logs.steps import Command, Invocation, Log, Step, sentence

COMMAND = "slurm"
_NEEDED = ("JobID", "Start", "End")
_ELAPSED = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$")
_SIZE = re.compile(r"(\d{1,18}(?:\.\d+)?)([KMGTP]?)[nc]?$")
_ASK = "ask sacct for -o JobID,JobName,Elapsed,TotalCPU,Start,End,State,AllocCPUS,MaxRSS,NodeList"
# What Slurm writes for a number of 32 or 64 bits that it has not (NO_VAL in slurm.h).
_NO_VALUES = (float(0xFFFFFFFE), float(0xFFFFFFFFFFFFFFFE))
# Ended by somebody else; what was requeued has a line for each attempt.
_KILLED = ("CANCELLED", "PREEMPTED", "REQUEUED", "REVOKED")
_FAILED = ("FAILED", "TIMEOUT", "OUT_OF_ME", "NODE_FAIL", "BOOT_FAIL", "DEADLINE")


class Sacct:
    """The reader of ``sacct``'s table; the columns may be any that hold the ones needed."""

    name = "sacct"

    def knows(self, name: str, start: bytes) -> bool:
        """Tell whether it is one."""
        columns = text(start.partition(b"\n")[0]).strip().split("|")
        return len(columns) > 2 and columns[0] != "" and _NEEDED[0] in columns

    def read(self, path: Path) -> Log:
        """Read it: jobs, not their steps, which are in them."""
        problems: list[str] = []
        columns: list[str] = []
        rows: list[dict[str, str]] = []
        peaks: dict[int, int] = {}
        last_of: dict[str, int] = {}
        hosts: dict[str, None] = {}
        n_short, energy_j = 0, 0.0
        for line in lines.lines(path, problems):
            cells = text(line).split("|")
            if not columns:
                columns = [cell.strip() for cell in cells]
                missing = [key for key in _NEEDED if key not in columns]
                if missing:
                    problems.append(f"no column {' and '.join(missing)}: {_ASK}")
                    break
                continue
            if len(cells) < len(columns):
                n_short += bool(line.strip())
                continue
            row = dict(zip(columns, cells, strict=False))
            job, _, step = row["JobID"].partition(".")
            if job == "JobID":
                continue
            if step:
                # Slurm counts memory by step.
                i, peak = last_of.get(job, -1), _bytes(row.get("MaxRSS", ""))
                peaks[i] = max(peaks.get(i, 0), peak or 0)
                continue
            last_of[job] = len(rows)
            rows.append(row)
            if row.get("NodeList", "") not in ("", "None assigned", "(null)"):
                hosts[row["NodeList"]] = None
            counted_j = _number(row.get("ConsumedEnergyRaw", "")) or 0.0
            energy_j += counted_j if counted_j not in _NO_VALUES else 0.0
        steps = [_step(row, peaks.get(i) or None) for i, row in enumerate(rows)]
        problems += sentence("line", n_short, "not understood")
        problems += sentence(
            "job", sum(s.elapsed_s is None for s in steps), "it has no start or no end yet"
        )
        if energy_j:
            problems.append(
                f"Slurm counted {energy_j:.0f} J on whole nodes, whoever ran there: not used"
            )
        steps.sort(key=lambda s: (s.start_s is None, s.start_s or 0.0))
        starts = [s.start_s for s in steps if s.start_s is not None]
        ends = [s.end_s for s in steps if s.end_s is not None]
        run = Invocation(
            COMMAND,
            tuple(steps),
            min(starts, default=None),
            max(ends, default=None),
            chained=False,
        )
        return Log(self.name, "", (run,), tuple(problems), ", ".join(hosts)[:200])


def _step(row: dict[str, str], peak_bytes: int | None) -> Step:
    start, end = (read_date(row[key].replace("T", " ")) for key in ("Start", "End"))
    elapsed_s = _duration_s(row.get("Elapsed", ""))
    raw_s = _number(row.get("ElapsedRaw", ""))
    elapsed_s = raw_s if raw_s is not None else elapsed_s
    start_s, end_s = (stamp.local_s if stamp else None for stamp in (start, end))
    if elapsed_s is None and start_s is not None and end_s is not None and end_s >= start_s:
        elapsed_s = end_s - start_s
    if start_s is None or end_s is None:
        elapsed_s = None
    cpu_s = _duration_s(row.get("TotalCPU", ""))
    cpus = _number(row.get("AllocCPUS", "") or row.get("NCPUS", ""))
    job, name = row["JobID"], row.get("JobName", "")
    commands: tuple[Command, ...] = ()
    if not cpu_s and (elapsed_s or 0.0) >= 1:
        # No job uses none: Slurm did not come to count it (requeued, lost, no accounting).
        cpu_s = None
    if cpu_s is not None and elapsed_s is not None:
        commands = (Command("", start_s, elapsed_s, cpu_s, peak_memory_bytes=peak_bytes),)
    return Step(
        title=name or job,
        hemisphere=None,
        start_s=start_s,
        end_s=None if start_s is None or elapsed_s is None else start_s + elapsed_s,
        elapsed_s=elapsed_s,
        outcome=_outcome(row.get("State", "")),
        commands=commands,
        threads=max(1, int(cpus)) if cpus and cpus < 1e5 else None,
        node=f"{name}.{job}" if name else job,
    )


def _outcome(state: str) -> str:
    if state.startswith(_KILLED):
        return "killed"
    return "failed" if state.startswith(_FAILED) else "ran"


def _duration_s(written: str) -> float | None:
    """Read ``[days-][hours:]minutes:seconds``.

    Examples
    --------
    >>> _duration_s("1-02:03:04"), _duration_s("00:02.176"), _duration_s("UNLIMITED")
    (93784.0, 2.176, None)
    """
    found = _ELAPSED.match(written.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _bytes(written: str) -> int | None:
    """Read a size as ``sacct`` writes it.

    Examples
    --------
    >>> _bytes("2596K"), _bytes("1.5G"), _bytes("28168192"), _bytes("")
    (2658304, 1610612736, 28168192, None)
    """
    found = _SIZE.match(written.strip())
    return int(float(found[1]) * 1024 ** " KMGTP".index(found[2] or " ")) if found else None


def _number(written: str) -> float | None:
    try:
        number = float(written)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
