# SPDX-License-Identifier: Apache-2.0
"""What each sensor costs before a worker's first node, and at each sample.

Where its hardware is absent a sensor may add 20 ms; each is imported and made in a fresh, bare
interpreter, as the sampler's is. Run: ``python benchmarks/sensors.py``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe

PACKAGE_DIR = str(Path(__file__).parents[1])
BUDGET_MS = 20.0
TRIES = 15
# The imports that every sampler makes anyway come first; then one sensor alone is timed.
ONE = """
import sys, time
sys.path.insert(0, {package!r})
import nicarbon.meter.sampler
from nicarbon.meter.sensors import profile
procfs = nicarbon.meter.sampler.ProcFS({root!r})
before = time.perf_counter(), time.process_time()
{make}
print(1e3 * (time.perf_counter() - before[0]), 1e3 * (time.process_time() - before[1]))
"""
SENSORS = {
    "rapl": "from nicarbon.meter.sensors import rapl; s = rapl.Rapl({root!r}, procfs).status()",
    "perf": "from nicarbon.meter.sensors import perf_energy as p; "
    "s = p.PerfEnergy({root!r}).status()",
    "cray": "from nicarbon.meter.sensors import cray; s = cray.Cray({root!r}).status()",
    "nvml": "from nicarbon.meter.sensors import nvml; s = nvml.Nvml({root!r}).status()",
    "external": "from nicarbon.meter.sensors import external; "
    "s = external.sensors({root!r}, external.folders({path!r}))",
    "profile": "s = profile.load({root!r}, procfs)",
    "virtual": "from nicarbon.meter.sensors import virtual; s = virtual.Virtual(procfs).status()",
    "all of them": "s = nicarbon.meter.sensors.discover({root!r})",
}


def milliseconds(make: str, root: str) -> tuple[float, float]:
    """Return the median milliseconds, elapsed and of CPU time, of making a sensor."""
    code = ONE.format(package=PACKAGE_DIR, root=root, make=make.format(root=root, path=sys.path))
    found = []
    for _ in range(TRIES):
        out = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
        )
        found.append([float(word) for word in out.stdout.split()])
    elapsed, cpu = zip(*found, strict=True)
    return statistics.median(elapsed), statistics.median(cpu)


def per_sample_us(root: str) -> float:
    """Return the median microseconds that all sensors in use take at a sample."""
    from nicarbon.meter.sensors import contract, discover

    chosen = discover(root)
    times = []
    for _ in range(2000):
        before = time.perf_counter()
        for sensor in chosen:
            contract.readings(sensor)
        times.append(1e6 * (time.perf_counter() - before))
    return statistics.median(times)


def main() -> int:
    print(describe())
    print(f"packages on the path that 'external' looks at: {_n_packages()}")
    with tempfile.TemporaryDirectory() as bare:
        print(f"{'hardware absent':16} elapsed       CPU   (budget {BUDGET_MS:g} ms)")
        worst = 0.0
        for name, make in SENSORS.items():
            # The machine that this runs on has a /proc; its sensors are those of an empty folder.
            root = "/" if name in ("virtual", "profile", "all of them") else bare
            elapsed, cpu = milliseconds(make, root)
            if name != "all of them":
                worst = max(worst, cpu)
            print(f"{name:16} {elapsed:6.2f} ms {cpu:6.2f} ms")
    with tempfile.TemporaryDirectory() as made:
        for n in range(4):
            zone = Path(made) / f"sys/class/powercap/intel-rapl:{n}"
            zone.mkdir(parents=True)
            (zone / "name").write_text(f"package-{n}\n")
            (zone / "energy_uj").write_text("123456789\n")
            (zone / "max_energy_range_uj").write_text("262143328850\n")
        print(f"a sample of 4 powercap counters (files): {per_sample_us(made):.0f} us")
    return int(worst > BUDGET_MS)


def _n_packages() -> int:
    return sum(
        len(list(Path(folder).glob("*.dist-info"))) for folder in sys.path if Path(folder).is_dir()
    )


if __name__ == "__main__":
    sys.exit(main())
