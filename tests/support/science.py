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


def mentions(base):
    """Count in each file, unpacked, how often we are mentioned, but for lines of tracebacks.

    A traceback of a metered node shows, as text, the frame of ours that called the node.
    """
    counts = {}
    for path in sorted(base.rglob("*")):
        if path.is_file():
            data = unzipped(path) if path.suffix == ".pklz" else path.read_bytes()
            data = re.sub(rb'File "[^"]*/nicarbon/engines/\w+\.py", line \d+, in \w+', b"", data)
            if n := data.count(b"nicarbon"):
                name = re.sub(r"crash-[\w-]+", "crash", str(path.relative_to(base)))
                counts[name] = counts.get(name, 0) + n
    return counts


def assert_no_pickle_names_us(base):
    """Look for the names of classes and modules: a traceback may show a frame of ours, as text."""
    for path in base.rglob("*.pklz"):
        pickled = unzipped(path)
        start = pickled.index(b"\x80\x04") if pickled.startswith(b"{") else 0
        for _, argument, _ in pickletools.genops(pickled[start:]):
            if isinstance(argument, str):
                assert not re.fullmatch(r"nicarbon(\.\w+)*( \w+)?", argument), path
