# SPDX-License-Identifier: Apache-2.0
"""What a run comes to, by stage, node, host or whatever it was folded by: what reports show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from math import fsum

import msgspec

from nicarbon.carbon.embodied import Score, Share
from nicarbon.carbon.price import Price
from nicarbon.details import Detail
from nicarbon.earlier import Saved
from nicarbon.energies import HostEnergy
from nicarbon.history import Queue
from nicarbon.marked import Marked
from nicarbon.notes import is_known
from nicarbon.programs import Told
from nicarbon.rows import Row
from nicarbon.units import NS_PER_S
from nicarbon.waste import Waste


class Summary(msgspec.Struct, frozen=True):
    """Where the energy of a run went.

    Attributes
    ----------
    schema_version, run_id, path : str
        The version of the format that it is written in, its name, and its folder.
    started : str or None
        UTC, ISO 8601; None where no record says it.
    duration_s : float
        The longest time that a host served the run.
    hosts : tuple of HostEnergy
        The account of each host.
    labels : dict
        Name of each host, by its id: its hostname, made unique.
    by : str
        What a row is: one of `nicarbon.grouping.BY`.
    coverage : float or None
        The part of the hosts' energy that the rows account for.
    rows : tuple of Row
        Highest energy first.
    total : Row
        All that ran, as one row.
    missing : tuple of str
        Nodes of the graph without any record.
    notes : tuple of str
        What the figures lack, a sentence each.
    price : Price or None
        What the grams rest on; None where the run is not priced.
    details : dict
        What else is known of each node, by its name; empty unless a row is a node.
    saved : Saved or None
        What the cached nodes once cost; None where there are none, or it was not looked up.
    saved_g : float or None
        The same in grams, each earlier run at the price that it has; None where one has none.
    waste : Waste or None
        What executions without a result used; None where each had one.
    queue : Queue or None
        How long jobs waited for their scheduler; None where no node ran as a job.
    outcome : str
        How the run ended: see `nicarbon.notes.ending`.
    told : Told or None
        How surely programs are told apart; None where nobody looked at them.
    programs : dict
        The programs of each node as rows, by its name; empty unless a row is a node.
    embodied : tuple of Share
        The run's share of the making of its hosts; empty where it is not declared.
    embodied_g : dict
        How that is divided among the rows, by their names, in grams: see
        `nicarbon.carbon.reserved`. What is left is nobody's.
    score : Score or None
        Of a functional unit; None where none was named.
    marked : Marked or None
        How surely the steps are told apart that tools inside the nodes marked; None where none
        did.
    stages : dict
        The stage of each step, by its name; empty unless a row is a step.
    arguments : dict
        Command lines of each program, where they were kept; empty unless a row is a program.
    """

    schema_version: str
    run_id: str
    path: str
    started: str | None
    duration_s: float
    hosts: tuple[HostEnergy, ...]
    labels: dict[str, str]
    by: str
    coverage: float | None
    rows: tuple[Row, ...]
    total: Row
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    price: Price | None = None
    details: dict[str, Detail] = {}
    saved: Saved | None = None
    saved_g: float | None = None
    waste: Waste | None = None
    queue: Queue | None = None
    outcome: str = "ok"
    told: Told | None = None
    programs: dict[str, tuple[Row, ...]] = {}
    embodied: tuple[Share, ...] = ()
    embodied_g: dict[str, float] = {}
    score: Score | None = None
    marked: Marked | None = None
    stages: dict[str, str] = {}
    arguments: dict[str, tuple[str, ...]] = {}

    @property
    def n_missing(self) -> int:
        """Number of nodes of the graph without any record."""
        return len(self.missing)


def host_labels(hosts: Iterable[HostEnergy]) -> dict[str, str]:
    """Name each host by its hostname, with its id where several have the same."""
    hosts = tuple(hosts)
    counts = Counter(host.hostname for host in hosts)
    return {
        host.host: host.hostname
        if host.hostname and counts[host.hostname] == 1
        else f"{host.hostname} ({host.host})".strip()
        for host in hosts
    }


def coverage(hosts: Iterable[HostEnergy]) -> float | None:
    """Return the part of the hosts' energy that nodes account for; None without energy."""
    known = [host for host in hosts if is_known(host)]
    energy_j = fsum(host.energy_j for host in known)
    return fsum(host.nodes_j for host in known) / energy_j if energy_j else None


def iso_utc(t_unix_ns: int) -> str | None:
    """Write an instant in UTC, ISO 8601; None for none."""
    if not t_unix_ns:
        return None
    time = datetime.fromtimestamp(t_unix_ns // NS_PER_S, UTC)
    return time.isoformat().replace("+00:00", "Z")
