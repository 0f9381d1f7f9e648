# SPDX-License-Identifier: Apache-2.0
"""Learn from several runs what a CPU second of each kind of node costs; see `nicarbon.watts`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from nicarbon import curves, shares, timeline
from nicarbon.accounts import Account
from nicarbon.hosttime import by_host, host_time
from nicarbon.jobs import endings
from nicarbon.kinds import kinds_of
from nicarbon.records import RunFacts, SampleFile
from nicarbon.watts import Table, Watts, learn


def taught(runs: Iterable[RunFacts]) -> dict[str, Watts]:
    """Return what runs teach together of what a CPU second of each kind of node costs.

    Parameters
    ----------
    runs : iterable of RunFacts
        Of pipelines that have nodes in common, best with different things at once.

    Returns
    -------
    dict
        By the type of machine, for `attribute`; without those of which nothing was learned.
    """
    tables: dict[str, list[Table]] = defaultdict(list)
    for facts in runs:
        ended = endings(facts)
        for _, node_files, sample_files in by_host(facts):
            readings = timeline.merge(sample_files)
            ran = curves.executions(node_files, sample_files, readings, ended)
            kinds = kinds_of(ran, facts.graphs, {})
            for one in host_time(node_files, sample_files, readings, ran).accounts:
                # One timeline of a run, so that a run that is left out is left out.
                found = shares.taught(one.lines[0], ran, node_files, sample_files, kinds)
                if one.method == "measured" and len(one.lines) == 1 and found is not None:
                    tables[machine(one, sample_files)].append(found)
    learned = {machine: learn(of_machine) for machine, of_machine in tables.items()}
    return {machine: watts for machine, watts in learned.items() if watts is not None}


def machine(one: Account, sample_files: Iterable[SampleFile]) -> str:
    """Return the type of a machine: watts of another processor are other watts."""
    headers = [file.host for file in sample_files]
    cpus = sorted({f"{header.cpu_model} x {header.n_cpus}" for header in headers})
    counters = sorted({domain.name for sensor in one.sensors for domain in sensor.domains})
    return ", ".join([*cpus, *counters])
