# SPDX-License-Identifier: Apache-2.0
"""What only a real NVIDIA card can show; skipped where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nicarbon.meter.sensors import nvml

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gpu_load.py"


@pytest.fixture
def sensor():
    if not nvml.is_present():
        pytest.skip("no NVIDIA device here")
    found = nvml.Nvml()
    if not found.status().works:
        pytest.skip(found.status().reason)
    yield found
    found.close()


def test_its_counter_goes_as_its_power_does(sensor):
    before, began_s = sensor.read(), time.monotonic()
    time.sleep(2.0)
    after, took_s = sensor.read(), time.monotonic() - began_s
    for domain in sensor.domains:
        power_w = (after[domain["name"]] - before[domain["name"]]) * domain["unit_j"] / took_s
        assert 1.0 < power_w < domain["max_power_w"]
        assert domain["card"]
        assert domain["device"]


def test_a_look_at_all_cards_is_cheap(sensor):
    def once():
        began_s = time.thread_time()
        sensor.read()
        for card in sensor.cards:
            card.holders()
            card.computed()
        return time.thread_time() - began_s

    once()
    # At one look a second, of a core for each card.
    assert sorted(once() for _ in range(9))[4] < 0.005 * len(sensor.cards)


def test_known_loads_get_what_they_used(sensor, tmp_path):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--out", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[1:])},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "within 15%: yes" in done.stdout
