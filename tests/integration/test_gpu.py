# SPDX-License-Identifier: Apache-2.0
"""Nodes on GPUs: nipype, the sampler, the real ``pynvml`` and a stand-in for the driver."""

from __future__ import annotations

import json
from itertools import pairwise
from math import fsum

import nvml_stand_in
import pytest

from nicarbon.run import Run

WATTS = (100.0, 200.0)
# Two nodes on one card, one on the other; each in a process of its own below its worker.
SCRIPT = """
import os, subprocess, sys, time
from nipype import Function, Node, Workflow

PROGRAM = '''
import os, sys, time
folder, device, sm, compute_s, hold_s = sys.argv[1], *map(float, sys.argv[2:])
now_us = time.time_ns() // 1000
middle_us, end_us = now_us + int(compute_s * 1e6), now_us + int((compute_s + hold_s) * 1e6)
for n, (share, first, last) in enumerate(((sm, now_us, middle_us), (0, middle_us + 1, end_us))):
    path = os.path.join(folder, f"process-{os.getpid()}-{n}")
    with open(path + "~", "w") as file:
        file.write(f"{int(device)} {os.getpid()} {int(share)} {1 << 30} {first} {last}")
    os.rename(path + "~", path)
time.sleep(compute_s + hold_s)
'''

def use(folder, device, sm, compute_s, hold_s, program):
    import subprocess, sys
    numbers = map(str, (device, sm, compute_s, hold_s))
    subprocess.run([sys.executable, "-S", "-c", program, folder, *numbers], check=True)

def main():
    wf = Workflow(name="wf", base_dir=os.path.abspath("work"))
    wf.config["execution"] = {"poll_sleep_duration": "0.02"}
    for name, *numbers in (("a", 0, 60, 3, 0), ("b", 0, 20, 3, 0), ("c", 1, 50, 2, 1)):
        node = Node(Function(function=use), name=name)
        names = ("folder", "device", "sm", "compute_s", "hold_s", "program")
        node.inputs.trait_set(**dict(zip(names, (sys.argv[1], *numbers, PROGRAM))))
        wf.add_nodes([node])
    wf.run(plugin="MultiProc", plugin_args={"n_procs": 3})

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def cards(tmp_path):
    """Two cards whose counters grow by themselves, and the root that shows their devices."""
    pytest.importorskip("pynvml")
    if nvml_stand_in.compiler() is None:
        pytest.skip("no C compiler: the stand-in for the driver's library can't be built")
    found = nvml_stand_in.Cards(tmp_path / "cards")
    for index, watts in enumerate(WATTS):
        found.live(watts, index)
    for name in ("lib", "root/dev"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "root/dev/nvidia0").touch()
    nvml_stand_in.compile_into(tmp_path / "lib")
    return found


@pytest.fixture
def metered(script, cards, tmp_path, monkeypatch):
    monkeypatch.setenv("NVML_STAND_IN", str(cards.folder))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "lib"))
    done = script(
        SCRIPT,
        str(cards.folder),
        options=("--host-root", str(tmp_path / "root"), "--interval", "0.2"),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return Run.open(tmp_path / "run")


def expected_j(cards):
    """What each program's part of the cards' energy is, by what it noted of itself."""
    notes = [line for path in cards.folder.glob("process-*") for line in [path.read_text()]]
    uses = [tuple(map(int, note.split())) for note in notes]
    edges = sorted({t for *_, first, last in uses for t in (first, last)})
    found = {}
    for first, last in pairwise(edges):
        for device, watts in enumerate(WATTS):
            here = [u for u in uses if u[0] == device and u[4] <= first and last <= u[5]]
            total = sum(u[2] for u in here) or len(here)
            for u in here:
                part = (u[2] or (not any(v[2] for v in here))) / total
                name = {60: "a", 20: "b"}.get(u[2], "c")
                found[name] = found.get(name, 0.0) + watts * part * (last - first) / 1e6
    return found


def test_shares_by_utilisation_and_the_sum_of_each_card(metered, cards):
    [host] = metered.attribution.hosts
    spans = {span.node: span for span in metered.attribution.spans}
    expected = expected_j(cards)
    for name in "abc":
        assert spans[f"wf.{name}"].gpu_j == pytest.approx(expected[name], rel=0.15)
    # Half of a card for two seconds; then memory was held for one.
    assert spans["wf.c"].gpu_s == pytest.approx(1.0, rel=0.2)
    assert spans["wf.c"].gpu_held_j == pytest.approx(200.0, rel=0.25)
    assert [(d.name, d.card, d.told) for d in host.devices] == [
        ("gpu-0", "Stand-in Card", "process"),
        ("gpu-1", "Stand-in Card", "process"),
    ]
    (file,) = metered.facts.sample_files
    for device in host.devices:
        raw = [sample.readings[device.name] for sample in file.samples]
        parts = (device.nodes_j, device.engine_j, device.other_j, device.unattributed_j)
        assert device.energy_j == pytest.approx((raw[-1] - raw[0]) * 1e-3, rel=1e-9)
        assert fsum(parts) == pytest.approx(device.energy_j, rel=1e-9)
        assert abs(device.residual_j) <= 1e-9 * device.energy_j
        assert device.other_j == pytest.approx(0.0, abs=0.02 * device.energy_j)
    rows = {row.name: row for row in metered.summary("node").rows}
    assert rows["wf.a"].energy_j > rows["wf.a"].gpu_j
    assert json.loads(json.dumps(metered.summary("stage").total.gpu_j)) == pytest.approx(
        fsum(span.gpu_j for span in spans.values())
    )
