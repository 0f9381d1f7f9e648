# SPDX-License-Identifier: Apache-2.0
"""The programs of a simulated host, and the truth about what they use."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Program:
    """A process: how many CPUs it keeps busy, and what a CPU second of it costs.

    Attributes
    ----------
    cpus : float
        CPUs that it would keep busy if there were enough of them.
    watts, dram_watts : float
        Joules for each CPU second, in the processor and in memory.
    owner : str
        To whom its joules belong in `SimulatedHost.truth`.
    """

    pid: int
    parent: int
    name: str
    starttime: int
    cpus: float
    watts: float
    dram_watts: float
    socket: int
    owner: str
    cpu_s: float = 0.0
    reaped_s: float = 0.0
    state: str = "R"
    children: list[int] = field(default_factory=list)


@dataclass
class Truth:
    """What belongs to one owner.

    Attributes
    ----------
    cpu_s : float
        CPU seconds.
    own_j : float
        Joules that its programs dissipated above the host's idle power.
    idle_j : float
        Its part of the idle power, divided at each moment by CPU time as nicarbon does by rule.
    """

    cpu_s: float = 0.0
    own_j: float = 0.0
    idle_j: float = 0.0

    @property
    def energy_j(self) -> float:
        """Return all that it answers for, in joules."""
        return self.own_j + self.idle_j
