# SPDX-License-Identifier: Apache-2.0
"""The names that somebody may have meant, for the line that says that there is no such thing."""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

_MOST = 3


def did_you_mean(name: str, known: Iterable[str], within: str = "") -> str:
    """Return ``; did you mean 'a' or 'b'?``, or nothing where no known name is near.

    Parameters
    ----------
    name : str
        What was asked for.
    known : iterable of str
        What there is; case does not matter for how near it is.
    within : str, optional
        The package or folder that all of them are in: it makes no two names more alike.
    """
    by_lower = {other.removeprefix(within).lower(): other for other in sorted(known, reverse=True)}
    near = get_close_matches(name.removeprefix(within).lower(), by_lower, _MOST)
    found = " or ".join(repr(by_lower[other]) for other in near)
    return f"; did you mean {found}?" if found else ""


def console_scripts() -> list[EntryPoint]:
    """Return the Python commands of this environment: what can be run in this process."""
    found: Any = entry_points()
    select = getattr(found, "select", None)  # Python 3.9 has a mapping.
    return list(select(group="console_scripts") if select else found.get("console_scripts", ()))


def commands() -> set[str]:
    """Return the names of the Python commands of this environment."""
    return {found.name for found in console_scripts()}


def files_beside(path: str) -> set[str]:
    """Return the Python files in the folder where a file was looked for, as it was named."""
    folder = os.path.dirname(path)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return set()
    return {os.path.join(folder, name) for name in names if name.endswith((".py", ".pyz"))}


def modules_beside(name: str) -> set[str]:
    """Return the modules of the package in which a module was looked for; imports nothing new."""
    package, _, _ = name.rpartition(".")
    if not package:
        paths: list[str] | None = [os.getcwd(), *sys.path[1:]]
    else:
        paths = list(getattr(sys.modules.get(package), "__path__", ()))
    beside = {found.name for found in pkgutil.iter_modules(paths)}
    return {f"{package}.{found}" if package else found for found in beside}
