# SPDX-License-Identifier: Apache-2.0
"""What a nipype workflow leaves on disk, so that plain and metered runs can be compared."""

from __future__ import annotations

import gzip
import pickletools
import re


def snapshot(base):
    """Return each file's bytes and time, crash files left out."""
    return {
        str(path.relative_to(base)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(base.rglob("*"))
        if path.is_file()
    }


def unzipped(path):
    with gzip.open(path) as file:
        return file.read()


def science(base):
    """Return what a run leaves, by kind of file, times and machine left out."""
    files = {"hash": {}, "pickle": {}, "output": {}, "names": set()}
    for path in sorted(base.rglob("*")):
        name = str(path.relative_to(base))
        files["names"].add(name)
        if not path.is_file():
            continue
        if path.name.startswith("_0x"):
            files["hash"][name] = path.read_bytes()
        elif path.name in ("_node.pklz", "_inputs.pklz"):
            files["pickle"][name] = unzipped(path)
        elif path.name.startswith("out_") or path.name in ("joined.txt", "cmd.txt"):
            files["output"][name] = path.read_bytes()
    return files


def assert_no_pickle_names_us(base):
    """Look for the names of classes and modules: a traceback may show a frame of ours, as text."""
    for path in base.rglob("*.pklz"):
        pickled = unzipped(path)
        start = pickled.index(b"\x80\x04") if pickled.startswith(b"{") else 0
        for _, argument, _ in pickletools.genops(pickled[start:]):
            if isinstance(argument, str):
                assert not re.fullmatch(r"nicarbon(\.\w+)*( \w+)?", argument), path
