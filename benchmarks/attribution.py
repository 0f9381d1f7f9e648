# SPDX-License-Identifier: Apache-2.0
"""How far a division of energy is from the truth, and how often its ranges hold it.

On simulated hosts, by the real sampler, writer and reader; nothing is measured here. Three ways:
each node is charged the whole machine while it ran; shares of CPU time, as nicarbon divides; and
shares of CPU time times watts that were learned from several runs of one pipeline on one host.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import machine
import numpy as np

from nicarbon import curves, shares, unlike
from nicarbon.attribution import SpanEnergy, attribute
from nicarbon.hosttime import by_host, host_times
from nicarbon.reader import read_run
from nicarbon.rows import energy_range
from nicarbon.spent import spent_in
from nicarbon.testing import mixes
from nicarbon.timeline import merge

AT_ONCE = (1, 4, 16, 64)
N_POOLED = 10


@dataclass
class Done:
    """A run that is over: its nodes, their truth, and what a regression can be made of.

    `cpu` has a row for each kind of program and the CPUs that it kept busy in each second or so.
    """

    spans: list[SpanEnergy]
    truth_j: list[float]
    whole_j: list[float]
    seconds: np.ndarray
    power_w: np.ndarray
    cpu: dict[str, np.ndarray]
    pieces: dict[str, curves.Piece]


def carried_out(mix: mixes.Mix) -> Done:
    """Run a mix."""
    with tempfile.TemporaryDirectory() as folder:
        truth = mixes.carry_out(mix, Path(folder))
        facts = read_run(Path(folder) / "run")
    spans = [s for s in attribute(facts).spans if s.energy_j]
    [(_, node_files, sample_files)] = by_host(facts)
    [time] = host_times(facts).values()
    whole_j = []
    for s in spans:
        stretch = (round(s.start_s * 1e9), round(s.end_s * 1e9))
        spent = spent_in(time.accounts, [stretch])
        whole_j.append(spent.energy_j if spent else 0.0)
    ran = curves.executions(node_files, sample_files, merge(sample_files))
    line = time.lines[0]
    pieces = shares._nodes_on_grid(line, ran)
    seconds = np.diff(line.t_ns) / 1e9
    cpu: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(seconds)))
    for span, piece in pieces.items():
        cpu[ran[span].start.node][piece.where] += piece.cpu_s / seconds[piece.where]
    busy = np.maximum(line.busy_cpu_s / seconds, 0.0)
    cpu[""] = np.maximum(busy - sum(cpu.values()), 0.0)
    return Done(
        spans=spans,
        truth_j=[truth[s.span].energy_j for s in spans],
        whole_j=whole_j,
        seconds=seconds,
        power_w=line.energy_j / seconds,
        cpu=dict(cpu),
        pieces=pieces,
    )


def learned_w(runs: Sequence[Done]) -> dict[str, float]:
    """Return by how many watts a CPU each kind differs from the mean, as several runs show it.

    Ridge regression of power on the CPUs that each kind kept busy, beside idle power and a
    quadratic in all busy CPUs; the ridge is the one that predicts runs that were left out best,
    so that nothing is learned where nothing can be.
    """
    kinds = sorted({kind for run in runs for kind in run.cpu})
    tables = [
        np.stack([run.cpu.get(k, np.zeros(len(run.seconds))) for k in kinds]) for run in runs
    ]
    power_w = [run.power_w for run in runs]

    def fit(chosen: Sequence[int], ridge: float) -> tuple[np.ndarray, np.ndarray]:
        cpu = np.concatenate([tables[i] for i in chosen], axis=1)
        y = np.concatenate([power_w[i] for i in chosen])
        busy = cpu.sum(axis=0)
        free = np.stack([np.ones_like(busy), busy, busy**2], axis=1)
        # What all kinds have in common is free; only differences between them are shrunk.
        basis, _ = np.linalg.qr(free)
        x = cpu.T - basis @ (basis.T @ cpu.T)
        left = y - basis @ (basis.T @ y)
        u = np.linalg.solve(x.T @ x + ridge * len(y) * np.eye(len(kinds)), x.T @ left)
        rest, *_ = np.linalg.lstsq(free, y - cpu.T @ u, rcond=None)
        return u, rest

    def wrong(ridge: float) -> float:
        total = 0.0
        for out in range(len(runs)):
            u, rest = fit([i for i in range(len(runs)) if i != out], ridge)
            busy = tables[out].sum(axis=0)
            free = np.stack([np.ones_like(busy), busy, busy**2], axis=1)
            total += float(((power_w[out] - free @ rest - tables[out].T @ u) ** 2).sum())
        return total

    best = min((0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 1e6), key=wrong)
    u, _ = fit(range(len(runs)), best)
    return dict(zip(kinds, u.tolist(), strict=True))


def by_learned(run: Done, watts: dict[str, float]) -> list[float]:
    """Share each interval by CPU time, and move what kinds cost more or less; the sum is kept."""
    busy = np.maximum(sum(run.cpu.values()), 1e-9)
    mean_w = sum(watts.get(kind, 0.0) * cpu for kind, cpu in run.cpu.items()) / busy
    found = []
    for span in run.spans:
        piece = run.pieces[span.span]
        more_w = watts.get(span.node, 0.0) - mean_w[piece.where]
        # Nobody pays less than nothing.
        least_w = -0.9 * run.power_w[piece.where] / busy[piece.where]
        found.append((span.energy_j or 0.0) + float(piece.cpu_s @ np.maximum(more_w, least_w)))
    return found


def off(found_j: Sequence[float], truth_j: Sequence[float]) -> list[float]:
    return [abs(j / true_j - 1) for j, true_j in zip(found_j, truth_j, strict=True) if true_j > 0]


def by_kind(run: Done, found_j: Sequence[float]) -> list[float]:
    """Return the errors of the sums of each kind of node."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for span, j, true_j in zip(run.spans, found_j, run.truth_j, strict=True):
        sums[span.node][0] += j
        sums[span.node][1] += true_j
    return off(*zip(*sums.values(), strict=True))


def pooled(similar: bool, n_at_once: int, recorded: bool, seed: int) -> dict[str, list[float]]:
    """Run one pipeline several times on one host; return errors of each way of dividing."""
    chance = random.Random(1000 * seed + n_at_once)
    draw = mixes.recorded if recorded else mixes.servers
    mix = replace(draw(chance, n_at_once), length_s=90.0, host=dict(draw(chance).host))
    if not recorded:
        tools = mixes.TOOLS if not similar else ()
        mix = replace(mix, tools=tools, host={**mixes.SERVER, "gain": 1.0})
    if similar:
        # As unlike as compilers and inputs make one program.
        alike = [chance.gauss(5.0, 0.25) for _ in range(6)]
        mix = replace(mix, tools=tuple(mixes.Tool(f"t{i}", w) for i, w in enumerate(alike)))
    mix = replace(mix, host={**mix.host, "gain": 1.0})
    runs = [carried_out(replace(mix, seed=chance.randrange(2**32))) for _ in range(N_POOLED)]
    found: dict[str, list[float]] = defaultdict(list)
    # What was learned on the others, tried on one that is not among them.
    watts = learned_w(runs[:-1])
    run = runs[-1]
    cpu_j = [s.energy_j or 0.0 for s in run.spans]
    learned_j = by_learned(run, watts)
    found["whole"] = [w / t for w, t in zip(run.whole_j, run.truth_j, strict=True) if t > 0]
    found["cpu"], found["cpu kinds"] = off(cpu_j, run.truth_j), by_kind(run, cpu_j)
    found["learned"], found["learned kinds"] = (
        off(learned_j, run.truth_j),
        by_kind(run, learned_j),
    )
    return found


def errors(n_repeats: int, pool: multiprocessing.pool.Pool) -> None:
    """Print the error of each way of dividing."""
    print(
        f"error of one node, median and 9 in 10, and of all nodes of one kind, mean; "
        f"{n_repeats} pipelines each, watts learned in {N_POOLED - 1} other runs of it\n"
        "programs, host        at once   whole machine   CPU time          learned watts"
    )
    for name, similar, recorded in (
        ("similar, server", True, False),
        ("unlike, server", False, False),
        ("unlike, recorded", False, True),
    ):
        for n_at_once in AT_ONCE:
            one = partial(pooled, similar, n_at_once, recorded)
            found = pool.map(one, range(n_repeats))
            row = [f"x {statistics.median([r for f in found for r in f['whole']]):<12.1f}"]
            for way in ("cpu", "learned"):
                nodes = [e for f in found for e in f[way]]
                kinds = [e for f in found for e in f[f"{way} kinds"]]
                nine = statistics.quantiles(nodes, n=10)[-1]
                middle = statistics.median(nodes)
                row.append(f"{middle:4.0%} {nine:4.0%} {statistics.fmean(kinds):4.0%}   ")
            print(f"{name:22}{n_at_once:5}      {'  '.join(row)}", flush=True)


def held(family: str, seed: int) -> tuple[int, float, float, float, bool] | None:
    """Draw a host and a mix; return how many of its ranges hold the truth."""
    mix = getattr(mixes, family)(random.Random(seed))
    with tempfile.TemporaryDirectory() as folder:
        truth = mixes.carry_out(mix, Path(folder))
        spans = [s for s in attribute(read_run(Path(folder) / "run")).spans if s.energy_j]
    if not spans:
        return None

    def holds(group: Sequence[SpanEnergy]) -> bool:
        _, low_j, high_j = energy_range(group)
        true_j = math.fsum(truth[s.span].energy_j for s in group)
        return bool(low_j is not None and high_j is not None and low_j <= true_j <= high_j)

    tools: dict[str, list[SpanEnergy]] = defaultdict(list)
    for span in spans:
        tools[span.node].append(span)
    doubts = [unlike.sigma([s.doubt]) / (s.energy_j or 1.0) for s in spans]
    return (
        mix.n_at_once,
        statistics.fmean(holds([span]) for span in spans),
        statistics.fmean(holds(group) for group in tools.values()),
        statistics.median(doubts),
        holds(spans),
    )


def coverage(n_draws: int, pool: multiprocessing.pool.Pool) -> None:
    """Print how often ranges of one standard deviation hold the truth: 68 % if they are right."""
    for family in ("servers", "anything", "recorded"):
        use = "ranges were set on it" if family != "recorded" else "nothing was set on it"
        drawn = pool.imap_unordered(partial(held, family), range(10**6, 10**6 + n_draws))
        rows = [row for row in drawn if row is not None]
        print(f"\n{family} ({use}), {len(rows)} draws: ranges that hold the truth")
        print("  at once    nodes   sums of a tool   all nodes   of one node, sharing adds")
        for name, some in _by_number(rows):
            parts = [statistics.fmean(row[i] for row in some) for i in (1, 2, 4)]
            adds = statistics.median(row[3] for row in some)
            nodes, tools, whole = (f"{part:.1%}" for part in parts)
            print(f"  {name:8}{nodes:>8}{tools:>12}{whole:>16}{adds:>18.0%}", flush=True)


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
