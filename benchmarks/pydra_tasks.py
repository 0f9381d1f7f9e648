# SPDX-License-Identifier: Apache-2.0
"""What metering costs a task of pydra's, in CPU time: 1,000 trivial tasks on its worker ``cf``.

Metered and plain in turns, each trial a process of its own, its cache in memory (/dev/shm). Its
cost is user and system time of the process and its children from before the submitter is made
until it is closed, and what the sampler used by its own record. Pairs change their order.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

import machine
from overhead import cpu_s, measure, upper_bound

BUDGET_MS = 1.0


def trial(kind: str, n_tasks: int, base: str) -> None:
    """Run the tasks once; print the CPU seconds that they took, and the sampler's part."""
    from pydra.compose import python
    from pydra.engine.submitter import Submitter

    @python.define
    def Nothing(x: int) -> int:  # noqa: N802
        return x

    run_dir = os.path.join(base, "run")
    options = {"worker": "cf"}
    if kind == "metered":
        options = {"worker": "nicarbon-cf", "run_dir": run_dir}
    tasks = Nothing().split(x=list(range(n_tasks)))
    before_s = cpu_s()
    with Submitter(cache_root=os.path.join(base, "cache"), n_procs=1, **options) as submitter:
        result = submitter(tasks)
    used_s = cpu_s() - before_s
    assert list(result.outputs.out) == list(range(n_tasks))
    if kind == "plain":
        print(f"TRIAL {used_s} 0.0")
        return
    import nicarbon

    run = nicarbon.open(run_dir)
    assert sum(span.outcome == "ran" for span in run.attribution.spans) == n_tasks
    samples = [sample for file in run.facts.sample_files for sample in file.samples]
    sampler_s = max(sample.meter_cpu_s for sample in samples)
    print(f"TRIAL {used_s + sampler_s} {sampler_s}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write every pair there, too")
    parser.add_argument("--trial", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.trial:
        trial(args.trial[0], int(args.trial[1]), args.trial[2])
        return 0
    print(machine.describe())
    measure("metered", 1, __file__)  # Bytecode is compiled, files are in memory.
    pairs = []
    for number in range(args.pairs):
        kinds = ("plain", "metered") if number % 2 else ("metered", "plain")
        found = {kind: measure(kind, args.tasks, __file__) for kind in kinds}
        pairs.append((found["plain"][0], *found["metered"]))
    if args.json:
        args.json.write_text(json.dumps(pairs))
    costs_ms = [1000 * (metered - plain) / args.tasks for plain, metered, _ in pairs]
    own_ms = 1000 * statistics.mean(plain for plain, _, _ in pairs) / args.tasks
    sampler_ms = 1000 * statistics.mean(sampler for _, _, sampler in pairs) / args.tasks
    bound_ms = upper_bound(costs_ms)
    print(
        f"{args.tasks} tasks on cf, {args.pairs} pairs: metering costs "
        f"{statistics.mean(costs_ms):.3f} ms of CPU time a task "
        f"(upper 95 % bound {bound_ms:.3f}, budget {BUDGET_MS}; {sampler_ms:.3f} of it is the "
        f"sampler's), beside {own_ms:.2f} ms of pydra's own"
    )
    return int(bound_ms > BUDGET_MS)


if __name__ == "__main__":
    sys.exit(main())
