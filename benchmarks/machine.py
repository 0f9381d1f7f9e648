# SPDX-License-Identifier: Apache-2.0
"""What a benchmark ran on, in one line: its ratios mean little without it."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version


def describe() -> str:
    """Return processors, kernel, versions, load and date."""
    name = ""
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    versions = ", ".join(f"{package} {_version(package)}" for package in ("nipype", "codecarbon"))
    return (
        f"machine: {os.cpu_count()} CPUs, {name}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {versions}; "
        f"load {os.getloadavg()[0]:.1f}; {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC"
    )


def has_codecarbon() -> bool:
    """Tell whether CodeCarbon is there to be compared with; say so where it is not."""
    if _version("codecarbon") != "not installed":
        return True
    print("codecarbon is not installed: pip install codecarbon==3.3.2 for the comparison")
    return False


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
