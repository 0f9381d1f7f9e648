# SPDX-License-Identifier: Apache-2.0
"""Known loads on one NVIDIA card, metered: what each process used alone, and two at once.

Phases: nobody; a process that only holds memory; convolutions as of a segmentation network; the
same with pauses; two alike at once; two unlike at once. Each process is a node of one metered run.
Beside it the card's own counter is read by the nodes and by a probe, which also keeps what the
driver says of processes (10 times a second) and how long each question takes.

It needs PyTorch with CUDA and nvidia-ml-py; what it prints at the end also msgspec, networkx and
numpy. About 3 minutes on an idle card, alone on the machine:

    PYTHONPATH=. python3 benchmarks/gpu_load.py --out DIR

leaves one file, DIR/gpu_load.tar.gz, with the run folder, what the probe and the nodes noted, and
the machine. Without msgspec it measures all the same; anywhere else then:

    python benchmarks/gpu_load.py --report gpu_load.tar.gz
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from math import fsum
from pathlib import Path
from typing import Any

TOLERANCE = 0.15
# Name, kind and seconds of the nodes that run at once, phase by phase.
PHASES: tuple[tuple[tuple[str, str, float], ...], ...] = (
    (("hold", "hold", 10),),
    (("alone_full", "full", 15),),
    (("alone_light", "light", 15),),
    (("alike_one", "full", 20), ("alike_two", "full", 20)),
    (("unlike_full", "full", 20), ("unlike_light", "light", 20)),
)
ALONE = {"full": "alone_full", "light": "alone_light"}
TOGETHER = (("alike_one", "alike_two"), ("unlike_full", "unlike_light"))
_IDLE_S, _BETWEEN_S = 5.0, 2.0


def counter() -> Callable[[], int]:
    """Return what reads the first card's millijoules."""
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    return lambda: int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))


# The load, in a process of its own ------------------------------------------------------------


def work(kind: str) -> Callable[[], None]:
    """Return one iteration of a load; both hold about the memory of a segmentation network."""
    import torch

    if kind == "hold":
        kept = torch.zeros(2**30, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()

        def wait() -> None:
            time.sleep(0.1)
            assert kept is not None

        return wait
    n_images = 16 if kind == "full" else 4
    images = torch.randn(n_images, 64, 256, 256, device="cuda")
    kernels = [torch.randn(64, 64, 5, 5, device="cuda") * 0.02 for _ in range(4)]

    def convolve() -> None:
        found = images
        for kernel in kernels:
            found = torch.relu(torch.nn.functional.conv2d(found, kernel, padding=2))
        torch.cuda.synchronize()
        if kind == "light":
            time.sleep(0.02)

    return convolve


def node(folder: str, name: str, kind: str, seconds: float) -> None:
    """Run one load as a node, as an engine's worker would; note what it did."""
    from nicarbon.meter import span
    from nicarbon.meter.recorder import RunContext

    fields = json.loads((Path(folder) / "context.json").read_text())
    context = RunContext(**{**fields, "sampler_args": tuple(fields["sampler_args"])})
    started = span.begin(context, name)
    energy_mj = counter()
    once = work(kind)
    once()
    n, began_s, began_mj = 0, time.monotonic(), energy_mj()
    while time.monotonic() - began_s < seconds:
        once()
        n += 1
    ended_s, ended_mj = time.monotonic(), energy_mj()
    span.end(context, started, "ran")
    note = {
        "name": name,
        "kind": kind,
        "pid": os.getpid(),
        "iterations": n,
        "seconds": ended_s - began_s,
        "counter_j": (ended_mj - began_mj) / 1000,
        "t_monotonic_s": [began_s, ended_s],
    }
    (Path(folder) / f"node-{name}.json").write_text(json.dumps(note))


# The probe ------------------------------------------------------------------------------------


def probe(path: str) -> None:
    """Write what the driver says ten times a second, until standard input ends."""
    import select

    import pynvml as nvml

    nvml.nvmlInit()
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    seen_us = 0
    questions: dict[str, Callable[[], Any]] = {
        "energy_mj": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle),
        "power_mw": lambda: nvml.nvmlDeviceGetPowerUsage(handle),
        "busy_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
        "holders": lambda: [
            (p.pid, p.usedGpuMemory) for p in nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        ],
        "since_last": lambda: _samples(nvml, handle, seen_us),
        "since_2_s": lambda: _samples(nvml, handle, time.time_ns() // 1000 - 2_000_000),
    }
    with open(path, "w") as file:
        while not select.select([sys.stdin], [], [], 0.1)[0]:
            record: dict[str, Any] = {"t_monotonic_s": time.monotonic(), "t_us": time.time() * 1e6}
            took = {}
            for name, ask in questions.items():
                began_s, cpu_s = time.perf_counter(), time.thread_time()
                try:
                    record[name] = ask()
                except nvml.NVMLError as error:
                    record[name] = str(error)
                took[name] = (time.perf_counter() - began_s, time.thread_time() - cpu_s)
            record["took_s"] = took
            if isinstance(record["since_last"], list):
                seen_us = max([seen_us, *(s[1] for s in record["since_last"] if s[2] <= 100)])
            file.write(json.dumps(record) + "\n")


def _samples(nvml: Any, handle: Any, since_us: int) -> list[tuple[int, int, int]]:
    found = nvml.nvmlDeviceGetProcessUtilization(handle, since_us)
    return [(s.pid, s.timeStamp, s.smUtil) for s in found]


# The run --------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """Return card, driver and versions."""
    import pynvml as nvml

    nvml.nvmlInit()
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    found = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "n_cpus": os.cpu_count(),
        "driver": nvml.nvmlSystemGetDriverVersion(),
        "card": nvml.nvmlDeviceGetName(handle),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "pid_namespace": os.stat("/proc/self/ns/pid").st_ino,
    }
    try:
        import torch

        found["torch"] = str(torch.__version__)
    except ImportError:
        found["torch"] = None
    return {
        key: value if isinstance(value, (int, str)) else str(value) for key, value in found.items()
    }


def measure(out: Path, scale: float, sampler_args: list[str]) -> Path:
    """Run all phases as one metered run; return the archive."""
    from nicarbon.meter.session import Session

    folder = Path(tempfile.mkdtemp(prefix="gpu_load-"))
    (folder / "machine.json").write_text(json.dumps(machine()))
    energy_mj = counter()
    mine = [sys.executable, os.path.abspath(__file__)]
    prober = subprocess.Popen(
        [*mine, "--probe", str(folder / "probe.jsonl")], stdin=subprocess.PIPE
    )
    before_mj = energy_mj()
    session = Session(str(folder / "run"), "gpu_load.py", "command", sampler_args)
    context = session.start()
    assert context is not None
    (folder / "context.json").write_text(json.dumps(context._asdict()))
    nodes = [
        {"name": name, "interface": "benchmarks.gpu_load"}
        for phase in PHASES
        for name, *_ in phase
    ]
    session.write_graph("gpu_load", "command", nodes, [])
    started_mj, started_s = energy_mj(), time.monotonic()
    time.sleep(_IDLE_S * scale)
    failed = False
    for phase in PHASES:
        running = [
            subprocess.Popen([*mine, "--node", str(folder), name, kind, str(seconds * scale)])
            for name, kind, seconds in phase
        ]
        failed = failed or any(code != 0 for code in [process.wait() for process in running])
        time.sleep(_BETWEEN_S * scale)
    ended_s, ended_mj = time.monotonic(), energy_mj()
    session.stop("failed" if failed else "ok")
    after_mj = energy_mj()
    assert prober.stdin is not None
    prober.stdin.close()
    prober.wait()
    note = {
        "before_mj": before_mj,
        "started_mj": started_mj,
        "ended_mj": ended_mj,
        "after_mj": after_mj,
        "t_monotonic_s": [started_s, ended_s],
        "warnings": session.warnings,
    }
    (folder / "counter.json").write_text(json.dumps(note))
    out.mkdir(parents=True, exist_ok=True)
    archive = out / "gpu_load.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname="gpu_load")
    return archive


# What it comes to -----------------------------------------------------------------------------


def report(archive: Path) -> int:
    """Print what each used alone and together; return 1 where shares are off by more than 15 %."""
    from nicarbon.run import Run

    with tempfile.TemporaryDirectory() as unpacked:
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        folder = Path(unpacked) / "gpu_load"
        about = json.loads((folder / "machine.json").read_text())
        own = json.loads((folder / "counter.json").read_text())
        notes = {
            note["name"]: note
            for path in sorted(folder.glob("node-*.json"))
            for note in [json.loads(path.read_text())]
        }
        run = Run.open(folder / "run")
        attribution, samples = run.attribution, run.facts.sample_files[0].samples
        asked = [json.loads(line) for line in (folder / "probe.jsonl").read_text().splitlines()]
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    for warning in own["warnings"]:
        print(f"! {warning}")
    (host,) = attribution.hosts
    (device,) = host.devices
    print(f"\n{device.name}, {device.card}; whose the energy is: told by {device.told}")
    parts = (device.nodes_j, device.engine_j, device.other_j, device.unattributed_j)
    print(
        f"nodes {parts[0]:.1f} J (held but idle {device.held_j:.1f}) + engine {parts[1]:.1f} + "
        f"other {parts[2]:.1f} + unattributed {parts[3]:.1f} = {fsum(parts):.1f} J; "
        f"residual {device.residual_j:.2g} J"
    )
    inside, around = (
        (own[last] - own[first]) / 1000
        for first, last in (("started_mj", "ended_mj"), ("before_mj", "after_mj"))
    )
    print(f"card's own counter {inside:.1f} J inside the run, {around:.1f} J around it")

    spans = {span.node: span for span in attribution.spans}
    print(
        f"\n{'node':14}{'J':>9}{'held J':>9}{'GPU s':>8}{'loop s':>8}{'iter':>7}{'counter J':>11}"
    )
    for name, note in notes.items():
        span = spans[name]
        print(
            f"{name:14}{span.gpu_j or 0:9.1f}{span.gpu_held_j or 0:9.1f}{span.gpu_s or 0:8.2f}"
            f"{note['seconds']:8.2f}{note['iterations']:7d}{note['counter_j']:11.1f}"
        )
    kept = _together(spans, notes)
    _cost(samples, asked)
    return 0 if kept else 1


def _together(spans: dict[str, Any], notes: dict[str, Any]) -> bool:
    """Compare shares with the iterations done, at the joules of one alone."""
    idle_w = notes["hold"]["counter_j"] / notes["hold"]["seconds"]
    print(f"\nwhile memory was held and nothing computed: {idle_w:.1f} W")
    kept = True
    for pair in TOGETHER:
        if any(name not in notes for name in pair):
            continue
        found = [spans[name].gpu_j or 0.0 for name in pair]
        expected, above_idle = [], []
        for name in pair:
            alone = notes[ALONE[notes[name]["kind"]]]
            one_j = alone["counter_j"] / alone["iterations"]
            one_above_j = one_j - idle_w * alone["seconds"] / alone["iterations"]
            expected.append(one_j * notes[name]["iterations"])
            above_idle.append(one_above_j * notes[name]["iterations"])
        for name, joules, due, above in zip(pair, found, expected, above_idle, strict=True):
            share, due_share = joules / (fsum(found) or 1), due / (fsum(expected) or 1)
            off = share / due_share - 1 if due_share else float("nan")
            kept = kept and abs(off) <= TOLERANCE
            print(
                f"{name:14} share {share:.1%}; by what its iterations took alone {due_share:.1%} "
                f"({off:+.1%}), above idle {above / (fsum(above_idle) or 1):.1%}"
            )
    print(f"within {TOLERANCE:.0%}: {'yes' if kept else 'no'}")
    return kept


def _cost(samples: Any, asked: list[dict[str, Any]]) -> None:
    first, last = samples[0], samples[-1]
    lasted_s = (last.t_monotonic_ns - first.t_monotonic_ns) / 1e9
    spent_s = last.meter_cpu_s - first.meter_cpu_s
    print(
        f"\nthe sampler: {1e3 * spent_s / (len(samples) - 1):.2f} ms CPU a sample with all looks, "
        f"{spent_s / lasted_s:.2%} of a core"
    )
    for name in asked[0]["took_s"] if asked else ():
        wall_ms = [1e3 * record["took_s"][name][0] for record in asked]
        cpu_ms = [1e3 * record["took_s"][name][1] for record in asked]
        print(
            f"  {name:14} {statistics.median(wall_ms):7.3f} ms (most {max(wall_ms):.1f}), "
            f"CPU {statistics.median(cpu_ms):.3f} ms"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(), help="where the archive goes")
    parser.add_argument("--scale", type=float, default=1.0, help="of all times (default: 1)")
    parser.add_argument("--host-root", help="as of nicarbon run")
    parser.add_argument("--report", type=Path, help="print what an archive comes to")
    parser.add_argument("--node", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.node:
        folder, name, kind, seconds = args.node
        node(folder, name, kind, float(seconds))
        return 0
    if args.probe:
        probe(args.probe)
        return 0
    sampler_args = ["--host-root", args.host_root] if args.host_root else []
    archive = args.report or measure(args.out, args.scale, sampler_args)
    print(f"archive: {archive}")
    try:
        return report(archive)
    except ImportError as error:
        print(f"measured; to see what it comes to: --report {archive} (missing here: {error})")
        return 0


if __name__ == "__main__":
    sys.exit(main())
