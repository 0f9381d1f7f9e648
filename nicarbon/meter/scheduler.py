# SPDX-License-Identifier: Apache-2.0
"""Which job of a batch system this process runs in, from what the system puts into it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

# What each system tells its jobs: sbatch(1), qsub(1) of Grid Engine, qsub(1B) of PBS, bsub(1),
# oarsub(1). JOB_ID alone would be anybody's; only Grid Engine sets SGE_TASK_ID beside it. The last
# of each counts how often the job was started again.
_VARIABLES = (
    ("slurm", "SLURM_JOB_ID", "SLURM_JOB_ID", "SLURM_RESTART_COUNT"),
    ("sge", "SGE_TASK_ID", "JOB_ID", "RESTARTED"),
    ("pbs", "PBS_JOBID", "PBS_JOBID", None),
    ("lsf", "LSB_JOBID", "LSB_JOBID", None),
    ("oar", "OAR_JOB_ID", "OAR_JOB_ID", None),
)
# HTCondor tells a job its number in a file only (manual, "Environment and services for a running
# job").
_CONDOR_AD = "_CONDOR_JOB_AD"


class Place(NamedTuple):
    """A job of a batch system; `restart` is how often it was started before."""

    scheduler: str
    job_id: str
    restart: int = 0


def places(environ: Mapping[str, str] | None = None) -> list[Place]:
    """Return the jobs that this process is in; several where one batch system is inside another.

    Parameters
    ----------
    environ : mapping, optional
        The environment; this process's by default.
    """
    environ = os.environ if environ is None else environ
    found = []
    for scheduler, mark, number, restarts in _VARIABLES:
        job_id = environ.get(number, "")
        if job_id and environ.get(mark):
            again = environ.get(restarts, "") if restarts else ""
            found.append(Place(scheduler, job_id, int(again) if again.isdigit() else 0))
    condor = _condor_job(environ.get(_CONDOR_AD))
    return found if condor is None else [*found, Place("condor", condor)]


def _condor_job(path: str | None) -> str | None:
    """Return ``<cluster>.<process>`` from a job's own description."""
    if path is None:
        return None
    numbers = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition("=")
                if key.strip() in ("ClusterId", "ProcId"):
                    numbers[key.strip()] = value.strip()
    except OSError:
        return None
    if "ClusterId" not in numbers:
        return None
    return f"{numbers['ClusterId']}.{numbers.get('ProcId', '0')}"
