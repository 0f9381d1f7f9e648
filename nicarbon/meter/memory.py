# SPDX-License-Identifier: Apache-2.0
"""The most memory that the process tree of each running node was seen to hold.

A page that processes of a tree share (a forked worker's, a library's) is counted once for each of
them in their resident sizes, so where these add up to a new peak and several processes are large,
their proportional sizes are asked for. That takes the kernel about 4 ms for each GB, measured on
Linux 6.18.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable

from nicarbon.meter.processes import ProcFS, Seen
from nicarbon.meter.procstat import read_file

# What may be counted twice before it is worth a closer look.
_SHARED_BYTES = 64 << 20
# The part of the time that closer looks may take.
_AFFORDABLE = 0.005


class Peaks:
    """Memory of the trees in which nodes run, looked at again and again.

    Parameters
    ----------
    procfs : ProcFS
        The host's processes.

    Attributes
    ----------
    peak_bytes : dict
        By span.
    """

    def __init__(self, procfs: ProcFS) -> None:
        self._procfs = procfs
        self._began_s = time.monotonic()
        self._spent_s = 0.0
        self.peak_bytes: dict[str, int] = {}

    def look(
        self,
        spans: Iterable[str],
        pid: int,
        exclude: Collection[int] = (),
        known: dict[int, Seen] | None = None,
    ) -> None:
        """Note what a process's tree holds now, for each span that runs in it.

        Parameters
        ----------
        spans : iterable of str
            The spans.
        pid, exclude, known
            The tree, as in `ProcFS.tree_cpu_s`.
        """
        spans = list(spans)
        sizes = self._procfs.tree_rss_bytes(pid, exclude, known)
        held = sum(sizes.values())
        least = min((self.peak_bytes.get(span, 0) for span in spans), default=0)
        if held <= least:
            return
        if held - max(sizes.values()) > _SHARED_BYTES:
            held = self._without_shared(sizes)
        for span in spans:
            self.peak_bytes[span] = max(held, self.peak_bytes.get(span, 0))

    def keep(self, spans: Collection[str]) -> None:
        """Forget all other spans."""
        self.peak_bytes = {span: n for span, n in self.peak_bytes.items() if span in spans}

    def _without_shared(self, sizes: dict[int, int]) -> int:
        """Return what a tree holds at least: its largest process, or all, each page once."""
        largest, now_s = max(sizes.values()), time.monotonic()
        if self._spent_s > _AFFORDABLE * (now_s - self._began_s):
            return largest
        parts = [self._pss_bytes(pid) for pid in sizes]
        self._spent_s += time.monotonic() - now_s
        return max(largest, sum(part for part in parts if part is not None))

    def _pss_bytes(self, pid: int) -> int | None:
        """Return a process's size with each page divided by how many share it."""
        path = os.path.join(self._procfs.root, f"proc/{pid}/smaps_rollup")
        for line in (read_file(path) or b"").split(b"\n"):
            if line.startswith(b"Pss:"):
                try:
                    return int(line.split()[1]) * 1024
                except (ValueError, IndexError):
                    return None
        return None
