# SPDX-License-Identifier: Apache-2.0
"""Whether a process has a card open, by its open files and by what CUDA was told to show it."""

from __future__ import annotations

import os

from nicarbon.meter.processes import ProcFS
from nicarbon.meter.procstat import read_file
from nicarbon.meter.sensors.nvml_card import Card

_ENVIRONMENT_BYTES = 1 << 20


def can_hold(procfs: ProcFS, pid: int, card: Card) -> bool:
    """Tell whether a process has the device's file open, and CUDA shows it the card.

    A program opens the files of all cards that it looks at, so that what it was told to use
    counts as well.
    """
    return _has_open(procfs, pid, card) and is_visible(visible_devices(procfs, pid), card)


def _has_open(procfs: ProcFS, pid: int, card: Card) -> bool:
    folder = os.path.join(procfs.root, f"proc/{pid}/fd")
    device = f"/dev/nvidia{card.index if card.minor is None else card.minor}"
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(_target(f"{folder}/{name}") == device for name in names)


def _target(link: str) -> str | None:
    try:
        return os.readlink(link)
    except OSError:
        return None


def visible_devices(procfs: ProcFS, pid: int) -> str | None:
    """Return the ``CUDA_VISIBLE_DEVICES`` with which a process was started; None without one."""
    data = read_file(os.path.join(procfs.root, f"proc/{pid}/environ"), _ENVIRONMENT_BYTES)
    for entry in (data or b"").split(b"\0"):
        key, _, value = entry.partition(b"=")
        if key == b"CUDA_VISIBLE_DEVICES":
            return value.decode("utf-8", "replace")
    return None


def is_visible(devices: str | None, card: Card) -> bool:
    """Tell whether CUDA shows a card to a program that was told these devices.

    Parameters
    ----------
    devices : str or None
        Indices (``0,2``) or the beginnings of UUIDs (``GPU-8932f937``), of a MIG instance
        ``MIG-<GPU's UUID>/<instance>/<instance>`` or an identity that does not name its card;
        the list ends at the first that is none (``-1``). None shows all.
    card : Card
        The card. CUDA's order is the driver's where all cards are alike or
        ``CUDA_DEVICE_ORDER=PCI_BUS_ID``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> card = SimpleNamespace(index=1, uuid="GPU-8932f937-d72c", mig=False)
    >>> [is_visible(told, card) for told in (None, "0,1", "GPU-8932", "0", "-1,1", "")]
    [True, True, True, False, False, False]
    """
    if devices is None:
        return True
    for word in (part.strip() for part in devices.split(",")):
        if word.isdigit():
            if int(word) == card.index:
                return True
        elif word.startswith("GPU-"):
            if card.uuid.startswith(word):
                return True
        elif word.startswith("MIG-GPU-"):
            if word[len("MIG-") :].startswith(card.uuid):
                return True
        elif word.startswith("MIG-"):
            if card.mig:
                return True
        else:
            return False
    return False
