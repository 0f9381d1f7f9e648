# SPDX-License-Identifier: Apache-2.0
"""One line of /proc/PID/stat, and how small files of the kernel are read."""

from __future__ import annotations

import os
from typing import NamedTuple

COMM_LENGTH = 15
"""Characters that the kernel keeps of a process's short name (``TASK_COMM_LEN``, less its end)."""


class Stat(NamedTuple):
    """Of /proc/PID/stat what is used here; CPU times are in clock ticks.

    `utime` and `stime` are the process's own, `cutime` and `cstime` those of the children that it
    has waited for; `starttime` is ticks after boot and tells apart two processes with one pid.
    `rss_pages` is what it holds in memory, shared pages included.
    """

    pid: int
    comm: str
    state: str
    ppid: int
    pgrp: int
    session: int
    utime: int
    stime: int
    cutime: int
    cstime: int
    n_threads: int
    starttime: int
    rss_pages: int = 0

    @property
    def ended(self) -> bool:
        """Whether it can run no more (a zombie whose threads have all ended)."""
        return self.state in "ZX" and self.n_threads <= 1


def read_file(path: str, size: int = 65536, *, is_line: bool = False) -> bytes | None:
    """Return the whole file, or None when it cannot be read.

    Parameters
    ----------
    path : str
        The file.
    size : int
        Bytes that are read at once.
    is_line : bool
        Whether it is one line that the kernel gives at once: it is not asked for more.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = os.read(fd, size)
        if is_line:
            return data
        # The kernel gives long lists a page at a time, so that a short read isn't the last one.
        more = data
        while more:
            more = os.read(fd, size)
            data += more
        return data
    except OSError:
        return None
    finally:
        os.close(fd)


def parse_stat(data: bytes) -> Stat | None:
    """Parse /proc/PID/stat; the name may itself hold spaces and brackets."""
    left, right = data.find(b"("), data.rfind(b")")
    fields = data[right + 2 :].split(None, 22)
    if left < 0 or len(fields) < 20:
        return None
    try:
        return Stat(
            int(data[:left]),
            data[left + 1 : right].decode("utf-8", "replace"),
            fields[0].decode("ascii", "replace"),
            int(fields[1]),
            int(fields[2]),
            int(fields[3]),
            int(fields[11]),
            int(fields[12]),
            int(fields[13]),
            int(fields[14]),
            int(fields[17]),
            int(fields[19]),
            int(fields[21]) if len(fields) > 21 else 0,
        )
    except ValueError:
        return None
