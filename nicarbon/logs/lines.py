# SPDX-License-Identifier: Apache-2.0
"""Read a log's lines in bounded memory, whatever was done to the file since it was written."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from nicarbon.errors import LogError

# No line that a reader looks at is longer; the rest of a longer one is passed over.
LONGEST = 1 << 16
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_CUT = "its gzip stream is cut or damaged: what follows is lost"
_UTF8_BOM = b"\xef\xbb\xbf"


def head(path: Path, size: int = 1 << 16) -> bytes:
    """Return a log's first bytes, unpacked.

    Raises
    ------
    LogError
        If the file cannot be read.
    """
    with _opened(path) as file, contextlib.suppress(EOFError, zlib.error, gzip.BadGzipFile):
        return _to_utf8(file.read(size))
    return b""


def whole_lines(path: Path, problems: list[str]) -> Iterator[bytes]:
    """Yield all of a file's bytes, line by line or in pieces of long lines: see `lines`."""
    with _opened(path) as file:
        try:
            yield from iter(lambda: file.readline(LONGEST), b"")
        except (EOFError, zlib.error, gzip.BadGzipFile):
            problems.append(_CUT)


def lines(path: Path, problems: list[str]) -> Iterator[bytes]:
    """Yield a log's lines without their ends.

    Parameters
    ----------
    path : Path
        The log, plain or gzipped.
    problems : list of str
        Gets what is wrong with the file: what could be read before is yielded all the same.

    Raises
    ------
    LogError
        If the file cannot be read at all.
    """
    with _opened(path) as file:
        try:
            yield from _lines(file)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            problems.append(_CUT)
        except OSError as error:
            problems.append(f"cannot be read to its end ({error.strerror or error})")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    whole = True
    first = True
    while line := file.readline(LONGEST):
        ends = line.endswith(b"\n")
        if first:
            line = line.removeprefix(_UTF8_BOM)
            first = False
        if whole:
            yield line.rstrip(b"\r\n")
        whole = ends


def text(line: bytes) -> str:
    """Decode a line; bytes that are no UTF-8 are read as Latin-1, as old locales wrote them."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _to_utf8(start: bytes) -> bytes:
    return start.removeprefix(_UTF8_BOM)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a log, through gzip where its first bytes say so."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from None
    with file:
        try:
            magic = file.read(2)
            file.seek(0)
        except OSError as error:
            raise LogError(f"{path}: cannot be read ({error.strerror})") from None
        if magic in _UTF16:
            raise LogError(f"{path}: is UTF-16 text, not a log as its program wrote it")
        if magic != _GZIP:
            yield file
            return
        with gzip.open(file) as unpacked:
            yield cast(BinaryIO, unpacked)
