# SPDX-License-Identifier: Apache-2.0
"""Append-only JSON Lines: one file for each process, one system call for each record.

A record that reached the kernel survives the death of its process, so nothing is buffered. Disk
errors are kept, never raised: a full disk must not fail a pipeline.
"""

from __future__ import annotations

import errno
import json
import json.encoder
import os
import threading
from collections.abc import Callable
from typing import Any


def _encoder() -> Callable[[dict[str, Any]], str]:
    """Return what json.dumps() does, but with an encoder that is made once, not at each call."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(separators=(",", ":")).encode
    escape = json.encoder.encode_basestring_ascii
    parts = make(None, None, escape, None, ":", ",", False, False, True)
    return lambda record: "".join(parts(record, 0))


_encode = _encoder()


class Writer:
    """Appends records to one file, which it opens at the first one.

    Parameters
    ----------
    path : str
        The file; its folder must exist.
    header : dict, optional
        Written as the first line of an empty file.

    Attributes
    ----------
    error : OSError or None
        What the last failed write raised.
    """

    def __init__(self, path: str, header: dict[str, Any] | None = None) -> None:
        self.path = path
        self.error: OSError | None = None
        self._header = header
        self._fd: int | None = None
        self._torn = False
        # Two threads that write first must not both open the file and write its first line.
        self._lock = threading.Lock()

    def write(self, record: dict[str, Any]) -> bool:
        """Append one record; return whether the whole of it was written."""
        return self.append(_encode(record))

    def append(self, text: str) -> bool:
        """Append one record that is JSON already, without its line's end; return as `write`."""
        with self._lock:
            try:
                fd = self._open() if self._fd is None else self._fd
                return self._append(fd, text)
            except OSError as error:
                self.error = error
                return False

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if self._header is not None and os.fstat(fd).st_size == 0:
                self._append(fd, _encode(self._header))
        except OSError:
            # On a full disk each record would leave one more file open, until the node has none.
            os.close(fd)
            raise
        self._fd = fd
        return fd

    def _append(self, fd: int, text: str) -> bool:
        line = f"{text}\n".encode()
        if self._torn:
            # Part of a record stands at the end of the file: leave it on a line of its own.
            line = b"\n" + line
        if os.write(fd, line) == len(line):
            self._torn = False
            return True
        self._torn = True
        # Said as the next write will say it.
        self.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return False
