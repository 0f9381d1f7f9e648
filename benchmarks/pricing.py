# SPDX-License-Identifier: Apache-2.0
"""What pricing costs: a run of 10,000 nodes, a year long, at the intensity of each hour.

The nodes follow each other, and each one's energy is known in stretches of a minute, as of a long
node that was metered. The run is made in memory: what is timed is reading the file with the year,
and pricing alone, before and after `nicarbon price` kept its choice. Wall time of this process;
the ratio is that of the same at one intensity.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import machine

from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.carbon.pricing import Pricing, weighed, window
from nicarbon.carbon.series_file import SeriesFile
from nicarbon.carbon.source import Fixed
from nicarbon.energies import SpanEnergy
from nicarbon.rows import fold

N_NODES = 10_000
N_STAGES = 20
START = datetime(2025, 1, 1, tzinfo=UTC)
HOURS = 8760
ENOUGH_S = 1.0


def year_of_nodes() -> list[SpanEnergy]:
    """Return nodes that follow each other for a year, their energy minute by minute."""
    chance = random.Random(1)
    length_s = HOURS * 3600 / N_NODES
    spans = []
    for i in range(N_NODES):
        edges = [i * length_s + 60 * k for k in range(int(length_s // 60))] + [(i + 1) * length_s]
        joules = [chance.uniform(500, 9000) for _ in edges[1:]]
        course = tuple(zip(edges[:-1], edges[1:], joules, strict=True))
        spans.append(
            SpanEnergy(
                span=str(i),
                node=f"wf.node_{i}",
                host="host",
                outcome="ran",
                start_s=edges[0],
                end_s=edges[-1],
                start_unix_s=START.timestamp() + edges[0],
                cpu_s=length_s,
                energy_j=sum(joules),
                sensor_low_j=0.95 * sum(joules),
                sensor_high_j=1.05 * sum(joules),
                course=course,
            )
        )
    return spans


def write_year(path: Path) -> None:
    """Write a year of hourly intensities; every 50th is missing."""
    chance = random.Random(2)
    lines = ["datetime,g_per_kwh"]
    for hour in range(HOURS + 1):
        value = "" if hour % 50 == 49 else f"{chance.uniform(40, 600):.1f}"
        lines.append(f"{(START + timedelta(hours=hour)).isoformat()},{value}")
    path.write_text("\n".join(lines) + "\n")


def least_s(step: Callable[[], object], repeats: int) -> float:
    """Return the least wall time of some repeats."""
    took = []
    for _ in range(repeats):
        before_s = time.perf_counter()
        step()
        took.append(time.perf_counter() - before_s)
    return min(took)


def main() -> int:
    """Print what each step takes.

    Returns
    -------
    int
        0, or 1 if pricing 10,000 nodes took longer than a second.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    spans = year_of_nodes()
    offsets = {"host": 0.0}

    def stage_of(span: SpanEnergy) -> str:
        return f"stage {int(span.span) % N_STAGES}"

    def priced(price: Price) -> object:
        return fold(spans, stage_of, offsets, Pricing(price, spans).row)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "year.csv"
        write_year(path)
        read_s = least_s(lambda: SeriesFile.read(path), repeats)
        source = SeriesFile.read(path)
    limits = window(spans)
    assert limits is not None
    choose_s = least_s(lambda: weighed(source.between(*limits), spans), repeats)
    found = weighed(source.between(*limits), spans)
    assert found.series is not None
    constant = Price(Fixed(given(300)).between(*limits).intensity)
    in_time = Price(found.intensity, series=found.series)
    folded_s = least_s(lambda: fold(spans, stage_of, offsets), repeats)
    constant_s = least_s(lambda: priced(constant), repeats) - folded_s
    in_time_s = least_s(lambda: priced(in_time), repeats) - folded_s
    print(machine.describe())
    n = sum(len(span.course) for span in spans)
    print(f"{N_NODES} nodes, {n} stretches, {HOURS} hours: {found.intensity.g_per_kwh:.1f} g/kWh")
    print(f"reading the year               {read_s:.3f} s")
    print(f"choosing the price             {choose_s:.3f} s")
    print(f"pricing again, hour by hour    {in_time_s:.3f} s")
    print(f"the same at one intensity      {constant_s:.3f} s")
    print(f"folding without a price        {folded_s:.3f} s")
    return int(in_time_s > ENOUGH_S)


if __name__ == "__main__":
    raise SystemExit(main())
