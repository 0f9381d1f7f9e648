#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetch the head which the structural workflow runs on when no other is given.

It is Colin27, one person scanned 27 times (Holmes et al., 1998), from Debian's package
``mricron-data``, unpacked into ``.cache/nicarbon-demo`` without root and without installing it.
Where apt is missing or has no network, the workflow uses the MNI152 template that nilearn ships.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from running import InputError

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "nicarbon-demo"
COLIN27 = CACHE / "colin27_T1w.nii.gz"
_PACKAGE = "mricron-data"
_IN_PACKAGE = Path("usr/share/mricron/templates/ch2.nii.gz")
_TIMEOUT = 300  # seconds for each command


class DemoImageError(InputError):
    """No demo image is to be had; the message says why."""


def package_data(package: str, *parts: str) -> Path:
    """Return the path of a file that a Python package ships, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DemoImageError(f"{package} is not installed: pip install {package}")
    return Path(spec.origin).parent.joinpath(*parts)


def mni152() -> Path:
    """Return the skull-stripped MNI152 T1w template (1 mm) in nilearn's wheel."""
    name = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    return package_data("nilearn", "datasets", "data", name)


def demo_image() -> tuple[Path, str]:
    """Return the demo head that is here now, and its name; nothing is downloaded."""
    if COLIN27.is_file():
        return COLIN27, "Colin27 (Debian mricron-data)"
    return mni152(), "the skull-stripped MNI152 template of nilearn"


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_TIMEOUT
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise DemoImageError(f"{command[0]}: {lines[-1]}") from None
    except subprocess.TimeoutExpired:
        raise DemoImageError(f"{command[0]}: no answer in {_TIMEOUT} seconds") from None


def _download_package(folder: Path) -> Path:
    """Download the package with the system's index, else with a private one; no root needed."""
    options: list[str] = []
    try:
        _run(["apt-get", "download", _PACKAGE], folder)
    except DemoImageError:
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        options = ["-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
        _run(["apt-get", *options, "update"], folder)
        _run(["apt-get", *options, "download", _PACKAGE], folder)
    return next(folder.glob(f"{_PACKAGE}_*.deb"))


def fetch_colin27() -> None:
    """Put Colin27 into the cache unless it is there."""
    if COLIN27.is_file():
        return
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise DemoImageError(f"{tool} is not on this system")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        _run(["dpkg-deb", "-x", str(_download_package(folder)), "package"], folder)
        # a rename, so that an interrupted download never leaves half an image
        (folder / "package" / _IN_PACKAGE).rename(COLIN27)


def main() -> int:
    """Fetch the demo image and say which one the workflow will use."""
    try:
        fetch_colin27()
    except (DemoImageError, OSError) as error:
        print(f"Colin27 could not be fetched ({error}).", file=sys.stderr)
    try:
        path, name = demo_image()
    except DemoImageError as error:
        print(f"No demo image: {error}", file=sys.stderr)
        return 2
    print(f"The demo image is {name}: {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
