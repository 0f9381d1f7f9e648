# SPDX-License-Identifier: Apache-2.0
"""How far a division of energy is from the truth, and how often its ranges hold it.

On simulated hosts, by the real sampler, writer and reader; nothing is measured here. Three ways:
each node is charged the whole machine while it ran; shares of CPU time, as nicarbon divides; and
shares of CPU time times the watts that other runs of the same pipeline on the same host taught.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import machine

from nicarbon import unlike
from nicarbon.attribution import attribute
from nicarbon.energies import SpanEnergy
from nicarbon.hosttime import host_times
from nicarbon.pooled import taught
from nicarbon.reader import read_run
from nicarbon.records import RunFacts
from nicarbon.rows import energy_range
from nicarbon.spent import spent_in
from nicarbon.testing import mixes
from nicarbon.testing.programs import Truth
from nicarbon.watts import Watts

AT_ONCE = (1, 4, 16, 64)
# Nodes at once; what is held of nodes, of kinds; what sharing adds; whether the run is held; what
# is held of nodes below a second.
Held: TypeAlias = "tuple[int, float, float, float, bool, float | None]"
N_POOLED = 10


def kinds_of(spans: Sequence[SpanEnergy]) -> list[list[SpanEnergy]]:
    """Return the executions of each kind of node."""
    kinds: dict[str, list[SpanEnergy]] = defaultdict(list)
    for span in spans:
        kinds[span.node].append(span)
    return list(kinds.values())


def holds(group: Sequence[SpanEnergy], truth: Mapping[str, Truth]) -> bool:
    """Tell whether the range of some executions together holds the truth."""
    _, low_j, high_j = energy_range(group)
    true_j = math.fsum(truth[s.span].energy_j for s in group)
    return bool(low_j is not None and high_j is not None and low_j <= true_j <= high_j)


def carried_out(mix: mixes.Mix) -> tuple[dict[str, Truth], RunFacts]:
    """Run a mix."""
    with tempfile.TemporaryDirectory() as folder:
        truth = mixes.carry_out(mix, Path(folder))
        return truth, read_run(Path(folder) / "run")


def pooled(programs: str, n_at_once: int, seed: int) -> dict[str, list[float]]:
    """Run one pipeline several times on one host; return errors of each way of dividing."""
    chance = random.Random(1000 * seed + n_at_once)
    mix = mixes.recorded(chance, n_at_once)
    if programs != "unlike, recorded":
        mix = replace(mixes.servers(chance, n_at_once), host=mixes.SERVER, tools=mixes.TOOLS)
    if programs == "similar, server":
        # As unlike as inputs make one program.
        alike = [chance.gauss(5.0, 0.25) for _ in range(6)]
        mix = replace(mix, tools=tuple(mixes.Tool(f"t{i}", w) for i, w in enumerate(alike)))
    mix = replace(mix, length_s=90.0, host={**mix.host, "gain": 1.0})
    runs = [carried_out(replace(mix, seed=chance.randrange(2**32))) for _ in range(N_POOLED)]
    # What was learned on the others, tried on one that is not among them.
    truth, facts = runs.pop()
    [time] = host_times(facts).values()
    found: dict[str, list[float]] = defaultdict(list)
    watts = taught(facts for _, facts in runs)
    for way, result in (("cpu", attribute(facts)), ("taught", attribute(facts, watts))):
        spans = [s for s in result.spans if s.energy_j]
        for name, groups in (("nodes", [[s] for s in spans]), ("kinds", kinds_of(spans))):
            for group in groups:
                true_j = math.fsum(truth[s.span].energy_j for s in group)
                energy_j = math.fsum(s.energy_j or 0.0 for s in group)
                found[f"{way} {name}"].append(abs(energy_j / true_j - 1))
    for s in spans:
        stretch = (round(s.start_s * 1e9), round(s.end_s * 1e9))
        spent = spent_in(time.accounts, [stretch])
        if spent is not None:
            found["whole"].append(spent.energy_j / truth[s.span].energy_j)
    return found


def errors(n_repeats: int, pool: multiprocessing.pool.Pool) -> None:
    """Print the error of each way of dividing."""
    print(
        f"error of a node, median and 9 in 10, and of all nodes of a kind, mean; {n_repeats} "
        f"pipelines each, watts taught by {N_POOLED - 1} other runs of each\n"
        "programs, host        at once  whole machine    CPU time        taught watts"
    )
    for programs in ("similar, server", "unlike, server", "unlike, recorded"):
        for n_at_once in AT_ONCE:
            found = pool.map(partial(pooled, programs, n_at_once), range(n_repeats))
            all_of = {
                key: [x for one in found for x in one[key]] for key in found[0] if found[0][key]
            }
            row = [f"{programs:22}{n_at_once:5}   x {statistics.median(all_of['whole']):<12.1f}"]
            for way in ("cpu", "taught"):
                nodes, kinds = all_of[f"{way} nodes"], all_of[f"{way} kinds"]
                nine = statistics.quantiles(nodes, n=10)[-1]
                middle, mean = statistics.median(nodes), statistics.fmean(kinds)
                row.append(f"{middle:4.0%} {nine:4.0%} {mean:4.0%} ")
            print("  ".join(row), flush=True)


def held_taught(family: str, seed: int) -> Held | None:
    """Draw a host and a mix, and run it six times; as `held`, of the last by the others' watts."""
    chance = random.Random(seed)
    mix = getattr(mixes, family)(chance)
    runs = [carried_out(replace(mix, seed=chance.randrange(2**32))) for _ in range(6)]
    truth, facts = runs.pop()
    return _held(mix, truth, facts, taught(facts for _, facts in runs))


def held(family: str, seed: int) -> Held | None:
    """Draw a host and a mix; return how many of its ranges hold the truth."""
    mix = getattr(mixes, family)(random.Random(seed))
    return _held(mix, *carried_out(mix))


def _held(
    mix: mixes.Mix,
    truth: Mapping[str, Truth],
    facts: RunFacts,
    watts: Mapping[str, Watts] | None = None,
) -> Held | None:
    spans = [s for s in attribute(facts, watts).spans if s.energy_j]
    if not spans:
        return None
    doubts = [unlike.sigma([s.doubt]) / (s.energy_j or 1.0) for s in spans]
    short = [holds([s], truth) for s in spans if s.end_s - s.start_s < 1.0]
    return (
        mix.n_at_once,
        statistics.fmean(holds([span], truth) for span in spans),
        statistics.fmean(holds(group, truth) for group in kinds_of(spans)),
        statistics.median(doubts),
        holds(spans, truth),
        statistics.fmean(short) if short else None,
    )


def coverage(n_draws: int, pool: multiprocessing.pool.Pool) -> None:
    """Print how often ranges of one standard deviation hold the truth: 68 % if they are right."""
    for family, what, n in (
        ("servers", "ranges were set on others of it", n_draws),
        ("anything", "ranges were set on others of it", n_draws),
        ("recorded", "ranges were judged by others of it", n_draws),
        ("beside_strangers", "ranges were judged by others of it", n_draws),
        ("at_limit", "nothing was set on it", n_draws),
        ("recorded", "watts taught by 5 other runs", n_draws // 5),
    ):
        draw = partial(held_taught if "taught" in what else held, family)
        drawn = pool.imap_unordered(draw, range(10**6, 10**6 + n))
        rows = [row for row in drawn if row is not None]
        print(
            f"\n{family.replace('_', ' ')} ({what}), {len(rows)} draws: ranges that hold the truth"
        )
        print("  at once    nodes   sums of a tool   all nodes   below 1 s   sharing adds to one")
        for name, some in _by_number(rows):
            parts = [statistics.fmean(row[i] for row in some) for i in (1, 2, 4)]
            adds = statistics.median(row[3] for row in some)
            nodes, tools, whole = (f"{part:.1%}" for part in parts)
            short = [row[5] for row in some if row[5] is not None]
            below = f"{statistics.fmean(short):.1%}" if short else "-"
            print(
                f"  {name:8}{nodes:>8}{tools:>12}{whole:>16}{below:>12}{adds:>14.0%}", flush=True
            )


def _by_number(rows: list[tuple]) -> Iterator[tuple[str, list[tuple]]]:
    for n_at_once in sorted({row[0] for row in rows}):
        yield str(n_at_once), [row for row in rows if row[0] == n_at_once]
    yield "any", rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000, help="hosts and mixes of each family")
    parser.add_argument("--repeats", type=int, default=10, help="pipelines for each row of errors")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    print(machine.describe())
    with multiprocessing.get_context("spawn").Pool(args.processes, maxtasksperchild=50) as pool:
        if args.repeats:
            errors(args.repeats, pool)
        if args.draws:
            coverage(args.draws, pool)
    return 0


if __name__ == "__main__":
    sys.exit(main())
