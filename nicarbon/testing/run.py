# SPDX-License-Identifier: Apache-2.0
"""A simulated run: the real sampler and the real writer on a simulated host.

Only what happens inside a node's process is imitated, because that is where this process's own
CPU time would be counted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nicarbon.meter.sampler import Sampler
from nicarbon.meter.writer import Writer
from nicarbon.testing.host import NAME, SimulatedHost

SCHEMA_VERSION = "0"


class SimulatedRun:
    """One metered run on a simulated host.

    Parameters
    ----------
    host : SimulatedHost
        Where it runs.
    run_dir : Path
        A new folder; a run that is there already is joined, as jobs do.
    interval_s : float, optional
        Seconds between samples; as the sampler decides by default. None are taken by themselves
        where it is 0.
    engine_cpus, meter_cpus : float
        What the driver and its sampler keep busy.
    root : Path, optional
        Where its sampler sees sensors, see `SimulatedHost.view`; the host's own by default.
    """

    def __init__(
        self,
        host: SimulatedHost,
        run_dir: Path,
        *,
        interval_s: float | None = None,
        engine_cpus: float = 0.0,
        meter_cpus: float = 0.0,
        root: Path | None = None,
    ) -> None:
        self.host = host
        self.run_dir = run_dir
        self._interval_s = interval_s
        self._writers: dict[int, Writer] = {}
        self._open: dict[str, tuple[int, float, str]] = {}
        self._n_spans = 0
        self._running = True
        run_dir.mkdir(parents=True, exist_ok=True)
        info = {
            "schema_version": SCHEMA_VERSION,
            "run_id": f"{NAME}-{run_dir.name}",
            "t_unix_ns": host.clock.unix_ns(),
            "engine": NAME,
        }
        if not (run_dir / "run.json").exists():
            (run_dir / "run.json").write_text(json.dumps(info) + "\n")
        self.driver = host.spawn(
            f"engine-{run_dir.name}", cpus=engine_cpus, owner=f"engine {run_dir.name}"
        )
        self.key = self._key(self.driver)
        # Nobody's child, as the real one.
        self.sampler_pid = host.spawn("sampler", cpus=meter_cpus, owner=f"meter {run_dir.name}")
        self.sampler = Sampler(
            str(run_dir),
            root=str(root or host.root),
            driver_pid=self.driver,
            clock=host.clock,
            interval_s=interval_s or None,
            pid=self.sampler_pid,
        )
        host.show()
        self.sampler.open()
        self.sample()
        self._mark("start")
        self._schedule()

    def _key(self, pid: int) -> str:
        return f"{self.host.host_id}-{pid}-{self.host.programs[pid].starttime}"

    def _writer(self, pid: int) -> Writer:
        if pid not in self._writers:
            key = self._key(pid)
            header = {
                "kind": "process",
                "schema_version": SCHEMA_VERSION,
                "host": self.host.host_id,
                "hostname": NAME,
                "pid": pid,
                "starttime": self.host.programs[pid].starttime,
                "key": key,
                "driver": self.key,
            }
            self._writers[pid] = Writer(str(self.run_dir / f"nodes-{key}.jsonl"), header)
        return self._writers[pid]

    def _times(self) -> dict[str, int]:
        return {
            "t_monotonic_ns": self.host.clock.monotonic_ns(),
            "t_unix_ns": self.host.clock.unix_ns(),
        }

    def _mark(self, event: str, outcome: str | None = None) -> None:
        record = {"kind": "driver", "event": event, **self._times()}
        record["cpu_s"] = round(self.host.tree_cpu_s(self.driver), 6)
        if outcome is not None:
            record["outcome"] = outcome
        self._writer(self.driver).write(record)

    # Sampling ------------------------------------------------------------------------------

    def sample(self) -> None:
        """Show the host as it is now, and let the sampler read it."""
        self.host.show()
        self.sampler.sample()

    def _schedule(self) -> None:
        if self._interval_s != 0:
            self.host.at(self.sampler.interval_s(), self._tick)

    def _tick(self) -> None:
        if self._running:
            self.sample()
            self._schedule()

    # Nodes ---------------------------------------------------------------------------------

    def worker(self, socket: int = 0) -> int:
        """Start a process that executes nodes on one of the host's sockets; return its number.

        Parameters
        ----------
        socket : int
            The socket.

        Returns
        -------
        int
            The process number.
        """
        return self.host.spawn("worker", parent=self.driver, socket=socket)

    def begin(
        self,
        pid: int,
        node: str,
        *,
        cpus: float = 1.0,
        watts: float | None = None,
        dram_watts: float | None = None,
        parent: str | None = None,
        index: int | None = None,
    ) -> str:
        """Begin a node in a process and return its span; its truth is kept under that name.

        Parameters
        ----------
        pid : int
            The process, from `worker` or the driver's.
        node : str
            The node's unique name.
        cpus, watts, dram_watts : float
            What it does, as in `SimulatedHost.load`.
        parent : str, optional
            The span that it runs inside.
        index : int, optional
            Its index as an element of the MapNode that `parent` is.

        Returns
        -------
        str
            The span.
        """
        span = f"{self._key(pid)}-{self._n_spans}"
        self._n_spans += 1
        base_s = self.host.tree_cpu_s(pid)
        record: dict[str, Any] = {"kind": "start", "span": span, "node": node, **self._times()}
        record["cpu_base_s"] = round(base_s, 6)
        if parent is not None:
            record["parent"] = parent
        if index is not None:
            record |= {"map_node": node.partition("[")[0], "index": index}
        self._writer(pid).write(record)
        self._open[span] = (pid, base_s, self.host.programs[pid].owner)
        self.host.load(pid, cpus, watts, dram_watts, owner=span)
        return span

    def end(self, span: str, outcome: str = "ran", cpus_after: float = 0.0, **more: Any) -> None:
        """End a node: write its exact CPU time, and give its process back to who had it before.

        Parameters
        ----------
        span : str
            From `begin`.
        outcome : str
            ``ran``, ``failed`` or ``cached``.
        cpus_after : float
            CPUs that its process keeps busy from then on.
        **more
            Further fields of its end record.
        """
        pid, base_s, owner = self._open.pop(span)
        cpu_s = self.host.tree_cpu_s(pid) - base_s
        record = {
            "kind": "end",
            "span": span,
            "t_monotonic_ns": self.host.clock.monotonic_ns(),
            "outcome": outcome,
            "cpu_s": round(cpu_s, 6),
            "cpu_source": "rusage",
            **more,
        }
        self._writer(pid).write(record)
        self.host.load(pid, cpus_after, owner=owner)

    def kill(self, pid: int) -> None:
        """End a worker as SIGKILL does: no record.

        Parameters
        ----------
        pid : int
            The worker.
        """
        for span in [span for span, (of, _, _) in self._open.items() if of == pid]:
            del self._open[span]
        self.host.end(pid)

    def stop(self, outcome: str = "ok") -> None:
        """End the run as the engine does.

        Parameters
        ----------
        outcome : str
            ``ok`` or ``failed``.
        """
        self._mark("end", outcome)
        self._close("stopped")
        for pid in [*self.host.programs[self.driver].children, self.driver]:
            self.host.end(pid)

    def kill_driver(self) -> None:
        """End the driver as SIGKILL does: its sampler sees it and ends too."""
        for pid in [*self.host.programs[self.driver].children, self.driver]:
            self.host.end(pid)
        self._close("driver ended")

    def _close(self, reason: str) -> None:
        self._running = False
        self.sample()
        self.sampler.close(reason)
        for writer in self._writers.values():
            writer.close()
        self.host.end(self.sampler_pid)
