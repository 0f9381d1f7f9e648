# SPDX-License-Identifier: Apache-2.0
"""The node side as one file, to be bound into a container that has no nicarbon.

It is a zip that Python executes (PEP 441), of what needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zipfile
from pathlib import Path

from nicarbon._version import __version__
from nicarbon.files import write_whole

PACKAGE = Path(__file__).parents[1]
# Python 3.9 and nothing installed is all that they need; a test holds them to it.
PARTS = (
    "__init__.py",
    "_version.py",
    *("engines/__init__.py", "engines/command.py", "engines/hook.py", "engines/inside.py"),
    *("engines/near.py", "engines/python.py"),
)
PATTERNS = ("engines/nipype*.py", "engines/pydra*.py", "meter/**/*.py", "meter/**/*.json")

# Any Python understands this: one that is too old, or lacks a part of the standard library (as
# ctypes, where it was built without libffi), runs the pipeline all the same, unmetered.
_MAIN = """\
import os
import sys


def unmetered(reason):
    sys.stderr.write("nicarbon: %s: this runs unmetered\\n" % reason)
    command = sys.argv[sys.argv.index("--") + 1:]
    if command[0] == "-m" or command[0].endswith(".py") and not os.access(command[0], os.X_OK):
        command.insert(0, sys.executable)
    os.execvp(command[0], command)


if sys.version_info < (3, 9):
    unmetered("Python %d.%d is older than 3.9" % sys.version_info[:2])
try:
    from nicarbon.engines.inside import main
except ImportError as error:
    unmetered("%s: %s" % (sys.executable, error))

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""
# The same content gives the same file.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def parts() -> list[Path]:
    """Return the files of this package that are in the bundle."""
    found = {PACKAGE / part for part in PARTS}
    found |= {path for pattern in PATTERNS for path in PACKAGE.glob(pattern)}
    return sorted(path for path in found if "__pycache__" not in path.parts)


def content() -> bytes:
    """Return the bundle."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", _EPOCH), _MAIN)
        for path in parts():
            name = str(Path("nicarbon") / path.relative_to(PACKAGE))
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes())
    return data.getvalue()


def write(folder: str | os.PathLike[str] | None = None) -> Path:
    """Write the bundle; return where it is.

    Parameters
    ----------
    folder : path, optional
        By default ``nicarbon`` in the user's cache (``XDG_CACHE_HOME``, else ``~/.cache``).

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    data = content()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    place = Path(folder or Path(cache) / "nicarbon").absolute()
    path = place / f"nicarbon-{__version__}-{hashlib.sha256(data).hexdigest()[:12]}.pyz"
    if not path.exists():
        with contextlib.suppress(OSError):  # Writing says why.
            place.mkdir(parents=True, exist_ok=True)
        write_whole(path, data, "name another folder with XDG_CACHE_HOME")
    return path
