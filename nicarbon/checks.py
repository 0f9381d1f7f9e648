# SPDX-License-Identifier: Apache-2.0
"""What counters beside a host's account say of the same time: second opinions, never added.

A check is compared with the account where both cover the time, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import fsum

import msgspec
import numpy as np

from nicarbon.accounts import Account, accounts
from nicarbon.intervals import Interval, length_s, union, without
from nicarbon.jobs import attempt_of, number_of
from nicarbon.records import Domain, Driver, Job, JobFact, NodeFile, SampleFile
from nicarbon.timeline import DEVICE, Reading
from nicarbon.units import NS_PER_S

SLURM = "slurm"
# Of a job's time, what must be covered for its energy to be compared.
_LEAST_COVERED = 0.5
_PARTS = ("core", "uncore", "package", "dram")


class Check(msgspec.Struct, frozen=True):
    """What a counter beside the account counted, and the account in the same time.

    Attributes
    ----------
    sensor : str
        Its sensor; ``slurm`` for what Slurm's own accounting says.
    kind : str
        What it counts, as in `nicarbon.records.Domain`; of Slurm ``host``.
    sees : str
        ``same`` joules as the account, a ``part`` of them, or the ``whole`` and more.
    energy_j : float
        Joules.
    account_j : float
        What the account counted in the same time: of the same kind where it sees the same.
    covered_s : float
        Seconds that both cover.
    relative_error : float
        The sensors' stated errors, both together.
    job : str
        The job of which Slurm says it; empty for a counter.
    """

    sensor: str
    kind: str
    sees: str
    energy_j: float
    account_j: float
    covered_s: float
    relative_error: float = 0.0
    job: str = ""

    @property
    def ratio(self) -> float | None:
        """Its joules divided by the account's; None where that has none."""
        return self.energy_j / self.account_j if self.account_j > 0 else None

    @property
    def disagrees(self) -> bool:
        """Whether it should say the same as the account, and does not within their errors."""
        if self.sees != "same" or self.ratio is None:
            return False
        return abs(self.ratio - 1) > self.relative_error


def checks(
    readings: Sequence[Reading],
    files: Sequence[SampleFile],
    allowed: Sequence[Interval],
    account: Sequence[Account],
) -> tuple[Check, ...]:
    """Return what counters beside a host's account say.

    Parameters
    ----------
    readings, files, allowed
        As `nicarbon.accounts.accounts` takes them.
    account : sequence of Account
        What it returned for them.
    """
    counted = {(s.name, d.name) for one in account for s in one.sensors for d in s.domains}
    kinds = {d.kind for one in account for s in one.sensors for d in s.domains}
    errors = [s.relative_error for one in account for s in one.sensors]
    beside: dict[tuple[str, str], list[Domain]] = {}
    for file in files:
        for sensor in file.host.sensors:
            for domain in sensor.domains:
                is_counter = domain.model is None and domain.kind != DEVICE
                if is_counter and (sensor.name, domain.name) not in counted:
                    beside.setdefault((sensor.name, domain.kind), []).append(domain)
    found = []
    for (name, kind), domains in sorted(beside.items()):
        own = accounts(
            readings, _only(files, {(name, domain.name) for domain in domains}), allowed
        )
        sees, other = _sees(kind, kinds), account
        if sees == "same":
            same = _same(kind, {domain.socket for domain in domains}, account)
            other = accounts(readings, _only(files, same), allowed)
        common = _common(_covered(own), _covered(other))
        if length_s(common) > 0:
            error = max(errors, default=0.0) + _relative_error(name, files)
            energy_j, account_j = energy_between(own, common), energy_between(other, common)
            found.append(Check(name, kind, sees, energy_j, account_j, length_s(common), error))
    return tuple(found)


def _same(
    kind: str, sockets: Collection[int | None], account: Iterable[Account]
) -> set[tuple[str, str]]:
    """Return the account's domains of a kind, on the same sockets where these are told apart."""
    return {
        (sensor.name, domain.name)
        for one in account
        for sensor in one.sensors
        for domain in sensor.domains
        if domain.kind == kind
        and (None in sockets or domain.socket is None or domain.socket in sockets)
    }


def _relative_error(name: str, files: Iterable[SampleFile]) -> float:
    sensors = (sensor for file in files for sensor in file.host.sensors)
    return max(sensor.relative_error for sensor in sensors if sensor.name == name)


def _sees(kind: str, counted: Iterable[str]) -> str:
    """Return how a counter of a kind stands to an account of some kinds."""
    if kind in counted:
        return "same"
    return "part" if kind in _PARTS else "whole"


def _only(files: Iterable[SampleFile], meant: Collection[tuple[str, str]]) -> list[SampleFile]:
    """Return the files as if some domains, by sensor and name, were all that was there."""
    replace = msgspec.structs.replace
    found = []
    for file in files:
        sensors = tuple(
            replace(
                sensor,
                domains=tuple(
                    replace(domain, account=True)
                    for domain in sensor.domains
                    if (sensor.name, domain.name) in meant
                ),
            )
            for sensor in file.host.sensors
        )
        found.append(replace(file, host=replace(file.host, sensors=sensors)))
    return found


def _covered(found: Iterable[Account]) -> list[Interval]:
    return union(interval for one in found for interval in one.covered())


def _common(some: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    return without(some, without(some, others))


def energy_between(found: Iterable[Account], stretches: Iterable[Interval]) -> float:
    """Return what accounts counted in some stretches of time, in joules; power is taken as even.

    Parameters
    ----------
    found : iterable of Account
        Of one host; their intervals do not overlap.
    stretches : iterable of (int, int)
        Nanoseconds of its monotonic clock.
    """
    edges = np.array(list(stretches), dtype=np.float64).reshape(-1, 2)
    total = []
    for one in found:
        for line in one.lines:
            joules = np.concatenate([[0.0], np.cumsum(np.where(line.covered, line.energy_j, 0.0))])
            at = np.interp(edges, line.t_ns.astype(np.float64), joules)
            total.append(float((at[:, 1] - at[:, 0]).sum()))
    return fsum(total)


def of_jobs(
    node_files: Iterable[NodeFile],
    files: Sequence[SampleFile],
    account: Sequence[Account],
    facts: Mapping[tuple[str, str], tuple[JobFact, ...]],
) -> tuple[Check, ...]:
    """Return what Slurm counted for jobs on a host, compared by the mean power of each.

    Slurm counts the whole host while a job's batch step is there, whoever else is on it: jobs
    that overlap each have all of it, so that their joules are never added up here.

    Parameters
    ----------
    node_files, files : sequence
        The host's.
    account : sequence of Account
        Its energy.
    facts : mapping
        As `nicarbon.jobs.scheduler_facts` returns them.
    """
    header = next((file.host for file in files), None)
    if header is None:
        return ()
    ahead_ns = header.t_unix_ns - header.t_monotonic_ns
    covered = _covered(account)
    found = []
    for file in node_files:
        job = _job_of(file)
        fact = (
            attempt_of(job, facts.get(number_of(job.scheduler, job.job_id), ())) if job else None
        )
        if fact is None or fact.consumed_energy_j is None:
            continue
        if fact.t_start_unix_s is None or fact.t_end_unix_s is None:
            continue
        times = (fact.t_start_unix_s, fact.t_end_unix_s)
        first, last = (int(t * NS_PER_S) - ahead_ns for t in times)
        common = _common([(first, last)], covered) if last > first else []
        common_s, whole_s = length_s(common), (last - first) / NS_PER_S
        if not common_s or common_s < _LEAST_COVERED * whole_s:
            continue
        # Its times are whole seconds, and ours begin a moment later: powers are compared.
        energy_j = fact.consumed_energy_j * common_s / whole_s
        account_j = energy_between(account, common)
        if account_j > 0:
            found.append(
                Check(SLURM, "host", "whole", energy_j, account_j, common_s, job=fact.job_id)
            )
    return tuple(found)


def _job_of(file: NodeFile) -> Job | None:
    """Return the Slurm job that a process is, or that a driver is in."""
    job = file.job
    if job is None:
        job = next(
            (
                Job("", line.t_monotonic_ns, line.t_unix_ns, line.scheduler, line.job_id)
                for line in file.lines
                if isinstance(line, Driver) and line.job_id
            ),
            None,
        )
    return job if job is not None and job.scheduler == SLURM else None
