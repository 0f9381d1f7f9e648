# SPDX-License-Identifier: Apache-2.0
"""A run as a whole: ``run.json``, and the facts of a folder when it has been read."""

from __future__ import annotations

import msgspec

from nicarbon.meter import SCHEMA_VERSION
from nicarbon.records.graphs import Graph
from nicarbon.records.jobs import Driver, Job, JobFacts, Submitted, Unmetered
from nicarbon.records.nodes import Cached, End, Process, Start
from nicarbon.records.samples import Close, Gone, Host, Sample

# `RunInfo.engine` of a run that nobody metered: its folder was made of the logs that it left.
IMPORTED = "import"


class RunInfo(msgspec.Struct, frozen=True):
    """``run.json``: what was run, by which versions; without arguments, which name subjects.

    Attributes
    ----------
    run_id : str
        ``<UTC time>_<short id>``.
    t_unix_ns : int
        When the run folder was made.
    program : str
        The script, module or command, without its folder and arguments.
    engine : str
        ``nipype``, ``pydra``, ``command`` for a command that is metered as one node, or
        ``import``.
    nicarbon_version, python_version : str
        What ran it.
    schema_version : str
        Version of the format.
    """

    run_id: str
    t_unix_ns: int
    program: str = ""
    engine: str = ""
    nicarbon_version: str = ""
    python_version: str = ""
    schema_version: str = SCHEMA_VERSION


class NodeFile(msgspec.Struct, frozen=True):
    """One ``nodes-*.jsonl``: the process, and its records in order of writing."""

    process: Process
    lines: tuple[Driver | Job | Submitted | Unmetered | Start | End | Cached, ...]

    @property
    def job(self) -> Job | None:
        """The batch job that the process is; None for a driver and for what it started."""
        return next((line for line in self.lines if isinstance(line, Job)), None)


class SampleFile(msgspec.Struct, frozen=True):
    """One ``samples-*.jsonl``: the host, and its records in order of writing."""

    host: Host
    samples: tuple[Sample, ...]
    gone: tuple[Gone, ...] = ()
    close: Close | None = None


class RunFacts(msgspec.Struct, frozen=True):
    """All that a run folder holds.

    `n_skipped_lines` counts the lines that could not be read; `n_cut_lines` the files whose last
    line has no end: the kernel stops the write of a process that is killed at the next page of the
    file.
    """

    info: RunInfo
    graphs: tuple[Graph, ...] = ()
    node_files: tuple[NodeFile, ...] = ()
    sample_files: tuple[SampleFile, ...] = ()
    unmetered: tuple[Unmetered, ...] = ()
    job_facts: tuple[JobFacts, ...] = ()
    n_skipped_lines: int = 0
    n_cut_lines: int = 0
