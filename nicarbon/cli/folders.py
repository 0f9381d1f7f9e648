# SPDX-License-Identifier: Apache-2.0
"""The run folders that a verb is given: found, tried one after the other, failures told."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from nicarbon.errors import NicarbonError, StageRuleError
from nicarbon.printable import clean

T = TypeVar("T")


def expand(patterns: Iterable[str]) -> tuple[list[str], list[str]]:
    """Expand the patterns that the shell left alone.

    Returns
    -------
    tuple
        Paths, each once, in the order given; and the patterns that match nothing. Of a pattern's
        matches only folders count: a folder of runs may hold other files.
    """
    paths: dict[str, None] = {}
    unmatched = []
    for pattern in patterns:
        is_pattern = glob.has_magic(pattern) and not os.path.lexists(pattern)
        found = [pattern]
        if is_pattern:
            found = [path for path in sorted(glob.glob(pattern)) if os.path.isdir(path)]
        paths.update(dict.fromkeys(found))
        if not found:
            unmatched.append(pattern)
    return list(paths), unmatched


def each(
    patterns: Iterable[str],
    do: Callable[[str], T],
    errors: type[Exception] = NicarbonError,
) -> tuple[dict[str, T], list[str]]:
    """Do a thing with every run: what is wrong with one of them hides none of the others.

    Parameters
    ----------
    patterns : iterable of str
        As the user gave them: see `expand`.
    do : callable
        Takes a path.
    errors : type of exception, optional
        What `do` raises with a line that explains it.

    Returns
    -------
    tuple
        What `do` made, by path; and a line for each pattern or path that failed.

    Raises
    ------
    StageRuleError
        At the first run: the user's rules are wrong for every run alike.
    """
    paths, unmatched = expand(patterns)
    done, failed = {}, [f"{pattern}: no folder matches" for pattern in unmatched]
    for path in paths:
        try:
            done[path] = do(path)
        except StageRuleError:
            raise
        except errors as error:
            failed.append(str(error))
    return done, failed


def complain(messages: Iterable[str]) -> int:
    """Print what went wrong on standard error, a line each.

    Returns
    -------
    int
        The exit code: 2 if anything did, else 0.
    """
    code = 0
    for message in messages:
        print(f"nicarbon: {clean(message)}", file=sys.stderr)
        code = 2
    return code
