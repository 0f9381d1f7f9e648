# SPDX-License-Identifier: Apache-2.0
"""Pack the many small files of a run into one, so that a study's runs do not exhaust a quota.

A file is deleted only after a pack that holds it has reached the disk under its own name, and no
pack is ever written over. So a kill at any moment leaves everything at least once, and two that
gather at once at worst leave two packs; whoever reads counts what is there twice once, and the
next one who gathers makes one of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from nicarbon.meter import pack
from nicarbon.meter.living import QUIET_S, living
from nicarbon.meter.pack import Entry
from nicarbon.meter.processes import ProcFS

_TRIES = 5
_LOOK_S = 0.2


class GatherError(OSError):
    """A folder that cannot be packed or unpacked; the message says which and why."""


class Gathered(NamedTuple):
    """What was done.

    Attributes
    ----------
    pack : str or None
        Name of the new pack; None where there was nothing to pack.
    n_packed : int
        Files that are no longer loose.
    bytes_before, bytes_after : int
        What they took up, and what the pack takes up.
    left : dict
        Files that were left because somebody may still write to them, and who.
    """

    pack: str | None
    n_packed: int
    bytes_before: int
    bytes_after: int
    left: dict[str, str]


def gather(folder: str, force: bool = False) -> Gathered:
    """Pack what no process writes to any more.

    Parameters
    ----------
    folder : str
        A run folder.
    force : bool
        Whether to believe that nobody writes there, whatever it looks like.

    Raises
    ------
    GatherError
        If it is no run folder, cannot be written, or a pack in it is damaged.
    """
    for _ in range(_TRIES):
        # A file that is gone was packed by somebody else in between: what it is in is there now.
        with contextlib.suppress(FileNotFoundError):
            return _gather(folder, force)
    raise GatherError(f"{folder}: files vanish while it is packed: is it being deleted?")


def at_end(folder: str, wait_s: float = 0.0) -> bool:
    """Pack a run that has just ended.

    Parameters
    ----------
    folder : str
        Its folder.
    wait_s : float
        How long jobs may still need to end.

    Returns
    -------
    bool
        Whether files were left to whoever still writes to them.

    Raises
    ------
    GatherError
        As `gather`.
    """
    until_s = time.monotonic() + wait_s
    while time.monotonic() < until_s and living(folder, records(folder)):
        time.sleep(_LOOK_S)
    return bool(gather(folder).left)


def unpack(folder: str, into: str) -> int:
    """Copy a run to a new folder where every file is loose again, byte for byte.

    It takes nothing away, so that it and a gather at the same time cannot harm each other.

    Parameters
    ----------
    folder : str
        A run folder.
    into : str
        A folder that is new or empty.

    Returns
    -------
    int
        How many files that folder holds.

    Raises
    ------
    GatherError
        If it is no run folder, `into` holds something or cannot be written, or a pack is damaged.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):
            return _unpack(folder, into)
    raise GatherError(f"{folder}: files vanish while it is unpacked: is it being deleted?")


def records(folder: str) -> list[str]:
    """Return the files of a run folder that hold records, loose ones and packs, by name.

    Raises
    ------
    GatherError
        If it is no run folder.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise GatherError(f"{folder}: cannot be read ({error.strerror})") from None
    found = [name for name in names if pack.is_record(name) or pack.is_pack(name)]
    if not found and "run.json" not in names:
        raise GatherError(f"{folder}: is not a run folder (it holds no run.json)")
    return found


def _gather(folder: str, force: bool) -> Gathered:
    names = records(folder)
    packs = [name for name in names if pack.is_pack(name)]
    loose = [name for name in names if not pack.is_pack(name)]
    with _said(folder):
        now_s = _file_system_time_s(folder)
        _sweep(folder, now_s)
        left = {} if force else living(folder, loose, now_s)
        over = [name for name in loose if name not in left]
        if not over and len(packs) <= 1:
            return Gathered(None, 0, 0, 0, left)
        name, sizes = _write_pack(folder, packs, over)
        after = os.path.getsize(os.path.join(folder, name))
        for old in packs:
            _delete(os.path.join(folder, old))
        for file, size in sizes.items():
            _delete(os.path.join(folder, file), size)
    return Gathered(name, len(sizes), sum(sizes.values()), after, left)


def _unpack(folder: str, into: str) -> int:
    names = records(folder)
    packs_first = sorted(names, key=lambda name: not pack.is_pack(name))
    parts: dict[str, list[bytes]] = {}
    with _said(into):
        for name, content in _entries(folder, packs_first):
            parts.setdefault(name, []).append(content)
        for entry in os.scandir(folder):
            if entry.is_file() and entry.name not in names and not entry.name.endswith(".part"):
                parts[entry.name] = [_content(entry.path)]
        os.makedirs(into, exist_ok=True)
        if os.listdir(into):
            raise GatherError(f"{into}: is not empty: name a new folder")
        for name, contents in parts.items():
            with open(os.path.join(into, name), "xb") as file:
                file.write(pack.combine(name, contents))
    return len(parts)


def _write_pack(folder: str, packs: list[str], loose: list[str]) -> tuple[str, dict[str, int]]:
    """Write a pack of packs and loose files; return its name and the loose files' sizes."""
    name = pack.new_name()
    part = os.path.join(folder, f"{name}.{ProcFS('/').key(os.getpid())}.part")
    sizes: dict[str, int] = {}
    written: dict[bytes, None] = {}

    def entries() -> Iterator[Entry]:
        for entry in _entries(folder, [*packs, *loose]):
            sizes[entry.name] = len(entry.content)
            mark = _mark(entry)
            if mark not in written:
                written[mark] = None
                yield entry

    try:
        pack.write(part, entries())
        # Nothing is deleted that cannot be read back.
        if [_mark(entry) for entry in pack.read(part)] != list(written):
            raise GatherError(f"{part}: does not hold what was written to it; nothing is deleted")
        os.rename(part, os.path.join(folder, name))
        _sync(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    return name, {file: sizes[file] for file in loose}


def _entries(folder: str, names: Iterable[str]) -> Iterator[Entry]:
    """Yield files of a run folder, those in packs one by one."""
    for name in names:
        path = os.path.join(folder, name)
        if pack.is_pack(name):
            yield from pack.read(path)
        else:
            yield Entry(name, _content(path))


def _mark(entry: Entry) -> bytes:
    return hashlib.sha256(entry.name.encode() + b"\0" + entry.content).digest()


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _delete(path: str, size: int | None = None) -> None:
    """Delete a file that is packed; one that has grown meanwhile stays beside its pack."""
    with contextlib.suppress(FileNotFoundError):  # Somebody else was faster.
        if size is None or os.path.getsize(path) == size:
            os.unlink(path)


def _sync(folder: str) -> None:
    """Bring the names in a folder to the disk; some network file systems can't, and need not."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep(folder: str, now_s: float) -> None:
    """Delete what a killed gather left half written: all that it holds is still loose."""
    procfs = ProcFS("/")
    for name in os.listdir(folder):
        pack_name, _, rest = name.partition(".gz.")
        if not (rest.endswith(".part") and pack.is_pack(f"{pack_name}.gz")):
            continue
        path = os.path.join(folder, name)
        host, _, process = rest[: -len(".part")].partition("-")
        pid = process.partition("-")[0]
        here = host == procfs.host_id() and pid.isdigit()
        with contextlib.suppress(FileNotFoundError):
            # One that still works starts again when its file is gone.
            if (here and procfs.key(int(pid)) != f"{host}-{process}") or (
                now_s - os.path.getmtime(path) > QUIET_S
            ):
                os.unlink(path)


def _file_system_time_s(folder: str) -> float:
    """Return the time by the clock that dates the files, which may be a file server's."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


@contextlib.contextmanager
def _said(folder: str) -> Iterator[None]:
    """Say in one line what the disk refuses; that a file is gone is for those who try again."""
    try:
        yield
    except (FileNotFoundError, GatherError):
        raise
    except pack.DamagedError as error:
        raise GatherError(f"{error}; nothing is deleted") from None
    except OSError as error:
        raise GatherError(
            f"{folder}: cannot be written ({error.strerror or error}); nothing is lost"
        ) from None
