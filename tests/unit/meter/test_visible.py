# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest

from nicarbon.meter import visible
from nicarbon.meter.processes import ProcFS

CARD = SimpleNamespace(index=1, minor=3, uuid="GPU-8932f937-d72c-4106", mig=False)
SLICED = SimpleNamespace(index=1, minor=3, uuid="GPU-8932f937-d72c-4106", mig=True)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, True),
        ("", False),
        ("1", True),
        (" 0 , 1 ", True),
        ("0", False),
        ("3", False),  # of the device file, not of the order
        ("-1", False),
        ("0,-1,1", False),  # CUDA stops at what is none
        ("NoDevFiles", False),
        ("GPU-8932f937", True),
        ("GPU-8932f937-d72c-4106", True),
        ("GPU-77", False),
        ("GPU-77,GPU-89", True),
        ("MIG-GPU-8932f937-d72c-4106/1/0", True),
        ("MIG-GPU-77/1/0", False),
        ("MIG-3eb87630-93d5", False),
    ],
)
def test_what_cuda_was_told(told, expected):
    assert visible.is_visible(told, CARD) is expected


def test_an_instance_may_be_of_any_card_that_is_cut():
    assert visible.is_visible("MIG-3eb87630-93d5", SLICED)


def test_a_process_holds_what_it_has_open_and_was_told_to_use(host):
    procfs = ProcFS(host.path)
    host.process(7)
    assert not visible.can_hold(procfs, 7, CARD)
    (host.root / "proc/7/fd").mkdir()
    for n, target in enumerate(("/dev/null", "/dev/nvidiactl", "/dev/nvidia30")):
        (host.root / f"proc/7/fd/{n}").symlink_to(target)
    assert not visible.can_hold(procfs, 7, CARD)
    (host.root / "proc/7/fd/9").symlink_to("/dev/nvidia3")
    assert visible.can_hold(procfs, 7, CARD)
    host.write("proc/7/environ", "A=B\0CUDA_VISIBLE_DEVICES=0\0C=D\0")
    assert visible.visible_devices(procfs, 7) == "0"
    assert not visible.can_hold(procfs, 7, CARD)
    assert not visible.can_hold(procfs, 8, CARD)
