# SPDX-License-Identifier: Apache-2.0
"""Logs of any pipeline whose steps a user's rules tell: which file it is, and what its lines mean.

A rule is `nicarbon.logs.rulefile`'s, its expressions as text: this side reads no TOML. Its log is
what a process of the node writes into, and that begins as the rule says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from nicarbon.meter.tool_logs import Format

SOURCE = "rule"
"""What a marker by a rule has for its source."""

_DETECT_BYTES = 1 << 16
_LONGEST = 2000
_LONGEST_TITLE = 200
_LINE = rb"(?m)^([^\r\n]+)"
# Standard output and error, and what a script opens for its own use, are among the first.
_FDS = range(1, 16)


class Rule:
    """One rule.

    Parameters
    ----------
    rule : mapping
        Its keys, of which name, detect, step, done, end and failed count here.

    Attributes
    ----------
    name : str
        What the steps are steps of.
    format : Format
        Of its log.
    """

    def __init__(self, rule: Mapping[str, Any]) -> None:
        self.name = str(rule["name"])
        self._detect = re.compile(rule["detect"])
        # The first that fits a line counts; a line that begins a step may say that one failed.
        self._patterns = [
            (kind, re.compile(rule[kind]))
            for kind in ("step", "done", "failed", "end")
            if rule.get(kind)
        ]
        header = re.compile(rule["detect"].encode(), re.MULTILINE)
        self.format = Format(SOURCE, _LINE, header, self.kept)

    def knows(self, path: str) -> bool | None:
        """Tell whether a file is this rule's log; None where it has too few lines to tell."""
        try:
            with open(path, "rb") as file:
                start = file.read(_DETECT_BYTES)
        except OSError:
            return False
        lines = start.decode("utf-8", "replace").splitlines()
        if any(self._detect.search(line[:_LONGEST]) for line in lines):
            return True
        return None if len(start) < _DETECT_BYTES else False

    def kept(self, line: bytes) -> str | None:
        """Return what a line marks: its kind, the step's title and hemisphere, parted by tabs."""
        text = line[:_LONGEST].decode("utf-8", "replace")
        for kind, pattern in self._patterns:
            found = pattern.search(text)
            if found is None:
                continue
            if kind in ("end", "failed"):
                return kind
            groups = found.groupdict()
            title = (groups.get("title") or found[0]).strip()[:_LONGEST_TITLE].replace("\t", " ")
            return "\t".join((kind, title, groups.get("hemisphere") or ""))
        return None


def root_of(folder: str) -> str:
    """Return what stands before paths as a process sees them: in a container, its root."""
    try:
        own, its = os.stat("/"), os.stat(f"{folder}/root/")
    except OSError:
        return ""
    same = (own.st_dev, own.st_ino) == (its.st_dev, its.st_ino)
    return "" if same else f"{folder}/root"


def written(folder: str) -> list[str]:
    """Return the regular files that a process writes into, as it sees them (`root_of`).

    Parameters
    ----------
    folder : str
        Its folder in ``/proc``.
    """
    root = root_of(folder)
    return list(dict.fromkeys(path for fd in _FDS if (path := _written(folder, fd, root))))


def _written(folder: str, fd: int, root: str) -> str | None:
    """Return the regular file that is open for writing under a number; None for any other."""
    try:
        path = os.readlink(f"{folder}/fd/{fd}")
        if not (path.startswith("/") and os.path.isfile(root + path)):
            return None
        with open(f"{folder}/fdinfo/{fd}", encoding="ascii", errors="replace") as file:
            flags = [line.split()[1] for line in file if line.startswith("flags:")]
    except OSError:
        return None
    return path if flags and int(flags[0], 8) & os.O_ACCMODE != os.O_RDONLY else None
