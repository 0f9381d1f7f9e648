# SPDX-License-Identifier: Apache-2.0
"""``nicarbon import`` of the logs of a study: seconds for all, and memory for one that is huge.

The logs are made from a table of steps in recon-all's grammar, 0.6 MB each as real ones are.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
NOISE = 1150


def study(folder: Path, n: int) -> float:
    """Import the logs of so many subjects; return how long that took."""
    from recon_logs import recon_all

    for i in range(n):
        scripts = folder / "subjects" / f"sub-{i:04}" / "scripts"
        scripts.mkdir(parents=True)
        text, _ = recon_all(subject=f"sub-{i:04}", noise=NOISE)
        (scripts / "recon-all.log").write_text(text)
    size = (scripts / "recon-all.log").stat().st_size / 1e6
    begun = time.perf_counter()
    given = [str(folder / "subjects"), "-o", str(folder / "runs"), "--cpu", "Xeon Gold 6148"]
    subprocess.run([sys.executable, "-m", "nicarbon", "import", *given], check=True)
    seconds = time.perf_counter() - begun
    print(f"{n} logs of {size:.2f} MB: {seconds:.1f} s, {1000 * seconds / n:.1f} s for 1,000")
    return seconds


def huge(folder: Path, megabytes: int) -> None:
    """Read one log of so many megabytes."""
    from recon_logs import recon_all

    from nicarbon.logs.formats import read_log

    head, mark, tail = recon_all()[0].partition("#@# CA Reg")
    noise = "".join(f"{i}: dt={i / 10}, rms={i / 7:.6f}\n" for i in range(40000))
    path = folder / "recon-all.log"
    with path.open("w") as file:
        file.write(head + mark + tail.partition("\n")[0] + "\n")
        for _ in range(megabytes * 1_000_000 // len(noise)):
            file.write(noise)
        file.write(tail.partition("\n")[2])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    n_steps = len(list(read_log(path).steps()))
    seconds = time.perf_counter() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"one log of {megabytes} MB, {n_steps} steps: {seconds:.1f} s, "
        f"{grown:.0f} MB of memory more than before"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="subjects")
    parser.add_argument("--megabytes", type=int, default=500)
    args = parser.parse_args()
    print(machine.describe())
    with tempfile.TemporaryDirectory() as folder:
        huge(Path(folder), args.megabytes)
        study(Path(folder), args.n)
    return 0


if __name__ == "__main__":
    sys.exit(main())
