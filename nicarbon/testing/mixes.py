# SPDX-License-Identifier: Apache-2.0
"""Hosts and mixes of programs drawn at random, whose joules are known.

What a division of energy is held against. Two families of draws share no number: what is set on
one is tested on the other. The watts are assumptions, of the size that server processors have.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from nicarbon.testing.host import SimulatedHost
from nicarbon.testing.programs import Phase, Truth
from nicarbon.testing.run import SimulatedRun


@dataclass(frozen=True)
class Tool:
    """A kind of program that nodes run.

    Attributes
    ----------
    name : str
        Its nodes' name.
    watts, dram_watts : float
        Joules a CPU second on a core of its own, and in memory.
    threads : tuple of int
        CPUs that a node keeps busy, one of these.
    median_s : float
        Of its nodes' lengths, which are log-normal.
    chance : float
        How often it is drawn, relative to others.
    phases : tuple of Phase
        What it goes through, relative to `watts`, `dram_watts` and one thread; all the same
        without any.
    """

    name: str
    watts: float
    dram_watts: float = 0.0
    threads: tuple[int, ...] = (1,)
    median_s: float = 5.0
    chance: float = 1.0
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True)
class Mix:
    """What runs on which host.

    Attributes
    ----------
    tools : tuple of Tool
        What nodes run.
    host : dict
        Arguments of `SimulatedHost`.
    n_at_once : int
        Nodes that run at the same time.
    length_s : float
        Seconds.
    own_spread : float
        Of the watts of nodes of one tool, as a fraction (one standard deviation).
    strangers : tuple of (float, float)
        CPUs and watts of what runs beside.
    restless_s : float
        Mean seconds after which what runs beside pauses, or goes on; it never does where it is 0.
    in_order : bool
        Whether each worker goes through the tools in their order, as subjects through a pipeline;
        else they are drawn.
    seed : int
        Of all that is drawn while it runs.
    """

    tools: tuple[Tool, ...]
    host: Mapping[str, Any] = field(default_factory=dict)
    n_at_once: int = 4
    length_s: float = 60.0
    own_spread: float = 0.1
    strangers: tuple[tuple[float, float], ...] = ((0.8, 4.5),)
    restless_s: float = 0.0
    in_order: bool = False
    seed: int = 0


def _j_a_gb(core_w: float, gb_per_s: float) -> tuple[float, float]:
    """Return the watts of a thread: 0.25 J/GB in the memory controller, 0.35 J/GB in memory."""
    return core_w + 0.25 * gb_per_s, 0.35 * gb_per_s


def _tool(name: str, activity: float, gb_per_s: float, *more: object) -> Tool:
    return Tool(name, *_j_a_gb(5.0 * activity, gb_per_s), *more)  # type: ignore[arg-type]


_STEPS = (Phase(0.3, 1, 1.1, 0.6), Phase(0.2, 1, 0.7, 3.0), Phase(0.1, 0.3, 0.9, 1.0))
_ON_GPU = (Phase(0.2, 1, 1, 1), Phase(0.5, 0.15, 0.8, 0.5, 0.9, 180.0))

# What neuroimaging tools do: activity relative to ordinary code, GB/s of memory a thread, threads,
# median seconds, how often.
TOOLS = (
    _tool("fsl", 1.0, 0.4, (1,), 10.0, 0.2),
    _tool("ants", 1.35, 2.0, (4, 8), 60.0, 0.1),
    _tool("resampling", 0.62, 7.0, (1, 2), 8.0, 0.2),
    _tool("python", 0.85, 0.8, (1,), 2.0, 0.25),
    _tool("shell", 0.75, 1.0, (1,), 0.15, 0.15),
    _tool("recon-all", 0.92, 1.5, (1,), 100.0, 0.1, _STEPS),
    _tool("inference", 1.1, 1.0, (2,), 20.0, 0.1, _ON_GPU),
)

AT_ONCE = (1, 2, 4, 8, 16, 32, 64)

SERVER: Mapping[str, Any] = {
    "n_sockets": 2,
    "cpus_per_socket": 64,
    "idle_w": 45.0,
    "dram_idle_w": 8.0,
    "uncore_w": 18.0,
    "boost": 0.35,
    "shared_core": 0.6,
    "memory_limit_w": 49.0,
    "max_power_w": 600.0,
}


def servers(chance: random.Random, n_at_once: int | None = None) -> Mix:
    """Draw a mix of the tools above on a server: the family on which ranges were set."""
    tools = tuple(chance.sample(TOOLS, chance.randint(2, len(TOOLS))))
    host = {
        **SERVER,
        "idle_w": chance.uniform(25.0, 60.0),
        "boost": chance.uniform(0.0, 0.5),
        "shared_core": chance.uniform(0.55, 0.75),
    }
    return _mix(chance, tools, host, n_at_once, (0.05, 0.15))


def anything(chance: random.Random, n_at_once: int | None = None) -> Mix:
    """Draw programs and a host that have nothing in common with those of `servers`."""
    kind = chance.choice(("even", "two camps", "long tail"))
    tools = tuple(_any_tool(chance, f"tool{i}", kind) for i in range(chance.randint(2, 10)))
    n_sockets = chance.choice((1, 1, 2, 4))
    cpus = chance.choice((4, 8, 16, 24, 48, 96))
    host = {
        "n_sockets": n_sockets,
        "cpus_per_socket": cpus,
        "idle_w": cpus * chance.uniform(0.1, 1.0),
        "dram_idle_w": chance.uniform(0.5, 10.0),
        "dram": chance.random() < 0.7,
        "uncore_w": cpus * chance.uniform(0.0, 0.5),
        "boost": chance.uniform(0.0, 0.8),
        "shared_core": chance.choice((1.0, chance.uniform(0.5, 0.8))),
        "memory_limit_w": cpus * chance.uniform(0.3, 2.0),
        "limit_w": cpus * chance.uniform(2.0, 6.0),
        "max_power_w": cpus * 12.0,
    }
    return _mix(chance, tools, host, n_at_once, (0.02, 0.2))


# Watts of a package with parts of its CPUs busy, by RAPL, as CodeCarbon's authors recorded and
# published them (github.com/mlco2/codecarbon, codecarbon/data/hardware/cpu_load_profiling,
# "some_cores", January 2025, MIT); busy threads of one program. By CPUs.
RECORDED: Mapping[int, tuple[tuple[float, float], ...]] = {
    # AMD EPYC 8024P
    16: (
        (0.0, 0.57),
        (0.068, 18.3),
        (0.186, 37.7),
        (0.248, 41.6),
        (0.373, 43.6),
        (0.503, 47.2),
        (0.562, 49.3),
        (0.716, 49.9),
        (0.781, 51.1),
        (0.875, 45.6),
        (1.0, 46.5),
    ),
    # AMD Ryzen Threadripper 1950X
    32: (
        (0.0, 1.4),
        (0.122, 45.4),
        (0.229, 76.2),
        (0.322, 93.3),
        (0.414, 123.0),
        (0.52, 147.4),
        (0.64, 174.8),
        (0.731, 173.3),
        (0.801, 169.4),
        (0.925, 167.4),
        (1.0, 166.0),
    ),
    # Intel Xeon E3-1240 v2
    8: (
        (0.0, 0.18),
        (0.137, 6.2),
        (0.253, 21.3),
        (0.388, 29.6),
        (0.5, 36.8),
        (0.608, 42.8),
        (0.762, 44.6),
        (0.887, 46.8),
        (1.0, 47.7),
    ),
    # Intel Xeon E5-2620 v3
    24: (
        (0.0, 0.51),
        (0.087, 16.3),
        (0.17, 34.8),
        (0.29, 39.8),
        (0.379, 49.5),
        (0.5, 50.5),
        (0.587, 67.1),
        (0.667, 71.5),
        (0.792, 72.0),
        (0.875, 75.7),
        (1.0, 79.6),
    ),
}


def recorded(chance: random.Random, n_at_once: int | None = None) -> Mix:
    """Draw programs of two classes on a host whose power was recorded."""
    cpus, curve = chance.choice(list(RECORDED.items()))
    tools = []
    for i in range(chance.randint(3, 12)):
        bound = chance.random() < 0.3
        core_w = (3.0 if bound else 5.0) * chance.lognormvariate(0.0, 0.22)
        dram_w = chance.uniform(1.0, 3.0) if bound else chance.uniform(0.0, 0.5)
        threads = chance.choice(((1,), (1,), (2,), (1, 4)))
        tool = Tool(f"step{i}", core_w, dram_w, threads, chance.choice((1.0, 6.0, 30.0)))
        tools.append(tool)
    host = {
        "n_sockets": chance.choice((1, 1, 2)),
        "cpus_per_socket": cpus,
        "idle_w": curve[0][1],
        "dram_idle_w": chance.uniform(0.5, 4.0),
        "dram": chance.random() < 0.5,
        "max_power_w": 400.0,
        "curve": curve,
    }
    return _mix(chance, tuple(tools), host, n_at_once, (0.03, 0.2))


def beside_strangers(chance: random.Random, n_at_once: int | None = None) -> Mix:
    """Draw as `recorded`, one node at a time, beside what is no node, which may come and go."""
    mix = recorded(chance, n_at_once or 1)
    strangers = ((chance.uniform(0.2, 5.0), chance.uniform(3.0, 8.0)) for _ in range(3))
    return replace(
        mix,
        strangers=tuple(strangers)[: chance.choice((1, 2, 3))],
        restless_s=chance.choice((0.0, 2.0, 10.0)),
    )


def at_limit(chance: random.Random, n_at_once: int | None = None) -> Mix:
    """Draw programs and a host whose firmware keeps its power at a limit, at most of its loads."""
    tools = tuple(
        Tool(
            f"job{i}",
            chance.uniform(2.5, 4.0) * chance.choice((1.0, 1.3, 1.7)),
            chance.choice((0.0, 0.3, 1.5)),
            chance.choice(((1,), (1, 2), (4,))),
            chance.choice((2.0, 8.0, 25.0)),
            phases=_STEPS if chance.random() < 0.3 else (),
        )
        for i in range(chance.randint(2, 8))
    )
    n_sockets, cpus = chance.choice((1, 2)), chance.choice((6, 14, 28))
    host = {
        "n_sockets": n_sockets,
        "cpus_per_socket": cpus,
        "idle_w": cpus * chance.uniform(0.2, 0.6),
        "dram_idle_w": chance.uniform(1.0, 4.0),
        "boost": chance.uniform(0.1, 0.6),
        "max_power_w": cpus * 15.0,
    }
    mix = _mix(chance, tools, host, n_at_once, (0.03, 0.15))
    busy = min(mix.n_at_once * fmean(tool.threads[-1] for tool in tools) / n_sockets, cpus)
    full_w = max(busy, 1.0) * fmean(tool.watts for tool in tools)
    limit_w = mix.host["idle_w"] + full_w * chance.uniform(0.5, 1.1)
    return replace(mix, host={**mix.host, "limit_w": limit_w})


def _any_tool(chance: random.Random, name: str, kind: str) -> Tool:
    if kind == "even":
        core_w = chance.uniform(2.0, 8.0)
    elif kind == "two camps":
        core_w = chance.choice((3.0, 6.0)) * chance.uniform(0.9, 1.1)
    else:
        core_w = 4.0 * chance.lognormvariate(0.0, 0.35)
    threads = chance.choice(((1,), (1,), (1, 2), (2, 4), (8,)))
    median_s = 10 ** chance.uniform(-0.7, 2.0)
    phases = tuple(
        Phase(chance.uniform(0.1, 0.5), *(chance.uniform(0.3, 1.0) for _ in range(3)))
        for _ in range(chance.choice((0, 0, 2, 4)))
    )
    gb_per_s = chance.choice((0.2, 1.0, 3.0, 6.0)) * chance.uniform(0.7, 1.3)
    weight = chance.uniform(0.2, 1.0)
    return Tool(name, *_j_a_gb(core_w, gb_per_s), threads, median_s, weight, phases)


def _mix(
    chance: random.Random,
    tools: tuple[Tool, ...],
    host: Mapping[str, Any],
    n_at_once: int | None,
    own_spread: tuple[float, float],
) -> Mix:
    # Counters are taken to be right within 5 %, one standard deviation.
    host = {**host, "gain": chance.gauss(1.0, 0.05)}
    n_strangers = chance.choice((0, 1, 1, 2))
    n_cpus = host["n_sockets"] * host["cpus_per_socket"]
    return Mix(
        tools=tools,
        host=host,
        n_at_once=n_at_once or chance.choice([n for n in AT_ONCE if n <= n_cpus]),
        length_s=chance.uniform(40.0, 90.0),
        own_spread=chance.uniform(*own_spread),
        strangers=tuple(
            (chance.uniform(0.1, 4.0), chance.uniform(3.0, 8.0)) for _ in range(n_strangers)
        ),
        in_order=chance.random() < 0.5,
        seed=chance.randrange(2**32),
    )


def carry_out(mix: Mix, path: Path, **run: Any) -> dict[str, Truth]:
    """Run a mix into ``path/run``; return the truth of each execution by its span.

    Parameters
    ----------
    mix : Mix
        What runs.
    path : Path
        An empty folder.
    **run
        Arguments of `SimulatedRun`.
    """
    chance = random.Random(mix.seed)
    host = SimulatedHost(path / "root", **mix.host)
    n_sockets = int(mix.host.get("n_sockets", 2))
    for i, (cpus, watts) in enumerate(mix.strangers):
        pid = host.spawn("stranger", cpus=cpus, watts=watts, socket=i % n_sockets)
        if mix.restless_s:
            lengths_s = [chance.expovariate(1 / mix.restless_s) + 0.01 for _ in range(20)]
            steps = [Phase(s, cpus * (j % 2), watts, 0.0) for j, s in enumerate(lengths_s)]
            host.play(pid, steps)
    done = SimulatedRun(host, path / "run", engine_cpus=0.02, meter_cpus=0.001, **run)
    for i in range(mix.n_at_once):
        worker = done.worker(socket=i % n_sockets)
        begin = _begin(mix, done, worker, chance, host.now_s() + mix.length_s)
        host.at(chance.uniform(0, 0.05), partial(begin, chance.randrange(len(mix.tools))))
    host.advance(mix.length_s + 0.5)
    done.stop()
    return host.truth


def _begin(
    mix: Mix, run: SimulatedRun, worker: int, chance: random.Random, end_s: float
) -> Callable[[int], None]:
    """Return what begins the next node of a worker, until time is over."""
    host = run.host

    def begin(turn: int) -> None:
        left_s = end_s - host.now_s()
        if left_s < 0.01:
            return
        weights = [tool.chance for tool in mix.tools]
        tool = chance.choices(mix.tools, weights)[0]
        if mix.in_order:
            tool = mix.tools[turn % len(mix.tools)]
        node_s = min(max(chance.lognormvariate(math.log(tool.median_s), 0.8), 0.03), left_s)
        own = max(chance.gauss(1.0, mix.own_spread), 0.2)
        cpus, watts, dram_w = chance.choice(tool.threads), tool.watts * own, tool.dram_watts * own
        span = run.begin(worker, f"wf.{tool.name}", cpus=cpus, watts=watts, dram_watts=dram_w)
        if tool.phases:
            host.play(worker, _scaled(tool.phases, node_s, cpus, watts, dram_w))

        def end() -> None:
            run.end(span)
            begin(turn + 1)

        host.at(node_s, end)

    return begin


def _scaled(
    phases: Sequence[Phase], node_s: float, cpus: float, watts: float, dram_w: float
) -> list[Phase]:
    """Return a tool's phases for one node."""
    whole = sum(phase.length_s for phase in phases)
    return [
        Phase(
            phase.length_s / whole * node_s,
            phase.cpus * cpus,
            phase.watts * watts,
            phase.dram_watts * dram_w,
            phase.gpu_busy,
            phase.gpu_watts,
        )
        for phase in phases
    ]
