# SPDX-License-Identifier: Apache-2.0
"""The real ``pynvml`` on a stand-in for the driver's library."""

from __future__ import annotations

import subprocess
import sys
import time

import msgspec
import pytest

from nicarbon import records
from nicarbon.meter import sensors
from nicarbon.meter.sensors import nvml

GPU_IS_LOST, UNKNOWN_ERROR, DRIVER_NOT_LOADED, MISMATCH = 15, 999, 9, 18


def opened(host, clock):
    return nvml.Nvml(host.path, clock.monotonic_ns)


def test_without_a_device_nothing_is_loaded_and_no_time_is_lost():
    code = (
        "import sys, time\n"
        "from nicarbon.meter.sensors import nvml\n"
        "times = []\n"
        "for _ in range(20):\n"
        "    began = time.perf_counter()\n"
        "    sensor = nvml.Nvml('/nonexistent')\n"
        "    times.append(time.perf_counter() - began)\n"
        "assert not sensor.status().works and not sensor.note and sensor.read() == {}\n"
        "assert 'pynvml' not in sys.modules and 'ctypes' not in sys.modules\n"
        "print(min(times))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.001


def test_a_device_or_its_driver_is_seen_in_the_kernels_files(host):
    assert not nvml.is_present(host.path)
    host.write("dev/nvidiactl", "")
    assert not nvml.is_present(host.path)
    host.write("dev/nvidia7", "")
    assert nvml.is_present(host.path)


def test_every_card_is_a_domain_with_its_name_and_its_counter(host, clock, cards):
    cards.add(0, energy_mj=2**40, name="Card A", uuid="GPU-a")
    cards.add(1, energy_mj=5, name="Card B", uuid="GPU-b", minor=4)
    sensor = opened(host, clock)
    assert sensor.status() == sensors.Status(True)
    assert sensor.read() == {"gpu-0": 2**40, "gpu-4": 5}
    found = [msgspec.convert(domain, records.Domain) for domain in sensor.domains]
    assert [(d.name, d.card, d.device) for d in found] == [
        ("gpu-0", "Card A", "GPU-a"),
        ("gpu-4", "Card B", "GPU-b"),
    ]
    assert {(d.kind, d.account, d.unit_j, d.range, d.bounds) for d in found} == {
        ("gpu", True, 1e-3, None, None)
    }
    assert found[0].max_power_w == pytest.approx(450.0)
    sensor.close()
    assert sensor.read() == {}


def test_cards_that_do_not_tell_their_device_file_go_by_their_order(host, clock, cards):
    cards.add(0, minor=1)
    cards.add(1, minor=None)
    assert [d["name"] for d in opened(host, clock).domains] == ["gpu-0", "gpu-1"]


@pytest.mark.parametrize("code", [GPU_IS_LOST, UNKNOWN_ERROR])
def test_a_card_that_vanishes_has_no_reading_and_no_error(host, clock, cards, code):
    cards.add(0)
    cards.add(1, energy_mj=7)
    sensor = opened(host, clock)
    cards.change(0, error=code)
    assert sensor.read() == {"gpu-0": None, "gpu-1": 7}
    card = sensor.cards[0]
    assert (card.computed(), card.computing(), card.holders()) == (None, None, None)
    cards.change(0, error=None)
    assert sensor.read()["gpu-0"] == 1000


def test_a_card_without_a_counter_has_its_power_integrated_with_what_that_leaves_open(
    host, clock, cards
):
    cards.add(energy_mj=None, power_mw=100_000)
    sensor = opened(host, clock)
    assert sensor.domains[0]["bounds"] == ["gpu-0 low", "gpu-0 high"]
    assert "gpu-0: no energy counter on this card" in sensor.note
    assert sensor.read() == {"gpu-0": 0, "gpu-0 low": 0, "gpu-0 high": 0}
    clock.now_ns += 1_000_000_000
    cards.change(power_mw=200_000)
    assert sensor.read() == {"gpu-0": 150_000, "gpu-0 low": 100_000, "gpu-0 high": 200_000}
    cards.change(power_mw=None)
    assert set(sensor.read().values()) == {None}


def test_what_the_driver_noted_between_two_readings_is_integrated(host, clock, cards, monkeypatch):
    now_us = time.time_ns() // 1000
    cards.add(energy_mj=None, power_mw=100_000)
    sensor = opened(host, clock)
    (card,) = sensor.cards
    monkeypatch.setattr(card, "_unix_ns", lambda: now_us * 1000)
    sensor.read()
    noted = [(now_us + k * 100_000, 280_000 if 3 <= k <= 6 else 100_000) for k in range(1, 10)]
    (cards.folder / "power-0").write_text("".join(f"{t} {mw}\n" for t, mw in noted))
    clock.now_ns += 1_000_000_000
    now_us += 1_000_000
    cards.now(now_us)
    energy_mj = sensor.read()["gpu-0"]
    # 100 W for a second, and 180 W more for 0.3 s and two slopes of 0.1 s.
    assert energy_mj == pytest.approx(100_000 + 180 * 400, abs=2)
    assert sensor.read()["gpu-0"] == energy_mj  # and nothing twice


def test_mig_is_said(host, clock, cards):
    cards.add(mig=1, sm=None, utilisation=None)
    assert "gpu-0: in MIG mode" in opened(host, clock).status().reason


@pytest.mark.parametrize("code", [DRIVER_NOT_LOADED, MISMATCH])
def test_a_library_that_refuses_is_said_and_nothing_is_counted(host, clock, cards, code):
    cards.add()
    (cards.folder / "init_error").write_text(str(code))
    sensor = opened(host, clock)
    assert (sensor.status().works, sensor.domains) == (False, [])
    assert sensor.note.startswith("GPU energy is missing: the driver's library says ")


def test_a_card_that_refuses_does_not_take_the_others_along(host, clock, cards):
    cards.add(0, handle_error=GPU_IS_LOST)
    cards.add(1)
    sensor = opened(host, clock)
    assert list(sensor.read()) == ["gpu-1"]
    assert "GPU energy is missing of device 0" in sensor.note


def test_without_nvidia_ml_py_it_says_what_is_missing(host, clock, cards, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    status = opened(host, clock).status()
    assert not status.works
    assert "no nvidia-ml-py" in status.reason
    assert status.commands == ("pip install 'nicarbon[nvidia]'",)


def test_it_joins_whatever_counts_the_processors(host, clock, cards):
    cards.add()
    assert [s.name for s in sensors.discover(host.path)] == ["nvml", "virtual"]
    host.zone("intel-rapl:0", "package-0")
    assert [s.name for s in sensors.discover(host.path)] == ["rapl", "nvml"]


def test_a_card_that_cannot_be_counted_leaves_a_note(host, clock, cards):
    (cards.folder / "init_error").write_text(str(MISMATCH))
    (sensor,) = [s for s in sensors.discover(host.path) if s.name == "nvml"]
    assert sensors.describe(sensor)["domains"] == []
    assert "GPU energy is missing" in sensors.describe(sensor)["note"]
