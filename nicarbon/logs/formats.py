# SPDX-License-Identifier: Apache-2.0
"""Which reader reads a log: told by what the file holds, its name only helps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nicarbon.errors import LogError
from nicarbon.logs import lines
from nicarbon.logs.deep_seg import DeepSeg
from nicarbon.logs.fastsurfer import ReconSurf
from nicarbon.logs.freesurfer import ReconAll
from nicarbon.logs.nipype_files import Report, ResourceMonitor, RunStats
from nicarbon.logs.rulefile import builtin_rules
from nicarbon.logs.slurm import Sacct
from nicarbon.logs.steps import Log, Reader

READERS: tuple[Reader, ...] = (
    Report(),
    RunStats(),
    ResourceMonitor(),
    Sacct(),
    ReconSurf(),
    DeepSeg(),
    ReconAll(),
)
_ANNEX = re.compile(rb"(?:\.git)?/annex/objects/|^version https://git-lfs")


def read_log(path: Path, further: Sequence[Reader] = ()) -> Log:
    """Read a log of any known format.

    Parameters
    ----------
    path : Path
        The file.
    further : sequence of Reader
        Readers of the user, asked first.

    Raises
    ------
    LogError
        If it cannot be read, no reader knows it, or it holds no step.
    """
    start = lines.head(path)
    if not start.strip(b"\0 \t\r\n"):
        raise LogError(f"{path}: is empty")
    if len(start) < 1000 and _ANNEX.search(start):
        raise LogError(
            f"{path}: only points to a file that is elsewhere (git-annex, git-lfs): get it first, "
            "as with: datalad get"
        )
    readers = (*further, *READERS, *builtin_rules())
    for reader in readers:
        if reader.knows(path.name, start):
            log = reader.read(path)
            if reader.name != Report.name and not any(i.steps for i in log.invocations):
                why = f" ({log.problems[0]})" if log.problems else ""
                raise LogError(f"{path}: holds no step of {reader.name}{why}")
            return log
    known = ", ".join(reader.name for reader in readers)
    raise LogError(f"{path}: is no log that a reader knows ({known})")
