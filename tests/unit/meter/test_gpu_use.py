# SPDX-License-Identifier: Apache-2.0
"""Whose the work on a card is, with the real ``pynvml`` on a stand-in for the driver's library."""

from __future__ import annotations

import pytest

from nicarbon.meter.gpu_use import ENGINE, OTHER, GpuUse
from nicarbon.meter.node_file import Owner
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.sensors import nvml

S = 1_000_000_000
DRIVER, OWN = 7, 99


class Looks:
    """The looks at a fake host's cards, a second apart."""

    def __init__(self, host, clock, cards, monkeypatch):
        self.host, self.clock, self.cards, self.monkeypatch = host, clock, cards, monkeypatch
        self.owners = {}
        host.process(DRIVER, children="8 9")
        host.process(8, DRIVER, children="80")
        host.process(9, DRIVER)
        host.process(80, 8)
        host.process(55)
        self.use = None

    def begin(self, foreign=False):
        procfs = ProcFS(self.host.path)
        if foreign:
            self.monkeypatch.setattr(procfs, "pid_namespace", lambda: 4026532000)
        sensor = nvml.Nvml(self.host.path, self.clock.monotonic_ns)
        for card in sensor.cards:
            self.monkeypatch.setattr(card, "_unix_ns", self.clock.unix_ns)
        self.use = GpuUse(sensor.cards, procfs, DRIVER, OWN, self.clock.monotonic_ns)

    def look(self, seconds=1.0):
        self.clock.now_ns += round(seconds * S)
        self.cards.now(self.clock.unix_ns() // 1000)
        self.use.look(lambda first, last: self.owners)

    def take(self, name="gpu-0"):
        found = self.use.take()[name]
        return found["sm_s"], found["held_s"], found.get("told", "process")


@pytest.fixture
def looks(host, clock, cards, monkeypatch):
    return Looks(host, clock, cards, monkeypatch)


def alone(span):
    return Owner(((span, 1.0),))


def near(**values):
    return {who: pytest.approx(value, abs=1e-6) for who, value in values.items()}


def test_a_process_belongs_to_the_node_above_it(looks):
    looks.cards.add(0)
    looks.cards.add(1)
    looks.cards.process(80, 0, sm=60, memory=3 << 30)  # a child of the node's process
    looks.cards.process(9, 0, sm=20, memory=1 << 30)
    looks.cards.process(55, 1, sm=30, memory=1 << 30)  # a stranger
    looks.cards.process(DRIVER, 1, sm=10, memory=1 << 30)
    looks.owners = {8: alone("a"), 9: alone("b")}
    looks.begin()
    looks.look()
    found = looks.use.take()
    assert found["gpu-0"]["sm_s"] == near(a=0.6, b=0.2)
    assert found["gpu-0"]["held_s"] == near(a=0.75, b=0.25)
    assert found["gpu-1"]["sm_s"] == near(other=0.3, engine=0.1)
    assert found["gpu-1"]["held_s"] == near(other=0.5, engine=0.5)
    assert "told" not in found["gpu-0"]
    assert looks.use.in_use


def test_looks_add_up_to_what_a_sample_says(looks):
    looks.cards.add()
    looks.cards.process(8, sm=50)
    looks.owners = {8: alone("a")}
    looks.begin()
    for _ in range(3):
        looks.look()
    assert looks.take() == (near(a=1.5), near(a=3.0), "process")
    assert looks.take() == ({}, {}, "process")


def test_what_a_worker_computed_is_the_nodes_that_ran_and_what_it_held_is_timed(looks):
    looks.cards.add()
    looks.cards.process(8, sm=50)
    looks.owners = {8: Owner((("a", 0.25), ("b", 0.25)))}  # then it waits for another node
    looks.begin()
    looks.look()  # it was not there before: all of it is theirs
    assert looks.take() == (near(a=0.25, b=0.25), near(a=0.5, b=0.5), "process")
    looks.look()
    assert looks.take() == (near(a=0.25, b=0.25), near(a=0.25, b=0.25, engine=0.5), "process")
    looks.owners = {8: Owner()}
    looks.look()
    assert looks.take() == ({ENGINE: 0.5}, {ENGINE: 1.0}, "process")
    assert not looks.use.in_use


def test_a_process_that_ended_is_remembered(looks):
    looks.cards.add()
    looks.cards.process(80, sm=50)
    looks.owners = {8: alone("a")}
    looks.begin()
    looks.look()
    looks.host.end_process(80)
    looks.host.end_process(8)
    looks.look()
    assert looks.take()[0] == near(a=1.0)
    looks.owners = {}
    looks.look()
    looks.look()
    assert looks.take()[0] == {OTHER: 1.0}  # its number is somebody else's by now


def test_what_another_sampler_answers_for_is_left_to_it(looks):
    looks.cards.add()
    looks.cards.process(8, sm=50)
    looks.owners = {8: None}
    looks.begin()
    looks.look()
    assert looks.take() == ({OTHER: 0.5}, {OTHER: 1.0}, "process")


def test_nodes_side_by_side_in_one_process_share_alike_and_that_is_said(looks):
    looks.cards.add()
    looks.cards.process(8, sm=50)
    looks.owners = {8: Owner((("a", 0.5), ("b", 0.5)), is_told_apart=False)}
    looks.begin()
    looks.look()
    assert looks.take() == (near(a=0.25, b=0.25), near(a=0.5, b=0.5), "candidates")


def test_where_memory_is_not_told_holders_share_alike(looks):
    looks.cards.add()
    looks.cards.process(8, memory=-1)
    looks.cards.process(9, memory=5)
    looks.owners = {8: alone("a"), 9: alone("b")}
    looks.begin()
    looks.look()
    assert looks.take() == ({}, near(a=0.5, b=0.5), "process")


def test_a_card_that_tells_only_how_busy_it_is(looks):
    looks.cards.add(sm=None, utilisation=40)
    looks.cards.process(8, memory=3)
    looks.cards.process(9, memory=1)
    looks.owners = {8: alone("a"), 9: alone("b")}
    looks.begin()
    looks.look()
    assert looks.take() == (near(a=0.3, b=0.1), near(a=0.75, b=0.25), "holders")


def test_a_card_that_tells_nothing_is_taken_as_computing_for_those_who_hold_it(looks):
    looks.cards.add(sm=None, utilisation=None, mig=1)
    looks.begin()
    looks.look()
    assert looks.take() == ({}, {}, "process")  # nobody holds it: nothing to be unsure of
    looks.cards.process(8, memory=3)
    looks.owners = {8: alone("a")}
    looks.look()
    assert looks.take() == (near(a=1.0), near(a=1.0), "unknown")


def test_a_card_that_vanished_is_used_by_nobody(looks):
    looks.cards.add()
    looks.cards.process(8, sm=50)
    looks.owners = {8: alone("a")}
    looks.begin()
    looks.cards.change(error=15)
    looks.look()
    assert looks.take()[:2] == ({}, {})


class TestForeignNumbers:
    """In a container the driver may tell the numbers that processes have outside it."""

    @pytest.fixture(autouse=True)
    def _container(self, looks):
        looks.cards.add()
        looks.owners = {8: alone("a"), 9: alone("b")}
        looks.begin(foreign=True)

    def has_open(self, looks, pid, n=0, devices=None):
        folder = looks.host.root / f"proc/{pid}/fd"
        folder.mkdir(exist_ok=True)
        (folder / "5").symlink_to(f"/dev/nvidia{n}")
        if devices is not None:
            looks.host.write(f"proc/{pid}/environ", f"CUDA_VISIBLE_DEVICES={devices}\0")

    def test_the_one_node_that_can_hold_the_card_has_it(self, looks):
        looks.cards.process(64540, sm=40)
        self.has_open(looks, 80)
        looks.look()
        assert looks.take() == (near(a=0.4), near(a=1.0), "candidate")

    def test_several_share_alike_and_that_is_said(self, looks):
        looks.cards.process(64540, sm=40)
        self.has_open(looks, 80)
        self.has_open(looks, 9)
        looks.look()
        assert looks.take() == (near(a=0.2, b=0.2), near(a=0.5, b=0.5), "candidates")

    @pytest.mark.parametrize("devices", ["1", "GPU-77", "-1"])
    def test_who_was_told_to_use_another_card_is_none_of_them(self, looks, devices):
        looks.cards.process(64540, sm=40)
        self.has_open(looks, 80, devices="GPU-00000000")
        self.has_open(looks, 9, devices=devices)
        looks.look()
        assert looks.take() == (near(a=0.4), near(a=1.0), "candidate")

    def test_a_number_that_is_somebody_elses_here_is_not_taken_for_his(self, looks):
        looks.cards.process(9, sm=40)  # here 9 is a node that never opened the card
        self.has_open(looks, 8)
        looks.look()
        assert looks.take() == (near(a=0.4), near(a=1.0), "candidate")

    def test_a_driver_that_tells_the_containers_numbers_is_believed(self, looks):
        looks.cards.process(9, sm=40)
        self.has_open(looks, 8)
        self.has_open(looks, 9)
        looks.look()
        assert looks.take() == (near(b=0.4), near(b=1.0), "process")

    def test_nobody_here_can_hold_it(self, looks):
        looks.cards.process(64540, sm=40)
        looks.look()
        assert looks.take() == ({OTHER: 0.4}, {OTHER: 1.0}, "process")

    def test_a_driver_that_shows_no_process_at_all(self, looks):
        self.has_open(looks, 80)
        looks.look()
        assert looks.take() == ({}, near(a=1.0), "candidate")
