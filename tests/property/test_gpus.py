# SPDX-License-Identifier: Apache-2.0
"""GPUs of a simulated host, whose joules are known, by the real sampler and ``pynvml``.

Between both stands the stand-in for the driver's library, which answers what simulated cards do.
"""

from __future__ import annotations

import functools
import random

import nvml_stand_in
import pytest

from nicarbon.attribution import attribute
from nicarbon.reader import read_run
from nicarbon.testing import SimulatedHost, SimulatedRun

N_GPUS = 2
WATTS = 200.0


class Driver:
    """Lets the stand-in answer what a simulated host's cards do at this moment."""

    def __init__(self, host: SimulatedHost, cards: nvml_stand_in.Cards) -> None:
        self._host, self._cards = host, cards
        self._now = {}
        self._n = 0
        for index in range(N_GPUS):
            cards.add(index, limit_mw=900_000)
        for name in ("load", "end", "show"):
            setattr(host, name, self._followed(getattr(host, name)))

    def _followed(self, method):
        @functools.wraps(method)
        def run(*args, **kwargs):
            result = method(*args, **kwargs)
            self._tell()
            return result

        return run

    def _tell(self):
        now_us = self._host.clock.unix_ns() // 1000
        self._cards.now(now_us)
        for index in range(N_GPUS):
            energy_mj = round(self._host.energy_j(f"gpu-{index}") * 1000)
            self._cards.change(index, energy_mj=energy_mj)
        does = {
            pid: (program.gpu, program.gpu_busy)
            for pid, program in self._host.programs.items()
            if program.gpu is not None
        }
        for pid in {*self._now, *does}:
            before = self._now.get(pid)
            if before is not None and before[0] != does.get(pid):
                (gpu, busy), since_us, name = before
                self._write(name, pid, gpu, busy, since_us, now_us)
                del self._now[pid]
            if pid in does and pid not in self._now:
                self._n += 1
                self._now[pid] = does[pid], now_us, f"process-{self._n}"
                self._write(f"process-{self._n}", pid, *does[pid], now_us, 2**62)

    def _write(self, name, pid, gpu, busy, first_us, last_us):
        line = f"{gpu} {pid} {round(busy * 100)} {1 << 30} {first_us} {last_us}\n"
        (self._cards.folder / name).write_text(line)


def simulate(tmp_path, seed):
    """Run nodes that compute, hold and let go of cards, beside a stranger; return facts, truth."""
    draw = random.Random(seed)
    host = SimulatedHost(tmp_path / "root", n_gpus=N_GPUS, gpu_idle_w=50.0)
    (tmp_path / "root/proc/driver/nvidia").mkdir(parents=True)
    cards = nvml_stand_in.Cards(tmp_path / "cards")
    Driver(host, cards)
    run = SimulatedRun(host, tmp_path / "run")
    for card in run.sampler.sensors[1].cards:
        card._unix_ns = host.clock.unix_ns
    stranger = host.spawn("stranger", owner="stranger")
    host.load(stranger, 0.1, gpu=0, gpu_busy=0.1, gpu_watts=WATTS)
    host.advance(5.0)
    spans = {}
    for n in range(6):
        pid = run.worker()
        span = run.begin(pid, f"wf.n{n}", cpus=0.5)
        spans[span] = pid
    for _ in range(12):
        for span, pid in spans.items():
            gpu = draw.choice([0, 1])
            busy = draw.choice([0.0, 0.0, 0.3, 0.6])
            host.load(pid, 0.5, owner=span, gpu=gpu, gpu_busy=busy, gpu_watts=WATTS)
        host.advance(draw.uniform(8.0, 25.0))
    for span, pid in spans.items():
        host.load(pid, 0.5, owner=span)
        run.end(span)
    host.end(stranger)
    host.advance(20.0)
    run.stop()
    return read_run(tmp_path / "run"), host


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nodes_get_what_they_used_and_the_sum_of_each_card_is_kept(
    nvml_library, tmp_path, monkeypatch, seed
):
    monkeypatch.setenv("NVML_STAND_IN", str(tmp_path / "cards"))
    facts, host = simulate(tmp_path, seed)
    result = attribute(facts)
    [found] = result.hosts
    assert [d.name for d in found.devices] == ["gpu-0", "gpu-1"]
    for device in found.devices:
        parts = (device.nodes_j, device.engine_j, device.other_j, device.unattributed_j)
        assert sum(parts) == pytest.approx(device.energy_j, rel=1e-9)
        assert device.energy_j == pytest.approx(host.energy_j(device.name), rel=1e-3)
        assert device.told == "process"
    truth = {span.span: host.truth[span.span] for span in result.spans}
    true_j = {span: found.gpu_j + found.gpu_idle_j for span, found in truth.items()}
    # Within 1.3 % in 20 draws: what begins or ends between two samples is not told to the moment.
    for span in result.spans:
        assert span.gpu_j == pytest.approx(true_j[span.span], rel=0.03)
    nodes_j = sum(device.nodes_j for device in found.devices)
    assert nodes_j == pytest.approx(sum(true_j.values()), rel=0.02)
    others = sum(device.other_j for device in found.devices)
    stranger = host.truth["stranger"]
    assert others == pytest.approx(stranger.gpu_j + stranger.gpu_idle_j, rel=0.03)
    idle = sum(device.unattributed_j for device in found.devices)
    assert idle == pytest.approx(host.unheld_gpu_j, rel=0.03)
