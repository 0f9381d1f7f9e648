# SPDX-License-Identifier: Apache-2.0
"""``nicarbon project`` and ``export`` of a cohort: seconds and peak memory, few runs and many.

The runs are one folder of 10,000 nodes under many names: what is measured is that a run is let go
of when it is summed up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import machine

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
N_NODES = 10_000
# Peak memory is a process's own: each verb has one.
_MEASURED = """
import json, resource, sys, time
from nicarbon.cli import main
begun = time.perf_counter()
assert main(sys.argv[1:]) == 0
kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([time.perf_counter() - begun, kib / 1024]), file=sys.stderr)
"""


def measure(*arguments: str) -> tuple[float, float]:
    """Run a verb; return seconds and MiB."""
    command = [sys.executable, "-c", _MEASURED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, mib = json.loads(done.stderr.splitlines()[-1])
    return seconds, mib


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="of 10,000 nodes each")
    n_runs = parser.parse_args().runs
    from run_folders import many, write

    print(machine.describe())
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write(base / "run", many(N_NODES))
        for n in (1, n_runs):
            runs = base / f"runs{n}"
            runs.mkdir()
            for i in range(n):
                (runs / f"{i:04}").symlink_to(base / "run")
            seconds, mib = measure("project", f"all={runs}/*", "--scans", "1000")
            print(f"project, {n * N_NODES:,} nodes: {seconds:.0f} s, {mib:.0f} MiB")
            seconds, mib = measure("export", f"{runs}/*", "-o", str(base / "cohort.parquet"))
            print(f"export, {n * N_NODES:,} nodes: {seconds:.0f} s, {mib:.0f} MiB")


if __name__ == "__main__":
    main()
