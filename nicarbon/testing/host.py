# SPDX-License-Identifier: Apache-2.0
"""A simulated host: programs of known power, energy counters as a processor has them, a /proc.

It is what could refute the way that energy is divided: the joules that each program dissipates
are known here, and nowhere else.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from nicarbon.testing.clock import NS_PER_S, FakeClock
from nicarbon.testing.files import FakeFiles
from nicarbon.testing.processor import Processor
from nicarbon.testing.programs import Phase, Program, Truth

# Of Intel's server processors since Haswell: 2**-14 J, an update each millisecond, a counter of
# 32 bits (Intel SDM vol. 3B, "RAPL interfaces").
QUANTUM_J = 2.0**-14
UPDATE_NS = 1_000_000
RANGE_J = 2.0**32 * QUANTUM_J

NAME = "simulated"


class SimulatedHost:
    """One machine, below a folder that stands for its ``/``.

    Parameters
    ----------
    root : Path
        Where its ``sys`` and ``proc`` are written.
    n_sockets, cpus_per_socket : int
        Its processors.
    idle_w, dram_idle_w : float
        Watts of each socket, and of its memory, while nothing runs.
    dram, psys : bool
        Whether it has counters of memory, and of the whole platform.
    platform_w : float
        What the platform's counter has on top.
    range_j : float
        Joules after which each counter is back at 0.
    max_power_w : float
        What its firmware states as each processor's limit.
    start_j : float
        What the counters have at first.
    quantum_j, update_ns : float, int
        The counters' steps in joules and in time.
    boot_id : str
        Tells several simulated hosts apart.
    uncore_w, boost, shared_core, memory_limit_w, limit_w, curve
        How the power of a socket follows from what runs on it, see `nicarbon.testing.processor`;
        by default it is the sum of its programs' watts.
    gain : float
        What its counters show of each joule: that of one dissipated joule is 1.
    n_gpus : int
        Devices, ``gpu-0`` and so on. Their joules are in `energy_j` and in the truth; no file
        shows them.
    gpu_idle_w : float
        Watts of each.
    """

    def __init__(
        self,
        root: Path,
        *,
        n_sockets: int = 2,
        cpus_per_socket: int = 8,
        idle_w: float = 20.0,
        dram_idle_w: float = 3.0,
        dram: bool = True,
        psys: bool = False,
        platform_w: float = 30.0,
        range_j: float = RANGE_J,
        max_power_w: float = 250.0,
        start_j: float = 0.0,
        quantum_j: float = QUANTUM_J,
        update_ns: int = UPDATE_NS,
        boot_id: str = "51de0000-0000-4000-8000-000000000000",
        uncore_w: float = 0.0,
        boost: float = 0.0,
        shared_core: float = 1.0,
        memory_limit_w: float = float("inf"),
        limit_w: float = float("inf"),
        curve: tuple[tuple[float, float], ...] = (),
        gain: float = 1.0,
        n_gpus: int = 0,
        gpu_idle_w: float = 25.0,
    ) -> None:
        self.clock = FakeClock()
        self.root = root
        self.n_cpus = n_sockets * cpus_per_socket
        self.truth: dict[str, Truth] = defaultdict(Truth)
        self.unshared_idle_j = 0.0
        self.unheld_gpu_j = 0.0
        self.programs: dict[int, Program] = {}
        self.missing: set[str] = set()
        self._processor = Processor(
            cpus_per_socket,
            idle_w,
            dram_idle_w,
            uncore_w,
            boost,
            shared_core,
            memory_limit_w,
            limit_w,
            curve,
        )
        self._gain = gain
        self._gpu_idle_w = gpu_idle_w
        self._platform_w = platform_w
        self._range_j = range_j
        self._start_j = start_j
        self._quantum_j = quantum_j
        self._update_ns = update_ns
        self._n_sockets = n_sockets
        self.domains = [f"package-{i}" for i in range(n_sockets)]
        if dram:
            self.domains += [f"package-{i}/dram" for i in range(n_sockets)]
        if psys:
            self.domains.append("psys")
        self.gpus = [f"gpu-{i}" for i in range(n_gpus)]
        self._busy_s = 0.0
        self._own_j: dict[int, float] = {}
        self._course = [(self.clock.monotonic_ns(), self._no_joules())]
        self._pids = itertools.count(100)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._files = FakeFiles(root, boot_id, self.n_cpus, self._range_j, max_power_w)
        self.host_id = boot_id.replace("-", "")[:12]
        init = self.spawn("init", parent=0)
        assert init == 100

    # Programs ------------------------------------------------------------------------------

    def spawn(
        self,
        name: str,
        *,
        parent: int = 100,
        cpus: float = 0.0,
        watts: float = 5.0,
        dram_watts: float = 0.0,
        socket: int = 0,
        owner: str | None = None,
    ) -> int:
        """Start a program and return its process number; it belongs to its parent's owner.

        Parameters
        ----------
        name : str
            What it is called in ``/proc``.
        parent : int
            The process that started it; process 1 of this host by default.
        cpus : float
            CPUs that it keeps busy.
        watts, dram_watts : float
            What each busy CPU of its takes, and what its memory takes for each.
        socket : int
            The socket that it runs on.
        owner : str, optional
            Under which name its truth is kept.

        Returns
        -------
        int
            The process number.
        """
        pid = next(self._pids)
        if owner is None:
            above = self.programs.get(parent)
            owner = above.owner if above is not None and parent != 100 else name
        starttime = self.clock.monotonic_ns() // 10_000_000
        self.programs[pid] = Program(
            pid, parent, name, starttime, cpus, watts, dram_watts, socket, owner
        )
        if parent in self.programs:
            self.programs[parent].children.append(pid)
        return pid

    def load(
        self,
        pid: int,
        cpus: float,
        watts: float | None = None,
        dram_watts: float | None = None,
        owner: str | None = None,
        gpu: int | None = None,
        gpu_busy: float = 0.0,
        gpu_watts: float = 0.0,
    ) -> None:
        """Change what a program does from now on; a device that is not named is let go.

        Parameters
        ----------
        pid : int
            The program.
        cpus : float
            CPUs that it keeps busy.
        watts, dram_watts : float, optional
            What each of them takes, and its memory for each; as before by default.
        owner : str, optional
            Under which name its truth is kept; as before by default.
        gpu : int, optional
            The device that it holds.
        gpu_busy : float
            The part of the device that it computes on, from 0 to 1.
        gpu_watts : float
            What the device takes above idle where all of it computes.
        """
        program = self.programs[pid]
        program.work += 1
        program.cpus = cpus
        program.gpu, program.gpu_busy, program.gpu_watts = gpu, gpu_busy, gpu_watts
        program.watts = program.watts if watts is None else watts
        program.dram_watts = program.dram_watts if dram_watts is None else dram_watts
        program.owner = program.owner if owner is None else owner

    def play(self, pid: int, phases: Sequence[Phase], gpu: int | None = None) -> None:
        """Let a program go through phases, over and over, until it is given something else.

        Parameters
        ----------
        pid : int
            The program.
        phases : sequence of Phase
            At least one.
        gpu : int, optional
            The device that it holds, in all of its phases.
        """
        turn = itertools.cycle(phases)

        def next_phase(work: int) -> None:
            program = self.programs.get(pid)
            if program is None or program.work != work or program.state == "Z":
                return
            phase = next(turn)
            busy, gpu_w = phase.gpu_busy, phase.gpu_watts
            self.load(pid, phase.cpus, phase.watts, phase.dram_watts, None, gpu, busy, gpu_w)
            self.at(phase.length_s, lambda: next_phase(work + 1))

        next_phase(self.programs[pid].work)

    def end(self, pid: int, reaped: bool = True) -> None:
        """End a program; its children go to process 1 of this host, itself to its parent.

        Parameters
        ----------
        pid : int
            The program.
        reaped : bool
            Whether its parent waits for it at once; else it stays as a zombie.
        """
        program = self.programs[pid]
        program.cpus, program.state, program.gpu = 0.0, "Z", None
        for child in program.children:
            self.programs[child].parent = 100
            self.programs[100].children.append(child)
        program.children = []
        if reaped:
            self.reap(pid)

    def reap(self, pid: int) -> None:
        """Let a zombie's parent wait for it.

        Parameters
        ----------
        pid : int
            The zombie.
        """
        program = self.programs.pop(pid)
        parent = self.programs[program.parent]
        parent.reaped_s += program.cpu_s + program.reaped_s
        parent.children.remove(pid)

    def tree_cpu_s(self, pid: int) -> float:
        """Return the exact CPU seconds of a process and of all that it started.

        Parameters
        ----------
        pid : int
            The process.

        Returns
        -------
        float
            CPU seconds, those of what was reaped included.
        """
        program = self.programs[pid]
        below = sum(self.tree_cpu_s(child) for child in program.children)
        return program.cpu_s + program.reaped_s + below

    # Time ----------------------------------------------------------------------------------

    def now_s(self) -> float:
        """Return the seconds since boot."""
        return self.clock.monotonic_ns() / NS_PER_S

    def at(self, after_s: float, action: Callable[[], None]) -> None:
        """Have something done so many seconds from now, while `advance` lets time pass.

        Parameters
        ----------
        after_s : float
            Seconds from now.
        action : callable
            What is called then, without arguments.
        """
        due_ns = self.clock.monotonic_ns() + round(after_s * NS_PER_S)
        heapq.heappush(self._queue, (due_ns, next(self._order), action))

    def advance(self, duration_s: float) -> None:
        """Let time pass; what is due in it happens at its moment.

        Parameters
        ----------
        duration_s : float
            Seconds.
        """
        until_ns = self.clock.monotonic_ns() + round(duration_s * NS_PER_S)
        while self._queue and self._queue[0][0] <= until_ns:
            due_ns, _, action = heapq.heappop(self._queue)
            self._flow(due_ns)
            action()
        self._flow(until_ns)

    def _flow(self, until_ns: int) -> None:
        """Let energy and CPU time flow at constant power."""
        duration_ns = until_ns - self.clock.monotonic_ns()
        if duration_ns <= 0:
            return
        seconds = duration_ns / NS_PER_S
        wanted = sum(program.cpus for program in self.programs.values())
        granted = min(1.0, self.n_cpus / wanted) if wanted > 0 else 0.0
        joules = self._no_joules()
        busy = [program for program in self.programs.values() if program.cpus > 0]
        for socket in range(self._n_sockets):
            here = [program for program in busy if program.socket == socket]
            self._run_socket(socket, here, granted, seconds, joules)
        idle_j = sum(joules[name] for name in self.domains if name != "psys")
        idle_j -= sum(self._own_j.values())
        for program in busy:
            program.cpu_s += program.cpus * granted * seconds
            truth = self.truth[program.owner]
            truth.cpu_s += program.cpus * granted * seconds
            truth.own_j += self._own_j.pop(program.pid)
            truth.idle_j += idle_j * program.cpus / wanted
        if wanted == 0:
            self.unshared_idle_j += idle_j
        if "psys" in joules:
            joules["psys"] = sum(joules.values()) + self._platform_w * seconds
        for i, name in enumerate(self.gpus):
            joules[name] = self._run_gpu(i, seconds)
        self._busy_s += wanted * granted * seconds
        before = self._course[-1][1]
        self.clock.advance(duration_ns)
        self._course.append((until_ns, {name: before[name] + joules[name] for name in joules}))

    def _no_joules(self) -> dict[str, float]:
        return dict.fromkeys([*self.domains, *self.gpus], 0.0)

    def _run_socket(
        self,
        socket: int,
        programs: Sequence[Program],
        granted: float,
        seconds: float,
        joules: dict[str, float],
    ) -> None:
        """Add the joules of a socket to its domains, and note those of each program."""
        processor = self._processor
        active_w = processor.active_w(sum(program.cpus for program in programs) * granted)
        package, dram = f"package-{socket}", f"package-{socket}/dram"
        self._add(joules, package, (processor.idle_w + active_w) * seconds)
        self._add(joules, dram, processor.dram_idle_w * seconds)
        drawn_w = processor.draw_w(programs, granted)
        for program, (core_w, dram_w) in zip(programs, drawn_w, strict=True):
            self._add(joules, package, core_w * seconds)
            self._add(joules, dram, dram_w * seconds)
            # What no counter of this host sees is in no truth that a division could be held to.
            seen_w = core_w + (dram_w if dram in joules else 0.0)
            self._own_j[program.pid] = seen_w * seconds

    def _run_gpu(self, device: int, seconds: float) -> float:
        """Give what a device uses to those that compute on it, or that hold it; return joules."""
        idle_j = self._gpu_idle_w * seconds
        holders = [program for program in self.programs.values() if program.gpu == device]
        wanted = sum(program.gpu_busy for program in holders)
        total_j = idle_j
        for program in holders:
            truth = self.truth[program.owner]
            busy = program.gpu_busy / max(wanted, 1.0)
            truth.gpu_j += busy * program.gpu_watts * seconds
            total_j += busy * program.gpu_watts * seconds
            share = program.gpu_busy / wanted if wanted > 0 else 1 / len(holders)
            truth.gpu_idle_j += idle_j * share
        if not holders:
            self.unheld_gpu_j += idle_j
        return total_j

    def _add(self, joules: dict[str, float], name: str, amount: float) -> None:
        if name in joules:
            joules[name] += amount

    # Counters ------------------------------------------------------------------------------

    def energy_j(self, domain: str, t_ns: int | None = None) -> float:
        """Return the exact joules of a domain since the simulation began.

        Parameters
        ----------
        domain : str
            One of `domains`, or a device.
        t_ns : int, optional
            At which moment of the host's monotonic clock; now by default.

        Returns
        -------
        float
            Joules, whatever the counters show of them.
        """
        t_ns = self.clock.monotonic_ns() if t_ns is None else t_ns
        after = bisect.bisect_left(self._course, t_ns, key=lambda point: point[0])
        if after == 0:
            return 0.0
        if after == len(self._course):
            return self._course[-1][1][domain]
        (t0, before), (t1, now) = self._course[after - 1], self._course[after]
        return before[domain] + (now[domain] - before[domain]) * (t_ns - t0) / (t1 - t0)

    def shown_j(self, domain: str) -> float:
        """Return what the counter would show if it never wrapped: in steps of energy and time.

        Parameters
        ----------
        domain : str
            One of `domains`.

        Returns
        -------
        float
            Joules.
        """
        updated_ns = self.clock.monotonic_ns() // self._update_ns * self._update_ns
        energy_j = self._start_j + self._gain * self.energy_j(domain, updated_ns)
        return energy_j // self._quantum_j * self._quantum_j

    def view(self, domains: Iterable[str], root: Path) -> Path:
        """Make a root in which only some counters can be seen, as in a container; return it.

        Parameters
        ----------
        domains : iterable of str
            The domains whose counters are there.
        root : Path
            A new folder.

        Returns
        -------
        Path
            The same folder, whose ``proc`` is this host's.
        """
        self.show()
        self._files.link_zones(domains, root)
        return root

    def show(self) -> None:
        """Write ``sys`` and ``proc`` as they are at this moment."""
        range_uj = round(self._range_j * 1e6)
        for name in self.domains:
            raw = None
            if name not in self.missing:
                raw = int(self.shown_j(name) * 1e6) % range_uj
            self._files.write_counter(name, raw)
        idle_s = self.now_s() * self.n_cpus - self._busy_s
        self._files.write_proc(idle_s, self.programs)
