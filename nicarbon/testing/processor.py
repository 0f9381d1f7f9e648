# SPDX-License-Identifier: Apache-2.0
"""How the power of a simulated socket follows from what runs on it.

Made of what processors do, not of any one processor: a higher frequency costs more while few
cores are busy, two threads of one core draw less than two cores, memory has an end, and firmware
keeps power below a limit. Time is not stretched: a program that is slowed down keeps its CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nicarbon.testing.programs import Program

# Of the program that a curve was measured with.
CURVE_W = 5.0


@dataclass(frozen=True)
class Processor:
    """One socket and its memory.

    Attributes
    ----------
    n_cpus : int
        Its hardware threads.
    idle_w, dram_idle_w : float
        Watts while nothing runs.
    uncore_w : float
        What caches and interconnect draw in addition while at least one CPU is busy.
    boost : float
        How much more a CPU second costs on a socket with nothing else to do, as a fraction; it
        falls to 0 as cores become busy, and frequency and voltage with them.
    shared_core : float
        What a CPU second costs on a core that has another busy thread, relative to a core of its
        own; 1 on a processor with one thread a core.
    memory_limit_w, limit_w : float
        The most that the traffic of the memory draws above idle, and the whole package.
    curve : tuple of (float, float)
        Watts that were measured with parts of the CPUs busy, from the idle socket on, of a program
        of `CURVE_W`: others draw in proportion. It replaces `boost` and `shared_core`.
    """

    n_cpus: int
    idle_w: float = 20.0
    dram_idle_w: float = 3.0
    uncore_w: float = 0.0
    boost: float = 0.0
    shared_core: float = 1.0
    memory_limit_w: float = float("inf")
    limit_w: float = float("inf")
    curve: tuple[tuple[float, float], ...] = ()

    def draw_w(self, programs: Sequence[Program], granted: float) -> list[tuple[float, float]]:
        """Return the watts of each program, in the package and in memory, above the rest.

        Parameters
        ----------
        programs : sequence of Program
            Those on this socket.
        granted : float
            The part of the CPUs that they want and get.
        """
        busy = sum(program.cpus for program in programs) * granted
        factor = self._factor(busy)
        core_w = [program.cpus * granted * program.watts * factor for program in programs]
        dram_w = [program.cpus * granted * program.dram_watts for program in programs]
        room_w = max(self.limit_w - self.idle_w - self.active_w(busy), 0.0)
        slowed = min(1.0, room_w / sum(core_w)) if sum(core_w) > 0 else 1.0
        stalled = min(1.0, self.memory_limit_w / sum(dram_w)) if sum(dram_w) > 0 else 1.0
        return [(c * slowed, d * stalled) for c, d in zip(core_w, dram_w, strict=True)]

    def active_w(self, busy: float) -> float:
        """Return what the socket draws because something runs on it, whatever it is."""
        return self.uncore_w * min(busy, 1.0)

    def _factor(self, busy: float) -> float:
        """Return what a CPU second costs relative to all cores busy with one thread each."""
        if busy <= 0:
            return 1.0
        if self.curve:
            parts, watts = zip(*self.curve, strict=True)
            above_w = np.interp(busy / self.n_cpus, parts, watts) - watts[0]
            return float(above_w) / (busy * CURVE_W)
        n_cores = self.n_cpus / 2 if self.shared_core < 1 else self.n_cpus
        sharing = min(2 * max(busy - n_cores, 0.0) / busy, 1.0)
        boosted = 1 + self.boost * (1 - min(busy / n_cores, 1.0))
        return boosted * (1 - (1 - self.shared_core) * sharing)
