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
    gpu : int or None
        The device on which it holds memory.
    gpu_busy, gpu_watts : float
        The part of the device's time that it would use if it were alone there, and what it draws
        above idle while it does.
    work : int
        How often it was given something to do.
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
    gpu: int | None = None
    gpu_busy: float = 0.0
    gpu_watts: float = 0.0
    work: int = 0


@dataclass(frozen=True)
class Phase:
    """What a program does for a while; see `SimulatedHost.play`.

    Attributes
    ----------
    length_s : float
        Seconds.
    cpus, watts, dram_watts, gpu_busy, gpu_watts : float
        As in `Program`. A memory-bound phase has low `watts` and high `dram_watts`, a GPU-bound
        one few `cpus` and a busy device.
    """

    length_s: float
    cpus: float
    watts: float
    dram_watts: float = 0.0
    gpu_busy: float = 0.0
    gpu_watts: float = 0.0


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
        Its part of what no program draws by itself, the idle power of all sockets and what they
        draw in addition when anything runs; divided at each moment by CPU time, as nicarbon does
        by rule.
    gpu_j : float
        Joules that its programs dissipated in GPUs, above their idle power.
    gpu_idle_j : float
        Its part of the idle power of GPUs: by device time at each moment, and of a device that
        computes nothing in equal parts among those that hold memory on it.
    """

    cpu_s: float = 0.0
    own_j: float = 0.0
    idle_j: float = 0.0
    gpu_j: float = 0.0
    gpu_idle_j: float = 0.0

    @property
    def energy_j(self) -> float:
        """Return all that it answers for in processors and memory, in joules."""
        return self.own_j + self.idle_j
