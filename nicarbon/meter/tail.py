# SPDX-License-Identifier: Apache-2.0
"""Follow a growing log: only its new lines, and of these only those that a pattern asks for.

Logs are other people's files: one that is missing, rotated, removed, unreadable, a FIFO or half a
gigabyte long costs its lines, never more.
"""

from __future__ import annotations

import os
import re
import stat

# What one look reads at most: a log that grew faster is caught up with at the next looks.
_MOST_BYTES = 1 << 20
# Of a line that has no end in sight, this much is kept until its end comes.
_LONGEST = 1 << 14
# An older run's text is passed over, as far back as a whole invocation's log commonly reaches.
_BACK_BYTES = 1 << 18


class Tail:
    """One log that may not be there yet.

    Parameters
    ----------
    path : str
        The file.
    pattern : bytes or re.Pattern of bytes
        Fits a whole line, without its end, in multi-line mode.
    header : bytes or re.Pattern of bytes
        Fits the line with which a new run begins in a log that is appended to.

    Attributes
    ----------
    problem : str
        Why it can't be followed; empty while it can, or is not there.
    at_end : bool
        Whether the last `read` came to the file's end.
    found : bool
        Whether there ever was such a file.
    """

    def __init__(
        self, path: str, pattern: bytes | re.Pattern[bytes], header: bytes | re.Pattern[bytes]
    ) -> None:
        self.path = path
        self.problem = ""
        self.at_end = True
        self.found = False
        self._pattern = re.compile(pattern)
        self._header = re.compile(header)
        self._fd: int | None = None
        self._offset = 0
        self._partial = b""

    def begin(self, since_unix_s: float) -> None:
        """Pass over what an older run wrote.

        Parameters
        ----------
        since_unix_s : float
            When the program began whose log it is: if the file has not changed since, all of it
            is old, else what stands before its last header.
        """
        if not self._open():
            return
        assert self._fd is not None
        try:
            found = os.fstat(self._fd)
            self._offset = found.st_size
            if found.st_mtime >= since_unix_s:
                self._offset = self._last_header(found.st_size)
        except OSError:
            self._close()

    def read(self) -> list[bytes]:
        """Return the new lines that the pattern fits."""
        if self._fd is None and not self._open():
            return []
        assert self._fd is not None
        try:
            found = os.fstat(self._fd)
            if found.st_size < self._offset:  # It was cut, and is written anew.
                self._offset, self._partial = 0, b""
            data = b""
            if found.st_size > self._offset:
                data = os.pread(self._fd, _MOST_BYTES, self._offset)
            self._offset += len(data)
            self.at_end = self._offset >= found.st_size
            if not data and self._was_replaced(found):
                self._close()
        except OSError as error:
            self.problem = error.strerror or "it can't be read"
            self._close()
            return []
        return self._lines(data) if data else []

    def close(self) -> None:
        """Let go of the file."""
        self._close()

    def _lines(self, data: bytes) -> list[bytes]:
        whole, newline, rest = (self._partial + data).rpartition(b"\n")
        self._partial = rest[:_LONGEST]
        return self._pattern.findall(whole) if newline else []

    def _open(self) -> bool:
        if self.problem:
            return False
        try:
            # Before it is opened: who opens a FIFO wakes the writer that waits for its reader.
            if not stat.S_ISREG(os.stat(self.path).st_mode):
                self.found = True
                self.problem = "it is no regular file"
                return False
            self._fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            self.problem = getattr(error, "strerror", None) or "no such name is possible"
            return False
        self.found, self._offset, self._partial = True, 0, b""
        return True

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _was_replaced(self, held: os.stat_result) -> bool:
        """Tell whether the path leads to another file by now, or to none."""
        try:
            now = os.stat(self.path)
        except OSError:
            return held.st_nlink == 0
        return (now.st_dev, now.st_ino) != (held.st_dev, held.st_ino)

    def _last_header(self, size: int) -> int:
        """Return where the last run's text begins; 0 in a short log that has no header."""
        assert self._fd is not None
        first = max(size - _BACK_BYTES, 0)
        data = os.pread(self._fd, size - first, first)
        headers = [found.start() for found in self._header.finditer(data)]
        if headers:
            return first + headers[-1]
        return size if first else 0
