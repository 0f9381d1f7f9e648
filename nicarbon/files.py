# SPDX-License-Identifier: Apache-2.0
"""Write files that others may read at any time: they find the old content or the new, no half."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from nicarbon.errors import OutputError


def write_whole(path: str | os.PathLike[str], content: bytes | str, advice: str = "") -> None:
    """Write a file at once, in place of the one before.

    Parameters
    ----------
    path : path
        The file; its folder must exist. What is no plain file (a pipe, ``/dev/stdout``) is
        written to, never replaced.
    content : bytes or str
        All of it; text is written as UTF-8.
    advice : str, optional
        What a user can do where it can't be written.

    Raises
    ------
    OutputError
        If it can't be written; the old content is left as it was.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        why = f"{path}: cannot be written ({error.strerror})"
        raise OutputError(f"{why}; {advice}" if advice else why) from None
