# SPDX-License-Identifier: Apache-2.0
"""One file that holds many of a run folder's: ``records-<UTC time>_<short id>.jsonl.gz``.

Inside, each file's bytes stand as they were, torn lines included, behind one line that says its
name and its length: ``{"kind":"file","name":"nodes-...jsonl","bytes":2588}``. A newline follows,
so that ``zcat`` shows JSON Lines.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

RECORD_KINDS = ("graph", "jobs", "nodes", "samples", "unmetered")
"""What the names of files with records begin with; all else in a run folder is the user's."""

_RECORD = re.compile(rf"({'|'.join(RECORD_KINDS)})-.+\.jsonl?")
_PACK = re.compile(r"records-.+\.jsonl\.gz")
# A name that would lead out of the folder when it is unpacked comes from no meter.
_PLAIN = re.compile(r"[^/\0]+")

_DAMAGE = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    ValueError,
    KeyError,
    TypeError,
    RecursionError,
)


class Entry(NamedTuple):
    """One file in a pack."""

    name: str
    content: bytes


class DamagedError(OSError):
    """A pack that ends too early or is no pack; the message says which."""


def is_record(name: str) -> bool:
    """Tell whether a file of a run folder holds records, by its name."""
    return _RECORD.fullmatch(name) is not None


def is_pack(name: str) -> bool:
    """Tell whether a file of a run folder holds other files, by its name."""
    return _PACK.fullmatch(name) is not None


def new_name() -> str:
    """Return a name for a pack that no other has: nothing is ever written over."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"records-{stamp}_{uuid.uuid4().hex[:6]}.jsonl.gz"


def write(path: str, entries: Iterable[Entry]) -> None:
    """Write a pack, down to the disk; the same entries give the same bytes.

    Raises
    ------
    OSError
        If it cannot be written; what stands there then is no whole pack.
    """
    with open(path, "xb") as raw:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as file:
            for name, content in entries:
                head = {"kind": "file", "name": name, "bytes": len(content)}
                file.write(json.dumps(head, separators=(",", ":")).encode() + b"\n")
                file.write(content + b"\n")
        raw.flush()
        os.fsync(raw.fileno())


def read(path: str) -> Iterator[Entry]:
    """Yield the files in a pack.

    Raises
    ------
    DamagedError
        Behind the last file that could be read whole.
    OSError
        If it cannot be read at all.
    """
    with gzip.open(path, "rb") as file:
        try:
            while True:
                entry = _next(file)
                if entry is None:
                    return
                yield entry
        except _DAMAGE as error:
            raise DamagedError(f"{path}: is damaged ({error})") from None


def _next(file: gzip.GzipFile) -> Entry | None:
    line = file.readline()
    if not line:
        return None
    head = json.loads(line)
    name, length = str(head["name"]), int(head["bytes"])
    content = file.read(length + 1)
    if length < 0 or len(content) != length + 1 or not content.endswith(b"\n"):
        raise EOFError(f"{name} is cut off")
    if _PLAIN.fullmatch(name) is None or not is_record(name):
        raise ValueError(f"{name!r} is no file of a run")
    return Entry(name, content[:-1])


def combine(name: str, parts: Iterable[bytes]) -> bytes:
    """Return what a file holds of which there are several copies or parts, the oldest first.

    A kill between packing and deleting leaves the same bytes twice; a process that was believed
    dead may have written on. Files of one object are replaced as a whole, lines are appended.
    """
    kept: list[bytes] = []
    for part in parts:
        if name.endswith(".json"):
            kept = [part]
        elif not any(other.startswith(part) for other in kept):
            kept = [other for other in kept if not part.startswith(other)] + [part]
    return b"".join(
        part if part.endswith(b"\n") or i == len(kept) - 1 else part + b"\n"
        for i, part in enumerate(kept)
    )
