# SPDX-License-Identifier: Apache-2.0
"""The files of a run folder, whether loose or packed, while somebody may be packing them.

Nothing here looks into a file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nicarbon.errors import RunFolderError
from nicarbon.meter import pack

_TRIES = 10

_T = TypeVar("_T")


class RecordFiles:
    """The files with records in a run folder, loose or packed; what is both counts once.

    Parameters
    ----------
    folder : Path
        The run folder.

    Attributes
    ----------
    names : list of str
        In order.
    n_damaged : int
        Packs that end too early: what comes before is read.

    Raises
    ------
    OSError
        If the folder or a pack cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loose, self._packs = self._list()
        self._packed: dict[str, list[bytes]] = {}
        self.n_damaged = 0
        for name in self._packs:
            try:
                for entry in pack.read(str(folder / name)):
                    self._packed.setdefault(entry.name, []).append(entry.content)
            except pack.DamagedError:
                self.n_damaged += 1
        self.names = sorted(self._loose | self._packed.keys())

    def content(self, name: str) -> bytes:
        """Return what a file holds, as if nobody had packed it."""
        parts = self._packed.get(name, [])
        if name in self._loose:
            parts = [*parts, (self._folder / name).read_bytes()]
        return pack.combine(name, parts)

    def packed_meanwhile(self) -> bool:
        """Tell whether files may have moved into a pack while the folder was listed and read."""
        return bool(self._list()[1] - self._packs)

    def _list(self) -> tuple[set[str], set[str]]:
        names = {entry.name for entry in self._folder.iterdir() if entry.is_file()}
        packs = {name for name in names if pack.is_pack(name)}
        return names - packs, packs


def settled(folder: Path, read: Callable[[RecordFiles], _T]) -> _T:
    """Read a folder, again if files moved into a pack meanwhile: none may be missed.

    Raises
    ------
    RunFolderError
        If files vanish each time.
    OSError
        If the folder or a file cannot be read.
    """
    for _ in range(_TRIES):
        try:
            files = RecordFiles(folder)
            found = read(files)
            if not files.packed_meanwhile():
                return found
        except FileNotFoundError:
            if not folder.exists():
                raise
    raise RunFolderError(f"{folder}: files vanish while it is read: is it being deleted?")
