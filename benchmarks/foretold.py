# SPDX-License-Identifier: Apache-2.0
"""How well `nicarbon whatif` foretells a run on other processors: held against such runs.

One graph of nodes that sleep known times is run by nipype's MultiProc on each number of
processors, all at once, as sleeping takes none. From each run the time of each other one is
foretold, from its first node on: what Python and nipype take to start is no part of either. What
is printed is how far that is above what was measured, as a part of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import machine

from nicarbon.run import Run
from nicarbon.whatif import what_if

# Seconds, and the node that it comes after. None ends in the last second before nipype looks
# (every two): on a busy machine it may take that long to begin.
NAPS: tuple[tuple[float, int | None], ...] = (
    (0.5, None),
    (2.6, None),
    (0.4, None),
    (0.6, 0),
    (0.4, 1),
    (0.7, 2),
    (0.3, 3),
    (0.3, 6),
)
_PIPELINE = """
import sys
import nipype.pipeline.engine as pe
from nipype.interfaces.utility import Function

def nap(s, after=None):
    import time
    time.sleep(s)
    return s

wf = pe.Workflow("naps", base_dir=sys.argv[1])
wf.config["execution"] = {{"poll_sleep_duration": sys.argv[3]}}
nodes = []
for i, (s, after) in enumerate({naps}):
    node = pe.Node(Function(["s", "after"], ["out"], nap), f"nap{{i}}")
    node.inputs.s = s
    wf.add_nodes([node])
    if after is not None:
        wf.connect(nodes[after], "out", node, "after")
    nodes.append(node)
wf.run(plugin="MultiProc", plugin_args={{"n_procs": int(sys.argv[2])}})
"""


def measure(folder: Path, pace_s: float, processors: Sequence[int]) -> dict[int, Run]:
    """Run the naps on each number of processors, at once; nipype looks every `pace_s` seconds."""
    script = folder / "naps.py"
    script.write_text(_PIPELINE.format(naps=NAPS))
    running = {}
    for n in processors:
        run = ["-m", "nicarbon", "run", "-o", str(folder / f"run{n}"), str(script)]
        running[n] = subprocess.Popen(
            [sys.executable, *run, str(folder / f"work{n}"), str(n), str(pace_s)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NIPYPE_NO_ET": "1", "NO_ET": "1"},
        )
    codes = [child.wait() for child in running.values()]
    if any(codes):
        raise SystemExit(f"nipype ended with {codes}")
    return {n: Run.open(folder / f"run{n}") for n in processors}


def start_s(run: Run) -> float:
    """Return the seconds that passed before a run's first node began."""
    began_s = min(span.start_unix_s for span in run.attribution.spans)
    return began_s - run.facts.info.t_unix_ns / 1e9


def error(run: Run, n: int, other: Run) -> float:
    """Return how far a run foretells another one, on so many processors, above what that took."""
    foretold_s = what_if(run, n_procs=n).changed.makespan_s - start_s(run)
    took_s = max(host.duration_s for host in other.attribution.hosts) - start_s(other)
    return foretold_s / took_s - 1


def main() -> int:
    """Print how far each run is foretold off.

    Returns
    -------
    int
        0, or 1 if any is off by more than the tolerance.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pace", type=float, nargs="+", default=[2.0, 0.02])
    parser.add_argument("--processors", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--tolerance", type=float, default=0.05)
    parser.add_argument("--keep", type=Path, help="leave the run folders here")
    args = parser.parse_args()
    print(machine.describe())
    worst = 0.0
    for pace_s in args.pace:
        with tempfile.TemporaryDirectory() as scratch:
            runs = measure(Path(scratch), pace_s, args.processors)
            for seen, run in runs.items():
                for n, other in runs.items():
                    off = error(run, n, other)
                    worst = max(worst, abs(off))
                    print(
                        f"looked every {pace_s:g} s, seen on {seen}, foretold for {n}: "
                        f"{100 * off:+.1f} %"
                    )
                if args.keep:
                    shutil.copytree(run.path, args.keep / f"every-{pace_s:g}-on-{seen}")
    print(f"worst: {100 * worst:.1f} %; asked for: {100 * args.tolerance:g} %")
    return 0 if worst <= args.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
