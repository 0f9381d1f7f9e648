# SPDX-License-Identifier: Apache-2.0
"""What a scheduler itself says of jobs: how each attempt ended, and when it waited and ran.

Asked by the scheduler's own command on this host, and of no other; what it does not say is not
guessed. The answers are kept in the run folder as ``jobs-*.json``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from typing import Any

from nicarbon.meter import SCHEMA_VERSION

SCHEDULERS = ("slurm", "sge")
"""Those that can be asked; what others say of a job that is over is not known here."""

_TIMEOUT_S = 30.0
# A command line holds a few thousand numbers.
_AT_ONCE = 500

# squeue(1), JOB STATE CODES; a state may be followed by more: "CANCELLED by 1000".
_SLURM_HOW = {
    "TIMEOUT": "time limit",
    "DEADLINE": "time limit",
    "CANCELLED": "cancelled",
    "OUT_OF_MEMORY": "out of memory",
    "NODE_FAIL": "node failure",
    "BOOT_FAIL": "node failure",
    "REQUEUED": "requeued",
    "PREEMPTED": "preempted",
    "FAILED": "failed",
}
_SLURM_OVER = (*_SLURM_HOW, "COMPLETED", "REVOKED")
_SLURM_FIELDS = (
    *("JobIDRaw", "State", "ExitCode", "Submit", "Start", "End", "NodeList"),
    "ConsumedEnergyRaw",
)
# A host that draws more is a counter of Slurm's that went back (its plugins subtract unsigned).
_MAX_HOST_W = 100_000.0

# sge_status(5), "failed" in the accounting file. 37 is a limit of time, CPU or memory: which of
# them is not said. 100 is any signal.
_SGE_HOW = {"25": "requeued", "37": "resource limit"}
_SGE_TIME = "%a %b %d %H:%M:%S %Y"


def ask(scheduler: str, job_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return what a scheduler says of jobs, an entry for each attempt.

    Parameters
    ----------
    scheduler : str
        ``slurm`` or ``sge``; of others nothing is known.
    job_ids : iterable of str
        Numbers of jobs.

    Returns
    -------
    list of dict
        As `nicarbon.records.JobFact` reads them, the attempts of a job in their order; empty where
        the command is missing or answers nothing.
    """
    known = list(dict.fromkeys(job_ids))
    if scheduler == "slurm":
        parts = (known[i : i + _AT_ONCE] for i in range(0, len(known), _AT_ONCE))
        return [fact for part in parts for fact in _ask_slurm(part)]
    if scheduler == "sge":
        return [fact for job_id in known for fact in _ask_sge(job_id)]
    return []


def ask_for_run(run_dir: str, wait_s: float = 0.0) -> int:
    """Ask for those jobs of a run that did not say how they ended, and keep the answers.

    Where Slurm counts energy, it is asked for all of its jobs: that is a second opinion.

    Parameters
    ----------
    run_dir : str
        A run folder, its files loose.
    wait_s : float
        How long to ask again for jobs that the scheduler does not call over yet: accounts are
        some seconds late.

    Returns
    -------
    int
        How many jobs the scheduler knew.
    """
    # That in which the driver itself runs is over only after it.
    asked, others = _jobs(run_dir, with_own=wait_s == 0)
    energy_by = slurm_energy_by() if "slurm" in {**asked, **others} else ""
    if energy_by:
        asked["slurm"] = [*asked.get("slurm", ()), *others.get("slurm", ())]
    until = time.monotonic() + wait_s
    n_known = 0
    for scheduler, job_ids in asked.items():
        facts = ask(scheduler, job_ids)
        while facts and not all(fact["over"] for fact in facts) and time.monotonic() < until:
            time.sleep(0.5)
            facts = ask(scheduler, job_ids)
        n_known += len({fact["job_id"] for fact in facts})
        if facts:
            _keep(run_dir, scheduler, facts, energy_by if scheduler == "slurm" else "")
    return n_known


def slurm_energy_by() -> str:
    """Return how Slurm counts energy here, with its version; empty where it does not.

    Its ``rapl`` before 25.05 counts memory with the processors' unit, typically four times too
    much (Slurm commit c8a694e369), which is why the version is kept.
    """
    found = {}
    for line in _lines(["scontrol", "show", "config"]):
        key, _, value = line.partition("=")
        found[key.strip()] = value.strip()
    plugin = found.get("AcctGatherEnergyType", "").replace("acct_gather_energy/", "")
    if plugin in ("", "none", "(null)"):
        return ""
    return f"{plugin}, slurm {found.get('SLURM_VERSION', '')}".rstrip()


def _jobs(run_dir: str, with_own: bool) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return by scheduler the jobs that did not end as they should, and all others.

    Those all of whose attempts ended, and whose nodes did, need not be asked for.
    """
    submitted: dict[tuple[str, str], None] = {}
    ended: set[tuple[str, str]] = set()
    silent: set[tuple[str, str]] = set()
    for name in sorted(os.listdir(run_dir)):
        if not (name.startswith("nodes-") and name.endswith(".jsonl")):
            continue
        job, over, failed, within = None, False, False, None
        for record in _records(os.path.join(run_dir, name)):
            kind = record.get("kind")
            if kind in ("job", "submitted") and record.get("job_id"):
                place = (str(record.get("scheduler")), str(record["job_id"]))
                submitted[place] = None
                job = place if kind == "job" else job
            elif kind == "driver" and record.get("event") == "end":
                over = True
            elif kind == "driver" and record.get("job_id"):
                within = (str(record.get("scheduler")), str(record["job_id"]))
            elif kind == "end" and record.get("outcome") == "failed":
                failed = True  # Perhaps the scheduler knows why.
        if job is None and within is not None and with_own:
            # A driver that ran in a job itself: how that ends says nothing of the run.
            submitted[within] = None
            ended.add(within)
        if job is not None:
            # A job that is started again has one number and a file for each attempt.
            (ended if over and not failed else silent).add(job)
    asked: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for scheduler, job_id in submitted:
        if scheduler:
            is_over = (scheduler, job_id) in ended - silent
            (others if is_over else asked).setdefault(scheduler, []).append(job_id)
    return asked, others


def _records(path: str) -> list[dict[str, Any]]:
    found = []
    with open(path, "rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                found.append(record)
    return found


def _keep(run_dir: str, scheduler: str, facts: list[dict[str, Any]], energy_by: str) -> None:
    now_ns = time.time_ns()
    content = {
        "schema_version": SCHEMA_VERSION,
        "scheduler": scheduler,
        "t_unix_ns": now_ns,
        "jobs": facts,
        "energy_by": energy_by,
    }
    path = os.path.join(run_dir, f"jobs-{scheduler}-{os.getpid()}-{now_ns}.json")
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(json.dumps(content, separators=(",", ":")) + "\n")
    os.replace(path + ".part", path)


def _ask_slurm(job_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Ask sacct(1): with duplicates, as each requeued attempt has a row of its own.

    A job's own row has the energy of its srun steps alone; its batch step's has that of all the
    time on its first host.
    """
    command = ["sacct", "-D", "-n", "-P", "--noconvert"]
    command += ["-j", ",".join(job_ids), "-o", ",".join(_SLURM_FIELDS)]
    facts: list[dict[str, Any]] = []
    for line in _lines(command, SLURM_TIME_FORMAT="%s"):
        cells = line.split("|")
        if len(cells) != len(_SLURM_FIELDS):
            continue
        row = dict(zip(_SLURM_FIELDS, cells))
        job_id, _, step = row["JobIDRaw"].partition(".")
        if step:
            # The steps of an attempt come after its own row.
            if step == "batch" and facts and facts[-1]["job_id"] == job_id:
                facts[-1]["consumed_energy_j"] = _slurm_energy_j(row)
            continue
        state = row["State"].split()[0] if row["State"].split() else ""
        facts.append(
            {
                "job_id": row["JobIDRaw"],
                "state": row["State"],
                "how": _SLURM_HOW.get(state),
                "over": state in _SLURM_OVER,
                "exit_code": row["ExitCode"],
                "hostname": row["NodeList"],
                "t_submit_unix_s": _number(row["Submit"]),
                "t_start_unix_s": _number(row["Start"]),
                "t_end_unix_s": _number(row["End"]),
                "consumed_energy_j": None,
            }
        )
    facts.sort(key=lambda fact: (fact["job_id"], fact["t_submit_unix_s"] or float("inf")))
    return facts


def _slurm_energy_j(row: dict[str, str]) -> float | None:
    """Return a step's energy; 0 is what Slurm says where nothing counts."""
    energy_j, begin, end = (_number(row[name]) for name in ("ConsumedEnergyRaw", "Start", "End"))
    if energy_j is None or begin is None or end is None or end <= begin:
        return None
    return energy_j if energy_j <= _MAX_HOST_W * (end - begin + 1) else None


def _ask_sge(job_id: str) -> list[dict[str, Any]]:
    """Ask qacct(1), which knows only jobs that are over; a restarted job has several entries."""
    facts = []
    entry: dict[str, str] = {}
    for line in [*_lines(["qacct", "-j", job_id]), "===="]:
        if not line.startswith("===="):
            key, _, value = line.partition(" ")
            entry[key] = value.strip()
            continue
        if entry.get("jobnumber") == job_id:
            failed = entry.get("failed", "0")
            facts.append(
                {
                    "job_id": job_id,
                    "state": f"failed {failed}",
                    "how": _SGE_HOW.get((re.match(r"\d+", failed) or [""])[0]),
                    "over": True,
                    "exit_code": entry.get("exit_status", "").split(" ")[0],
                    "hostname": entry.get("hostname", ""),
                    "t_submit_unix_s": _sge_time(entry.get("qsub_time", "")),
                    "t_start_unix_s": _sge_time(entry.get("start_time", "")),
                    "t_end_unix_s": _sge_time(entry.get("end_time", "")),
                }
            )
        entry = {}
    return facts


def _lines(command: list[str], **environ: str) -> list[str]:
    """Return what a command prints; nothing where it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", **environ},
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines()


def _number(text: str) -> float | None:
    """Return seconds since the epoch; None for ``Unknown`` and ``None``."""
    return float(text) if text.isdigit() and int(text) else None


def _sge_time(text: str) -> float | None:
    """Return seconds since the epoch; with or without milliseconds, as versions differ."""
    try:
        return time.mktime(time.strptime(text.partition(".")[0], _SGE_TIME))
    except ValueError:
        return None
